# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv and install what they need, once.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help demo demo-llm test test-all interop interop-models interop-sdks gpu-check bench bench-install bench-attribution bench-calls bench-inprocess bench-html browser chromium screenshots lint clean

help:
	@echo "make demo      run the example suite with --aifootprint"
	@echo "make demo-llm  the same with a real LLM served on this machine (downloads 355 MB)"
	@echo "make test      lint, types, import contract and all everyday tests"
	@echo "make interop   the tests against the large libraries (torch, a real LLM)"
	@echo "make interop-models  the tests against frameworks and real models that run in the process (3 GB)"
	@echo "make interop-sdks  the tests against the SDKs of all providers, each in its current version"
	@echo "make gpu-check the tests on a real NVIDIA card (see docs/explanation/gpu-accuracy.md)"
	@echo "make browser   of these, the HTML report in the system's Chromium, which is installed if it can be"
	@echo "make screenshots  the pictures in docs/images, of a real run"
	@echo "make bench-html  writing, opening, sorting and filtering the HTML report of 10,000 tests"
	@echo "make bench-attribution  known-truth suites against this plugin and its peers (20 minutes)"
	@echo "make bench     what watching costs, beside all peers (25 minutes); writes docs/explanation/performance.md"
	@echo "make bench-calls  CPU of watching one HTTP call, beside OpenTelemetry's instrumentation"
	@echo "make bench-gpu-sampler  CPU of looking at NVIDIA cards, without their driver's"
	@echo "make bench-inprocess  CPU of watching models that run in the process, beside not watching"
	@echo "make test-all  make test on every Python from 3.10 to 3.13 that is installed, and make interop"

# A Python without ensurepip (Debian's, without python3-venv) still has pip: virtualenv does the same then.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) 2>/dev/null \
	  || { rm -rf $(VENV); $(PYTHON) -m pip install --quiet --target $(VENV)-tool virtualenv \
	       && PYTHONPATH=$(VENV)-tool $(PYTHON) -m virtualenv --quiet $(VENV); }

$(VENV)/.installed-%: pyproject.toml | $(BIN)/python
	$(PIP) -e ".[$*]"
	@touch $@

demo: $(VENV)/.installed-demo
	cd docs/examples && "$(abspath $(BIN))/python" -m pytest --aifootprint

demo-llm: $(VENV)/.installed-demo-llm
	cd docs/examples/llm && "$(abspath $(BIN))/python" -m pytest --aifootprint

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# What measures whose CPU it was is run alone, and what drives a browser by itself: playwright's event loop runs in the
# thread of the tests. All else two at a time.
ALONE := tests/unit/attribution $(wildcard tests/integration/test_attribution_*.py) tests/integration/test_same_time.py
# First, compiled files are written, also where they are not wanted else: pytest rewrites each module of a plugin for its
# asserts, and without them every process that the tests start does so again, a second of CPU each. Not while tests run:
# some write the same file twice within a second.
test: lint chromium strace
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest --collect-only -qq tests/unit tests/integration >/dev/null || true
	$(BIN)/python -m pytest -n 2 tests/unit tests/integration $(ALONE:%=--ignore %)
	$(BIN)/python -m pytest $(ALONE)
	$(BIN)/python -m pytest tests/browser

# The browser is the system's: where there is none and root runs this on Debian, its package; elsewhere the tests of the
# HTML page are skipped and say so.
CHROMIUMS := chromium chromium-browser google-chrome google-chrome-stable chrome
chromium:
	@for name in $(CHROMIUMS); do command -v $$name >/dev/null && exit 0; done; \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && export DEBIAN_FRONTEND=noninteractive \
	    && timeout 600 sh -c "apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium" >/dev/null \
	  || echo "no Chromium, and none could be installed: the tests of the HTML page will be skipped"

# What counts a run's system calls for tests/integration/test_overhead_guard.py, in the same way.
.PHONY: strace
strace:
	@command -v strace >/dev/null && exit 0; \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && export DEBIAN_FRONTEND=noninteractive \
	    && timeout 600 sh -c "apt-get -qq update && apt-get -qq install -y --no-install-recommends strace" >/dev/null \
	  || echo "no strace, and none could be installed: the test of what the kernel is asked will be skipped"

browser: $(VENV)/.installed-dev chromium
	$(BIN)/python -m pytest tests/browser

screenshots: $(VENV)/.installed-dev chromium
	$(BIN)/python tests/browser/screenshots.py

bench-html: $(VENV)/.installed-dev chromium
	$(BIN)/python tests/benchmarks/html_page.py

interop: $(VENV)/.installed-interop
	$(BIN)/python -m pytest tests/interop --ignore tests/interop/sdks --ignore tests/interop/models

interop-models:
	@$(MAKE) --no-print-directory VENV=.venv-models .venv-models/.installed-interop-models
	.venv-models/bin/python -m pytest tests/interop/models

# The SDKs want many libraries in their newest versions: an environment of their own. Some frameworks want openai 2: one
# more.
OPENAI2 := tests/interop/sdks/openai2
interop-sdks:
	@$(MAKE) --no-print-directory VENV=.venv-sdks .venv-sdks/.installed-interop-sdks
	AIFOOTPRINT_ALL_SDKS=1 .venv-sdks/bin/python -m pytest tests/interop/sdks --ignore $(OPENAI2)
	@$(MAKE) --no-print-directory VENV=.venv-openai2 .venv-openai2/.installed-interop-openai2
	AIFOOTPRINT_ALL_SDKS=1 .venv-openai2/bin/python -m pytest $(OPENAI2)

# A machine with a card often has no network. GPU_PYTHON is a Python there that has torch; what else it lacks comes as
# wheels, this package's own among them: make gpu-check GPU_PYTHON=python3 WHEELS=folder
GPU_PYTHON ?= $(PYTHON)
GPU_SITE   := $(CURDIR)/.gpu-site
WHEELS     ?=
gpu-check:
	$(if $(WHEELS),$(GPU_PYTHON) -m pip install --quiet --no-index --no-deps --upgrade --target $(GPU_SITE) $(WHEELS)/*.whl)
	PYTHONPATH=$(GPU_SITE):$$PYTHONPATH $(GPU_PYTHON) -m pytest -c tests/gpu/pytest.ini tests/gpu

bench-attribution: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/attribution.py --write docs/explanation/attribution-accuracy.md

.PHONY: bench-gpu-sampler
bench-gpu-sampler: $(VENV)/.installed-dev
	$(BIN)/python tests/benchmarks/gpu_sampler.py

# Environments of the peers: .venv-bench-NAME. The first time they are installed, which takes some minutes more. QUICK=1 is
# one round without long suites, and leaves the page as it is.
QUICK ?=
bench: $(VENV)-bench/.installed
	PYTHONPATH=tests/benchmarks $(VENV)-bench/bin/python -m overhead $(if $(QUICK),--quick,--write)

bench-install: $(VENV)-bench/.installed
	PYTHONPATH=tests/benchmarks $(VENV)-bench/bin/python -m overhead --install

bench-calls: $(VENV)-bench/.installed
	$(VENV)-bench/bin/python tests/benchmarks/calls.py --write

bench-inprocess:
	@$(MAKE) --no-print-directory VENV=.venv-models .venv-models/.installed-interop-models
	.venv-models/bin/python tests/benchmarks/inprocess.py --write

$(VENV)-bench/.installed: pyproject.toml
	$(MAKE) --no-print-directory VENV=$(VENV)-bench $(VENV)-bench/.installed-bench
	@touch $@

PYTHONS := $(foreach v,3.10 3.11 3.12 3.13,$(shell command -v python$(v) 2>/dev/null))
test-all: test interop interop-models
	@for python in $(PYTHONS); do \
	  echo "== $$python"; \
	  $(MAKE) --no-print-directory test PYTHON=$$python VENV=.venv-$$(basename $$python) || exit 1; \
	done

clean:
	rm -rf .venv .venv-* .gpu-site build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

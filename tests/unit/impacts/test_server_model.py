"""Generation: ecologits' own figures, without its side effects."""

import logging
import math
import subprocess
import sys

import pytest

from pytest_aifootprint.catalogue import default_catalogue, llm_sizes
from pytest_aifootprint.impacts.models import ModelIndex
from pytest_aifootprint.impacts.remote import ServedModel, Tokens, server_model
from pytest_aifootprint.quantities.units import J_PER_KWH

EXACT = (1.0, 1.0, 1.0)


def exactly(count: float) -> tuple[float, float, float]:
    return count, count, count


@pytest.mark.parametrize("provider", ["openai", "anthropic", "mistralai", "google_genai", "cohere", "huggingface_hub"])
@pytest.mark.parametrize("tokens", [1, 350, 20_000])
def test_generation_is_the_mean_of_what_ecologits_gives(provider: str, tokens: int) -> None:
    from ecologits.impacts.llm import compute_llm_impacts
    from ecologits.utils.range_value import RangeValue

    def mean(value: object) -> float:
        return value.mean if isinstance(value, RangeValue) else float(value)  # type: ignore[arg-type]

    catalogue = default_catalogue()
    index = ModelIndex(catalogue, {})
    sizes = [s for (p, _), s in llm_sizes().items() if p == provider][:8]
    for size in sizes:
        theirs = compute_llm_impacts(
            RangeValue(min=size.active_b[0], max=size.active_b[1]),
            RangeValue(min=size.total_b[0], max=size.total_b[1]),
            tokens,
            0.0,
            0.0,
            0.0,
            0.0,
            1.0,
            0.0,
            request_latency=math.inf,
            tps=size.tps,
            ttft=size.ttft,
        )
        served = ServedModel(index.find((size.name,), "chat", provider), "chat", catalogue)
        ours = served.serve(Tokens(exactly(0), 0, exactly(tokens)))

        assert ours.it_energy_j.central == pytest.approx(mean(theirs.energy.value) * J_PER_KWH, rel=1e-9)
        assert ours.hardware_g.central == pytest.approx(mean(theirs.embodied.gwp.value) * 1000, rel=1e-9)


def test_a_measured_latency_has_no_say() -> None:
    quick, slow = server_model(10, 10, tps=100.0), server_model(10, 10, tps=10.0)

    assert slow.per_token_j > quick.per_token_j > 0
    assert quick.energy_j(1000) == pytest.approx(1000 * quick.per_token_j + quick.fixed_j)


@pytest.mark.parametrize(
    ("name", "kind", "spread"), [("gpt-4o", "closed", 4.5), ("meta-llama/Meta-Llama-3.1-8B", "open", 3.1)]
)
def test_the_spread_is_the_methods_not_ecologits_own(name: str, kind: str, spread: float) -> None:
    catalogue = default_catalogue()
    model = ModelIndex(catalogue, {}).find((name,), "chat", None)
    energy = ServedModel(model, "chat", catalogue).serve(Tokens(exactly(0), 0, exactly(500))).it_energy_j

    assert model.kind == kind
    assert energy.high / energy.central == pytest.approx(spread)
    assert energy.central / energy.low == pytest.approx(spread)


def test_importing_ecologits_leaves_the_users_loggers_alone() -> None:
    code = (
        "import logging, sys\n"
        "from pytest_aifootprint.impacts.remote import load_ecologits\n"
        "assert 'ecologits' not in sys.modules\n"
        "load_ecologits()\n"
        "assert 'ecologits' in sys.modules\n"
        "assert logging.getLoggerClass() is logging.Logger\n"
        "assert type(logging.getLogger('mine')) is logging.Logger\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_this_process_keeps_its_logger_class() -> None:
    assert logging.getLoggerClass().__name__ != "EcoLogitsLogger" or "ecologits" in sys.modules

"""A machine in a data centre whose PUE and WUE are declared: each is applied once, whatever metered the machine."""

import json
from typing import Any

import pytest

HOUR_NS = 3_600_000_000_000
G_PER_J = 100 / 3.6e6
COUNTER = {"domains": {"cpu": [[0, 0.0], [HOUR_NS, 360_000.0]]}, "busy_s": [[0, 0], [HOUR_NS, 7200]]}


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        """
        import time

        def test_one(aifootprint):
            end = time.process_time() + 0.3
            while time.process_time() < end:
                pass
            aifootprint.record_call(model="llama-3.1-8b", locality="local", input_tokens=10, output_tokens=10)
        """
    )
    return pytester


@pytest.fixture
def counter(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    path = pytester.path / "recording.json"
    path.write_text(json.dumps(COUNTER))
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_RECORDED_METER", str(path))


def run(suite: pytest.Pytester, *declared: str) -> dict[str, Any]:
    suite.makepyprojecttoml("\n".join(["[tool.aifootprint.hardware]", 'machine = "vm"', *declared]))
    path = suite.path / "report.json"
    result = suite.runpytest(
        "--aifootprint", "--aifootprint-grid=100 g/kWh", f"--aifootprint-report=json:{path}", "-p", "no:asyncio"
    )
    result.assert_outcomes(passed=1)
    report: dict[str, Any] = json.loads(path.read_text())
    return report


def per_joule(report: dict[str, Any]) -> tuple[float, float, float]:
    """Grams of use, litres at the site and at the power plants, per metered joule."""
    (test,) = report["tests"]
    joules = test["energy_j"]["cpu"]["central"]
    assert joules > 0.1
    water = report["totals"]["water_l"]
    grams, site_l, source_l = (part["central"] for part in (test["carbon_g"]["use"], water["site"], water["source"]))
    return grams / joules, site_l / joules, source_l / joules


@pytest.mark.usefixtures("counter")
def test_what_a_counter_metered_gets_the_declared_pue(suite: pytest.Pytester) -> None:
    _, _, source = per_joule(run(suite))
    report = run(suite, "pue = 1.5", "wue_l_per_kwh = 2")

    grams, site_l, source_l = per_joule(report)
    assert grams == pytest.approx(1.5 * G_PER_J)
    # Of the machine's own energy; the power plants' water is that of all of it.
    assert site_l == pytest.approx(2 / 3.6e6)
    assert source_l == pytest.approx(1.5 * source)
    (meter,) = (m for m in report["run"]["meters"] if m["domain"] == "cpu")
    assert meter["reason"].endswith("; carbon and water x PUE 1.5, declared")


@pytest.mark.usefixtures("counter")
def test_what_a_counter_metered_stays_at_the_component_if_nothing_is_declared(suite: pytest.Pytester) -> None:
    grams, site_l, _ = per_joule(run(suite))

    assert grams == pytest.approx(G_PER_J)
    assert site_l == 0


@pytest.mark.usefixtures("counter")
def test_the_rows_of_models_have_it_too(suite: pytest.Pytester) -> None:
    suite.makepyfile(
        """
        from sklearn.ensemble import RandomForestClassifier

        ROWS = [[n % 7, n % 3] for n in range(300)]

        def test_one():
            model = RandomForestClassifier(20, random_state=0).fit(ROWS, [a % 2 for a, _ in ROWS])
            assert len(model.predict(ROWS)) == 300
        """
    )
    (model,) = run(suite, "pue = 1.5")["models"]

    assert model["carbon_g"]["use"]["central"] == pytest.approx(1.5 * G_PER_J * model["energy_j"]["central"])
    trained = model["trained_here"]
    grams, joules = trained["carbon_g"]["central"], trained["energy_j"]["central"]
    assert grams == pytest.approx(1.5 * G_PER_J * joules)
    assert joules > 0.01
    assert trained["carbon_g_per_inference"]["central"] == pytest.approx(grams)


@pytest.mark.parametrize(("declared", "pue"), [((), 1.15), (("pue = 1.5",), 1.5)])
def test_the_load_models_joules_have_their_pue_inside_and_get_no_other(
    suite: pytest.Pytester, declared: tuple[str, ...], pue: float
) -> None:
    report = run(suite, *declared, "wue_l_per_kwh = [1, 2, 4]")

    grams, site_l, _ = per_joule(report)
    assert grams == pytest.approx(G_PER_J)
    assert site_l == pytest.approx(2 / 3.6e6 / pue)
    (meter,) = (m for m in report["run"]["meters"] if m["domain"] == "cpu")
    assert f"; PUE {pue:g}" in meter["reason"]
    assert "declared" not in meter["reason"].rpartition("PUE")[2]
    site = report["totals"]["water_l"]["site"]
    assert site["high"] / site["central"] >= 2


@pytest.mark.parametrize("bad", ["wue_l_per_kwh = 0", "wue_l_per_kwh = [3, 2, 1]", 'wue_l_per_kwh = "2"', "pue = 0.9"])
def test_a_data_centre_that_cannot_be_is_one_line(suite: pytest.Pytester, bad: str) -> None:
    suite.makepyprojecttoml(f"[tool.aifootprint.hardware]\n{bad}\n")
    result = suite.runpytest("--aifootprint")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *tool.aifootprint.hardware*pyproject.toml*is not valid*"])

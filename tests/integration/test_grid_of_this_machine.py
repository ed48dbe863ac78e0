"""The grid of this machine, as it is named on the command line: a cloud's region, or Electricity Maps in this hour."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from runpy import run_path
from typing import Any

import jsonschema
import pytest

from pytest_aifootprint.records.schema import report_schema

SCRIPT = Path(__file__).parents[1] / "unit" / "catalogue" / "grid_service.py"
grid_service: Callable[[], AbstractContextManager[Any]] = run_path(str(SCRIPT))["grid_service"]

TOKEN = "em-secret-4711"
FRANCE = "the average of FRA, 56 g/kWh, stands in"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makepyfile(
        test_one="""
        def test_one(aifootprint):
            aifootprint.record_call(model="gpt-4o", provider="openai", input_tokens=1000, output_tokens=100)

        def test_two():
            pass
        """
    )
    return pytester


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with grid_service() as running:
        monkeypatch.setenv("PYTEST_AIFOOTPRINT_ELECTRICITYMAPS_URL", running.url)
        monkeypatch.setenv("ELECTRICITY_MAPS_API_KEY", TOKEN)
        yield running


def run(suite: pytest.Pytester, grid: str, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    path = suite.path / "report.json"
    path.unlink(missing_ok=True)
    result = suite.runpytest(
        "--aifootprint", f"--aifootprint-grid={grid}", f"--aifootprint-report=json:{path}", *arguments
    )
    result.assert_outcomes(passed=2)
    report: dict[str, Any] = json.loads(path.read_text())
    jsonschema.validate(report, report_schema())
    grids = report["run"]["grids"]
    for row in (grids["local"], *grids["remote"].values()):
        assert (bool(row["source"]), bool(row["water_source"]), row["water_year"]) == (True, True, 2020)
        assert row["year"] is not None or row["zone"] == "declared"
    return result, report


def local(report: dict[str, Any]) -> dict[str, Any]:
    grid: dict[str, Any] = report["run"]["grids"]["local"]
    return grid


def notices(report: dict[str, Any]) -> dict[str, str]:
    return {n["code"]: n["message"] for n in report["notices"]}


@pytest.mark.parametrize(
    ("region", "zone", "grams", "publisher"),
    [
        ("aws/eu-west-3", "FRA", 56.0, "Ember"),
        ("azure/westus3", "USA/arizona", 312.6, "eGRID"),
        ("AZURE/West US 3", "USA/arizona", 312.6, "eGRID"),
    ],
)
def test_a_region_has_the_figure_year_and_source_of_its_grid(
    suite: pytest.Pytester, region: str, zone: str, grams: float, publisher: str
) -> None:
    result, report = run(suite, region)

    grid = local(report)
    assert (grid["zone"], grid["year"], grid["hour"], grid["guessed"]) == (zone, 2023, None, False)
    assert grid["carbon_g_per_kwh"]["central"] == pytest.approx(grams, rel=1e-3)
    assert "codecarbon; " in grid["source"]
    assert f"{region.lower().replace(' ', '')} is in " in grid["source"]
    result.stdout.fnmatch_lines([f"grid*local {zone} {grams:.0f} g/kWh ({publisher} 2023)*"])
    assert not notices(report).keys() & {"grid-guessed", "grid-old", "grid-not-live"}


def test_water_that_nobody_published_for_this_place_is_one_line(suite: pytest.Pytester) -> None:
    declared, report = run(suite, "56 g/kWh")
    told = "water at the power plants of this machine, whose grid is a number without a place: no figure of their own"
    assert notices(report)["water-world"].startswith(told)
    assert local(report)["water_own"] is False
    declared.stdout.fnmatch_lines(["notice*water at the power plants of this machine*(water-world)"])

    known, report = run(suite, "FRA")
    assert "water-world" not in notices(report)
    assert local(report)["water_own"] is True
    known.stdout.no_fnmatch_line("*water-world*")


def test_a_region_that_no_source_places_is_one_line_with_what_is_close(suite: pytest.Pytester) -> None:
    result = suite.runpytest("--aifootprint", "--aifootprint-grid=azure/westus9")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --aifootprint-grid (command line): 'azure/westus9' is not a place*did you mean azure/westus or *"]
    )


def test_electricity_maps_is_asked_once_whatever_the_workers_and_not_again_within_the_hour(
    suite: pytest.Pytester, service: Any, workers: tuple[str, ...]
) -> None:
    result, report = run(suite, "electricitymaps/FR", *workers)

    assert service.asked == [("/v3/carbon-intensity/latest?zone=FR", TOKEN)]
    grid = local(report)
    assert (grid["zone"], grid["year"], grid["hour"]) == ("electricitymaps/FR", 2026, "2026-11-23T10:00Z")
    assert grid["source"] == "Electricity Maps, one hour, not a yearly average, life-cycle"
    ends = grid["carbon_g_per_kwh"]
    assert (ends["low"], ends["central"], ends["high"]) == pytest.approx((41 / 1.17, 41, 41 * 1.17))
    result.stdout.fnmatch_lines(["grid*local electricitymaps/FR 41 g/kWh (2026-11-23 10:00 UTC)*"])
    # The question is nobody's AI call, and no remark about one.
    assert report["totals"]["calls"] == {"live": 1, "replayed": 0, "mocked": 0}
    assert not notices(report).keys() & {"grid-not-live", "grid-guessed", "unknown-server", "calls-outside-tests"}

    again = run(suite, "electricitymaps/FR", *workers)[1]

    assert len(service.asked) == 1
    assert local(again) == grid


def test_another_zone_is_asked_for_and_both_are_remembered(suite: pytest.Pytester, service: Any) -> None:
    run(suite, "electricitymaps/FR")
    service.says(zone="DE", carbonIntensity=300)

    assert local(run(suite, "electricitymaps/DE")[1])["carbon_g_per_kwh"]["central"] == 300
    assert local(run(suite, "electricitymaps/FR")[1])["carbon_g_per_kwh"]["central"] == 41
    assert len(service.asked) == 2


def test_an_answer_of_more_than_an_hour_ago_or_of_the_future_is_asked_for_again(
    suite: pytest.Pytester, service: Any
) -> None:
    run(suite, "electricitymaps/FR")
    kept = next(suite.path.rglob("aifootprint/electricitymaps"))
    for shift_s in (-3700, 3700):
        content = json.loads(kept.read_text())
        content["FR"]["asked_at"] += shift_s
        kept.write_text(json.dumps(content))
        service.asked.clear()
        run(suite, "electricitymaps/FR")
        assert len(service.asked) == 1


@pytest.mark.parametrize(
    "junk",
    ["", "[]", '{"FR": 41}', '{"FR": {"asked_at": "now", "answer": {}}}', '{"FR": {"asked_at": 9e12, "answer": 4}}'],
)
def test_a_cache_that_is_not_ours_is_asked_past(suite: pytest.Pytester, service: Any, junk: str) -> None:
    run(suite, "electricitymaps/FR")
    next(suite.path.rglob("aifootprint/electricitymaps")).write_text(junk)

    assert local(run(suite, "electricitymaps/FR")[1])["zone"] == "electricitymaps/FR"
    assert len(service.asked) == 2


def test_without_pytests_cache_it_is_asked_every_time(suite: pytest.Pytester, service: Any) -> None:
    for _ in range(2):
        assert local(run(suite, "electricitymaps/FR", "-p", "no:cacheprovider")[1])["zone"] == "electricitymaps/FR"

    assert len(service.asked) == 2


def test_a_cache_that_cannot_be_written_costs_the_run_nothing(suite: pytest.Pytester, service: Any) -> None:
    (suite.path / ".pytest_cache").write_text("in the way")

    # In a process of its own: pytest's complaints of its own files would be errors in this one.
    result = suite.runpytest_subprocess("--aifootprint", "--aifootprint-grid=electricitymaps/FR")

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["grid*local electricitymaps/FR 41 g/kWh*"])
    assert "v/aifootprint" not in result.stdout.str() + result.stderr.str()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": 401}, "401: it does not accept the token"),
        ({"status": 403}, "403: the token may not ask for this zone"),
        ({"status": 404}, "404: it does not know the zone"),
        ({"status": 429}, "429: the token asked too often"),
        ({"body": b"<html>"}, "its answer is no JSON"),
        ({"body": b'{"carbonIntensity": -41}'}, "its carbonIntensity, -41, is not between 0 and 5000 g/kWh"),
        ({"silent": True}, "no answer within 5 s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_whatever_goes_wrong_the_average_stands_in_and_one_notice_says_why(
    suite: pytest.Pytester, service: Any, change: dict[str, Any], said: str
) -> None:
    for name, value in change.items():
        setattr(service, name, value)

    result, report = run(suite, "electricitymaps/FR")

    grid = local(report)
    assert (grid["zone"], grid["year"], grid["hour"], grid["guessed"]) == ("FRA", 2023, None, False)
    assert notices(report)["grid-not-live"] == f"Electricity Maps gave no figure of FR ({said}): {FRANCE}"
    assert [n["code"] for n in report["notices"]].count("grid-not-live") == 1
    result.stdout.fnmatch_lines(["notice*Electricity Maps gave no figure of FR (*"])


def test_no_network_is_a_notice_too(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, service: Any) -> None:
    monkeypatch.setenv("PYTEST_AIFOOTPRINT_ELECTRICITYMAPS_URL", "http://127.0.0.1:1")

    _, report = run(suite, "electricitymaps/FR")

    assert notices(report)["grid-not-live"].endswith(f"(Connection refused): {FRANCE}")


def test_without_a_token_nobody_is_asked(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, service: Any) -> None:
    monkeypatch.delenv("ELECTRICITY_MAPS_API_KEY")

    _, report = run(suite, "electricitymaps/FR")

    assert notices(report)["grid-not-live"].startswith(
        "Electricity Maps gave no figure of FR (ELECTRICITY_MAPS_API_KEY is not set)"
    )
    assert service.asked == []


def test_what_was_asked_with_a_token_is_not_told_without_one(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, service: Any
) -> None:
    run(suite, "electricitymaps/FR")
    monkeypatch.setenv("ELECTRICITY_MAPS_API_KEY", " ")

    assert local(run(suite, "electricitymaps/FR")[1])["zone"] == "FRA"
    assert len(service.asked) == 1


def test_a_zone_of_which_nothing_is_known_falls_back_to_the_world(suite: pytest.Pytester, service: Any) -> None:
    service.status = 404

    _, report = run(suite, "electricitymaps/XX")

    assert local(report)["zone"] == "WOR"
    assert "the average of WOR, 475 g/kWh, stands in" in notices(report)["grid-not-live"]


@pytest.mark.parametrize("answer", [200, 401])
def test_the_token_stands_in_nothing_that_is_printed_or_written(
    suite: pytest.Pytester, service: Any, answer: int
) -> None:
    service.status = answer
    if answer == 401:
        service.body = TOKEN.encode()

    result, _ = run(suite, "electricitymaps/FR", "-v")

    assert service.asked[0][1] == TOKEN
    assert TOKEN not in "\n".join([*result.outlines, *result.errlines])
    files = [path for path in suite.path.rglob("*") if path.is_file()]
    assert any(path.name == "report.json" for path in files)
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]


def test_nobody_is_asked_unless_named(suite: pytest.Pytester, service: Any) -> None:
    run(suite, "FRA")
    suite.runpytest("--aifootprint")
    suite.runpytest("--aifootprint-grid=electricitymaps/FR")
    suite.runpytest("--aifootprint", "--aifootprint-grid=electricitymaps/FR", "--collect-only")

    assert service.asked == []


def test_the_zone_of_a_cloud_runtime_is_the_zone(
    suite: pytest.Pytester, service: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEBUILD_BUILD_ID", "build:1")
    monkeypatch.setenv("AWS_REGION", "eu-west-3")

    assert local(run(suite, "electricitymaps")[1])["zone"] == "electricitymaps/FR"


@pytest.mark.parametrize(
    ("grid", "hint"),
    [
        ("electricitymaps", "*nothing in the environment tells in which zone*name it: *electricitymaps/FR*"),
        ("electricitymaps/FRA", "*did you mean electricitymaps/FR?*"),
    ],
)
@pytest.mark.parametrize("more", [(), ("--collect-only",)])
def test_without_a_zone_it_is_one_line_before_any_test(
    suite: pytest.Pytester, service: Any, grid: str, hint: str, more: tuple[str, ...]
) -> None:
    result = suite.runpytest("--aifootprint", f"--aifootprint-grid={grid}", *more)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --aifootprint-grid (command line): '{grid}'{hint}"])
    assert service.asked == []


def test_the_question_is_in_no_window(suite: pytest.Pytester, service: Any) -> None:
    # A plugin may name it as well; the answer is there before the first test begins.
    suite.makeconftest(
        """
        import pytest

        def pytest_aifootprint_grid(config):
            return "electricitymaps/FR"
        """
    )
    suite.makepyfile(
        test_when=f"""
        import urllib.request

        def test_when():
            assert urllib.request.urlopen("{service.url}/how-many-before-me").status == 200
        """
    )
    suite.runpytest("--aifootprint", "test_when.py").assert_outcomes(passed=1)

    assert [path for path, _ in service.asked] == [
        "/v3/carbon-intensity/latest?zone=FR", "/v3/how-many-before-me"
    ]  # fmt: skip

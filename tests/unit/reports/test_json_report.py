"""The JSON report keeps its contract: every key, strict types, never NaN, never half a file."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import samples  # type: ignore[import-not-found]  # pytest puts this folder on the path, mypy does not
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from pytest_aifootprint.quantities import Grams, Joules, Notice, Range
from pytest_aifootprint.quantities.changed import replace
from pytest_aifootprint.records.all_rows import AllRows
from pytest_aifootprint.records.amounts import Carbon
from pytest_aifootprint.records.model import RunFootprint, TestFootprint
from pytest_aifootprint.records.schema import report_schema
from pytest_aifootprint.reports import REPORTS, json_report, report_writer
from pytest_aifootprint.reports.saved.values import plain, ranged

VALIDATOR = Draft202012Validator(report_schema())


def checked(run: RunFootprint) -> dict[str, Any]:
    """The report, valid under the schema and free of NaN and Infinity."""

    def forbidden(name: str) -> float:
        raise AssertionError(f"{name} is no JSON")

    report: dict[str, Any] = json.loads("".join(json_report.chunks(run)), parse_constant=forbidden)
    VALIDATOR.validate(report)
    return report


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(report_schema())


@pytest.mark.parametrize("make", samples.EVERY.values(), ids=samples.EVERY)
def test_every_run_is_valid(make: Callable[[], RunFootprint]) -> None:
    checked(make())


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _objects(schema: Any) -> Iterator[tuple[str, ...]]:
    if isinstance(schema, dict):
        if schema.get("required"):
            yield tuple(schema["required"])
        for inner in schema.values():
            yield from _objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _objects(inner)


@pytest.mark.parametrize(
    ("where", "wrong"),
    [
        (("totals", "tests"), "52"),
        (("totals", "carbon_g", "use"), 1.2),
        (("totals", "carbon_g", "use", "low"), -1),
        (("totals", "energy_j", "remote"), 0),
        (("run", "workers", 0, "reported"), "yes"),
        (("tests", 0, "calls", 0, "realness"), "dreamt"),
        (("tests", 0, "calls", 0, "input_tokens"), 1.5),
        (("verdicts", 0, "verdict"), "passed"),
        (("schema_version",), 2),
    ],
)
def test_schema_is_strict_about_types(where: tuple[Any, ...], wrong: object) -> None:
    report = checked(samples.mixed())
    *path, last = where
    place = report
    for key in path:
        place = place[key]
    assert place[last] != wrong
    place[last] = wrong
    with pytest.raises(ValidationError):
        VALIDATOR.validate(report)


def test_contract_has_every_key_and_room_for_more() -> None:
    report = checked(samples.mixed())
    for key in ("run", "totals", "balance", "tests", "models", "verdicts", "hints", "notices"):
        broken = {k: v for k, v in report.items() if k != key}
        with pytest.raises(ValidationError):
            VALIDATOR.validate(broken)
    for place in (report, report["run"], report["totals"], report["tests"][0], report["tests"][0]["calls"][0]):
        place["added_later"] = 1
    VALIDATOR.validate(report)


def test_figures_are_those_of_the_run() -> None:
    run = samples.mixed()
    report = checked(run)
    carbon = run.totals.carbon
    assert report["totals"]["carbon_g"]["total"] == pytest.approx(
        {"low": carbon.total.low, "central": carbon.total.central, "high": carbon.total.high}, rel=1e-12
    )
    use, training, hardware = (
        report["totals"]["carbon_g"][part]["central"] for part in ("use", "training", "hardware")
    )
    assert use + training + hardware == pytest.approx(carbon.total.central)
    assert report["totals"]["widest_input"] == "model:gpt-5-mini"
    assert report["totals"]["factors"]["carbon_g"][0]["name"] == "model:gpt-5-mini"
    assert report["totals"]["factors"]["use_carbon_g"]
    assert report["totals"]["calls"] == {"live": 7, "replayed": 1, "mocked": 0}
    assert report["totals"]["basis_share"]["assumed"] == 0
    call = report["tests"][0]["calls"][0]
    assert call["factors"][0] == {"name": "model:gpt-5-mini", "low": pytest.approx(1 / 4.5), "high": pytest.approx(4.5)}
    assert (call["started_s"], call["duration_s"], call["status"]) == (5.0, 1.25, 200)
    assert report["run"]["grids"]["remote"]["openai"]["zone"] == "USA"
    assert sum(t["carbon_g"]["total"]["central"] for t in report["tests"]) == pytest.approx(carbon.total.central)


def test_unknown_is_null_and_zero_is_zero() -> None:
    report = checked(samples.unknown_training())
    assert report["totals"]["carbon_g"]["training"] is None
    assert report["tests"][0]["calls"][0]["carbon_g"]["training"] is None
    assert report["totals"]["avoided_carbon_g"] == {"low": 0, "central": 0, "high": 0}
    assert report["totals"]["energy_j"]["gpu"] is None
    assert report["totals"]["energy_j"]["remote"]["central"] == 0
    assert checked(samples.lost_worker())["verdicts"][0]["actual"] is None
    nothing = replace(samples.mixed().totals, carbon=Carbon(None, None, None))
    assert checked(samples.mixed(totals=nothing))["totals"]["carbon_g"]["total"] is None


def test_remote_energy_is_unknown_while_calls_are_unpriced() -> None:
    run = samples.unknown_training()
    report = checked(replace(run, totals=replace(run.totals, unpriced_calls=1)))
    assert report["totals"]["energy_j"]["remote"] is None


def test_direct_part_differs_only_by_shared_fixtures() -> None:
    plain_test = checked(samples.mixed())["tests"][0]
    assert plain_test["direct"]["carbon_g"] == plain_test["carbon_g"]
    run = samples.with_fixture()
    test = replace(run.tests[0], direct_energy=samples.cpu_energy(7), direct_carbon=Carbon(Grams(Range(0.5))))
    row = checked(replace(run, tests=(test,)))["tests"][0]
    assert row["direct"]["energy_j"]["total"]["central"] == 7
    assert row["direct"]["carbon_g"]["use"]["central"] == 0.5
    assert row["energy_j"]["total"]["central"] == 100
    assert row["fixtures"][0] == {
        "name": "model",
        "scope": "session",
        "users": 2,
        "energy_j": pytest.approx({"low": 137.5, "central": 250, "high": 450}),
        "carbon_g": {"low": 0.0039, "central": 0.0039, "high": 0.0039},
        "setups": 1,
        "trained": [],
        "id": "",
    }


NAMES = st.text(st.characters(), max_size=30)
FIGURES = st.builds(
    Range.times_over,
    st.just(0.0) | st.floats(min_value=1e-30, max_value=1e30),
    st.floats(min_value=1, max_value=1e9),
    st.sampled_from(["model:m", "grid:g", "phi"]),
)
MAYBE = st.none() | FIGURES


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    nodeids=st.lists(NAMES, max_size=3),
    model=NAMES,
    figures=st.lists(MAYBE, min_size=6, max_size=6),
    tokens=st.none() | st.integers(min_value=0, max_value=10**15),
    status=st.none() | st.integers(min_value=100, max_value=599) | st.just("error"),
    message=NAMES,
    odd=st.floats(),
)
def test_any_run_is_valid(
    nodeids: list[str],
    model: str,
    figures: list[Range | None],
    tokens: int | None,
    status: int | str | None,
    message: str,
    odd: float,
) -> None:
    call = samples.remote_call(1.0, input_tokens=tokens, status=status, response_model=model)
    use, training, hardware, energy, water, avoidable = figures
    impact = replace(
        call.impact,
        use_carbon_g=use, training_carbon_g=training, hardware_carbon_g=hardware, energy_j=energy, water_site_l=water,
        avoidable_carbon_g=avoidable, notices=(Notice("code", message),),
    )  # fmt: skip
    test = samples.footprint_of("x", cpu_j=1.0)
    carbon = Carbon(*(None if grams is None else Grams(grams) for grams in (use, training, hardware)))
    tests = tuple(
        replace(test, nodeid=name, ai=True, calls=(replace(call, impact=impact),), carbon=carbon) for name in nodeids
    )
    report = checked(samples.run_of(*tests, host={"cpu": "x", "load": odd}, duration_s=abs(odd)))
    assert [t["nodeid"] for t in report["tests"]] == nodeids
    assert report["run"]["host"]["load"] == (odd if math.isfinite(odd) else None)


@pytest.mark.parametrize(
    "nodeid",
    [
        'a.py::t["q"]',
        "a.py::t[a\nb]",
        "a.py::t[\u2028ü🦜]",
        "a.py::t[\udc80]",
        "a.py::t[[red]x[/red]]",
        "a.py::t[100%s]",
    ],
)
def test_any_name_comes_back_as_it_was(nodeid: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    json_report.write(samples.run_of(samples.footprint_of(nodeid, samples.remote_call(1.0))), path)
    assert json.loads(path.read_text(encoding="utf-8"))["tests"][0]["nodeid"] == nodeid


def test_a_value_that_no_number_can_hold_is_unknown() -> None:
    assert ranged(Range.times_over(1e300, 1e300, "m")) is None
    assert ranged(Range(1.0, {"m": (-1e6, 1e6)})) is None
    assert plain({1: (math.nan, Range(2.0), Path("x"), {"a": True})}) == {
        "1": [None, {"low": 2.0, "central": 2.0, "high": 2.0}, "x", {"a": True}]
    }


def test_what_json_cannot_say_of_a_phase_is_unknown() -> None:
    run = samples.mixed()
    (attempt,) = run.tests[0].attempts
    odd = replace(attempt, phases={"call": {"duration_s": math.nan, "cpu_s": math.inf, "outcome": Path("x")}})
    tests = (replace(run.tests[0], attempts=(odd,)), *run.tests[1:])
    row = json_report.as_dict(replace(run, tests=tests))["tests"][0]
    assert row["attempts"][0]["phases"] == {"call": {"duration_s": None, "cpu_s": None, "outcome": "x"}}


@given(
    numbers=st.lists(st.floats(), min_size=3, max_size=3),
    outcome=st.one_of(st.just("passed"), st.text(max_size=5)),
    odd=st.sampled_from([None, 3, Path("x"), Range(2.0), True]),
)
def test_an_attempt_is_told_the_same_by_the_fast_way_and_the_plain_one(
    numbers: list[float], outcome: str, odd: Any
) -> None:
    run = samples.mixed()
    wall_s, phase_s, cpu_s = numbers
    fast = {"setup": {"duration_s": phase_s, "cpu_s": cpu_s}}
    phases = fast if odd is None else {**fast, "call": {"cpu_s": odd}}
    attempt = replace(run.tests[0].attempts[0], duration_s=wall_s, outcome=outcome, phases=phases)
    tests = (replace(run.tests[0], attempts=(attempt,)), *run.tests[1:])
    (row,) = json_report.as_dict(replace(run, tests=tests))["tests"][0]["attempts"]
    told = {"attempt": attempt.number, "outcome": outcome, "duration_s": wall_s, "phases": phases}
    assert row == json.loads(json.dumps(plain(told)))


@given(st.floats(min_value=0, max_value=1e300), st.floats(min_value=1, max_value=1e9))
def test_a_range_comes_back_to_the_last_digit(central: float, spread: float) -> None:
    run = samples.mixed()
    value = Grams(Range.times_over(central, spread, "m"))
    tests = (replace(run.tests[0], avoided_carbon_g=value), *run.tests[1:])
    assert json_report.as_dict(replace(run, tests=tests))["tests"][0]["avoided_carbon_g"] == ranged(value)


def test_one_test_a_line() -> None:
    text = "".join(json_report.chunks(samples.mixed()))
    assert sum(line.startswith('{"nodeid"') for line in text.splitlines()) == 3


def test_write_makes_folders_and_replaces_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "r.json"
    json_report.write(samples.no_ai(), path)
    json_report.write(samples.mixed(), path)
    assert json.loads(path.read_text(encoding="utf-8"))["totals"]["ai_tests"] == 3
    assert _names(path.parent) == ["r.json"]


def test_write_follows_a_link(tmp_path: Path) -> None:
    link = tmp_path / "latest.json"
    link.symlink_to("real.json")
    json_report.write(samples.no_ai(), link)
    assert link.is_symlink()
    assert (tmp_path / "real.json").is_file()


@pytest.mark.skipif(sys.platform == "win32", reason="has no /dev/null")
def test_write_to_a_device_leaves_the_device() -> None:
    json_report.write(samples.no_ai(), Path(os.devnull))
    assert not Path(os.devnull).is_file()


def test_a_failed_write_leaves_the_old_report_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "r.json"
    json_report.write(samples.no_ai(), path)
    before = path.read_bytes()

    def full(run: RunFootprint) -> Iterator[str]:
        yield "{"
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json_report, "chunks", full)
    with pytest.raises(OSError, match="the JSON report cannot be written: No space left on device") as caught:
        json_report.write(samples.mixed(), path)
    assert caught.value.strerror == "the JSON report cannot be written: No space left on device"
    assert path.read_bytes() == before
    assert _names(tmp_path) == ["r.json"]


def test_probe_accepts_a_new_path_and_leaves_nothing(tmp_path: Path) -> None:
    json_report.probe(tmp_path / "a" / "b" / "r.json")
    json_report.probe(Path("aifootprint.json"))
    (tmp_path / "old.json").write_text("{}", encoding="utf-8")
    json_report.probe(tmp_path / "old.json")
    assert _names(tmp_path) == ["old.json"]


def test_probe_says_in_one_line_what_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    for path, why in (
        (tmp_path, "is a folder"),
        (tmp_path / "file" / "r.json", "file is not a folder"),
        (Path(), "needs the path of a file"),
    ):
        with pytest.raises(ValueError, match=why) as caught:
            json_report.probe(path)
        assert "\n" not in str(caught.value)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="no permission to write in"):
        json_report.probe(tmp_path / "r.json")
    with pytest.raises(ValueError, match="permission denied"):
        json_report.probe(tmp_path / "file")


def test_kinds_of_report_are_known_by_name() -> None:
    assert report_writer("json") is json_report
    assert list(REPORTS) == ["badge", "csv", "html", "json", "junit", "markdown", "otel"]
    with pytest.raises(
        ValueError, match="'jsn' is no kind of report; valid: badge, csv, html, json, junit, markdown, otel"
    ):
        report_writer("jsn")


def test_every_required_key_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs/reference/json-report.md").read_text(encoding="utf-8")
    keys = {key for required in _objects(report_schema()) for key in required}
    assert {key for key in keys if f"`{key}`" not in page and f".{key}`" not in page} == set()


def test_large_run_is_written_a_test_at_a_time() -> None:
    run = samples.large(300)
    parts = list(json_report.chunks(run))
    assert len(parts) > 300
    assert max(map(len, parts)) < 20_000
    checked(run)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="has no named pipes")
def test_a_pipe_that_nobody_reads_does_not_hang_the_run(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    json_report.probe(pipe)
    with pytest.raises(OSError, match="the JSON report cannot be written: nobody reads it"):
        json_report.write(samples.no_ai(), pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        json_report.write(samples.no_ai(), pipe)
        assert json.loads(os.read(reader, 1 << 20))["schema_version"] == 1
    finally:
        os.close(reader)
    assert _names(tmp_path) == ["pipe"]


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="has no /dev/fd")
def test_a_report_goes_to_where_the_process_prints_and_takes_nothing_away(tmp_path: Path) -> None:
    code = (
        "import samples, sys; from pathlib import Path; from pytest_aifootprint.reports import badge_report as badge;"
        "path = Path(sys.argv[1]); badge.probe(path);"
        "print('before'); badge.write(samples.no_ai(), path); print('after')"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    for path in ("/dev/stdout", "/dev/fd/1"):
        command = [sys.executable, "-c", code, path]
        piped = subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout
        with (tmp_path / "log").open("w+") as log:
            subprocess.run(command, env=env, check=True, stdout=log)
        assert (tmp_path / "log").read_text() == piped
        first, *report, last = piped.splitlines()
        assert (first, last) == ("before", "after")
        assert json.loads("".join(report))["message"] == "0 AI calls"


def rows_of(run: RunFootprint, made: list[int], *, fails_at: int | None = None) -> RunFootprint:
    """The run with a row for every test, which are made when they are read."""

    def make(place: int) -> TestFootprint:
        made.append(place)
        if place == fails_at:
            raise ArithmeticError("no price")
        return run.tests[place]

    telling = {n: test for n, test in enumerate(run.tests) if test.ai}
    return replace(run, rows="all", tests=AllRows(telling, len(run.tests), make))


def test_rows_that_are_made_when_read_are_written_alike_and_made_once() -> None:
    run, made = samples.large(200), list[int]()
    some = [replace(test, ai=n % 3 == 0, calls=test.calls if n % 3 == 0 else ()) for n, test in enumerate(run.tests)]
    run = replace(run, rows="all", tests=tuple(some))
    lazily = rows_of(run, made)
    assert "".join(json_report.chunks(lazily)) == "".join(json_report.chunks(run))
    assert made == [n for n in range(200) if n % 3]
    assert (lazily.all_verdicts, [*lazily.all_calls]) == (run.all_verdicts, [*run.all_calls])
    assert len(made) == len({*made})


def test_a_row_that_cannot_be_made_leaves_the_old_file(tmp_path: Path) -> None:
    run, path = samples.large(200), tmp_path / "report.json"
    path.write_text("old")
    run = replace(run, tests=tuple(replace(test, ai=False) for test in run.tests))
    with pytest.raises(ArithmeticError, match="no price"):
        json_report.write(rows_of(run, [], fails_at=150), path)
    assert path.read_text() == "old"
    assert [*tmp_path.iterdir()] == [path]


def test_prices_of_equal_calls_stand_with_each() -> None:
    impact = samples.remote_call(1.0).impact
    first, second = (replace(samples.remote_call(1.0), impact=impact) for _ in range(2))
    dearer, metered = samples.remote_call(2.0), replace(second, local_energy_j=Joules(Range(3.0)))
    run = samples.mixed()
    test = replace(run.tests[0], calls=(first, dearer, second, metered))
    calls = checked(replace(run, tests=(test,)))["tests"][0]["calls"]
    assert [call["energy_j"] for call in calls] == [ranged(c.impact.energy_j) for c in (first, dearer, second, metered)]
    assert [call["local_energy_j"] for call in calls] == [None, None, None, ranged(metered.local_energy_j)]

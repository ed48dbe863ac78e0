"""The meter that plays a script."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pytest_aifootprint.meters.contract import Reading, Unreadable
from pytest_aifootprint.meters.recorded import Recording, load_recording
from pytest_aifootprint.meters.selection import select


class Clock:
    def __init__(self, now: int = 0) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def recording(tmp_path: Path, clock: Clock, **data: object) -> Recording:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(data))
    return load_recording(path, clock=clock)


def test_time_begins_with_the_first_read_of_any_meter_and_values_are_interpolated(tmp_path: Path) -> None:
    clock = Clock(5_000)
    script = recording(
        tmp_path, clock, domains={"cpu": [[0, 0], [100, 10], [200, 40]], "gpu0": [[0, 1000], [200, 3000]]}
    )
    cpu, gpu = script.meters
    assert (cpu.domain, gpu.domain) == ("cpu", "gpu0")
    clock.now = 7_000
    assert cpu.read() == Reading(7_000, 0.0)
    clock.now = 7_050
    assert cpu.read() == Reading(7_050, 5.0)
    clock.now = 7_150
    assert cpu.read() == Reading(7_150, 25.0)
    assert gpu.read() == Reading(7_150, 2500.0)
    assert cpu.basis.value == "measured"


def test_absolute_times_are_the_clocks(tmp_path: Path) -> None:
    clock = Clock(1_050)
    (cpu,) = recording(tmp_path, clock, domains={"cpu": [[1_000, 0], [1_100, 10]]}, relative=False).meters
    assert cpu.read() == Reading(1_050, 5.0)


def test_a_scripted_gap_is_unreadable_up_to_the_next_point(tmp_path: Path) -> None:
    clock = Clock()
    gap = {"reason": "unplugged", "remedy": "plug it in"}
    (cpu,) = recording(tmp_path, clock, domains={"cpu": [[0, 0], [100, 10], [200, gap], [300, 30]]}).meters
    said = {}
    for clock.now in (0, 100, 150, 200, 299, 300):
        got = cpu.read()
        said[clock.now] = got.energy_j if isinstance(got, Reading) else got.reason
    assert said == {0: 0, 100: 10, 150: "unplugged", 200: "unplugged", 299: "unplugged", 300: 30}


def test_outside_the_script_it_is_unreadable_and_not_zero(tmp_path: Path) -> None:
    clock = Clock(0)
    (cpu,) = recording(tmp_path, clock, domains={"cpu": [[10, 0], [100, 10], [200, None]]}).meters
    for clock.now in (0, 150, 250):
        got = cpu.read()
        assert isinstance(got, Unreadable)
        assert got.t_ns == clock.now
        assert got.reason
        assert got.remedy


def test_busy_seconds_may_be_scripted(tmp_path: Path) -> None:
    clock = Clock(0)
    read = recording(tmp_path, clock, domains={}, busy_s=[[0, 0], [100, 4]]).busy_s
    assert read is not None
    assert read() == 0
    clock.now = 25
    assert read() == 1
    clock.now = 500
    assert read() is None
    assert recording(tmp_path, clock, domains={}).busy_s is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[]", 'an object "domains"'),
        ('{"domains": {}, "speed": 2}', "unknown keys"),
        ('{"domains": {"cpu": [[0, 0], [0, 1]]}}', "times must ascend"),
        ('{"domains": {"cpu": [[0, 5], [1, null], [2, 1]]}}', "must not fall"),
        ('{"domains": {"cpu": [[0]]}}', "script.json"),
        ('{"domains": {"cpu": 3}}', "script.json"),
        ("not json", "script.json"),
        ('{"domains": {"gpu0": []}, "cards": {"gpu1": "NVIDIA L4"}}', '"cards" must give names to domains'),
        ('{"domains": {"gpu0": []}, "cards": {"gpu0": 4}}', '"cards" must give names to domains'),
        ('{"domains": {"gpu0": []}, "cards": ["NVIDIA L4"]}', '"cards" must give names to domains'),
    ],
)
def test_a_wrong_script_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="recorded meter") as caught:
        load_recording(path)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_card_has_the_name_that_the_script_gives_it(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"domains": {"gpu0": [[0, 0]], "gpu1": [[0, 0]]}, "cards": {"gpu1": "NVIDIA L4"}}))
    selection = select(root=tmp_path, environ={}, recorded=path)
    assert [selection.card(domain) for domain in ("gpu0", "gpu1", "gpu2")] == ["", "NVIDIA L4", ""]

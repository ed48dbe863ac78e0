"""The numbers to reach, what was reached, and what the peers have: every figure from the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from overhead import plan
from overhead.environments import OURS
from overhead.figures import Found, Told, a_test, added, cpu, last, peak_mib, per_call, wall
from overhead.layouts import SLEEP_S
from overhead.micro import Micro
from overhead.running import Sample
from tables import Table

if TYPE_CHECKING:
    # It brings OpenTelemetry along.
    from calls import Compared

_NONE = "\N{EN DASH}"
_ACCURACY = "[other document](attribution-accuracy.md), `make bench-attribution`"
_LOOK_UPS = "`tests/integration/test_plugins_own_work.py`"
_A_CARD = (
    "the sampler, one GPU more, share of one core, on a fake driver that takes no time "
    "([a real one's](gpu-accuracy.md) comes on top)"
)
_GPU = "[other document](gpu-accuracy.md), `make gpu-check`"


@dataclass(frozen=True, slots=True)
class Goal:
    """One row.

    Attributes:
        value: ours; None where there is no figure, which reaches nothing. limit: it is to be at most this.
        unit: of both. peers: in words. digits: of the value.
    """

    what: str
    value: float | None
    limit: float
    unit: str
    peers: str = _NONE
    spread: float | None = None
    digits: int = 0

    @property
    def reached(self) -> bool:
        """At most the limit."""
        return self.value is not None and self.value <= self.limit

    @property
    def row(self) -> list[str]:
        """As the table has it."""
        mine = _NONE if self.value is None else f"{self.value:.{self.digits}f}"
        if self.spread is not None:
            mine += f" ± {self.spread:.{self.digits}f}"
        unit = f" {self.unit}"
        verdict = "reached" if self.reached else "**missed**"
        return [self.what, f"at most {self.limit:g}{unit}", f"{mine}{unit}", self.peers, verdict]


class Goals:
    """Works out the rows."""

    def __init__(
        self,
        found: Found,
        told: Told,
        micro: Mapping[str, Micro],
        sizes: Mapping[str, int],
        compared: Mapping[str, Compared],
        card_percent: float | None = None,
    ) -> None:
        """Take what was measured.

        ``sizes``: tests of each part's suite; ``compared``: one call, case by case; ``card_percent`` of a core, for one
        GPU more.
        """
        self._compared = compared
        self._card_percent = card_percent
        self._found = found
        self._told = told
        self._micro = micro
        self._sizes = sizes

    def table(self) -> Table:
        """With rows of what other documents measure."""
        rows = [["what", "goal", "ours", "peers, same run", ""], *(goal.row for goal in self.all())]
        rows += [
            ["inner layers of a network", "at most 2 % slower", "below: a model in the process", _NONE, ""],
            ["burn : sleep : child; beside a neighbour; over -n", "1 : 0.01 : 1 ± 3 %; 2 %; 2 %", _ACCURACY, "", ""],
            ["look-ups never billed to a test", "none", f"asserted in {_LOOK_UPS}", _NONE, ""],
            ["a GPU's kernel, N and 4N launches", "4 : 1 ± 10 %, 5 % of the counter", _GPU, "", ""],
        ]
        return Table("Goals", rows)

    def all(self) -> list[Goal]:
        """What this run decides."""
        return [*self._start(), *self._tests(), *self._calls(), *self._sampler(), *self._large(), *self._honest()]

    def _goal(self, what: str, limit: float, unit: str, part: str, of: Callable[[Sample], float], peers: str = _NONE,
              digits: int = 0) -> Goal:  # fmt: skip
        value = added(self._found, part, OURS, of)
        if value is None:
            return Goal(what, None, limit, unit, peers)
        return Goal(what, value.value, limit, unit, peers, value.spread, digits)

    def _alone(self, what: str, limit: float, case: str) -> Goal:
        """A micro-benchmark, above the same without the plugin."""
        bare, mine = self._micro.get(f"{case}_bare"), self._micro.get(f"{case}_ours")
        if bare is None or mine is None:
            return Goal(what, None, limit, "µs")
        spread = (bare.spread_s + mine.spread_s) * 1e6
        return Goal(what, (mine.s - bare.s) * 1e6, limit, "µs", spread=spread, digits=1)

    def _peers(
        self, part: str, names: tuple[str, ...], of: Callable[[Sample], float], unit: str, digits: int = 0
    ) -> str:
        """Each peer that ran; why others did not stands in their own table."""
        said = []
        for name in names:
            value = None if name == OURS else added(self._found, part, name, of)
            if value is not None:
                said.append(f"{name} {value.value + 0.0:.{digits}f}")
        return f"{', '.join(said)} {unit}" if said else _NONE

    def _start(self) -> list[Goal]:
        version = cpu("whole")
        before, after = cpu("before"), cpu("after")
        off = added(self._found, "off", OURS, a_test(self._sizes["off"]))
        nothing = max(off.spread, 0.5) if off else 0.0
        return [
            self._goal("installed, off: start, CPU", 3, "ms", "version", version,
                       self._peers("version", plan.PLUGINS, version, "ms"), 1),
            self._goal("installed, off: a test, CPU (0: what two bare runs differ by)", round(nothing, 1), "µs", "off",
                       a_test(self._sizes["off"]), digits=1),
            self._goal("on: before the first test, CPU", 150, "ms", "start", before,
                       self._peers("trivial-200", plan.METERS, before, "ms")),
            self._goal("on: before the first test, wall", 150, "ms", "start", wall("before"),
                       self._peers("trivial-200", plan.METERS, wall("before"), "ms")),
            self._goal("end of a run of 1,000 tests, no remote call, CPU", 100, "ms", "trivial-1000", after,
                       self._peers("trivial-200", plan.METERS, after, "ms, 200 tests")),
            self._goal("end of a run of 1,000 tests with a remote call each, CPU", 400, "ms", "http-1000", after,
                       self._peers("http", plan.CALLED, after, "ms, 200 tests")),
        ]  # fmt: skip

    def _tests(self) -> list[Goal]:
        n = self._sizes["trivial-5000"]
        return [
            self._alone("the hook calls of a test, by themselves", 30, "hooks"),
            self._goal("a test that makes no AI call, in a suite, CPU", 100, "µs", "trivial-5000", a_test(n),
                       self._peers("trivial-200", plan.METERS, a_test(200), "µs")),
            self._goal("the same, the later goal", 30, "µs", "trivial-5000", a_test(n)),
        ]  # fmt: skip

    def _calls(self) -> list[Goal]:
        goals = []
        for part, what in (("http-1000", "JSON"), ("streamed", "streamed")):
            n = self._sizes[part]
            mine, theirs = (per_call(self._found, part, tool, a_test(n)) for tool in (OURS, plan.OTEL))
            value, spread = (mine.value, mine.spread) if mine else (None, None)
            peers = f"{plan.OTEL} {theirs.value:.0f} ± {theirs.spread:.0f} µs" if theirs else _NONE
            goals.append(Goal(f"an HTTP AI call in a suite, {what}, CPU", value, 100, "µs", peers, spread))
        for case, one in self._compared.items():
            what = f"an HTTP AI call, {case}, CPU of its thread: not above OpenTelemetry's"
            goals.append(Goal(what, one.ours_us, round(one.theirs_us), "µs", plan.OTEL, one.spread_us))
        predict = per_call(self._found, "inprocess of ours", OURS, a_test(self._sizes["inprocess of ours"]))
        return [
            *goals,
            self._alone("a root call, around nothing", 5, "root"),
            Goal("a scikit-learn prediction in a suite, CPU", predict.value if predict else None, 5, "µs",
                 spread=predict.spread if predict else None, digits=1),
        ]  # fmt: skip

    def _sampler(self) -> list[Goal]:
        share = lambda sample: sample.tests.cpu_s / SLEEP_S * 100  # noqa: E731
        return [
            self._goal("the sampler, share of one core", 0.5, "%", "sleep with a counter", share,
                       self._peers("sleep", (plan.TRACKERS,), share, "%", 3), 3),
            Goal(_A_CARD, self._card_percent, 0.1, "%", digits=3),
        ]  # fmt: skip

    def _large(self) -> list[Goal]:
        part, rows = "trivial-100000", "trivial-100000, all rows"
        n = self._sizes[part]
        thousand = added(self._found, "trivial-1000", OURS, a_test(self._sizes["trivial-1000"]))
        after = cpu("after", 1.0)
        plain, with_rows = added(self._found, part, OURS, after), added(self._found, rows, OURS, after)
        json_s = with_rows.value - plain.value if plain and with_rows else None
        # What two bare runs differ by at 1,000 is the least that can be told apart.
        limit = round(thousand.value + thousand.spread, 1) if thousand else 0.0
        return [
            self._goal(f"{n:,} tests: memory", 60, "MiB", part, peak_mib, digits=1),
            self._goal(f"{n:,} tests: the summary, CPU", 1, "s", part, after, digits=2),
            Goal(f"{n:,} tests: JSON with a row for each, CPU", json_s, 5, "s", digits=2),
            self._goal(f"{n:,} tests: a test, not above 1,000 tests", limit, "µs", part, a_test(n), digits=1),
            self._goal(f"{n:,} tests: one of the last 1,000, likewise", limit, "µs", part, last(1000), digits=1),
        ]

    def _honest(self) -> list[Goal]:
        inside = self._told.of("trivial-20000")
        outside = added(self._found, "trivial-20000", OURS, cpu("whole", 1.0))
        off_by = abs(inside / outside.value - 1) * 100 if inside is not None and outside else None
        n = self._sizes["trivial-20000"]
        return [Goal(f"`plugin_j` against CPU measured from outside, {n:,} tests: off by", off_by, 30, "%")]

"""The footprint of a run, as frozen data: what every report, budget and hint is made from.

The shape follows the JSON contract (schema_version 1, ``records/report.schema.json``). Ranges keep their factors here;
reports print low, central and high. None means unknown, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from pytest_aifootprint.attribution.balance import Balance
from pytest_aifootprint.detection.believed import BY_PIECE
from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.impacts.contract import CallImpact, Grid
from pytest_aifootprint.quantities import ZERO_G, Basis, Grams, Joules, Litres, Notice, Range, Sheet
from pytest_aifootprint.records.amounts import Carbon, Energy, Tokens, Water

if TYPE_CHECKING:
    from pytest_aifootprint.records.changes import Changes
    from pytest_aifootprint.records.hardware import HardwareUse
    from pytest_aifootprint.records.model_use import Hint, ModelFootprint
    from pytest_aifootprint.records.scopes import ScopeFootprint
    from pytest_aifootprint.records.timeline import Timeline


HERE = "this machine"
"""Name of the sheet of this machine."""
LOCAL_SERVER = "local_server"
"""Energy of servers on this machine or its private network that nobody here could meter: estimated by call."""


class ReportedCall(Struct, frozen=True):
    """What a saved report has of a call as a sum: without its factors, or without its parts."""

    carbon: Carbon
    water_l: Litres | None


class CallFootprint(Struct, frozen=True):
    """A call with its price.

    Attributes:
        local_energy_j: its part of the joules metered in its owner's windows, by CPU seconds (of a GPU by time);
            contained in them. None where it is not a model in the process, or nothing was metered for it.
        local_wall_j: the same at the wall of the data centre, where a PUE was declared for it.
        reported: its sums in a saved report; None of a run's own.
    """

    call: AICall
    impact: CallImpact
    local_energy_j: Joules | None = None
    local_wall_j: Joules | None = None
    reported: ReportedCall | None = None

    @property
    def at_wall_j(self) -> Joules | None:
        """The joules metered for it that its carbon goes by."""
        return self.local_energy_j if self.local_wall_j is None else self.local_wall_j

    @property
    def carbon(self) -> Carbon:
        """Use, training share and provider's hardware of this call."""
        if self.reported is not None:
            return self.reported.carbon
        return Carbon(self.impact.use_carbon_g, self.impact.training_carbon_g, self.impact.hardware_carbon_g)

    @property
    def water_l(self) -> Litres | None:
        """At the provider's site and the power plants; None if either is unknown."""
        if self.reported is not None:
            return self.reported.water_l
        site, source = self.impact.water_site_l, self.impact.water_source_l
        return None if site is None or source is None else site + source


class Attempt(Struct, frozen=True):
    """One attempt of a test: ``phases`` maps setup, call, teardown to duration_s, cpu_s and the phase's outcome."""

    number: int
    outcome: str
    duration_s: float
    phases: Mapping[str, Mapping[str, Any]]


class MeteredParts(Struct, frozen=True):
    """Joules of an owner's own windows by what said them, central values: the ranges of models stand in the sheet.

    Attributes:
        cpu_counter, cpu_load_model, cpu_idle_model: of the CPU, by its counter, and by watts at work and idle.
        counters_above_idle: of all counters, where idle power is shared; else None.
    """

    cpu_counter: float
    cpu_load_model: float
    cpu_idle_model: float
    counters_above_idle: float | None


class FixtureShare(Struct, frozen=True):
    """A test's share of a shared fixture: the fixture's footprint over its distinct users on all workers.

    Attributes:
        users: tests that bear a share each. setups: how often it was set up, on all workers.
        trained: models that were trained in it, and are thereby amortised over its users.
        id: of the fixture as a whole.
    """

    name: str
    scope: str
    users: int
    energy: Energy
    carbon: Carbon
    setups: int = 1
    trained: tuple[str, ...] = ()
    id: str = ""


class FixtureFootprint(Struct, frozen=True):
    """A shared fixture as a whole: all its set-ups and teardowns on all workers.

    Attributes:
        payers: by how many the whole is divided: a test that ran twice under one id counts twice; 0: nobody bears it.
        ai_payers: how many of them are AI tests.
        machine_s, active_j, cards_s, metered: as a ``Cost`` has them.
        avoidable_carbon_g: had none of its users run. only_ai_users: no other test needs it.
    """

    id: str
    name: str
    scope: str
    users: tuple[str, ...]
    setups: int
    calls: tuple[CallFootprint, ...]
    energy: Energy
    carbon: Carbon
    cpu_s: float
    payers: int = 0
    machine_s: float = 0.0
    active_j: Joules | None = None
    cards_s: Mapping[str, float] = field(default_factory=dict)
    avoidable_carbon_g: Grams = ZERO_G
    only_ai_users: bool = False
    metered: MeteredParts | None = None
    ai_payers: int = 0

    @property
    def trained(self) -> tuple[str, ...]:
        """Names of the models that were trained in it."""
        calls = (priced.call for priced in self.calls)
        return tuple(sorted({c.model or "unknown" for c in calls if c.operation == "training"}))


class Retries(Struct, frozen=True):
    """What attempts cost that were run again: all attempts of a test but its last; contained in the totals."""

    attempts: int = 0
    energy: Energy = field(default_factory=Energy)
    carbon: Carbon = field(default_factory=Carbon)


class Verdict(Struct, frozen=True):
    """What a limit says.

    Attributes:
        scope: ``run``, a node id, ``marker: slow_llm`` or ``model: gpt-5*``. limit: as the user wrote it.
        unit: ``carbon_g``, ``energy_j``, ... limit_value: in that unit.
        actual: what it was held against; None if nothing could be priced.
        bound: low, central or high. verdict: pass, fail or undecided. message: one line.
        reason: what decided it, without figures; "" where the figures say it all.
    """

    scope: str
    limit: str
    unit: str
    limit_value: float
    actual: Range | None
    bound: str
    verdict: str
    message: str
    reason: str = ""


class TestFootprint(Struct, frozen=True):
    """A test: its own windows (all attempts) plus its share of shared fixtures; ``direct`` is the own part alone.

    Attributes:
        direct_machine_s, direct_active_j, direct_cards_s, direct_metered: as a ``Cost`` has them.
        avoidable_carbon_g: had this test alone not run; its own part, and shared fixtures that nobody else uses.
        reported_tokens: as a saved report has them; None of a run's own.
    """

    __test__ = False  # pytest would try to collect the name

    nodeid: str
    worker: str
    outcome: str
    ai: bool
    attempts: tuple[Attempt, ...]
    calls: tuple[CallFootprint, ...]
    energy: Energy
    carbon: Carbon
    water: Water
    avoidable_carbon_g: Grams
    avoided_carbon_g: Grams
    direct_cpu_s: float
    direct_energy: Energy
    direct_carbon: Carbon
    direct_machine_s: float = 0.0
    direct_active_j: Joules | None = None
    direct_cards_s: Mapping[str, float] = field(default_factory=dict)
    fixtures: tuple[FixtureShare, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notices: tuple[Notice, ...] = ()
    direct_metered: MeteredParts | None = None
    reported_tokens: Tokens | None = None

    @property
    def tokens(self) -> Tokens:
        """Tokens of the own live calls."""
        return count_tokens(self.calls) if self.reported_tokens is None else self.reported_tokens


def count_tokens(calls: tuple[CallFootprint, ...] | list[CallFootprint]) -> Tokens:
    """Tokens of the live calls among these; a row holds the tokens of one of its ``count`` calls.

    A call to a language model that does not tell its tokens, or tells a count that cannot be, is counted as unknown,
    not as 0. Images, sounds and clips have none to tell.
    """
    live = [c.call for c in calls if c.call.realness == "live" and c.call.operation not in {"inference", "training"}]
    return Tokens(
        input=sum((c.input_tokens or 0) * c.count for c in live),
        output=sum((c.output_tokens or 0) * c.count for c in live),
        cached_input=sum((c.cached_input_tokens or 0) * c.count for c in live),
        reasoning=sum((c.reasoning_tokens or 0) * c.count for c in live),
        unknown_calls=sum(
            c.count
            for c in live
            if c.operation not in BY_PIECE and (c.disbelieved or (c.input_tokens is None and c.output_tokens is None))
        ),
    )


def live_calls(calls: Iterable[CallFootprint]) -> int:
    """How many calls really ran a model."""
    return sum(c.call.count for c in calls if c.call.realness == "live")


def worst(verdicts: Iterable[Verdict]) -> str | None:
    """The worst of some verdicts: ``fail``, ``undecided`` or ``pass``; None without one."""
    found = {verdict.verdict for verdict in verdicts}
    return next((word for word in ("fail", "undecided", "pass") if word in found), None)


class MeterUse(Struct, frozen=True):
    """A meter that metered this run."""

    domain: str
    name: str
    basis: Basis
    reason: str


class Totals(Struct, frozen=True):
    """Over all AI tests. ``avoidable_carbon_g``, had none of them run, is no sum over the tests.

    ``widest_times_over``: how far the widest input may be off, as a saved report has it; None of a run's own.
    """

    ai_tests: int
    tests: int
    calls_live: int
    calls_replayed: int
    calls_mocked: int
    tokens: Tokens
    energy: Energy
    carbon: Carbon
    water: Water
    avoidable_carbon_g: Grams
    avoided_carbon_g: Grams
    sci_style: Mapping[str, Any] | None
    basis_share: Mapping[str, float]
    unpriced_calls: int = 0
    retries: Retries = field(default_factory=Retries)
    hardware_unattributed_g: Grams = ZERO_G
    widest_times_over: float | None = None


class WorkerRecord(Struct, frozen=True):
    """One process that ran tests; ``reported`` is False for a worker that was lost."""

    id: str
    reported: bool


class RunFootprint(Struct, frozen=True):
    """Everything that a report can print.

    Attributes:
        tests: the rows. Where every test has one, those of tests that called no model are made whenever they are read.
        rows: which tests are in ``tests``: ``ai``, ``marked``, ``all``.
        sheets: how the numbers are made: of this machine (``HERE``), and of calls by the name that their price has.
        timeline: power and calls over time; None where nobody put it together.
        scopes: sums over parts of the run that a limit is on; for the verdicts, no report has them.
        project: ``name``, and where it is ``from``. partial: why only a part of what was asked for ran; "" if all of it
            did. asked: for what, each as the beginning of node ids; "" is the whole suite.
        changes: against the baseline; None without one.
    """

    version: str
    factors_version: str
    started_at: str
    duration_s: float
    python: str
    pytest: str
    host: Mapping[str, Any]
    ci: Mapping[str, str]
    commit: str | None
    workers: tuple[WorkerRecord, ...]
    local_grid: Grid
    remote_grids: Mapping[str, Grid]
    meters: tuple[MeterUse, ...]
    rejected_meters: tuple[Mapping[str, str], ...]
    totals: Totals
    balance: Mapping[str, Balance]
    tests: Sequence[TestFootprint]
    fixtures: tuple[FixtureFootprint, ...]
    models: tuple[ModelFootprint, ...]
    verdicts: tuple[Verdict, ...]
    notices: tuple[Notice, ...]
    seams: Mapping[str, str] = field(default_factory=dict)
    idle_shared: bool = False
    marginal: Mapping[str, Grid] = field(default_factory=dict)
    hints: tuple[Hint, ...] = ()
    sheets: Mapping[str, Sheet] = field(default_factory=dict)
    rows: str = "ai"
    hardware: tuple[HardwareUse, ...] = ()
    timeline: Timeline | None = None
    scopes: tuple[ScopeFootprint, ...] = ()
    project: Mapping[str, str] | None = None
    partial: str | None = None
    asked: tuple[str, ...] = ("",)
    changes: Changes | None = None

    @property
    def telling_tests(self) -> Sequence[TestFootprint]:
        """Rows that may have more than a cost: AI tests, and whatever has calls, verdicts or notices."""
        telling: Sequence[TestFootprint] = getattr(self.tests, "telling", self.tests)
        return telling

    @property
    def verdicts_on_tests(self) -> tuple[Verdict, ...]:
        """Those of the tests that have a row."""
        return tuple(verdict for test in self.telling_tests for verdict in test.verdicts)

    @property
    def all_verdicts(self) -> tuple[Verdict, ...]:
        """On the run, then on its tests."""
        return (*self.verdicts, *self.verdicts_on_tests)

    @property
    def all_calls(self) -> Iterator[CallFootprint]:
        """Every call: of the tests, then of shared fixtures."""
        of_owners = (*(test.calls for test in self.telling_tests), *(fixture.calls for fixture in self.fixtures))
        return (call for calls in of_owners for call in calls)

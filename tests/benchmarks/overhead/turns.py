"""Bare, with a tool, bare again: runs that take turns, and what came of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import NamedTuple

from overhead.environments import TOOLS, NotInstalledError, Tool, install
from overhead.layouts import Suite
from overhead.running import RunFailedError, Sample, environment, run

OFF, ON = "off", "on"


class Turn(NamedTuple):
    """One round of one tool: the run with it, and the bare ones before and behind it."""

    bare: Sample
    tool: Sample
    again: Sample


@dataclass(frozen=True, slots=True)
class Added:
    """A median over rounds, in the unit of what was asked.

    Attributes:
        bare: without the tool. value: on top, with it. spread: what two bare runs of a round differ by.
    """

    bare: float
    value: float
    spread: float
    rounds: int


@dataclass(slots=True)
class Series:
    """All rounds of one tool on one suite, or why there are none."""

    turns: list[Turn] = field(default_factory=list)
    failure: str | None = None

    def added(self, what: Callable[[Sample], float]) -> Added | None:
        """What the tool adds to something that a run has; None without a round."""
        rounds = [tuple(what(sample) for sample in turn) for turn in self.turns]
        if not rounds:
            return None
        return Added(
            median((bare + again) / 2 for bare, _, again in rounds),
            median(tool - (bare + again) / 2 for bare, tool, again in rounds),
            median(abs(bare - again) for bare, _, again in rounds),
            len(rounds),
        )

    @property
    def with_tool(self) -> list[Sample]:
        """The runs with the tool."""
        return [turn.tool for turn in self.turns]


@dataclass(frozen=True, slots=True)
class Part:
    """Tools that take turns on one suite.

    Attributes:
        suite: None for ``pytest --version``. state: installed and off, or on. more: arguments of the tool's runs.
        rounds: how often. env: variables of the tool's runs. bare_of: part whose bare runs of the same round are this
            one's, too, where each takes a minute.
    """

    name: str
    suite: Suite | None
    tools: tuple[str, ...]
    rounds: int
    state: str = ON
    more: tuple[str, ...] = ()
    env: tuple[tuple[str, str], ...] = ()
    bare_of: str = ""


class Bench:
    """Runs parts, round by round, and keeps what came out.

    Attributes:
        found: series by part and tool. keep: called with (part, tool, folder of its run) after each run of a tool.
    """

    def __init__(self, work: Path, port: int, say: Callable[[str], None]) -> None:
        """Take a folder to work in, the server's port, and where to say what is going on."""
        self.found: dict[tuple[str, str], Series] = {}
        self.keep: Callable[[str, str, Path], None] | None = None
        self._work = work
        self._say = say
        self._env = {**environment(), "OVERHEAD_PORT": str(port)}
        self._suites: dict[str, Path] = {}
        self._broken: dict[str, str] = {}
        self._warm: set[tuple[str, str]] = set()

    def install(self) -> None:
        """Make the environments; a tool without one is told with the reason."""
        for tool in TOOLS:
            self._say(f"environment of {tool.name}")
            try:
                install(tool)
            except NotInstalledError as error:
                self._broken[tool.name] = str(error)

    def run(self, parts: tuple[Part, ...], limit_s: float) -> None:
        """All rounds: what the machine does meanwhile falls on all parts alike.

        Of everything there is one round; when so many seconds are over, no further one begins.
        """
        until = time.monotonic() + limit_s
        by_name = {tool.name: tool for tool in TOOLS}
        for number in range(max(part.rounds for part in parts)):
            for part in parts:
                for name in part.tools if number < part.rounds else ():
                    if number and time.monotonic() > until:
                        self._say(f"{limit_s / 60:.0f} minutes are over: no more rounds")
                        return
                    self._turn(part, by_name[name], number)

    def _turn(self, part: Part, tool: Tool, number: int) -> None:
        series = self.found.setdefault((part.name, tool.name), Series(failure=self._broken.get(tool.name)))
        if series.failure is not None:
            return
        self._say(f"round {number + 1} of {part.rounds}: {part.name}, {tool.name}")
        try:
            self._warm_up(part, tool)
            earlier = self.found.get((part.bare_of, tool.name), Series()).turns[number : number + 1]
            bare = earlier[0].bare if earlier else self._one(part, tool, None)
            with_tool = self._one(part, tool, part.state)
            if self.keep is not None:
                self.keep(part.name, tool.name, self._work / "run")
            again = earlier[0].again if earlier else self._one(part, tool, None)
            series.turns.append(Turn(bare, with_tool, again))
        except RunFailedError as error:
            series.failure = str(error)

    def _warm_up(self, part: Part, tool: Tool) -> None:
        """Compiled files are written by a run that is not counted: for bare runs and for runs with the tool."""
        suite = TINY if part.suite is None else part.suite
        if (tool.folder, suite.name) not in self._warm:
            self._warm.add((tool.folder, suite.name))
            run([tool.python, "-m", "pytest", "-q", "--collect-only", str(self._folder(suite))],
                env=self._env_of(tool, installed=False), scratch=self._work / "run")  # fmt: skip
        if (tool.name, part.state) not in self._warm:
            self._warm.add((tool.name, part.state))
            arguments = [*tool.command(on=part.state == ON, folder=self._work / "run"), str(self._folder(TINY))]
            run([tool.python, "-m", "pytest", "-q", *arguments],
                env=self._env_of(tool, installed=True), scratch=self._work / "run")  # fmt: skip

    def _one(self, part: Part, tool: Tool, state: str | None) -> Sample:
        folder = self._work / "run"
        arguments: list[str] = []
        env = self._env_of(tool, installed=state is not None)
        if state is not None:
            arguments += tool.command(on=state == ON, folder=folder)
            arguments += [argument.format(folder=folder) for argument in part.more]
            env |= dict(part.env)
        what = ["--version", "--version"] if part.suite is None else ["-q", str(self._folder(part.suite))]
        return run([tool.python, "-m", "pytest", *what, *arguments], env=env, scratch=folder)

    def _env_of(self, tool: Tool, *, installed: bool) -> dict[str, str]:
        return {**self._env, "PYTHONPATH": tool.path(installed=installed)}

    def _folder(self, suite: Suite) -> Path:
        if suite.name not in self._suites:
            self._suites[suite.name] = suite.lay_out(self._work / "suites")
        return self._suites[suite.name]


TINY = Suite("tiny", 1, what="what runs before anything is counted")

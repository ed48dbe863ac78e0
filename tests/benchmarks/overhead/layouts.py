"""The suites: the same test many times over, in files whose first and last test note the moment."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

PER_FILE = 200
CPU_S = 0.05
SLEEP_S = 6


@dataclass(frozen=True, slots=True)
class Suite:
    """So many tests with one line each.

    Attributes:
        line: of a test; "" for nothing.
        n: how many. imports: at the top of each file. what: in words. per_file: tests of each file.
    """

    name: str
    n: int
    line: str = ""
    imports: str = ""
    what: str = ""
    per_file: int = PER_FILE

    def lay_out(self, folder: Path) -> Path:
        """Write it, in a folder of its own."""
        home = folder / self.name
        home.mkdir(parents=True)
        # A root of its own: no configuration of a folder above it is read.
        (home / "pytest.ini").write_text("[pytest]\naddopts = -p no:cacheprovider\nmarkers = energy\n")
        head = f"from overhead_marks import burn, note\n{self.imports}\n"
        for number, first in enumerate(range(0, self.n, self.per_file)):
            size = min(self.per_file, self.n - first)
            text = head + "".join(self._test(n, size) for n in range(size))
            (home / f"test_{number:03}.py").write_text(text)
        return home

    def _test(self, n: int, size: int) -> str:
        # The first notes before its work and the last behind it: between them lie all tests but the frame of one.
        first = ["note()"] if n == 0 else []
        last = ["note()"] if n == size - 1 else []
        lines = [*first, *([self.line] if self.line else []), *last]
        return f"\n\ndef test_{n:03}():\n" + "".join(f"    {line}\n" for line in lines or ["pass"])


_ASKING = "import overhead_asking"
# What only the first call pays is in the first file, and in no other.
_HALF = PER_FILE // 2
_ASK = "overhead_asking.ask(overhead_asking.HOST)"

TRIVIAL_1 = Suite("trivial-1", 1, what="one test that does nothing")
TRIVIAL_200 = Suite("trivial-200", 200, what="200 tests that do nothing")
TRIVIAL_1000 = Suite("trivial-1000", 1000, what="1,000 tests that do nothing")
TRIVIAL_5000 = Suite("trivial-5000", 5000, what="5,000 tests that do nothing")
TRIVIAL_20000 = Suite("trivial-20000", 20_000, what="20,000 tests that do nothing")
TRIVIAL_100000 = Suite("trivial-100000", 100_000, what="100,000 tests that do nothing")
CPU = Suite("cpu-20", 20, f"burn({CPU_S})", what=f"20 tests that use {CPU_S * 1000:g} ms of CPU")
_REMOTE = "200 tests with one HTTP AI call to a provider's name, answered on loopback by another process"
REMOTE = Suite("http-200", 200, _ASK, _ASKING, _REMOTE, _HALF)
# Of 1,000, where it is told what one call costs: a full collection of garbage (some 50 ms) falls into 200 tests or does
# not, and what a tool allocates moves it.
REMOTE_1000 = Suite("http-1000", 1000, _ASK, _ASKING, _REMOTE.replace("200", "1,000"), _HALF)
_STREAMED = "the same to the provider's name, streamed in 11 events"
STREAMED_1000 = Suite("stream-1000", 1000, _ASK.replace(")", ", stream=True)"), _ASKING, _STREAMED, _HALF)
_LOCAL = "the same to a server of this machine, whose CPU is metered"
LOCAL_1000 = Suite("local-1000", 1000, 'overhead_asking.ask("127.0.0.1")', _ASKING, _LOCAL, _HALF)
_PREDICT = "200 tests with one prediction of scikit-learn's LogisticRegression"
INPROCESS = Suite("inprocess-200", 200, "overhead_model.predict()", "import overhead_model", _PREDICT, _HALF)
INPROCESS_1000 = replace(INPROCESS, name="inprocess-1000", n=1000, what=_PREDICT.replace("200", "1,000"))
SLEEP = Suite("sleep", 1, f"time.sleep({SLEEP_S})", "import time", f"a test that sleeps for {SLEEP_S} s")

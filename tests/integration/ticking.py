"""A pytest plugin by which a second goes by whenever this package reads the clock. Loaded into inner runs by ``-p``.

How many parts a timeline has, and which window reaches over the end of one, depends on how long a run is and on when it
began. Named before the package's own plugin, which takes the clock with it when a session begins.
"""

from itertools import count

from pytest_aifootprint.quantities.unfaked import REAL

_seconds = count(REAL.monotonic_ns(), 1_000_000_000)
REAL.monotonic_ns = lambda: next(_seconds)

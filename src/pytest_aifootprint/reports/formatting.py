"""The only place with digits and prefixes: what every report for people prints a number with.

Two significant digits, never an exponent, "0" for an exact zero and "–" for what is not known. Numbers of one kind
that stand in one column or line share one unit, made with ``carbon_unit`` and its like from all of them; a number
below a thousandth of that unit, or above 10,000 of it, has its own prefix rather than a row of zeros.
"""

# ruff: noqa: RUF001, RUF002 - the en dash of a range and the sign of a factor are what is meant
from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal

from msgspec import Struct

from pytest_aifootprint.quantities import Grams, GramsPerKwh, Joules, Litres, Range
from pytest_aifootprint.quantities.units import J_PER_WH

UNKNOWN = "–"
# Beyond these a number in a column gets its own prefix.
SMALLEST, LARGEST = Decimal("0.001"), Decimal(10_000)
_ASCII = str.maketrans(
    {
        "–": "-",
        "×": "x",
        "÷": "",
        "█": "#",
        "·": "|",
        "…": "...",
        "µ": "u",
        "±": "+-",
        "→": "->",
        "³": "3",
        "\N{NO-BREAK SPACE}": " ",
    }
)


class Unit(Struct, frozen=True):
    """A printed unit: its symbol, and the power of ten that it is of its kind's base unit."""

    symbol: str
    exponent: int


class Kind(Struct, frozen=True):
    """A kind of number: its units from small to large, and what the base unit is in the unit used inside."""

    units: tuple[Unit, ...]
    base: float = 1.0

    def rounded(self, value: float, digits: int = 2) -> Decimal:
        """The value in the base unit with so many significant digits."""
        return Decimal(f"{value / self.base:.{digits - 1}e}")

    def unit(self, values: Iterable[float | Range | None]) -> Unit:
        """The unit in which the largest of these values is at least 1."""
        return self._own(max((self.rounded(_central(v)) for v in values if v is not None), default=Decimal(0)))

    def _own(self, rounded: Decimal) -> Unit:
        if not rounded:
            return next(u for u in self.units if u.exponent == 0)
        fitting = [u for u in self.units if rounded >= Decimal(1).scaleb(u.exponent)]
        return fitting[-1] if fitting else self.units[0]

    def split(self, value: float, unit: Unit | None, digits: int = 2) -> tuple[str, Unit]:
        """The digits of a value, and the unit that they are in: ``unit`` unless the value is far off it."""
        rounded = self.rounded(value, digits)
        if unit is None or not SMALLEST <= rounded.scaleb(-unit.exponent) < LARGEST:
            unit = self._own(rounded)
        number = rounded.scaleb(-unit.exponent)
        return (f"<{SMALLEST}" if 0 < number < SMALLEST else _plain(number)), unit

    def text(self, value: Range | float | None, unit: Unit | None, digits: int = 2) -> str:
        """A number with its unit, "0", or "–"."""
        if value is None:
            return UNKNOWN
        if not _central(value):
            return "0"
        return _joined(*self.split(_central(value), unit, digits))

    def span(self, value: Range | None, unit: Unit | None) -> str:
        """Both ends of a range with their unit; one number where both print alike."""
        if value is None:
            return UNKNOWN
        unit = unit or self.unit([value])
        (low, low_unit), (high, high_unit) = self.split(value.low, unit), self.split(value.high, unit)
        if (low, low_unit) == (high, high_unit):
            return self.text(value.high, unit)
        if low_unit == high_unit:
            return f"{low} – {_joined(high, high_unit)}"
        return f"{self.text(value.low, unit)} – {_joined(high, high_unit)}"


def _central(value: Range | float) -> float:
    return value.central if isinstance(value, Range) else value


def _plain(number: Decimal) -> str:
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _joined(number: str, unit: Unit) -> str:
    return f"{number} {unit.symbol}".rstrip()


def _units(*symbols: tuple[int, str]) -> tuple[Unit, ...]:
    return tuple(Unit(symbol, exponent) for exponent, symbol in symbols)


CARBON = Kind(_units((-12, "pg"), (-9, "ng"), (-6, "µg"), (-3, "mg"), (0, "g"), (3, "kg"), (6, "t")))
ENERGY = Kind(
    _units((-12, "pWh"), (-9, "nWh"), (-6, "µWh"), (-3, "mWh"), (0, "Wh"), (3, "kWh"), (6, "MWh"), (9, "GWh")),
    J_PER_WH,
)
JOULES = Kind(_units((-9, "nJ"), (-6, "µJ"), (-3, "mJ"), (0, "J"), (3, "kJ"), (6, "MJ"), (9, "GJ")))
WATER = Kind(_units((-12, "pL"), (-9, "nL"), (-6, "µL"), (-3, "mL"), (0, "L"), (3, "m³")))
COUNT = Kind(_units((0, ""), (3, "k"), (6, "M"), (9, "G")))
POWER = Kind(_units((-9, "nW"), (-6, "µW"), (-3, "mW"), (0, "W"), (3, "kW"), (6, "MW")))
SECONDS = Kind(_units((-6, "µs"), (-3, "ms"), (0, "s"), (3, "ks")))

KIND_OF_LIMIT = {"carbon_g": CARBON, "energy_j": ENERGY, "water_l": WATER, "tokens": COUNT, "calls": COUNT}


def carbon_unit(values: Iterable[float | Grams | None]) -> Unit:
    """One unit for all these grams CO2e."""
    return CARBON.unit(values)


def carbon(value: Grams | float | None, unit: Unit | None = None) -> str:
    """Grams CO2e: ``2.3 g``; of a range, the central value."""
    return CARBON.text(value, unit)


def carbon_range(value: Grams | None, unit: Unit | None = None) -> str:
    """Both ends in grams CO2e: ``1.2 – 13 g``."""
    return CARBON.span(value, unit)


def suffix(value: Grams | float | None) -> str:
    """What stands behind a test's outcome with ``-v``: ``1.2 gCO2e``."""
    if value is None or not _central(value):
        return f"{UNKNOWN if value is None else 0} gCO2e"
    return f"{carbon(value)}CO2e"


def energy_unit(values: Iterable[float | Joules | None]) -> Unit:
    """One unit for all these joules."""
    return ENERGY.unit(values)


def energy(value: Joules | float | None, unit: Unit | None = None) -> str:
    """Joules, printed in watt-hours: ``3.1 Wh``."""
    return ENERGY.text(value, unit)


def energy_range(value: Joules | None, unit: Unit | None = None) -> str:
    """Both ends of joules, in watt-hours: ``8.6 – 29 Wh``."""
    return ENERGY.span(value, unit)


def energy_number(value: Joules | float, unit: Unit) -> str:
    """As ``energy``, the unit left out where the line has already said it."""
    number, used = ENERGY.split(_central(value), unit)
    return number if used == unit else _joined(number, used)


def joules(value: float) -> str:
    """Metered energy in joules: ``46 kJ``."""
    return JOULES.text(value, None)


def power(value: float) -> str:
    """Watts: ``4.2 W``."""
    return POWER.text(value, None)


def seconds(value: float) -> str:
    """A duration: ``12 s``, ``59 ms``."""
    return SECONDS.text(value, None)


def water_unit(values: Iterable[float | Litres | None]) -> Unit:
    """One unit for all these litres."""
    return WATER.unit(values)


def water(value: Litres | float | None, unit: Unit | None = None) -> str:
    """Litres: ``45 mL``."""
    return WATER.text(value, unit)


def water_range(value: Litres | None, unit: Unit | None = None) -> str:
    """Both ends in litres: ``26 – 130 mL``."""
    return WATER.span(value, unit)


def count_unit(values: Iterable[float | None]) -> Unit:
    """One unit for all these counts."""
    return COUNT.unit(values)


def count(value: int | None, unit: Unit | None = None) -> str:
    """A count: all digits below 1,000, two significant digits with a prefix above: ``950``, ``48 k``."""
    if value is None:
        return UNKNOWN
    if value < 1000 and (unit is None or unit.exponent == 0):
        return str(value)
    return COUNT.text(float(value), unit)


def exact_count(value: float) -> str:
    """A count that is held against a limit: all its digits; tests bear parts of what they share: ``2.5``."""
    if value == round(value):
        return f"{value:.0f}"
    return _plain(Decimal(f"{value:.1f}" if value >= 100 else f"{value:.6g}"))


def counted(value: int, what: str) -> str:
    """A count with its noun: ``1 live call``, ``37 live calls``."""
    return f"{count(value)} {what}{'' if value == 1 else 's'}"


def listed(names: Sequence[str], most: int) -> str:
    """The first of these names, and how many more there are: ``a, b, c and 5 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {count(more)} more" if more > 0 else "")


def tokens(value: int | None) -> str:
    """Tokens: ``48 k tokens``."""
    return f"{UNKNOWN} tokens" if value is None else counted(value, "token")


def percent(share: float | None) -> str:
    """A share of 1 as ``41 %``, ``1.6 %``, ``142 %``; below 0.1 % as ``<0.1 %``."""
    if share is None:
        return UNKNOWN
    if 0 < share < 0.001:
        return "<0.1 %"
    if 0.001 <= share < 0.00995:
        return f"{_plain(Decimal(f'{share * 100:.1f}'))} %"
    number = Decimal(round(share * 100)) if 0.995 <= share < 9.995 else Decimal(f"{share * 100:.1e}")
    return f"{_plain(number)} %"


def increase(share: float) -> str:
    """A change as a share of what it was before: ``+12 %``, ``-3.1 %``, ``±0 %``."""
    if abs(share) < 0.0005:
        return "±0 %"
    return f"{'+' if share > 0 else '-'}{percent(abs(share))}"


def factor(spread: float) -> str:
    """How far an input may be off: ``×/÷ 4.5``."""
    return f"×/÷ {_plain(Decimal(f'{spread:.1e}'))}"


def intensity(grams_per_kwh: GramsPerKwh | float) -> str:
    """A grid's carbon intensity: ``384 g/kWh``. A datum, not a result: three digits."""
    return f"{_plain(Decimal(f'{_central(grams_per_kwh):.2e}'))} g/kWh"


def exact(value: Range, unit: str) -> str:
    """A number of an equation in its base unit, with six digits and its range: to calculate with."""
    span = f" ({value.low:.5g} – {value.high:.5g})" if value.factors and value.central else ""
    return f"{value.central:.6g} {unit}".rstrip() + span


_FAR = 1000.0


def held_against(actual: float, limit: float, kind: Kind) -> str:
    """What was held against a limit: ``3.3 g of 5 g``; the limit, an exact number, with up to six digits.

    In one unit, unless they are so far apart that one of them would hide behind zeros: then each in its own.
    """
    near = not limit or 1 / _FAR <= actual / limit <= _FAR
    ours, theirs = (kind.unit([actual, limit]),) * 2 if near else (kind.unit([actual]), kind.unit([limit]))
    return f"{kind.text(actual, ours)} of {kind.text(limit, theirs, digits=6)}"


def one_line(text: str) -> str:
    """The text with line breaks and other control characters made visible, so that a line stays one line."""
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


def printable(text: str, encoding: str | None) -> str:
    """The text as this stream can print it: stand-ins for our own signs, escapes for what a name has in it.

    Args:
        text: what to print.
        encoding: of the stream; None or unknown: as UTF-8.
    """
    encoding = encoding or "utf-8"
    try:
        text.encode(encoding)
    except LookupError:
        return printable(text, "utf-8")
    except UnicodeEncodeError:
        replaced = "".join(c if _fits(c, encoding) else c.translate(_ASCII) for c in text)
        return replaced.encode(encoding, "backslashreplace").decode(encoding)
    return text


def _fits(char: str, encoding: str) -> bool:
    try:
        char.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True

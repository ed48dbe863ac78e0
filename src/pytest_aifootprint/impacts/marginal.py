"""Marginal factors, the user's own: grams CO2e that one more or one less kWh makes, beside the average of what is used.

Nothing here is a default, because no data that ships with the plugin is marginal. Positions: the GHG Protocol's Scope 2
Guidance (2015) rules marginal factors out of an inventory; SCI (ISO/IEC 21031:2024) takes average or marginal, if it is
said which. So what is attributed keeps the average, and only what had not been emitted is priced with them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_aifootprint.catalogue import Catalogue, ZoneError, number_g_per_kwh
from pytest_aifootprint.detection.providers.hosts import HOSTS
from pytest_aifootprint.impacts.contract import Grid
from pytest_aifootprint.quantities import GramsPerKwh, Range

LOCAL = "local"
_VALID = 'valid: "640 g/kWh", or low, central and high: ["500 g/kWh", "640 g/kWh", "800 g/kWh"]'


def read_marginal(table: Mapping[str, Any], catalogue: Catalogue) -> dict[str, Grid]:
    """The table ``[tool.aifootprint.marginal]``: ``local`` for this machine, else the provider, to its factor.

    A number is exact; a list is a range with the factor ``marginal:NAME``.

    Raises:
        ValueError: one line, for a provider that nobody knows, one that is named twice, or something that is no number.
    """
    found: dict[str, Grid] = {}
    for key, content in table.items():
        name = LOCAL if key.casefold() == LOCAL else _provider(key, catalogue)
        if name in found:
            raise ValueError(f"marginal: {key!r} is {name!r} once more")
        factor = _factor(f"marginal.{key}", content, f"marginal:{name}")
        told = ", ".join(content) if isinstance(content, list) else content
        found[name] = Grid("declared", factor, None, f"declared, marginal: {told}", None)
    return found


def _provider(key: str, catalogue: Catalogue) -> str:
    """The name that calls to a provider are priced under."""
    row = catalogue.provider(key)
    if row.key != "unknown":
        return row.key
    others = {name for _, name in HOSTS if catalogue.provider(name).key == "unknown"}
    if key.casefold() in others:
        return key.casefold()
    known = sorted({row.key for row in catalogue.providers.values()} - {"unknown"} | others)
    raise ValueError(f"marginal: unknown provider {key!r}; valid: {LOCAL}, {', '.join(known)}")


def _factor(where: str, content: Any, factor: str) -> GramsPerKwh:
    texts = content if isinstance(content, list) else [content]
    if not all(isinstance(text, str) for text in texts) or (isinstance(content, list) and len(texts) != 3):
        raise ValueError(f"{where} = {content!r} is neither a number with its unit nor three of them; {_VALID}")
    numbers = [_number(where, text) for text in texts]
    if len(numbers) == 1:
        return GramsPerKwh(Range(numbers[0]))
    try:
        return GramsPerKwh(Range.of(numbers[0], numbers[1], numbers[2], factor))
    except ValueError:
        raise ValueError(f"{where} = {content!r} is not in the order 0 < low <= central <= high; {_VALID}") from None


def _number(where: str, text: str) -> float:
    try:
        number = number_g_per_kwh(text)
    except ZoneError as error:
        raise ValueError(f"{where}: {error}; {_VALID}") from None
    if number is None:
        raise ValueError(
            f"{where} = {text!r} is no number: what is known of places are averages, and an average is no marginal "
            f"factor; {_VALID}"
        )
    return number

"""Electricity Maps: the carbon intensity of a grid in this hour, asked for with the user's own token.

The one thing here that asks the network, and only for a user who named it. The token stands in one header of one
request; no text that leaves this module contains it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from msgspec import Struct

from pytest_aifootprint.catalogue.loader import default_catalogue
from pytest_aifootprint.catalogue.zones import HIGHEST_G_PER_KWH, Intensity, ZoneError, lookup_zone

NAME = "electricitymaps"
TOKEN_VARIABLE = "ELECTRICITY_MAPS_API_KEY"  # noqa: S105 - the name of the variable
BASE_URL = "https://api.electricitymaps.com/v3"
"""As in codecarbon 3.3.2 (``core/electricitymaps_api.py``): ``/carbon-intensity/latest``, header ``auth-token``."""

_TIMEOUT_S = 5.0
_MOST_BYTES = 65_536
_ZONE = re.compile(r"[A-Z]{2}(-[A-Z0-9]+)*")
_TOKEN = re.compile(r"[!-~]+")
_SAFE_URL = re.compile(r"https://[^@?#\s]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^@?#\s]*)?")
_STATUS = {
    400: "400: it does not understand the question",
    401: "401: it does not accept the token",
    403: "403: the token may not ask for this zone",
    404: "404: it does not know the zone",
    429: "429: the token asked too often",
}
_PROVINCES = {
    "AB": "alberta", "BC": "british columbia", "MB": "manitoba", "NB": "new brunswick",
    "NL": "newfoundland and labrador", "NS": "nova scotia", "NT": "northwest territories", "NU": "nunavut",
    "ON": "ontario", "PE": "prince edward island", "QC": "quebec", "SK": "saskatchewan", "YT": "yukon",
}  # fmt: skip
# Of the balancing areas of the USA, those that are one state.
_STATES = {"US-CAL-CISO": "USA/california", "US-TEX-ERCO": "USA/texas"}


class LiveError(ValueError):
    """No figure could be had; the message is a few words that say why, without the token."""


class LiveIntensity(Struct, frozen=True):
    """What Electricity Maps said.

    Attributes:
        hour: ISO 8601, UTC, of the hour that the figure is of. lifecycle: False if it is of the stacks alone; None if
            the answer does not tell. estimated: by their models, for lack of data.
    """

    zone: str
    g_per_kwh: float
    hour: str
    lifecycle: bool | None = None
    estimated: bool = False

    @property
    def source(self) -> str:
        """Who says so, of what, and in which boundary."""
        boundary = {True: ", life-cycle", False: ", direct emissions only", None: ""}[self.lifecycle]
        return f"Electricity Maps, one hour, not a yearly average{boundary}{', estimated' if self.estimated else ''}"

    @property
    def year(self) -> int:
        """Of the hour."""
        return int(self.hour[:4])


def is_live(text: str) -> bool:
    """Whether this names Electricity Maps: ``electricitymaps`` or ``electricitymaps/FR``."""
    return text.strip().casefold().partition("/")[0] == NAME


def named_zone(text: str, here: Intensity | None) -> str:
    """The zone of ``electricitymaps/FR``; of ``electricitymaps`` alone, the one that stands for ``here``.

    Raises:
        ZoneError: one line, if there is no such zone, or none was named and ``here`` does not tell it.
    """
    name = text.strip().partition("/")[2].strip().upper()
    if not name:
        zone = None if here is None else zone_of(here)
        if zone is None:
            told = "nothing in the environment tells" if here is None else f"{here.zone} does not tell"
            raise ZoneError(f"{text!r}: {told} in which zone of Electricity Maps this machine is; name it: {_EXAMPLES}")
        return zone
    if _ZONE.fullmatch(name) is None:
        raise ZoneError(f"{text!r}: {name!r} is not a zone of Electricity Maps; {_meant(name)}valid: {_EXAMPLES}")
    return name


_EXAMPLES = f'"{NAME}/FR", "{NAME}/US-CAL-CISO", "{NAME}/SE-SE3"'


def _meant(name: str) -> str:
    try:
        zone = zone_of(lookup_zone(name))
    except ZoneError:
        return ""
    return "" if zone is None else f"did you mean {NAME}/{zone}? "


def zone_of(place: Intensity) -> str | None:
    """The zone of Electricity Maps that a place lies in; None where that is not plain (most of the USA)."""
    if place.country is None:
        return None
    if place.country == "USA":
        return next((zone for zone, state in _STATES.items() if state == place.zone), None)
    two = next((two for two, three in default_catalogue().countries.items() if three == place.country), None)
    if two is None:
        return None
    part = place.zone.partition("/")[2] if place.zone.startswith(f"{place.country}/") else ""
    if place.country == "CAN":
        return next((f"{two}-{code}" for code, name in _PROVINCES.items() if name == part), None)
    return f"{two}-{part}" if place.country in {"SWE", "NOR"} and part else two


def average_of(zone: str) -> Intensity:
    """The yearly average that stands in for a zone: of its province, bidding zone or state, its country, the world."""
    two, _, part = zone.partition("-")
    country = default_catalogue().countries.get(two, "WOR")
    narrower = _STATES.get(zone) or f"{country}/{_PROVINCES.get(part.partition('-')[0], part)}"
    for place in (narrower, country):
        try:
            return lookup_zone(place)
        except ZoneError:
            continue
    return lookup_zone("WOR")


def ask(zone: str, token: str, base_url: str = BASE_URL, timeout_s: float = _TIMEOUT_S) -> LiveIntensity:
    """The carbon intensity of a zone now, in ``timeout_s`` seconds at most, names and connections included.

    Raises:
        LiveError: whatever went wrong.
    """
    if _TOKEN.fullmatch(token) is None:
        raise LiveError(f"{TOKEN_VARIABLE} is not a token" if token else f"{TOKEN_VARIABLE} is not set")
    if _SAFE_URL.fullmatch(base_url) is None:
        raise LiveError("the token goes over https only")
    found: list[LiveIntensity | LiveError] = []
    url = f"{base_url.rstrip('/')}/carbon-intensity/latest?zone={zone}"
    late = LiveError(f"no answer within {timeout_s:g} s")

    def work() -> None:
        try:
            found.append(read_answer(_get(url, token, timeout_s), zone))
        except TimeoutError:
            found.append(late)
        except LiveError as error:
            found.append(error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the run goes on; its text may quote the header
            found.append(LiveError(_told(error)))

    # A name server that does not answer keeps to no timeout of ours: only a thread can be left behind.
    thread = threading.Thread(target=work, name="aifootprint-electricitymaps", daemon=True)
    thread.start()
    thread.join(timeout_s)
    answer = found[0] if found else late
    if isinstance(answer, LiveError):
        raise answer
    return answer


def _get(url: str, token: str, timeout_s: float) -> bytes:
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        """A redirect would carry the token to another host."""

        def redirect_request(self, *_: Any, **__: Any) -> None:
            return None

    request = urllib.request.Request(url, headers={"auth-token": token})  # noqa: S310 - checked by _SAFE_URL
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=timeout_s) as response:
            content: bytes = response.read(_MOST_BYTES)
            return content
    except urllib.error.HTTPError as error:
        error.close()
        if 300 <= error.code < 400:
            raise LiveError(f"{error.code}: it sends us elsewhere, where the token does not go") from None
        raise LiveError(_STATUS.get(error.code, f"HTTP status {error.code}")) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, TimeoutError):
            raise error.reason from None
        raise LiveError(_told(error.reason)) from None


def _told(error: object) -> str:
    """What an operating system or a library calls it; never its own words, which may quote what we sent."""
    said = error.strerror if isinstance(error, OSError) and isinstance(error.strerror, str) else ""
    return said or type(error).__name__


def read_answer(content: bytes | str, zone: str) -> LiveIntensity:
    """Read an answer of ``/carbon-intensity/latest``. Raises LiveError for one that cannot be used."""
    try:
        answer = json.loads(content)
    except ValueError:
        raise LiveError("its answer is no JSON") from None
    if not isinstance(answer, Mapping):
        raise LiveError("its answer is no JSON object")
    if answer.get("zone", zone) != zone:
        raise LiveError("its answer is of another zone")
    grams = answer.get("carbonIntensity")
    if isinstance(grams, bool) or not isinstance(grams, (int, float)):
        raise LiveError("its answer has no carbonIntensity")
    # No electricity is free of carbon, life-cycle. Not so is also what JSON calls NaN.
    if not 0 < grams <= HIGHEST_G_PER_KWH:
        raise LiveError(f"its carbonIntensity, {str(grams)[:12]}, is not between 0 and {HIGHEST_G_PER_KWH:.0f} g/kWh")
    kind = answer.get("emissionFactorType")
    lifecycle = {"lifecycle": True, "direct": False}.get(kind) if isinstance(kind, str) else None
    return LiveIntensity(
        zone, float(grams), _hour(answer.get("datetime")), lifecycle, answer.get("isEstimated") is True
    )


def _hour(text: object) -> str:
    try:
        # Python 3.10 does not read the Z.
        at = datetime.fromisoformat(text.replace("Z", "+00:00")) if isinstance(text, str) else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise LiveError("its answer has no datetime")
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%MZ")

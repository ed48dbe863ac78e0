"""Where a report is sent to, when it is no file."""

from __future__ import annotations

from urllib.parse import urlsplit

from msgspec import Struct


class Endpoint(Struct, frozen=True):
    """The address of a service; "" where nobody named one.

    As text it is scheme, host and port alone: notices are printed and saved, and the rest may be a key.
    """

    url: str

    def __str__(self) -> str:
        """For people."""
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname or "", f":{parts.port}" if parts.port is not None else ""
        except ValueError:
            return "an address that cannot be read"
        return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}{port}"

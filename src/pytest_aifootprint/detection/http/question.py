"""What a request asks for: the one place where the stacks ask the providers' parsers."""

from __future__ import annotations

from pytest_aifootprint.detection.http.sending import Request
from pytest_aifootprint.detection.providers.asking import Asked, asked, could_ask


def what_is_asked(request: Request) -> Asked | None:
    """What a request asks a model for; None if it is no AI call. Most are none, and are turned away first."""
    if request.method != "POST" or (match := could_ask(request.path)) is None:
        return None
    return asked(match, request.host, request.body())

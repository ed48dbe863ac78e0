"""A model in this process that answers HTTP itself is no fake."""

from __future__ import annotations

import json
import urllib.request
from typing import Any
from urllib.parse import urlsplit


def ask(address: str) -> None:
    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}]}).encode()
    with urllib.request.urlopen(f"{address}/v1/chat/completions", body) as answer:
        answer.read()


def test_only_ports_of_models_are_live(watched: Any, own_server: str) -> None:
    ask(own_server)
    watched.seams._arming.serving.add(urlsplit(own_server).port)
    ask(own_server)
    assert [(call.realness, call.replayer, call.locality) for call in watched.calls] == [
        ("mocked", "own server", "local"),
        ("live", None, "local"),
    ]

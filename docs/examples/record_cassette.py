"""Makes ``cassettes/summary.yaml``, which ``test_replayed.py`` replays. Run ``python record_cassette.py``.

vcrpy records a real exchange between the openai SDK and the stand-in server, and writes it down as if it had been with
api.openai.com: nobody needs a key to make it, and it has none in it. With a key of yours you would record the same call
at the provider, and the recording would differ in its answer and its token counts.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import vcr
from assistant import summarise
from openai import OpenAI
from test_replayed import MODEL
from texts import ARTICLE

HERE = Path(__file__).parent
KEPT_HEADERS = {"content-type", "accept"}


def as_if_at_the_provider(request: Any) -> Any:
    """The request with the provider's address, and with no header that could hold a key or name this machine."""
    request.uri = f"https://api.openai.com{urlsplit(request.uri).path}"
    request.headers = {name: value for name, value in request.headers.items() if name.lower() in KEPT_HEADERS}
    return request


def without_date(response: dict[str, Any]) -> dict[str, Any]:
    """The response without its date, so that the same answer makes the same recording."""
    response["headers"] = {n: v for n, v in response["headers"].items() if n.lower() in KEPT_HEADERS}
    return response


def main() -> None:
    """Record the one call."""
    cassette = HERE / "cassettes" / "summary.yaml"
    cassette.unlink(missing_ok=True)
    recorder = vcr.VCR(
        record_mode="once",
        before_record_request=as_if_at_the_provider,
        before_record_response=without_date,
        decode_compressed_response=True,
    )
    command = [sys.executable, str(HERE / "stand_in_server.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdin
        assert server.stdout
        address = server.stdout.readline().strip()
        with OpenAI(base_url=f"{address}/v1", api_key="none-needed") as client, recorder.use_cassette(str(cassette)):
            summarise(client, MODEL, ARTICLE)
        server.stdin.close()


if __name__ == "__main__":
    main()

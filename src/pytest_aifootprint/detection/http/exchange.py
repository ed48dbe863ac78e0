"""One HTTP request to a model and its answer, while it lasts. Afterwards only an ``AICall`` is left."""

from __future__ import annotations

import threading
from typing import Any

from pytest_aifootprint.detection.calls import AICall
from pytest_aifootprint.detection.http.decoding import Decoder, decoders, through
from pytest_aifootprint.detection.providers.asking import Asked
from pytest_aifootprint.detection.providers.body import Body
from pytest_aifootprint.detection.providers.clips import VIDEO
from pytest_aifootprint.detection.providers.usage import Usage
from pytest_aifootprint.detection.recorder import Recorder
from pytest_aifootprint.detection.servers import OWN, UNSEEN, ServerSample, ServerTimes, ServerWatch, times_of
from pytest_aifootprint.quantities.unfaked import REAL

BATCH_BYTES = 8_192
LIVE, REPLAYED, MOCKED = "live", "replayed", "mocked"


class Exchange:
    """From sending the request to the end of the answer; the outer seam drives it, the wire seam leaves its mark.

    Attributes:
        address: host and port, or socket file and 0, of a server that may be on this machine.
        wired: the request went to a connection of the client's protocol code.
        replayer: set by a replayer that answered instead.
        realness: decided when the answer's head, or an error, is there.
    """

    of_phase = False

    __slots__ = (
        "_batch",
        "_batched",
        "_body",
        "_call_notices",
        "_chain",
        "_finish_once",
        "_inferred",
        "_owner",
        "_recorder",
        "_server",
        "_started_ns",
        "address",
        "asked",
        "client",
        "host",
        "realness",
        "replayer",
        "status",
        "wired",
    )

    def __init__(
        self, recorder: Recorder, client: str, asked: Asked, host: str, address: tuple[str, int] | None = None
    ) -> None:
        self._recorder = recorder
        self._owner, self._inferred = recorder.owner()
        self._finish_once = threading.Lock()
        self._body: Body | None = None
        self._batch: list[bytes] = []
        self._batched = 0
        self._chain: list[Decoder] = []
        self._call_notices: tuple[str, ...] = ()
        self._server: ServerSample | str | None = None
        self.asked = asked
        self.address = address
        self.client = client
        self.host = host
        self.wired = False
        self.replayer: str | None = None
        self.realness = MOCKED
        self.status: int | str = "error"
        self._started_ns = REAL.monotonic_ns()

    @property
    def owner_key(self) -> int:
        """Tells one owner's exchanges from another's."""
        return id(self._owner)

    def notice(self, code: str) -> None:
        """Add a code of what is not known about this call."""
        if code not in self._call_notices:
            self._call_notices = (*self._call_notices, code)

    def sent(self, socket_file: str | None = None) -> None:
        """The request goes to a connection, maybe through a file. More than once does no harm."""
        self.wired = True
        if socket_file is not None:
            self.address = (socket_file, 0)
        if self.address is not None:
            self.watch_server()

    def watch_server(self) -> None:
        """A server on this machine is about to work: read its CPU clock, on our own account."""
        servers = self._recorder.servers
        if self._server is None and self.address is not None and servers is not None:
            started_ns = REAL.thread_time_ns()
            self._server = self._sample(servers, self.address)
            self._recorder.own_ns += REAL.thread_time_ns() - started_ns

    @property
    def own_server(self) -> bool | None:
        """Whether this very process is the server; None if that was not looked for, or could not be told."""
        return None if self._server is None or self._server == UNSEEN else self._server == OWN

    def answered(self, status: int, headers: Any) -> None:
        """The answer's head is there. The body of an error says nothing about tokens and is not read.

        ``headers``: any mapping whose ``get`` takes lower-case names; some APIs count there.
        """
        self.status = status
        if status < 400:
            interpreter = self.asked.interpreter()
            interpreter.headers(headers)
            self._body = Body(interpreter, headers.get("content-type") or "")

    def encoded(self, content_encoding: str) -> None:
        """The pieces to come are encoded."""
        if self._body is None or not content_encoding:
            return
        try:
            self._chain = decoders(content_encoding)
        except LookupError:
            self._give_up("unknown-encoding")

    def wait(self) -> None:
        """The body comes later, piece by piece, or never."""
        self._recorder.wait_for(self, self._owner)

    def feed(self, piece: bytes) -> None:
        """Take a piece of the body. Never raises.

        Pieces are gathered to ``BATCH_BYTES`` before they are read: between two pieces the user's own code runs, and
        reading each one with cold caches took three times as long.
        """
        if self._body is None:
            return
        self._batch.append(piece if type(piece) is bytes else bytes(piece))
        self._batched += len(piece)
        if self._batched >= BATCH_BYTES:
            self._feed_batch()

    def whole(self, answer: bytes) -> None:
        """Take the whole body at once."""
        if self._body is None:
            return
        if self._chain or not self._body.whole(answer):
            self.feed(answer)

    def _feed_batch(self, *, last: bool = False) -> None:
        batch, self._batch, self._batched = self._batch, [], 0
        body, piece = self._body, batch[0] if len(batch) == 1 else b"".join(batch)
        if body is None:
            return
        try:
            if self._chain:
                for decoded in through(self._chain, piece):
                    body.feed(decoded)
            elif not last or not body.whole(piece):
                body.feed(piece)
        except Exception as error:  # noqa: BLE001 - decoders raise what they like; never into the user's stream
            self._give_up("unknown-encoding" if self._chain else "unknown-format")
            if not self._chain:
                self._recorder.error("answer", error)

    @property
    def over(self) -> bool:
        """It is recorded, or is just being."""
        return self._finish_once.locked()

    def so_far(self) -> AICall:
        """The call as it would be if the process were killed now."""
        return self._call(Usage(), REAL.monotonic_ns(), abandoned=True)

    def finish(self, *, abandoned: bool) -> None:
        """Record the call with what is known. May be called twice, from two threads; the second does nothing."""
        if not self._finish_once.acquire(blocking=False):
            return
        ended_ns = REAL.monotonic_ns()
        server = self._server_times() if self.asked.local else None
        self._recorder.done(self)
        usage, streamed = Usage(), False
        if self._batch:
            self._feed_batch(last=True)
        try:
            if self._body is not None:
                streamed = self._body.streamed
                usage, abandoned = self._read(self._body, abandoned=abandoned)
        except Exception as error:  # noqa: BLE001 - an answer that we fail to read is still a call
            self._recorder.error("answer", error)
            self.notice("unknown-format")
        self._body = None
        self._chain = []
        if self.asked.model is None and usage.model is None:
            self.notice("unknown-model")
        call = self._call(usage, ended_ns, abandoned=abandoned, streamed=streamed, server=server)
        self._recorder.record(call, self._owner, inferred=self._inferred)

    def _call(
        self,
        usage: Usage,
        ended_ns: int,
        *,
        abandoned: bool,
        streamed: bool = False,
        server: ServerTimes | None = None,
    ) -> AICall:
        asked = self.asked
        return AICall(
            operation=asked.operation,
            client=self.client,
            locality="local" if asked.local else "remote",
            realness=self.realness,
            started_ns=self._started_ns,
            duration_ns=ended_ns - self._started_ns,
            provider=asked.provider,
            model=asked.model or usage.model,
            response_model=usage.model,
            streamed=streamed,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cached_input_tokens=usage.cached_input_tokens,
            reasoning_tokens=usage.reasoning_tokens,
            tokens_estimated=usage.estimated,
            status=self.status,
            abandoned=abandoned,
            replayer=self.replayer,
            host=self.host,
            samples=asked.samples,
            media_s=asked.media_s if asked.media_s is not None else usage.media_s,
            notices=(*asked.notices, *self._call_notices) if self._call_notices else asked.notices,
            server=server,
        )

    def _server_times(self) -> ServerTimes | None:
        """What a local server's CPU clock says of this call; a notice where a server worked that cannot be seen."""
        servers = self._recorder.servers
        if self.realness != LIVE or servers is None:
            return None
        found: ServerTimes | str = UNSEEN
        if isinstance(self._server, str):
            found = self._server
        elif self._server is not None and self.address is not None:
            found = times_of(self._server, self._sample(servers, self.address))
        if isinstance(found, tuple):
            return found
        # Where there was no answer, or an error, nobody knows of any work.
        if found == UNSEEN and isinstance(self.status, int) and self.status < 400:
            self.notice(found)
        return None

    def _sample(self, servers: ServerWatch, address: tuple[str, int]) -> ServerSample | str:
        try:
            return servers(*address)
        except Exception as error:  # noqa: BLE001 - looking at a server never raises into the user's call
            self._recorder.error("server", error)
            return UNSEEN

    def _read(self, body: Body, *, abandoned: bool) -> tuple[Usage, bool]:
        """What the answer says, and whether it was given up before its end."""
        body.end()
        usage = body.interpreter.usage()
        abandoned = abandoned and not body.interpreter.complete
        if not body.understood:
            if not abandoned:
                self.notice("unknown-format")
            return usage, abandoned
        untold = usage.output_tokens is None and usage.input_tokens is None
        if untold and not abandoned and self.asked.operation != VIDEO:  # a clip has no tokens
            self.notice("no-usage")
        return usage, abandoned

    def _give_up(self, code: str) -> None:
        self.notice(code)
        self._body = None

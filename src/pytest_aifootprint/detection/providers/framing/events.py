"""Server-sent events, line by line."""

from __future__ import annotations

from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker, parse
from pytest_aifootprint.detection.providers.usage import Interpreter


class Events:
    """A stream of events. At most 8 KiB of a line are held; the data of longer ones are scanned as they pass."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.streamed = True
        self.understood = False
        self._held = b""
        self._scan: Picker | None = None
        self._skip = False  # inside a line too long to hold that is no data
        self._data: list[bytes] = []  # data lines of the event at hand
        self._data_size = 0

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        # Most pieces are one event, whole, of one line that only adds content.
        if (
            piece.endswith(b"\n\n")
            and piece.startswith(b"data:")
            and len(piece) <= WHOLE_LIMIT
            and not self._held
            and not self._data
            and self._scan is None
            and not self._skip
            and piece.find(b"\n") == len(piece) - 2
        ):
            self._event(piece[5:].strip())
            return
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._end_line(self._held + line if self._held else line)
            self._held = b""
        if self._scan is not None:
            self._scan.feed(rest)
        elif not self._skip:
            self._held = self._held + rest if self._held else rest
            if len(self._held) > WHOLE_LIMIT:
                self._begin_long_line(self._held)
                self._held = b""

    def end(self) -> None:
        """No more bytes."""
        self._end_line(self._held)
        self._held = b""
        self._end_event()

    def _end_line(self, line: bytes) -> None:
        if self._scan is not None:
            self._scan.feed(line)
            self._end_long_line()
        elif self._skip:
            self._skip = False
        elif len(line) > WHOLE_LIMIT:
            self._begin_long_line(line)
            self._end_long_line()
        elif line.startswith(b"data:"):
            self._data_size += len(line)
            if self._data_size <= 2 * WHOLE_LIMIT:
                self._data.append(_data(line) or b"")
        elif self._data and not line.rstrip(b"\r"):
            self._end_event()

    def _begin_long_line(self, line: bytes) -> None:
        data = _data(line)
        self._skip = data is None
        if data is not None:
            self._scan = Picker(self.interpreter.wanted)
            self._scan.feed(data)

    def _end_long_line(self) -> None:
        scan, self._scan, self._skip = self._scan, None, False
        if scan is not None and scan.done:
            self.understood = True
            self.interpreter.event(scan.picked())

    def _end_event(self) -> None:
        if not self._data:
            return
        text = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
        self._data.clear()
        self._data_size = 0
        self._event(text)

    def _event(self, text: bytes) -> None:
        if self.interpreter.passes(text):
            return
        if text == b"[DONE]":
            self.understood = True
            self.interpreter.done()
        elif (event := parse(text)) is not None:
            self.understood = True
            self.interpreter.event(event)


def _data(line: bytes) -> bytes | None:
    """The payload of a ``data:`` line, else None."""
    return line[5:].strip() if line.startswith(b"data:") else None

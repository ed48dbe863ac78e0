"""Server-sent events, line by line."""

from __future__ import annotations

from itertools import islice

from pytest_aifootprint.detection.providers.picking import WHOLE_LIMIT, Picker, parse
from pytest_aifootprint.detection.providers.usage import Interpreter

_BACKSLASH = 0x5C
_DONE = b"\n\ndata: [DONE]\n\n"


class Events:
    """A stream of events. At most 8 KiB of an event are held; data of longer lines are scanned as they pass."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter = interpreter
        self.streamed = True
        self.understood = False
        self._held = b""  # of an event: of a line, where that is already in an event whose lines are read one by one
        self._scan: Picker | None = None
        self._skip = False  # inside a line too long to hold that is no data
        self._data: list[bytes] = []  # data lines of the event at hand
        self._data_size = 0
        self._before = self._behind = b""  # what stood around the text of an event that only added that
        self._padded = False

    def whole(self, answer: bytes) -> bool:
        """Take a stream that is there as a whole, if its last event says all that there is to know. Else False."""
        if not answer.endswith(_DONE):
            return False
        stop = len(answer) - len(_DONE)
        start = answer.rfind(b"\n\ndata:", 0, stop) + 7
        line = answer[start:stop]
        if start < 7 or len(line) > WHOLE_LIMIT or b'"usage"' not in line or b"\n" in line:
            return False
        event = parse(line.strip())
        if event is None or not self.interpreter.sums_up(event):
            return False
        self.understood = True
        self.interpreter.event(event)
        self.interpreter.done()
        return True

    def feed(self, piece: bytes) -> None:
        """Take the next bytes."""
        held, self._held = self._held, b""
        if self._data or self._scan is not None or self._skip or b"\r" in piece:
            self._by_lines(held + piece)
            return
        if held:
            piece = held + piece
        end = piece.rfind(b"\n\n")
        if end >= 0:
            self._whole_events(piece[:end].split(b"\n\n"))
            piece = piece[end + 2 :]
        if len(piece) <= WHOLE_LIMIT:
            self._held = piece
        else:
            self._by_lines(piece)

    def end(self) -> None:
        """No more bytes."""
        for line in self._held.split(b"\n"):
            self._end_line(line)
        self._held = b""
        self._end_event()

    def _whole_events(self, events: list[bytes]) -> None:
        """Most are one line of data that only adds content, or that behind the line with the event's name."""
        at = self._alike(events, 0)
        while at < len(events):
            event = line = events[at]
            at += 1
            if b"\n" in event:
                above, _, line = event.rpartition(b"\n")
                if b"\n" in above or above.startswith(b"data:"):
                    line = b""
            if line.startswith(b"data:") and len(line) <= WHOLE_LIMIT:
                text = line[5:].strip()
                if not self.interpreter.passes(text):
                    self._read(text)
                elif self._learn(event, text):
                    at = self._alike(events, at)
            else:
                for each in event.split(b"\n"):
                    self._end_line(each)
                self._end_line(b"")

    def _learn(self, event: bytes, text: bytes) -> bool:
        """Remember what stands around the text of an event that passed: mostly the next one differs in that alone."""
        start = self.interpreter.text_at
        if not start or not event.endswith(text):
            return False
        start += len(event) - len(text)
        stop = event.find(b'"', start)
        if stop <= start or event[stop - 1] == _BACKSLASH:
            return False
        # Behind it OpenAI and Mistral have a string of no meaning, that hides how long the text is.
        last = event.rfind(b'"', stop + 1, -2)
        self._padded = event.endswith(b'"}') and event.endswith(b'":', stop, last)
        self._before, self._behind = event[:start], event[stop : last + 1] if self._padded else event[stop:]
        return True

    def _alike(self, events: list[bytes], at: int) -> int:
        """Count those, from this one on, that are like the one learnt from. Returns where they end."""
        before, behind, padded = self._before, self._behind, self._padded
        start, first = len(before), at
        if not start:
            return at
        for event in islice(events, at, None) if at else events:
            stop = event.find(b'"', start)
            if stop <= start or not event.startswith(before):
                break
            if padded:
                over = stop + len(behind)
                if event.find(b'"', over) != len(event) - 2 or event[stop:over] != behind or event[-1:] != b"}":
                    break
            elif event[stop:] != behind:
                break
            at += 1
        run = events[first:at]
        if (
            not run
            or len(max(run, key=len)) > WHOLE_LIMIT
            or b"".join(run).count(b"\n") != before.count(b"\n") * len(run)
        ):
            return first  # a line break in what looked like a text
        self.interpreter.chunks += len(run)
        return at

    def _by_lines(self, piece: bytes) -> None:
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._end_line(line)
        if self._scan is not None:
            self._scan.feed(rest)
        elif not self._skip:
            self._held = rest
            if len(rest) > WHOLE_LIMIT:
                self._begin_long_line(rest)
                self._held = b""

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
        if not self.interpreter.passes(text):
            self._read(text)

    def _read(self, text: bytes) -> None:
        if text == b"[DONE]":
            self.understood = True
            self.interpreter.done()
        elif (event := parse(text)) is not None:
            self.understood = True
            self.interpreter.event(event)


def _data(line: bytes) -> bytes | None:
    """The payload of a ``data:`` line, else None."""
    return line[5:].strip() if line.startswith(b"data:") else None

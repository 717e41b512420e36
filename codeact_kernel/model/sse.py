"""Server-sent events, as chat completions stream them: bytes in, data of events out.

Follows the event stream format of the HTML standard
(https://html.spec.whatwg.org/multipage/server-sent-events.html), except that a
lone carriage return does not end a line: JSON never contains one, and no
endpoint sends it.
"""

from __future__ import annotations


class EventReader:
    """Collects bytes in any pieces and gives the data of each complete event, as text."""

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[str] = []

    def feed(self, data: bytes) -> list[str]:
        """The events that ``data`` completes.  Raises ``UnicodeDecodeError`` if it is not UTF-8."""
        first, *rest = data.split(b"\n")
        self._line.append(first)
        if not rest:
            return []
        lines = [b"".join(self._line), *rest[:-1]]
        self._line = [rest[-1]]
        return [event for line in lines if (event := self._take(line)) is not None]

    def finish(self) -> list[str]:
        """The last event, for endpoints that do not end it with an empty line."""
        events = [self._take(b"".join(self._line)), self._take(b"")]
        self._line = []
        return [event for event in events if event is not None]

    def _take(self, line: bytes) -> str | None:
        text = line.removesuffix(b"\r").decode("utf-8")
        if text:
            name, _, value = text.partition(":")
            if name == "data":
                self._data.append(value.removeprefix(" "))
            return None
        if not self._data:
            return None
        event = "\n".join(self._data)
        self._data = []
        return event

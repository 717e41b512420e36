"""Reads an open HTTP response into a reply: event stream or plain JSON, whole or broken."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import NoReturn, Protocol

from ..agent.parse import StreamCut
from .endpoint import Endpoint
from .failures import broken_stream, from_event, from_exception, malformed
from .reply import ReplyReader
from .retry import AttemptFailed, Failure
from .sse import EventReader

LINGER = 0.02
"""Seconds that a stream may take to end by itself once we have what we want.

Most replies end with their code block; then the end and the true usage are
already on their way, and the connection can be used again.
"""


LIMIT = 64 * 1024 * 1024
"""Bytes in one reply; more is no answer to a question."""


class ByteStream(Protocol):
    """What is used of the HTTP client's response."""

    def aiter_bytes(self) -> AsyncIterator[bytes]:
        """The body, in pieces as they arrive."""


async def read_reply(
    response: ByteStream, endpoint: Endpoint, show: Callable[[str], None]
) -> ReplyReader:
    """Read until the reply ends or its first code block is closed; ``show`` gets each delta.

    A stream that breaks after a closed code block is complete.  Raises
    ``AttemptFailed``; the caller closes ``response``.
    """
    reader = ReplyReader(StreamCut())
    intake = _Intake(reader, endpoint, show)
    try:
        await _drain(response, intake)
    except AttemptFailed:
        if not reader.cut:
            raise
    return reader


async def _drain(response: ByteStream, intake: _Intake) -> None:
    now = asyncio.get_running_loop().time
    try:
        async with asyncio.timeout(None) as limit, aclosing(_pieces(response, intake)) as pieces:
            async for piece in pieces:
                intake.take(piece)
                if intake.done and limit.when() is None:
                    limit.reschedule(now() + LINGER)
    except TimeoutError:
        if not limit.expired():
            raise
    intake.end()


async def _pieces(response: ByteStream, intake: _Intake) -> AsyncGenerator[bytes, None]:
    """The body; whatever the HTTP client raises becomes ``AttemptFailed``."""
    try:
        async for piece in response.aiter_bytes():
            yield piece
    except Exception as error:  # its error classes differ between releases of the client
        late = "Timeout" in type(error).__name__
        endpoint = intake.endpoint
        failure = from_exception(error, endpoint) if late else broken_stream(endpoint)
        raise AttemptFailed(failure) from None


class _Intake:
    """Turns the bytes of one body into events for the reader."""

    def __init__(
        self, reader: ReplyReader, endpoint: Endpoint, show: Callable[[str], None]
    ) -> None:
        self.endpoint = endpoint
        self._reader = reader
        self._show = show
        self._events = EventReader()
        self._json: list[bytes] | None = None
        self._size = 0
        self._count = 0
        self._closed = False

    @property
    def done(self) -> bool:
        """Whether nothing that follows is needed."""
        return self._closed or self._reader.cut

    def take(self, piece: bytes) -> None:
        """Take a piece of the body."""
        # No line of an event stream begins like this; some servers send plain JSON instead.
        if self._size == 0 and piece.lstrip()[:1] in (b"{", b"[", b"<"):
            self._json = []
        self._size += len(piece)
        if self._size > LIMIT:
            self._refuse(f"more than {LIMIT // 1024**2} MB")
        if self._json is not None:
            self._json.append(piece)
            return
        self._take_events(lambda: self._events.feed(piece))

    def end(self) -> None:
        """The body is over: check that it was a reply."""
        if self._json is not None:
            self._event(b"".join(self._json).decode("utf-8", "replace"))
        self._take_events(self._events.finish)
        reader = self._reader
        if reader.cut or reader.finish or (self._closed and (reader.text or reader.tool_names)):
            return
        if self._size and (self._closed or not self._count):
            self._refuse("nothing that is a reply")
        raise AttemptFailed(broken_stream(self.endpoint))

    def _take_events(self, read: Callable[[], list[str]]) -> None:
        try:
            events = read()
        except UnicodeDecodeError:
            self._refuse("bytes that are not text")
        for event in events:
            self._event(event)

    def _event(self, event: str) -> None:
        self._count += 1
        if self._closed or event.startswith("[DONE]"):
            self._closed = True
            return
        try:
            value = json.loads(event)
        except (ValueError, RecursionError):
            self._refuse(repr(event[:60]))
        if isinstance(value, dict) and value.get("error"):
            raise AttemptFailed(from_event(value["error"], self.endpoint))
        try:
            shown = self._reader.feed(value)
        except (ValueError, TypeError, AttributeError):  # JSON of another shape
            self._refuse(repr(event[:60]))
        if shown:
            self._show(shown)

    def _refuse(self, what: str) -> NoReturn:
        raise AttemptFailed(Failure(malformed(what, self.endpoint)))

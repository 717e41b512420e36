"""What one request publishes, on its way out: made safe, kept within its limit, in order."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from ..environment.wire import Json, Message
from .front import Front
from .outputs import Flood, OutputPolicy
from .outputs.flood import Piece

_DISPLAYS = ("display_data", "execute_result")
"""Count towards the output limit; an update replaces what has been counted."""

_ERRORS = 100
"""Errors shown of one request: a cell has one, but anything can be published."""

_TRACEBACK = 2_000_000
"""Characters of one traceback, to the end of an entry."""

_WAITING = 64_000_000
"""Bytes of messages that may wait while others are made safe."""

_log = logging.getLogger(__name__)


class Relay:
    """Publishes the iopub messages of one request under the header of ``parent``.

    Messages leave in the order in which they came, also when one is so large
    that it is made safe in a thread while others wait behind it.  ``flood``
    makes the keeper of the output limit; it is called at the first output.
    What is held is bounded, whatever comes.
    """

    def __init__(
        self, front: Front, policy: OutputPolicy, parent: bytes, flood: Callable[[], Flood]
    ) -> None:
        self._front = front
        self._policy = policy
        self._parent = parent
        self._make_flood = flood
        self._flood: Flood | None = None
        self._path: str | None = None
        self.on_comm: Callable[[str, Json], bool] | None = None
        """Told of every comm that the inner kernel opens, uses or closes; whether it may."""
        self._waiting: deque[tuple[Message, int] | list[Piece]] = deque()
        self._size = 0
        self._errors = 0
        self._clears = False
        self._worker: asyncio.Task[None] | None = None

    def message(self, message: Message) -> None:
        """Publish ``message``, now or when its turn comes."""
        kind = message.type
        if kind == "stream":
            self._stream(self._pieces(message.content))
            return
        size = len(message.frames[3]) + sum(map(len, message.buffers))
        if not self._admit(kind, size):
            return
        if self._worker is not None:
            self._wait(message, size)
        elif self._policy.is_heavy(kind, message.content):
            self._wait(message, size)
            self._worker = asyncio.create_task(self._work())
        else:
            self._pass(message, self._safe(message))

    async def close(self) -> str | None:
        """Publish all that waits and what the output limit withheld; returns the full text's file."""
        while self._worker is not None:
            await asyncio.wait([self._worker])
        self._finish()
        return self._path

    def stop(self) -> None:
        """Publish nothing more of what waits: a person does not want to wait for it."""
        if self._worker is not None:
            self._worker.cancel()
        self._waiting.clear()
        self._finish()

    def _admit(self, kind: str, size: int) -> bool:
        """Whether a message of ``size`` bytes is within the limits."""
        if kind == "clear_output" and self._flood is not None:
            self._flood.cleared()
        if kind == "error":
            self._errors += 1
            return self._errors <= _ERRORS
        return kind not in _DISPLAYS or self._limit().admit(size)

    def _wait(self, message: Message, size: int) -> None:
        if message.type in _DISPLAYS:
            self._forget_cleared()
        if self._size + size <= _WAITING or message.type == "status":
            self._waiting.append((message, size))
            self._size += size
            self._clears |= message.type == "clear_output"

    def _forget_cleared(self) -> None:
        """What a clearing that waits will remove at the next output need not be made safe."""
        if not self._clears:
            return
        self._clears = False
        entries = list(self._waiting)
        while entries:
            entry = entries.pop()
            if isinstance(entry, tuple) and entry[0].type == "clear_output":
                before = [e for e in entries if isinstance(e, list) or e[0].type not in _DISPLAYS]
                after = list(self._waiting)[len(entries) :]
                self._waiting = deque([*before, *after])
                break
        self._size = sum(entry[1] for entry in self._waiting if isinstance(entry, tuple))

    async def _work(self) -> None:
        try:
            while self._waiting:
                entry = self._waiting.popleft()
                if isinstance(entry, list):
                    self._show_pieces(entry)
                else:
                    message, size = entry
                    self._size -= size
                    self._pass(message, await asyncio.to_thread(self._safe, message))
        finally:
            self._worker = None

    def _safe(self, message: Message) -> Json | None:
        """What the policy leaves; nothing if that breaks on what it is given."""
        content = message.content
        if message.type == "error":
            content = {**content, "traceback": _shortened(content.get("traceback"))}
        try:
            return self._policy.message(message.type, content)
        except Exception:  # what cannot be made safe is not shown, and all else goes on
            _log.warning("an output of type %s could not be made safe", message.type)
            return None

    def _pass(self, message: Message, content: Json | None) -> None:
        if content is None:
            return
        kind = message.type
        if kind == "status" and content.get("execution_state") == "idle":
            self._finish()
        elif kind.startswith("comm_") and self.on_comm and not self.on_comm(kind, content):
            return
        self.show(kind, content, message)

    def show(self, kind: str, content: Json, message: Message) -> None:
        """Publish content that has passed; kinds of cells that look different override this."""
        more: Json = {}
        if kind.startswith("comm_"):
            more = {"buffers": message.buffers, "metadata": _comm_metadata(message)}
        self.publish(kind, content, **more)

    def publish(self, kind: str, content: Json, **more: Any) -> None:
        """Send to the front-end under the parent's header."""
        self._front.publish(kind, content, parent=self._parent, **more)

    def _pieces(self, content: Json) -> list[Piece]:
        """What may be shown of a stream's text; the file gets it as it was printed."""
        name, text = content.get("name"), content.get("text")
        if name not in ("stdout", "stderr") or not isinstance(text, str):
            return []
        return self._limit().feed(name, text)

    def _stream(self, pieces: list[Piece]) -> None:
        if self._worker is not None and pieces:
            self._waiting.append(pieces)
        else:
            self._show_pieces(pieces)

    def _show_pieces(self, pieces: list[Piece]) -> None:
        for stream, part in pieces:
            self.publish("stream", {"name": stream, "text": self._policy.text(part)})

    def _limit(self) -> Flood:
        if self._flood is None:
            self._flood = self._make_flood()
        return self._flood

    def _finish(self) -> None:
        """What comes later is counted anew, for what came so far need not be kept."""
        flood, self._flood = self._flood, None
        if flood is not None:
            self._show_pieces(flood.finish())
            self._path = self._path or flood.path


def _shortened(traceback: Any) -> list[str]:
    """The first entries of a traceback: no error has as many as can be sent."""
    lines = traceback if isinstance(traceback, list) else []
    room = _TRACEBACK
    kept = []
    for line in lines:
        if room <= 0:
            break
        kept.append(str(line))
        room -= len(kept[-1]) + 1
    return kept


def _comm_metadata(message: Message) -> Json | None:
    """Widget managers look at ``metadata.version`` of ``comm_open``; nothing else is passed on."""
    version = message.metadata.get("version") if message.type == "comm_open" else None
    return {"version": version} if isinstance(version, str) else None

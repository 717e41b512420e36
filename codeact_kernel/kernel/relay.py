"""What one request publishes, on its way out: made safe, kept within its limit, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from ..environment.wire import Json, Message
from .front import Front
from .outputs import Flood, OutputPolicy

_DISPLAYS = ("display_data", "execute_result")
"""Count towards the output limit; an update replaces what has been counted."""


class Relay:
    """Publishes the iopub messages of one request under the header of ``parent``.

    Messages leave in the order in which they came, also when one is so large
    that it is made safe in a thread while others wait behind it.  ``flood``
    makes the keeper of the output limit; it is called at the first output.
    """

    def __init__(
        self, front: Front, policy: OutputPolicy, parent: bytes, flood: Callable[[], Flood]
    ) -> None:
        self._front = front
        self._policy = policy
        self._parent = parent
        self._make_flood = flood
        self._flood: Flood | None = None
        self.on_comm: Callable[[str, Json], None] | None = None
        """Told of every comm that the inner kernel opens, uses or closes."""
        self._waiting: deque[Message] = deque()
        self._worker: asyncio.Task[None] | None = None

    def message(self, message: Message) -> None:
        """Publish ``message``, now or when its turn comes."""
        if self._worker is not None:
            self._waiting.append(message)
        elif self._policy.is_heavy(message.type, message.content):
            self._waiting.append(message)
            self._worker = asyncio.create_task(self._work())
        elif message.type == "stream":
            self._stream(message.content)
        else:
            self._pass(message, self._policy.message(message.type, message.content))

    async def close(self) -> str | None:
        """Publish all that waits and what the output limit withheld; returns the full text's file."""
        while self._worker is not None:
            await asyncio.wait([self._worker])
        self._finish()
        return self._flood.path if self._flood is not None else None

    async def _work(self) -> None:
        while self._waiting:
            message = self._waiting.popleft()
            if message.type == "stream":
                self._stream(message.content)
                continue
            content = await asyncio.to_thread(self._policy.message, message.type, message.content)
            self._pass(message, content)
        self._worker = None

    def _pass(self, message: Message, content: Json | None) -> None:
        if content is None:
            return
        kind = message.type
        if kind in _DISPLAYS and not self._limit().admit(len(message.frames[3])):
            return
        if kind == "status" and content.get("execution_state") == "idle":
            self._finish()
        elif kind == "clear_output" and self._flood is not None:
            self._flood.cleared()
        elif self.on_comm is not None and kind.startswith("comm_"):
            self.on_comm(kind, content)
        self.show(kind, content, message)

    def show(self, kind: str, content: Json, message: Message) -> None:
        """Publish content that has passed; kinds of cells that look different override this."""
        self.publish(kind, content, buffers=message.buffers, metadata=_comm_metadata(message))

    def publish(self, kind: str, content: Json, **more: Any) -> None:
        """Send to the front-end under the parent's header."""
        self._front.publish(kind, content, parent=self._parent, **more)

    def _stream(self, content: Json) -> None:
        """The file gets what was printed; what is shown is made safe first."""
        name, text = content.get("name"), content.get("text")
        if name not in ("stdout", "stderr") or not isinstance(text, str):
            return
        for stream, part in self._limit().feed(name, text):
            self.publish("stream", {"name": stream, "text": self._policy.text(part)})

    def _limit(self) -> Flood:
        if self._flood is None:
            self._flood = self._make_flood()
        return self._flood

    def _finish(self) -> None:
        if self._flood is not None:
            for stream, part in self._flood.finish():
                self.publish("stream", {"name": stream, "text": self._policy.text(part)})


def _comm_metadata(message: Message) -> Json | None:
    """Widget managers look at ``metadata.version`` of ``comm_open``; nothing else is passed on."""
    version = message.metadata.get("version") if message.type == "comm_open" else None
    return {"version": version} if isinstance(version, str) else None

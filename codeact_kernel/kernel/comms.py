"""Which comms are open, so that front-ends hear of it when the inner kernel takes them with it."""

from __future__ import annotations

from ..environment.wire import Json
from .front import Front

_MOST = 10_000
"""Comms that may be open at a time."""

_NAME = 200
"""Characters of the name of a comm; a UUID has 36."""


class Comms:
    """The comms between front-ends and the inner kernel."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._open: set[str] = set()

    def note(self, kind: str, content: Json) -> bool:
        """Take note of a comm message; whether it may be passed on."""
        name = content.get("comm_id")
        if not isinstance(name, str) or len(name) > _NAME:
            return False
        if kind == "comm_open":
            if len(self._open) >= _MOST:
                return False
            self._open.add(name)
        elif kind == "comm_close":
            self._open.discard(name)
        return True

    def lost(self, parent: bytes) -> None:
        """The inner kernel is gone: close them all, under the header ``parent``."""
        for name in self._open:
            self._front.publish("comm_close", {"comm_id": name, "data": {}}, parent=parent)
        self._open.clear()

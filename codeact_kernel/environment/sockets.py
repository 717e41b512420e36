"""A ZMQ socket on an asyncio loop, without a future per message.

``zmq.asyncio`` makes a future for every receive; a relay that adds a third of
a millisecond to each cell cannot afford that.  ZMQ's file descriptor is
edge-triggered: after it fired, and after every send, the socket must be
drained, or a message can lie in it unannounced (zmq_getsockopt, ``ZMQ_FD``).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

import zmq

_SLICE = 0.005
"""Seconds of handling before other sockets get their turn."""

_log = logging.getLogger(__name__)


class Channel:
    """Calls ``on_frames`` for each multipart message, in order, on the loop.

    Whatever ``on_frames`` raises is logged and ends nothing but itself.
    ``on_backlog`` is called when messages came in faster than they were handled.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: zmq.Socket[bytes],
        on_frames: Callable[[list[bytes]], None],
        on_backlog: Callable[[], None] | None = None,
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._on_frames = on_frames
        self._on_backlog = on_backlog
        self._scheduled = False
        self._fd: int = socket.FD
        loop.add_reader(self._fd, self._run)
        self._wake()

    def send(self, frames: Sequence[bytes]) -> None:
        """Queue a message; never blocks (our sockets have no high-water mark)."""
        self._socket.send_multipart(frames, zmq.NOBLOCK, copy=True)
        self._wake()

    def close(self, *, linger: int = 0) -> None:
        """Stop reading and close the socket; unsent messages have ``linger`` milliseconds to go."""
        if not self._socket.closed:
            self._loop.remove_reader(self._fd)
            self._socket.close(linger=linger)

    def drain(self) -> None:
        """Handle now what has already arrived."""
        while self._handle():
            pass

    @property
    def is_quiet(self) -> bool:
        """Whether nothing that has arrived is still to be handled."""
        if self._socket.closed or not int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN:
            return True
        self._wake()  # asking has used up the announcement
        return False

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        end = self._loop.time() + _SLICE
        while self._handle():
            if self._loop.time() > end:
                self._wake()
                if self._on_backlog is not None:
                    self._on_backlog()
                return

    def _handle(self) -> bool:
        """Handle one message; whether there was one."""
        if self._socket.closed:
            return False
        try:
            frames = self._socket.recv_multipart(zmq.NOBLOCK)
        except zmq.Again:
            return False
        try:
            self._on_frames(frames)
        except Exception:  # the next message must be handled whatever became of this one
            _log.exception("a message could not be handled")
        return True

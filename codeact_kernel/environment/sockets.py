"""A ZMQ socket on an asyncio loop, without a future per message.

``zmq.asyncio`` makes a future for every receive; a relay that adds a third of
a millisecond to each cell cannot afford that.  ZMQ's file descriptor is
edge-triggered: after it fired, and after every send, the socket must be
drained, or a message can lie in it unannounced (zmq_getsockopt, ``ZMQ_FD``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import zmq

_BATCH = 64
"""Messages handled before other sockets get their turn."""


class Channel:
    """Calls ``on_frames`` for each multipart message, in order, on the loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        socket: zmq.Socket[bytes],
        on_frames: Callable[[list[bytes]], None],
    ) -> None:
        self._loop = loop
        self._socket = socket
        self._on_frames = on_frames
        self._scheduled = False
        self._fd: int = socket.FD
        loop.add_reader(self._fd, self._drain)
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
        self._drain()

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        self._scheduled = False
        for _ in range(_BATCH):
            if self._socket.closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._on_frames(frames)
        self._wake()

"""A ZMQ socket on an asyncio loop, without a future per message.

``zmq.asyncio`` makes a future for every receive; a relay that adds a third of
a millisecond to each cell cannot afford that.  ZMQ's file descriptor is
edge-triggered: after it fired, and after every send, the socket must be
drained, or a message can lie in it unannounced (zmq_getsockopt, ``ZMQ_FD``).
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

import zmq

RECEIVED = 8
"""Messages that ZMQ may hold for us beside those read ahead (``ZMQ_RCVHWM``), for senders whose
messages may be large: what we do not take waits in the sender's memory, not in ours."""

_READ_AHEAD = 256 * 1024 * 1024
"""Bytes taken from ZMQ before they are handled: enough that a sender with the usual queue of a
thousand messages drops none while we are busy."""

_SLICE = 0.005
"""Seconds of handling before other sockets get their turn."""

_log = logging.getLogger(__name__)


class Channel:
    """Calls ``on_frames`` for each multipart message, in order, on the loop.

    Whatever ``on_frames`` raises is logged and ends nothing but itself.
    """

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
        self._waiting: deque[list[bytes]] = deque()
        self._size = 0
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
            self._waiting.clear()

    def drain(self) -> None:
        """Handle now what has already arrived."""
        while not self.is_quiet:
            self._handle()

    @property
    def is_quiet(self) -> bool:
        """Whether nothing that has arrived is still to be handled."""
        self._read()
        return not self._waiting

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._run)

    def _run(self) -> None:
        self._scheduled = False
        end = self._loop.time() + _SLICE
        while not self.is_quiet:
            self._handle()
            if self._loop.time() > end:
                self._wake()
                return

    def _read(self) -> None:
        while self._size <= _READ_AHEAD and not self._socket.closed:
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._size += sum(map(len, frames))
            self._waiting.append(frames)

    def _handle(self) -> None:
        frames = self._waiting.popleft()
        self._size -= sum(map(len, frames))
        try:
            self._on_frames(frames)
        except Exception:  # the next message must be handled whatever became of this one
            _log.exception("a message could not be handled")

"""A socket on the loop: every message, in order, whatever becomes of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import zmq

from codeact_kernel.environment.sockets import Channel

COUNT = 5_000


@pytest.fixture
def pair() -> Iterator[tuple[zmq.Socket[bytes], zmq.Socket[bytes]]]:
    context: zmq.Context[Any] = zmq.Context()
    one, two = context.socket(zmq.PAIR), context.socket(zmq.PAIR)
    for socket in (one, two):
        socket.setsockopt(zmq.SNDHWM, 0)
        socket.setsockopt(zmq.RCVHWM, 0)
    one.bind("inproc://pair")
    two.connect("inproc://pair")
    yield one, two
    context.destroy(linger=0)


Pair = tuple[zmq.Socket[bytes], zmq.Socket[bytes]]


async def received(pair: Pair, on_frames: Callable[[list[bytes]], None], last: bytes) -> Channel:
    """A channel that has handled everything up to ``last``."""
    over = asyncio.Event()

    def handle(frames: list[bytes]) -> None:
        if frames[0] == last:
            over.set()
        on_frames(frames)

    channel = Channel(asyncio.get_running_loop(), pair[1], handle)
    async with asyncio.timeout(30):
        await over.wait()
    return channel


async def test_all_messages_come_in_order(pair: Pair) -> None:
    seen: list[int] = []
    for number in range(COUNT):
        pair[0].send_multipart([b"%d" % number])
    channel = await received(pair, lambda frames: seen.append(int(frames[0])), b"%d" % (COUNT - 1))
    channel.close()
    assert seen == list(range(COUNT))


async def test_a_message_that_breaks_its_handler_stops_no_other(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[bytes] = []

    def handle(frames: list[bytes]) -> None:
        if frames[0] == b"bad":
            raise ValueError("it is bad")
        seen.append(frames[0])

    for frame in (b"1", b"bad", b"2"):
        pair[0].send_multipart([frame])
    with caplog.at_level(logging.CRITICAL, "codeact_kernel.environment.sockets"):
        channel = await received(pair, handle, b"2")
    channel.close()
    assert seen == [b"1", b"2"]


async def test_asking_whether_it_is_quiet_loses_no_message(pair: Pair) -> None:
    seen: list[bytes] = []
    over = asyncio.Event()

    def handle(frames: list[bytes]) -> None:
        seen.append(frames[0])
        over.set()

    channel = Channel(asyncio.get_running_loop(), pair[1], handle)
    await asyncio.sleep(0)
    assert channel.is_quiet
    pair[0].send_multipart([b"x"])
    assert not channel.is_quiet
    async with asyncio.timeout(30):
        await over.wait()
    assert seen == [b"x"]
    assert channel.is_quiet
    channel.close()
    assert channel.is_quiet


async def test_a_handler_may_close_its_channel(pair: Pair) -> None:
    seen: list[bytes] = []
    channels: list[Channel] = []

    def handle(frames: list[bytes]) -> None:
        seen.append(frames[0])
        channels[0].close()

    for _ in range(3):
        pair[0].send_multipart([b"x"])
    channels.append(Channel(asyncio.get_running_loop(), pair[1], handle))
    channels[0].drain()
    assert seen == [b"x"]


async def test_others_have_their_turn_and_are_told_when_much_is_waiting(pair: Pair) -> None:
    told: list[int] = []
    seen: list[bytes] = []

    def slow(frames: list[bytes]) -> None:
        end = loop.time() + 0.006  # one of these fills the slice of a channel
        while loop.time() < end:
            pass
        seen.append(frames[0])

    loop = asyncio.get_running_loop()
    for _ in range(5):
        pair[0].send_multipart([b"x"])
    channel = Channel(loop, pair[1], slow, lambda: told.append(len(seen)))
    while len(seen) < 5:
        before = len(seen)
        await asyncio.sleep(0)
        assert len(seen) <= before + 1
    channel.close()
    assert told[:4] == [1, 2, 3, 4]

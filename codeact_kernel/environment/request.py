"""One request to the inner kernel, from being sent to its reply and its idle status."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from ..sandbox.base import Death
from .wire import DELIMITER, Json, Message, Signer, make_header, pack

InnerChannel = Literal["shell", "control"]


@dataclass(eq=False, slots=True)
class Request:
    """What the environment must know of a request to match what comes back.

    ``header`` is the request's header as the inner kernel sees it.
    ``on_iopub`` gets each allowed message published for it, ``on_input`` each
    ``input_request`` while it runs, ``on_reply`` its one reply, ``on_lost`` the
    death of the inner kernel if it came before the reply (with ``until_idle``:
    or before the idle status).  ``on_end`` is called once when no reply is to
    come any more, before any of these.  After ``abandon()`` nothing is called.
    """

    channel: InnerChannel
    type: str
    id: str
    header: bytes
    frames: list[bytes]
    """Metadata and content, as bytes; let go when they have been sent."""
    idents: list[bytes] = field(default_factory=list)
    buffers: list[bytes] = field(default_factory=list)
    on_iopub: Callable[[Message], None] | None = None
    on_reply: Callable[[Message], None] | None = None
    on_lost: Callable[[Death], None] | None = None
    on_input: Callable[[Message], None] | None = None
    on_end: Callable[[], None] | None = None
    until_idle: bool = False
    counts: bool = False
    """Whether it takes the next execution count and the inner kernel has not said so yet."""
    outstanding: bool = False
    abandoned: bool = False
    state: Literal["sent", "busy", "idle"] = "sent"
    """The last status published for it."""
    started: bool = False
    """Whether its ``execute_input`` has come."""
    heard: int = 0
    """Messages published for it so far."""

    @property
    def reply_type(self) -> str:
        return self.type.removesuffix("_request") + "_reply"

    @property
    def is_open(self) -> bool:
        """Whether somebody waits for what comes of it."""
        return self.outstanding or (self.until_idle and self.state != "idle")

    def to_wire(self, signer: Signer) -> list[bytes]:
        """The frames to send, once."""
        frames = [self.header, b"{}", *self.frames]
        wire = [*self.idents, DELIMITER, signer.sign(frames), *frames, *self.buffers]
        self.frames, self.buffers = [], []
        return wire

    def becomes(self, state: object) -> bool:
        """Whether ``state`` may be published now: one busy, then one idle, and nothing else."""
        if state == "busy" and self.state == "sent":
            self.state = "busy"
        elif state == "idle" and self.state != "idle":
            self.state = "idle"
        else:
            return False
        return True

    def end(self) -> None:
        """No reply is to come any more, and no question."""
        self.outstanding = False
        self.on_input = None
        if self.on_end is not None:
            self.on_end()
            self.on_end = None

    def release(self) -> None:
        """Let go of whoever waited, if nobody does any more: we are remembered for what comes late."""
        if not self.is_open:
            self.on_reply = self.on_lost = None

    def abandon(self) -> None:
        """Nobody waits for this any more: its late outputs and reply are dropped."""
        self.abandoned = True
        self.on_input = self.on_iopub = self.on_reply = self.on_lost = None
        if self.on_end is not None:
            self.on_end()
            self.on_end = None


def new_request(
    session: str, msg_type: str, content: Json, *, channel: InnerChannel = "shell"
) -> Request:
    """A request of our own, which no front-end sees."""
    header = make_header(msg_type, session)
    return Request(channel, msg_type, header["msg_id"], pack(header), [b"{}", pack(content)])


@dataclass(frozen=True, slots=True)
class Reply:
    """The inner kernel answered."""

    message: Message


@dataclass(frozen=True, slots=True)
class Lost:
    """The inner kernel died before it answered."""

    death: Death


@dataclass(frozen=True, slots=True)
class Overdue:
    """It was interrupted and did not answer soon enough; set by whoever waits."""


Outcome = Reply | Lost | Overdue


def watch(request: Request, *, until_idle: bool = False) -> asyncio.Future[Outcome]:
    """A future for what comes of ``request``; call before it is sent.

    With ``until_idle`` it resolves when both the reply and the idle status
    have come, so that every output has been seen (they travel on different
    sockets, and the reply often overtakes the output).
    """
    future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    before = request.on_iopub
    waiting = {"reply", "idle"} if until_idle else {"reply"}
    replies: list[Message] = []

    def arrived(what: str) -> None:
        waiting.discard(what)
        if not waiting and not future.done():
            future.set_result(Reply(replies[0]))

    def on_reply(message: Message) -> None:
        replies.append(message)
        arrived("reply")

    def on_iopub(message: Message) -> None:
        if before is not None:
            before(message)
        if message.type == "status" and message.content.get("execution_state") == "idle":
            arrived("idle")

    def on_lost(death: Death) -> None:
        if not future.done():
            future.set_result(Lost(death))

    request.on_reply = on_reply
    request.on_lost = on_lost
    request.until_idle = until_idle
    if until_idle:
        request.on_iopub = on_iopub
    return future

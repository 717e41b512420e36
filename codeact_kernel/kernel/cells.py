"""A user's code cell: forwarded as it came, interruptible at once, ending as an error if its kernel dies."""

from __future__ import annotations

import asyncio
from typing import Protocol

from ..agent.events import CellSeen
from ..environment.capture import Capture
from ..environment.environment import Environment
from ..environment.request import Lost, Overdue, Reply, Request, watch
from ..environment.wire import Json, Message, pack
from .classify import hint
from .front import Front
from .outputs import OutputPolicy
from .outputs.text import clean_text
from .relay import Relay

PROMPTNESS = 0.8
"""Seconds that an interrupted cell has to end by itself before we answer for it (the bar is 1 s)."""

_SYNTAX_ERRORS = ("SyntaxError", "IndentationError")

_SEEN = 4_000
"""Characters of a cell's output that a later prompt may quote."""


class Answer(Protocol):
    """Sends the reply to an ``execute_request``, and aborts what waits behind it if it failed."""

    def __call__(
        self,
        message: Message,
        content: Json,
        *,
        metadata: Json | None = None,
        date: str | None = None,
    ) -> None: ...


class Cell(Protocol):
    """What occupies the shell queue: a code cell or a turn."""

    def interrupt(self) -> None:
        """Stop it.  A second call means: by force."""


class CodeCell:
    """One ``execute_request`` with code, from the queue to its reply."""

    def __init__(
        self,
        front: Front,
        environment: Environment,
        policy: OutputPolicy,
        message: Message,
        relay: Relay,
        answer: Answer,
    ) -> None:
        self._front = front
        self._answer = answer
        self._environment = environment
        self._policy = policy
        self._message = message
        self._relay = relay
        self._capture = Capture()
        self._interrupts = 0
        self._count = 0
        self._request = request_for(message, pack({**message.content, "stop_on_error": False}))
        self._request.on_iopub = self._on_iopub
        self._request.on_input = self._on_input
        self._outcome = watch(self._request)

    async def run(self) -> Json:
        """Run the cell; returns the content of the reply, which has been sent."""
        self._environment.send(self._request)
        match await self._outcome:
            case Reply(reply):
                content = self._policy.reply(reply.type, reply.content)
                metadata = reply_metadata(reply)
                self._answer(self._message, content, metadata=metadata, date=reply.date)
                return content
            case Lost(death):
                return await self._fail(
                    "EnvironmentLost", death.sentence, loss_report(death.sentence)
                )
            case Overdue():
                self._environment.settle(self._request)
                report = ["\x1b[31mKeyboardInterrupt\x1b[0m: stopped by the user"]
                return await self._fail("KeyboardInterrupt", "", report)

    def interrupt(self) -> None:
        """SIGINT first; the second time, kill the environment."""
        self._interrupts += 1
        if self._interrupts > 1:
            self._environment.kill("It was interrupted twice.")
            return
        self._environment.interrupt()
        asyncio.get_running_loop().call_later(PROMPTNESS, self._overdue)

    def _overdue(self) -> None:
        if not self._outcome.done():
            self._outcome.set_result(Overdue())

    def seen(self) -> CellSeen:
        """The cell as a later prompt may quote it."""
        capture = self._capture
        streams = capture.stdout.text() + capture.stderr.text()
        parts = [streams.rstrip("\n"), *capture.displays, capture.result or ""]
        output = "\n".join(part for part in parts if part)
        if len(output) > _SEEN:
            output = f"{output[: _SEEN // 2]}\n[…]\n{output[-_SEEN // 2 :]}"
        error = capture.error
        return CellSeen(
            str(self._message.content.get("code", "")),
            output,
            f"{error.name}: {error.value}" if error else "",
        )

    def _on_iopub(self, message: Message) -> None:
        if message.type == "execute_input":
            count = message.content.get("execution_count")
            self._count = count if isinstance(count, int) else 0
        self._capture.feed(message.type, message.content)
        self._relay.message(message)
        if message.type == "error" and message.content.get("ename") in _SYNTAX_ERRORS:
            advice = hint(str(self._message.content.get("code", "")))
            if advice:
                self._relay.publish("stream", {"name": "stderr", "text": advice + "\n"})

    def _on_input(self, message: Message) -> None:
        ask_for(self._front, self._policy, self._message, message)

    async def _fail(self, name: str, value: str, traceback: list[str]) -> Json:
        """End the cell ourselves, because the inner kernel did not."""
        await self._relay.close()
        return fail(self._front, self._answer, self._message, name, value, traceback, self._count)


_METADATA = ("started", "dependencies_met", "engine", "status")


def reply_metadata(reply: Message) -> Json:
    """The metadata of an inner kernel's reply that front-ends know: times and states."""
    return {
        name: value
        for name, value in reply.metadata.items()
        if name in _METADATA and isinstance(value, str | bool)
    }


def request_for(
    message: Message, content: bytes | None = None, header: bytes | None = None
) -> Request:
    """The request that passes a client's message on, with its identities, header and metadata."""
    return Request(
        "shell",
        message.type,
        message.id,
        header or message.frames[0],
        [message.frames[2], content or message.frames[3]],
        message.idents,
        message.buffers,
    )


def ask_for(front: Front, policy: OutputPolicy, client: Message, asked: Message) -> None:
    """Put a question of the inner kernel to the client whose request it runs."""
    content = asked.content
    front.ask_input(
        client,
        policy.input_prompt(str(content.get("prompt", ""))),
        password=bool(content.get("password")),
    )


def fail(
    front: Front,
    answer: Answer,
    message: Message,
    name: str,
    value: str,
    traceback: list[str],
    count: int = 0,
) -> Json:
    """Publish an error for ``message``, its idle status, and reply; returns the reply's content."""
    parent = message.frames[0]
    # Words of a model or an endpoint may be in it.
    error: Json = {
        "ename": name,
        "evalue": clean_text(value),
        "traceback": [clean_text(entry) for entry in traceback],
    }
    if not message.content.get("silent"):
        front.publish("error", error, parent=parent)
    content = {"status": "error", "execution_count": count, **error, "payload": []}
    answer(message, content)
    front.status("idle", parent)
    return content


def loss_report(sentence: str) -> list[str]:
    """Traceback lines that say what happened, what is gone and what is left."""
    return [
        f"\x1b[31mEnvironmentLost\x1b[0m: {sentence}",
        "Lost: all variables and child processes. Kept: files.",
        "A fresh environment has been started; the next cell runs in it.",
    ]

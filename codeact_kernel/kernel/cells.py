"""A user's code cell: forwarded as it came, interruptible at once, ending as an error if its kernel dies."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

from ..agent.events import CellSeen
from ..environment.capture import Capture
from ..environment.environment import MOST_CELLS, Environment
from ..environment.request import Lost, Overdue, Reply, Request, watch
from ..environment.wire import Json, Message, make_header, pack
from .classify import hint
from .front import Front
from .outputs import OutputPolicy
from .outputs.text import clean_text
from .questions import Questions
from .relay import Relay

_T = TypeVar("_T")

PROMPTNESS = 0.8
"""Seconds that an interrupted cell has to end by itself before we answer for it (the bar is 1 s)."""

_SYNTAX_ERRORS = ("SyntaxError", "IndentationError")

_SEEN = 4_000
_SEEN_CODE = 40_000
"""Characters of a cell's output, and of its code, that are kept for a later prompt."""

STOPPED = ("KeyboardInterrupt", "", ["\x1b[31mKeyboardInterrupt\x1b[0m: stopped by the user"])
"""Name, value and traceback of what ends a cell that was interrupted."""


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
        """Stop it."""


class CodeCell:
    """One ``execute_request`` with code, from the queue to its reply.

    ``saw`` is told what the person saw of it when all of that is there, which
    may be after the reply.
    """

    def __init__(
        self,
        front: Front,
        environment: Environment,
        policy: OutputPolicy,
        questions: Questions,
        message: Message,
        relay: Relay,
        answer: Answer,
        saw: Callable[[CellSeen], None],
    ) -> None:
        self._front = front
        self._answer = answer
        self._saw = saw
        self._environment = environment
        self._policy = policy
        self._message = message
        self._relay = relay
        self._capture = Capture()
        self._count: int | None = None
        self._hinted = False
        self._request = request_for(message, pack(execution(message.content)))
        self._request.on_iopub = self._on_iopub
        silent = message.content.get("silent", False)
        self._request.counts = not silent and bool(message.content.get("store_history", True))
        questions.let_ask(self._request, message)
        self._outcome = watch(self._request)

    async def run(self) -> Json:
        """Run the cell; returns the content of the reply, which has been sent."""
        self._environment.send(self._request)
        match await self._outcome:
            case Reply(reply):
                content = self._policy.reply(reply.type, reply.content)
                content["execution_count"] = self._number(content.get("execution_count"))
                metadata = reply_metadata(reply)
                self._answer(self._message, content, metadata=metadata, date=reply.date)
                return content
            case Lost(death):
                await self._relay.close()
                report = loss_report(death.sentence, again=not self._environment.has_failed)
                return self._fail("EnvironmentLost", death.sentence, report)
            case Overdue():
                self._request.abandon()
                self._relay.stop()
                return self._fail(*STOPPED)

    def interrupt(self) -> None:
        """Interrupt the code, and answer for it soon if it does not."""
        if self._outcome.done():  # it has ended, and only its output is still being shown
            self._relay.stop()
            return
        self._environment.interrupt()
        asyncio.get_running_loop().call_later(PROMPTNESS, self._overdue)

    def _overdue(self) -> None:
        if not self._outcome.done():
            self._outcome.set_result(Overdue())

    def _seen(self) -> CellSeen:
        """The cell as a later prompt may quote it."""
        capture = self._capture
        streams = capture.stdout.text() + capture.stderr.text()
        parts = [streams.rstrip("\n"), *capture.displays, capture.result or ""]
        output = "\n".join(part for part in parts if part)
        error = capture.error
        return CellSeen(
            _head_and_tail(self._message.content["code"], _SEEN_CODE),
            _head_and_tail(output, _SEEN),
            _head_and_tail(f"{error.name}: {error.value}", _SEEN) if error else "",
        )

    def _on_iopub(self, message: Message) -> None:
        if message.type == "execute_input":
            self._started(message.content.get("execution_count"))
            return
        if message.type == "execute_result":
            message.content["execution_count"] = self._number(
                message.content.get("execution_count")
            )
        self._capture.feed(message.type, message.content)
        self._relay.message(message)
        if message.type == "status" and message.content["execution_state"] == "idle":
            self._saw(self._seen())
            # What comes later is shown, but this cell need not be kept for it.
            self._request.on_iopub = self._relay.message
        elif message.type == "error" and message.content.get("ename") in _SYNTAX_ERRORS:
            self._hint()

    def _started(self, count: object) -> None:
        """Say once what runs: we know it better than whoever runs it."""
        if self._count is None:
            self._count = self._number(count)
            code = self._message.content["code"]
            self._relay.publish("execute_input", {"code": code, "execution_count": self._count})

    def _number(self, count: object) -> int:
        """The cell's count, which is ``count`` if nothing has been said of it yet."""
        return known_count(count, self._environment) if self._count is None else self._count

    def _hint(self) -> None:
        advice = "" if self._hinted else hint(self._message.content["code"])
        if advice:
            self._hinted = True
            self._relay.publish("stream", {"name": "stderr", "text": advice + "\n"})

    def _fail(self, name: str, value: str, traceback: list[str]) -> Json:
        """End the cell ourselves, because the inner kernel did not."""
        count = self._number(None)
        self._saw(self._seen())
        return fail(self._front, self._answer, self._message, name, value, traceback, count)


class Waiting:
    """A cell that cannot start yet, and need not when it is interrupted."""

    def __init__(self) -> None:
        self.interrupted = False
        self._task: asyncio.Future[Any] | None = None

    def interrupt(self) -> None:
        """Wait no longer."""
        self.interrupted = True
        if self._task is not None:
            self._task.cancel()

    async def over(self, what: Coroutine[Any, Any, _T]) -> _T | None:
        """What ``what`` returns, or None when interrupted; raises what it raises."""
        if self.interrupted:
            what.close()
            return None
        self._task = asyncio.ensure_future(what)
        try:
            await asyncio.wait([self._task])
        finally:
            self._task.cancel()
        return None if self._task.cancelled() else self._task.result()


def known_count(count: object, environment: Environment) -> int:
    """``count`` if it is one that a notebook can hold, else the newest that was."""
    return count if type(count) is int and 0 <= count <= MOST_CELLS else environment.count


def execution(asked: Json) -> Json:
    """The content of an ``execute_request`` as the inner kernel gets it.

    Every field is there and of its type: ipykernel drops others without a
    reply.  We keep the queue, so aborting is not for the inner kernel.
    """
    silent = bool(asked.get("silent", False))
    expressions = asked.get("user_expressions")
    return {
        "code": asked["code"],
        "silent": silent,
        "store_history": bool(asked.get("store_history", not silent)),
        "user_expressions": expressions if isinstance(expressions, dict) else {},
        "allow_stdin": bool(asked.get("allow_stdin", False)),
        "stop_on_error": False,
    }


_METADATA = ("started", "dependencies_met", "engine", "status")
_PLAIN = re.compile(r"[\w:.+-]{0,64}", re.ASCII)


def reply_metadata(reply: Message) -> Json:
    """The metadata of an inner kernel's reply that front-ends know: times and states."""
    return {
        name: value
        for name, value in reply.metadata.items()
        if name in _METADATA
        and (isinstance(value, bool) or (isinstance(value, str) and _PLAIN.fullmatch(value)))
    }


def request_for(
    message: Message, content: bytes | None = None, header: bytes | None = None
) -> Request:
    """The request that passes a client's message on, with its identities, header and metadata."""
    return Request(
        "shell",
        message.type,
        message.id,
        header or answerable(message),
        [message.frames[2], content or message.frames[3]],
        message.idents,
        message.buffers,
    )


def answerable(message: Message) -> bytes:
    """The header of a client's request for the inner kernel, which ignores incomplete ones."""
    header = message.header
    if str(header.get("version")).startswith("5.") and isinstance(header.get("session"), str):
        return message.frames[0]
    filled = make_header(message.type, str(header.get("session", "")))
    return pack({**header, **filled, "msg_id": message.id})


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


def _head_and_tail(text: str, limit: int) -> str:
    half = limit // 2
    return text if len(text) <= limit else f"{text[:half]}\n[…]\n{text[-half:]}"


def loss_report(sentence: str, *, again: bool) -> list[str]:
    """Traceback lines that say what happened, what is gone and what is left."""
    return [
        f"\x1b[31mEnvironmentLost\x1b[0m: {sentence}",
        "Lost: all variables and child processes. Kept: files.",
        "A fresh environment has been started; the next cell runs in it."
        if again
        else "No fresh environment starts; the next cell tries again.",
    ]

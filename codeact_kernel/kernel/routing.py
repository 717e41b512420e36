"""What happens to each message: forwarded, queued, answered here, or made a turn.

``execute_request`` messages of the main shell run one at a time, in order,
whether they are code or prompts.  We keep the queue, not the inner kernel,
because a turn must keep its place in it, and because the inner kernel may be
replaced while requests wait.  All else is forwarded as soon as nothing that
came before it is still in the queue, which is when a stock kernel would see it.
"""

from __future__ import annotations

import asyncio
import logging
import platform
from collections import deque
from collections.abc import Callable
from typing import Any

from ..environment.environment import Environment
from ..environment.wire import Json, Message, WireError
from ..errors import CodeActError, EnvironmentFailed, UsageError
from ..sandbox.base import Death
from .cells import STOPPED, Cell, CodeCell, Waiting, fail, reply_metadata, request_for
from .comms import Comms
from .front import Front, RequestChannel
from .outputs import OutputPolicy
from .questions import Questions
from .relay import Relay
from .subshells import Subshells
from .turn import TurnCell, Turns

_PYTHON = {
    "name": "python",
    "version": platform.python_version(),
    "mimetype": "text/x-python",
    "file_extension": ".py",
    "pygments_lexer": "ipython3",
    "codemirror_mode": {"name": "ipython", "version": 3},
    "nbconvert_exporter": "python",
}
"""What ipykernel says of its language, for as long as there is no inner kernel to ask."""

_GOODBYE = 1.0
"""Seconds that a running turn has to end when the kernel does."""

_log = logging.getLogger(__name__)


class Routing:
    """Owns the shell queue.  ``on_shutdown(restart)`` is called when a client asks for the end."""

    def __init__(
        self,
        front: Front,
        environment: Environment,
        policy: OutputPolicy,
        questions: Questions,
        comms: Comms,
        turns: Turns,
        *,
        relay: Callable[[Message], Relay],
        on_shutdown: Callable[[bool], None],
    ) -> None:
        self._front = front
        self._environment = environment
        self._policy = policy
        self._questions = questions
        self._comms = comms
        self._turns = turns
        self._relay = relay
        self._on_shutdown = on_shutdown
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._cell: Cell | None = None
        self._cell_header = b"{}"
        self._cell_session: object = None
        self._notice = ""
        self._stop_next = False
        self._subshells = Subshells()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._spawn(self._work())

    # --- receiving --------------------------------------------------------------

    def request(self, channel: RequestChannel, message: Message) -> None:
        """A request from a front-end."""
        try:
            _ = message.content, message.metadata
        except WireError:
            return
        if self._environment.knows(message.id):
            return  # a copy of what is being worked on, as a stock kernel ignores it
        own = {
            "kernel_info_request": self._kernel_info,
            "interrupt_request": self._interrupt,
            "shutdown_request": self._shutdown,
        }.get(message.type)
        if own is not None:
            own(channel, message)
        elif channel == "control" or message.header.get("subshell_id") is not None:
            self._forward(channel, message)
        elif message.type == "execute_request" or (self._queue and not self._overtakes(message)):
            self._queue.append(message)
            self._wake.set()
        else:
            self._forward(channel, message)

    def _overtakes(self, message: Message) -> bool:
        """Comm messages reach a running cell that waits for them, as in stock ipykernel (7.2)."""
        return message.type.startswith("comm_") and self._cell is not None

    def input(self, message: Message) -> None:
        """An answer to ``input()``, or to a question of ours."""
        try:
            _ = message.content, message.parent
        except WireError:
            return
        self._questions.answer(message)

    def lost(self, death: Death) -> None:
        """The inner kernel died and a fresh one is starting."""
        self._turns.environment_lost(death)
        if self._cell is None or isinstance(self._cell, Waiting):
            self._notice = death.sentence
        self._comms.lost(self._cell_header)
        for request in self._subshells.restore():
            if not self._environment.has_failed:
                self._environment.send(request)

    async def close(self) -> None:
        """End what runs, so that a turn is recorded and shown as interrupted; nothing runs after."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks, timeout=_GOODBYE)

    # --- the queue ----------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            while not self._queue:
                self._wake.clear()
                await self._wake.wait()
            message = self._queue.popleft()
            if message.type == "execute_request":
                await self._execute(message)
            elif message.type == "kernel_info_request":
                await self._answer_kernel_info("shell", message)
            else:
                self._forward("shell", message)

    async def _execute(self, message: Message) -> None:
        self._cell_header = message.frames[0]
        self._cell_session = message.header.get("session")
        try:
            await self._run(message)
        except CodeActError as error:
            self._refuse(message, type(error).__name__, str(error), [str(error)])
        except Exception as error:  # the next cell must run whatever became of this one
            _log.exception("a cell could not be run")
            name = type(error).__name__
            self._refuse(message, name, f"The kernel could not run this cell: {error}", [])
        finally:
            self._cell = None

    async def _run(self, message: Message) -> None:
        if not isinstance(message.content.get("code"), str):
            raise UsageError("The code of a cell must be text.")
        stopped, self._stop_next = self._stop_next, False
        prompt = self._turns.prompt_of(message)
        if stopped:  # between its arrival and now
            self._refuse(message, *STOPPED)
            return
        if (prompt is not None or not self._environment.is_ready) and not await self._start():
            self._refuse(message, *STOPPED)
            return
        if self._notice:
            self._tell_notice(message)
        cell: CodeCell | TurnCell
        if prompt is None:
            cell = self._code_cell(message)
        else:
            cell = self._turns.cell(message, prompt, self._answer)
        self._cell = cell
        await cell.run()

    async def _start(self) -> bool:
        """Wait for the environment; whether the person waited too."""
        self._cell = waiting = Waiting()
        await waiting.over(self._environment.ready())
        return not waiting.interrupted

    def _code_cell(self, message: Message) -> CodeCell:
        silent = bool(message.content.get("silent"))
        return CodeCell(
            self._front,
            self._environment,
            self._policy,
            self._questions,
            message,
            self._relay(message),
            self._answer,
            (lambda _: None) if silent else self._turns.saw,
        )

    def _refuse(self, message: Message, name: str, value: str, traceback: list[str]) -> None:
        """End a cell that has not been started."""
        self._front.status("busy", message.frames[0])
        count = self._environment.count
        fail(self._front, self._answer, message, name, value, traceback, count)

    def _answer(
        self,
        message: Message,
        content: Json,
        *,
        metadata: Json | None = None,
        date: str | None = None,
    ) -> None:
        """Reply to an ``execute_request``; after an error, what already waits is not executed.

        What waits is looked up before the reply leaves: a client that sends
        its next request on seeing the reply wants it executed.
        """
        asked = message.content
        aborted: list[Message] = []
        if (
            content.get("status") == "error"
            and not asked.get("silent")
            and asked.get("stop_on_error", True)
        ):
            self._front.drain_shell()
            aborted = [m for m in self._queue if m.type == "execute_request"]
            self._queue = deque(m for m in self._queue if m.type != "execute_request")
        self._front.reply("shell", message, content, metadata=metadata, date=date)
        for waiting in aborted:
            status: Json = {"status": "aborted"}
            self._front.status("busy", waiting.frames[0])
            self._front.reply("shell", waiting, status, metadata=status)
            self._front.status("idle", waiting.frames[0])

    def _tell_notice(self, message: Message) -> None:
        self._front.publish(
            "stream",
            {
                "name": "stderr",
                "text": f"The environment was replaced before this cell. {self._notice}\n"
                "Lost: all variables and child processes. Kept: files.\n",
            },
            parent=message.frames[0],
        )
        self._notice = ""

    # --- forwarding -----------------------------------------------------------------

    def _forward(self, channel: RequestChannel, message: Message) -> None:
        try:
            header = self._subshells.translate(message)
        except KeyError:
            value = f"Unknown subshell_id {message.header['subshell_id']!r}"
            self._not_answered(channel, message, "UnknownSubshellError", value)
            return
        request = request_for(message, self._subshells.content(message), header)
        request.channel = channel
        relay = self._relay(message)
        request.on_iopub = relay.message

        def on_reply(reply: Message) -> None:
            content = self._policy.reply(reply.type, reply.content)
            content = self._subshells.replied(message, content)
            metadata = reply_metadata(reply)
            self._front.reply(channel, message, content, metadata=metadata, date=reply.date)

        def on_lost(death: Death) -> None:
            self._not_answered(channel, message, "EnvironmentLost", death.sentence)

        request.on_reply = on_reply
        request.on_lost = on_lost
        if message.type == "execute_request":
            self._questions.let_ask(request, message)
        if message.type.startswith("comm_"):
            self._comms.note(message.type, message.content)
        try:
            self._environment.send(request)
        except EnvironmentFailed as error:
            self._not_answered(channel, message, type(error).__name__, str(error))

    def _not_answered(
        self, channel: RequestChannel, message: Message, name: str, value: str
    ) -> None:
        """Say why a request gets no other answer; a comm message gets no reply at all."""
        error: Json = {"ename": name, "evalue": value, "traceback": []}
        self._front.status("busy", message.frames[0])
        if message.type.endswith("_request"):
            self._front.reply(channel, message, {"status": "error", **error})
        self._front.status("idle", message.frames[0])

    # --- answered here ------------------------------------------------------------------

    def _kernel_info(self, channel: RequestChannel, message: Message) -> None:
        """Answer at once, unless the same client waits for a cell on this channel.

        A client sees its own requests answered in order, as by any kernel; one
        that has just come (a reloaded page, the server's check) must not wait
        for what others run.
        """
        sessions = [m.header.get("session") for m in self._queue]
        if self._cell is not None:
            sessions.append(self._cell_session)
        if channel == "shell" and message.header.get("session") in sessions:
            self._queue.append(message)
        else:
            self._spawn(self._answer_kernel_info(channel, message))

    async def _answer_kernel_info(self, channel: RequestChannel, message: Message) -> None:
        try:
            content = kernel_info((await self._environment.kernel_info()).content)
        except EnvironmentFailed as error:
            # No client shows an error here, and most wait for ever; the cells say what is wrong.
            content = kernel_info({"language_info": _PYTHON, "banner": str(error)})
        parent = message.frames[0]
        self._front.status("busy", parent)
        self._front.reply(channel, message, content)
        self._front.status("idle", parent)
        if self._cell is not None and self._front.turn is None:
            # As for a turn (``Front.turn``).
            self._front.status("busy", self._cell_header)

    def _interrupt(self, channel: RequestChannel, message: Message) -> None:
        parent = message.frames[0]
        self._front.status("busy", parent)
        if self._environment.is_stopping:
            self._environment.kill("It was interrupted again before it had stopped.")
            if isinstance(self._cell, Waiting):
                self._cell.interrupt()
        elif self._cell is not None:
            self._cell.interrupt()
        else:
            self._stop_next = any(m.type == "execute_request" for m in self._queue)
        self._front.reply(channel, message, {"status": "ok"})
        self._front.status("idle", parent)

    def _shutdown(self, channel: RequestChannel, message: Message) -> None:
        restart = bool(message.content.get("restart"))
        content = {"status": "ok", "restart": restart}
        self._front.status("busy", message.frames[0])
        self._front.reply(channel, message, content)
        self._front.publish("shutdown_reply", content, parent=message.frames[0])
        self._front.status("idle", message.frames[0])
        self._on_shutdown(restart)

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def kernel_info(inner: Json) -> Json:
    """Our ``kernel_info_reply``.

    Implementation and version are the inner kernel's, for what a client may
    do with IPython it may do here; that there is more says ``codeact``.
    """
    from .. import __version__

    language = inner.get("language_info")
    features = inner.get("supported_features")
    return {
        "status": "ok",
        "protocol_version": "5.4",
        "implementation": str(inner.get("implementation", "ipython")),
        "implementation_version": str(inner.get("implementation_version", "")),
        "language_info": language if isinstance(language, dict) else {},
        "banner": f"CodeAct {__version__}: cells may be Python or plain language.\n"
        + str(inner.get("banner", "")),
        "help_links": [],
        "codeact": {"version": __version__},
        "supported_features": [str(f) for f in features] if isinstance(features, list) else [],
    }

"""A prompt cell: one turn of the conversation inside one ``execute_request``."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from ..agent.driver import Driver
from ..agent.events import CellSeen, Context, EnvironmentLost, Finish, PromptGiven, RunStep, Stop
from ..agent.loop import Agent
from ..agent.ports import Journal
from ..agent.state import Phase
from ..config import Settings
from ..environment.environment import Environment
from ..environment.executor import StepExecutor, StepRequest, lost
from ..environment.introspect import variables
from ..environment.request import Reply, new_request
from ..environment.wire import Json, Message, new_id
from ..errors import CodeActError, JournalError
from ..model import OpenModel
from ..sandbox.base import Death
from ..sandbox.limits import StepLimits
from ..sandbox.workspace import Workspace
from .approval import InputApprover
from .cells import Answer, Waiting, fail, known_count
from .classify import classify_cell
from .comms import Comms
from .first_use import FirstUse
from .front import Front
from .inline import InlineDisplay, Page, StepRelay
from .outputs import Flood, OutputPolicy
from .questions import Questions

_MOST_CELLS = 20
"""User cells since the last turn that are remembered for the next one."""

_INSTRUCTIONS = "CODEACT.md"
_INSTRUCTIONS_LIMIT = 8_000
"""Characters read of the standing instructions."""


@dataclass(slots=True)
class Turns:
    """The conversation of this kernel, and everything that its turns are made with."""

    front: Front
    environment: Environment
    policy: OutputPolicy
    questions: Questions
    comms: Comms
    settings: Settings
    workspace: Workspace
    agent: Agent
    model: OpenModel
    open_journal: Callable[[], Journal]
    """Makes the record, at the first turn: a kernel that is never asked leaves none."""
    flood: Callable[[str], Flood]
    first_use: FirstUse
    _cells: list[CellSeen] = field(default_factory=list)
    _cell: TurnCell | None = None
    """The turn that runs."""
    _journal: Journal | None = None
    _losses: list[EnvironmentLost] = field(default_factory=list)
    """Not yet in the record."""

    def prompt_of(self, message: Message) -> str | None:
        """The text of the prompt that ``message`` holds, or None if it is code.

        Silent requests and those outside the history are a front-end's own
        business and always code.
        """
        content = message.content
        if content.get("silent") or not content.get("store_history", True):
            return None
        cell = classify_cell(str(content.get("code", "")), message.metadata)
        return cell.text if cell.kind == "prompt" else None

    def cell(self, message: Message, prompt: str, answer: Answer) -> TurnCell:
        """The turn for ``prompt``."""
        self._cell = TurnCell(self, message, prompt, answer)
        return self._cell

    def ended(self, untold: Death | None) -> None:
        """The turn is over; ``untold`` is a death that it has not told of."""
        self._cell = None
        if untold is not None:
            self.environment_lost(untold)

    def saw(self, cell: CellSeen) -> None:
        """The user ran ``cell``; the next prompt may quote it."""
        if cell.code.strip():
            self._cells = [*self._cells, cell][-_MOST_CELLS:]

    def environment_lost(self, death: Death) -> None:
        """The environment died; the model is told with the next message that it gets."""
        if self.agent.phase is Phase.IDLE:
            event = lost(death)
            self._losses.append(event)
            self.agent.receive(event)
            if self._cell is not None:
                self._cell.show_loss(event)
        elif self._cell is not None:
            self._cell.environment_lost(death)

    def journal(self) -> Journal:
        """The record, with all that happened before now.  Raises ``JournalError``."""
        if self._journal is None:
            self._journal = self.open_journal()
        while self._losses:
            self._journal.event(self._losses[0])
            del self._losses[0]
        return self._journal

    async def context(self) -> Context:
        """What the model may know of the notebook for the turn that starts now."""
        level = self.settings.context
        cells, self._cells = self._cells, []
        return Context(
            cells=tuple(cells) if level == "values" else (),
            variables=await variables(self.environment) if level != "none" else (),
            instructions=read_instructions(self.workspace.folder),
        )

    def driver(self, message: Message, executor: StepExecutor, display: InlineDisplay) -> Driver:
        """The driver for one turn, with ports that speak to the prompt's client.

        Raises ``JournalError`` if the turn could not be recorded.
        """
        return Driver(
            agent=self.agent,
            model=self.model,
            executor=executor,
            approver=InputApprover(self.questions, message, display),
            journal=self.journal(),
            display=display,
            turn_seconds=self.settings.turn_timeout,
        )

    def executor(self, message: Message, turn: str, page: Page) -> StepExecutor:
        """What runs the steps of the turn for the prompt in ``message``."""

        def output(step: RunStep) -> StepRelay:
            name = f"turn-{turn}-step-{step.step}"
            relay = StepRelay(self.front, self.policy, message.frames[0], lambda: self.flood(name))
            relay.on_comm = self.comms.note
            relay.page = page
            return relay

        return StepExecutor(
            self.environment,
            StepLimits(seconds=self.settings.step_timeout),
            folder=self.workspace.folder,
            request=StepRequest(
                idents=message.idents,
                allow_stdin=message.content.get("allow_stdin") is True,
                let_ask=lambda request: self.questions.let_ask(request, message),
            ),
            output=output,
        )


class TurnCell:
    """One ``execute_request`` with a prompt, from the queue to its reply."""

    def __init__(self, turns: Turns, message: Message, prompt: str, answer: Answer) -> None:
        self._answer = answer
        self.turn = new_id()[:12]
        self.message = message
        self._turns = turns
        self._prompt = prompt
        self._preparing = Waiting()
        self._page = Page(turns.front, message.frames[0])
        self._display = InlineDisplay(self._page, turns.policy, self.turn, prompt)
        self._executor = turns.executor(message, self.turn, self._page)
        self._driver: Driver | None = None

    async def run(self) -> Json:
        """Run the turn; returns the content of the reply, which has been sent."""
        turns, parent = self._turns, self.message.frames[0]
        turns.front.status("busy", parent)
        turns.front.turn = parent
        try:
            count, finish = await self._turn()
        finally:
            turns.front.turn = None
            self._display.stop()
            self._page.end()
            turns.ended(self._executor.untold)
        if finish.stop != "answered":
            value = f"{finish.stop}: {finish.reason}"
            name = "CodeActTurnError"
            # nbconvert and papermill print the traceback of what failed, and nothing else of it.
            traceback = [f"\x1b[31m{name}\x1b[0m: {value}"]
            return fail(turns.front, self._answer, self.message, name, value, traceback, count)
        content = {"status": "ok", "execution_count": count, "payload": [], "user_expressions": {}}
        self._answer(self.message, content)
        turns.front.status("idle", parent)
        return content

    async def _turn(self) -> tuple[int, Finish]:
        """The prompt's number, and how its turn ended."""
        turns = self._turns
        counted = await self._preparing.over(self._count())
        count = turns.environment.count if counted is None else counted
        turns.front.publish(
            "execute_input",
            {"code": self.message.content["code"], "execution_count": count},
            parent=self.message.frames[0],
        )
        self._display.start()
        return count, await self._finish()

    def interrupt(self) -> None:
        """End the turn, keeping what it did."""
        if self._driver is not None:
            self._driver.interrupt()
        else:
            self._preparing.interrupt()

    def environment_lost(self, death: Death) -> None:
        """The environment died while the turn runs."""
        if self._turns.agent.phase is Phase.RUNNING:
            self._executor.environment_lost(death)
            return
        event = lost(death)
        if self._driver is not None:
            with suppress(JournalError):  # then the turn ends with its next entry
                self._driver.tell(event)
        self.show_loss(event)

    def show_loss(self, event: EnvironmentLost) -> None:
        """Tell the person too."""
        self._display.finished(event)

    async def _finish(self) -> Finish:
        turns = self._turns
        if turns.settings.prompts == "error":
            return self._unasked(
                "refused", "Prompts are switched off here (CODEACT_PROMPTS=error)."
            )
        context = await self._preparing.over(self._prepare())
        if context is None:
            return self._unasked("interrupted", "The person interrupted the turn.")
        try:
            self._driver = turns.driver(self.message, self._executor, self._display)
        except JournalError as error:
            return self._unasked("refused", str(error))
        return await self._driver.run_turn(PromptGiven(self.turn, self._prompt, context))

    async def _prepare(self) -> Context:
        turns = self._turns
        # What is wrong with the endpoint is said when the model is asked.
        with suppress(CodeActError):
            await turns.model.prepare()
        self._display.introduce(turns.model.name, turns.first_use.notice())
        return await turns.context()

    def _unasked(self, stop: Stop, reason: str) -> Finish:
        """End a turn that the model never heard of."""
        finish = Finish(self.turn, stop, reason=f"{reason} The model was not asked.")
        self._display.ended(finish)
        return finish

    async def _count(self) -> int:
        """The prompt's number, taken from the inner kernel's own counter so that counts agree.

        When it is known, everything that cells before this one showed is known too.
        """
        environment = self._turns.environment
        content = {"code": "pass", "silent": False, "store_history": True, "allow_stdin": False}
        while True:
            await environment.ready()
            request = new_request(environment.session, "execute_request", content)
            outcome = await environment.run(request, until_idle=True)
            if isinstance(outcome, Reply):
                reply = outcome.message.content
                return known_count(reply.get("execution_count"), environment)


def read_instructions(folder: Path) -> str:
    """The standing instructions beside the notebook, or nothing.

    The file is data from the workspace: generated code may have written it,
    and a link or a pipe in its place is not followed.
    """
    try:
        descriptor = os.open(folder / _INSTRUCTIONS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return file.read(_INSTRUCTIONS_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""

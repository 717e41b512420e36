"""A prompt cell: one turn of the conversation inside one ``execute_request``."""

from __future__ import annotations

import os
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
from ..environment.request import Lost, Reply, new_request, watch
from ..environment.wire import Json, Message, new_id
from ..errors import CodeActError, EnvironmentFailed, JournalError
from ..model import OpenModel
from ..sandbox.base import Death
from ..sandbox.limits import StepLimits
from ..sandbox.workspace import Workspace
from .approval import InputApprover
from .cells import Answer, ask_for, fail
from .classify import classify_cell
from .first_use import FirstUse
from .front import Front
from .inline import InlineDisplay, Page, StepRelay
from .outputs import Flood, OutputPolicy

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
    settings: Settings
    workspace: Workspace
    agent: Agent
    model: OpenModel
    open_journal: Callable[[], Journal]
    """Makes the record, at the first turn: a kernel that is never asked leaves none."""
    flood: Callable[[str], Flood]
    first_use: FirstUse
    _cells: list[CellSeen] = field(default_factory=list)
    _approver: InputApprover | None = None
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
        return TurnCell(self, message, prompt, answer)

    def saw(self, cell: CellSeen) -> None:
        """The user ran ``cell``; the next prompt may quote it."""
        if cell.code.strip():
            self._cells = [*self._cells, cell][-_MOST_CELLS:]

    def environment_lost(self, death: Death) -> None:
        """The environment died between turns; the model is told with the next prompt."""
        if self.agent.phase is Phase.IDLE:
            event = lost(death)
            self._losses.append(event)
            self.agent.receive(event)

    def journal(self) -> Journal:
        """The record, with all that happened before now.  Raises ``JournalError``."""
        if self._journal is None:
            self._journal = self.open_journal()
        while self._losses:
            self._journal.event(self._losses[0])
            del self._losses[0]
        return self._journal

    def answer_input(self, message: Message) -> bool:
        """Whether ``message`` was the answer to a question of ours."""
        return self._approver is not None and self._approver.take(message)

    async def context(self) -> Context:
        """What the model may know of the notebook for the turn that starts now."""
        level = self.settings.context
        cells, self._cells = self._cells, []
        return Context(
            cells=tuple(cells) if level == "values" else (),
            variables=await variables(self.environment) if level != "none" else (),
            instructions=read_instructions(self.workspace.folder),
        )

    def driver(self, cell: TurnCell, display: InlineDisplay, page: Page) -> Driver:
        """The driver for one turn, with ports that speak to the prompt's client.

        Raises ``JournalError`` if the turn could not be recorded.
        """
        message = cell.message
        self._approver = InputApprover(self.front, message, display)

        def output(step: RunStep) -> StepRelay:
            relay = StepRelay(
                self.front,
                self.policy,
                message.frames[0],
                lambda: self.flood(f"turn-{cell.turn}-step-{step.step}"),
            )
            relay.page = page
            return relay

        executor = StepExecutor(
            self.environment,
            StepLimits(seconds=self.settings.step_timeout),
            folder=self.workspace.folder,
            request=StepRequest(
                session=self.front.session,
                idents=message.idents,
                allow_stdin=bool(message.content.get("allow_stdin", False)),
                on_input=lambda asked: ask_for(self.front, self.policy, message, asked),
            ),
            output=output,
        )
        return Driver(
            agent=self.agent,
            model=self.model,
            executor=executor,
            approver=self._approver,
            journal=self.journal(),
            display=display,
            turn_seconds=self.settings.turn_timeout,
        )


class TurnCell:
    """One ``execute_request`` with a prompt, from the queue to its reply."""

    def __init__(self, turns: Turns, message: Message, prompt: str, answer: Answer) -> None:
        self._answer = answer
        self.turn = new_id()[:12]
        self.message = message
        self._turns = turns
        self._prompt = prompt
        self._interrupted = False
        self._driver: Driver | None = None

    async def run(self) -> Json:
        """Run the turn; returns the content of the reply, which has been sent."""
        turns, parent = self._turns, self.message.frames[0]
        turns.front.status("busy", parent)
        count = await self._count()
        turns.front.publish(
            "execute_input",
            {"code": self.message.content["code"], "execution_count": count},
            parent=parent,
        )
        page = Page(turns.front, parent)
        display = InlineDisplay(page, turns.policy, self.turn, self._prompt)
        display.start()
        try:
            finish = await self._finish(display, page)
        finally:
            display.stop()
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

    def interrupt(self) -> None:
        """End the turn, keeping what it did; the second time, kill the environment too."""
        if self._interrupted:
            self._turns.environment.kill("It was interrupted twice.")
        self._interrupted = True
        if self._driver is not None:
            self._driver.interrupt()

    async def _finish(self, display: InlineDisplay, page: Page) -> Finish:
        turns = self._turns
        if turns.settings.prompts == "error":
            return self._unasked(
                display, "refused", "Prompts are switched off here (CODEACT_PROMPTS=error)."
            )
        # What is wrong with the endpoint is said when the model is asked.
        with suppress(CodeActError):
            await turns.model.prepare()
        display.introduce(turns.model.name, turns.first_use.notice())
        context = await turns.context()
        if self._interrupted:
            return self._unasked(display, "interrupted", "The person interrupted the turn.")
        try:
            self._driver = turns.driver(self, display, page)
        except JournalError as error:
            return self._unasked(display, "refused", str(error))
        return await self._driver.run_turn(PromptGiven(self.turn, self._prompt, context))

    def _unasked(self, display: InlineDisplay, stop: Stop, reason: str) -> Finish:
        """End a turn that the model never heard of."""
        finish = Finish(self.turn, stop, reason=f"{reason} The model was not asked.")
        display.ended(finish)
        return finish

    async def _count(self) -> int:
        """The prompt's number, taken from the inner kernel's own counter so that counts agree."""
        content: Json = {
            "code": "pass",
            "silent": False,
            "store_history": True,
            "allow_stdin": False,
        }
        request = new_request(self._turns.front.session, "execute_request", content)
        done = watch(request)
        self._turns.environment.send(request)
        outcome = await done
        if isinstance(outcome, Lost):
            raise EnvironmentFailed(outcome.death.sentence)
        assert isinstance(outcome, Reply)
        count = outcome.message.content.get("execution_count")
        return count if isinstance(count, int) else 0


def read_instructions(folder: Path) -> str:
    """The standing instructions beside the notebook, or nothing.

    The file is data from the workspace: generated code may have written it,
    and a link in its place is not followed.
    """
    try:
        descriptor = os.open(folder / _INSTRUCTIONS, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            return file.read(_INSTRUCTIONS_LIMIT).decode("utf-8", "replace")
    except OSError:
        return ""

"""Performs an agent's effects through the ports, and feeds back what happened.

The only asynchronous part of the loop.  Whatever a port does, ``run_turn``
ends with a ``Finish``; only cancelling it makes it raise.  One event loop,
asyncio alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, Literal, TypeVar

from ..errors import CodeActError, JournalError
from .events import (
    Approved,
    AskApproval,
    AskModel,
    BudgetSpent,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Event,
    Finish,
    Interrupted,
    ModelFailed,
    PortFailed,
    PromptGiven,
    Rejected,
    RunStep,
)
from .loop import Agent, Phase
from .ports import Approver, Clock, Display, Executor, Journal, Model

PATIENCE = 0.2
"""Seconds that a cancelled call has to end.  Then the turn goes on without it (the front must
reply to an interrupt within one second, design §3)."""

_T = TypeVar("_T")
_S = TypeVar("_S")

_log = logging.getLogger(__name__)


class LoopClock:
    """The running event loop's clock."""

    def now(self) -> float:
        """Seconds; never goes back."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class Driver:
    """Drives one agent, a turn at a time.

    ``turn_seconds`` is the wall time of a turn without waits for approval;
    None is no limit.  Each event is in the journal before the agent takes it
    in, each effect before it is performed: no step runs unrecorded.
    """

    def __init__(
        self,
        agent: Agent,
        model: Model,
        executor: Executor,
        approver: Approver,
        journal: Journal,
        display: Display,
        clock: Clock | None = None,
        *,
        turn_seconds: float | None = None,
    ) -> None:
        self.agent = agent
        self.model = model
        self.executor = executor
        self.approver = approver
        self.journal = journal
        self.display = display
        self._clock: Clock = clock or LoopClock()
        self._turn_seconds = turn_seconds
        self._left = 0.0
        self._stopped: asyncio.Future[None] | None = None
        self._reset_after = False
        self._abandoned: set[asyncio.Task[Any]] = set()

    # --- for the front -----------------------------------------------------------

    async def run_turn(self, prompt: PromptGiven) -> Finish:
        """Run a turn to its end.

        Raises ``CancelledError`` only, after ending and recording the turn.  A
        second turn while one runs is refused.
        """
        if self._stopped is not None:
            return self._end(prompt, prompt.turn)
        self._stopped = asyncio.get_running_loop().create_future()
        self._left = float("inf") if self._turn_seconds is None else self._turn_seconds
        try:
            return await self._run(prompt)
        except asyncio.CancelledError:
            self._end(Interrupted(), prompt.turn)
            raise
        finally:
            self._stopped = None
            self._reset_if_asked()

    def interrupt(self) -> None:
        """End the running turn as ``interrupted``, at once; nothing when none runs."""
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_result(None)

    def tell(self, event: EnvironmentLost | ConversationReset) -> None:
        """Let the agent know what happened outside its steps.

        A ``ConversationReset`` during a turn interrupts it first.  Raises
        ``JournalError`` when the event cannot be recorded.
        """
        if self._stopped is not None and isinstance(event, ConversationReset):
            self._reset_after = True
            self.interrupt()
            return
        self.journal.event(event)
        self.agent.receive(event)

    def _reset_if_asked(self) -> None:
        if not self._reset_after:
            return
        self._reset_after = False
        try:
            self.tell(ConversationReset())
        except JournalError:  # what a person wants forgotten is forgotten all the same
            _log.exception("a new conversation could not be recorded")
            self.agent.receive(ConversationReset())

    # --- the turn ----------------------------------------------------------------

    async def _run(self, prompt: PromptGiven) -> Finish:
        event: Event = prompt
        while True:
            effect = self._receive(event, prompt.turn)
            if isinstance(effect, Finish):
                return self._finish(effect)
            event = self._due() or await self._perform(effect)

    def _receive(self, event: Event, turn: str) -> Effect:
        """Record ``event``, feed it to the agent, and return the one effect that follows."""
        try:
            self.journal.event(event)
        except Exception as error:  # the turn must end whatever broke the journal
            event = PortFailed(
                "journal", f"Nothing more is run, for it cannot be recorded. {_say(error)}"
            )
        effects = self.agent.receive(event)
        if effects:
            return effects[-1]
        if self.agent.phase is not Phase.IDLE:
            return self._receive(_mismatch(event), turn)
        reason = event.message if isinstance(event, PortFailed) else "The turn has ended."
        return Finish(turn, "refused", reason=reason)

    def _end(self, event: Event, turn: str) -> Finish:
        effect = self._receive(event, turn)
        assert isinstance(effect, Finish)
        return self._finish(effect)

    def _finish(self, finish: Finish) -> Finish:
        try:
            self.journal.effect(finish)
        except Exception as error:  # the turn has ended; say that its end is not in the record
            if _say(error) not in finish.reason:
                finish = replace(finish, reason=f"{finish.reason} {_say(error)}".strip())
        self._show(self.display.ended, finish)
        return finish

    def _due(self) -> Interrupted | BudgetSpent | None:
        """Why nothing more may be performed in this turn."""
        if self._stopped is not None and self._stopped.done():
            return Interrupted()
        return BudgetSpent("time") if self._left <= 0 else None

    async def _perform(self, effect: AskModel | RunStep | AskApproval) -> Event:
        try:
            self.journal.effect(effect)
        except Exception as error:  # as in _receive
            return PortFailed(
                "journal", f"Nothing more is run, for it cannot be recorded. {_say(error)}"
            )
        match effect:
            case AskModel():
                return await self._ask(effect)
            case RunStep():
                return await self._step(effect)
            case AskApproval():
                return await self._approval(effect)

    async def _ask(self, ask: AskModel) -> Event:
        self._show(self.display.thinking, ask)
        try:
            reply = await self._call(self.model.ask(ask, self.display), counted=True)
        except Exception as error:  # a model may break in any way; the turn ends with a sentence
            reply = ModelFailed(
                type(error).__name__, f"The model could not be asked. {_say(error)}"
            )
        if reply is None:
            return self._due() or Interrupted()
        self._show(self.display.replied, reply)
        return reply

    async def _step(self, step: RunStep) -> Event:
        self._show(self.display.running, step)
        try:
            outcome = await self._call(self.executor.run(step), counted=True)
        except Exception as error:  # as for the model
            return PortFailed("executor", f"The step could not be run. {_say(error)}")
        if outcome is None:
            return self._due() or Interrupted()
        self._show(self.display.finished, outcome)
        return outcome

    async def _approval(self, ask: AskApproval) -> Event:
        try:
            decision = await self._call(self.approver.approve(ask), counted=False)
        except Exception as error:  # as for the model
            return PortFailed(
                "approver", f"Nobody could be asked to approve the step. {_say(error)}"
            )
        return decision or self._due() or Interrupted()

    async def _call(self, call: Coroutine[Any, Any, _T], *, counted: bool) -> _T | None:
        """The call's result, or None when it was stopped: by ``interrupt``, or at the time limit.

        A result that arrives together with the stop, or while the call is
        being cancelled, is kept: it happened.  An error while it is being
        cancelled is not one of the turn.
        """
        assert self._stopped is not None
        task = asyncio.ensure_future(call)
        limited = counted and self._left != float("inf")
        timer = asyncio.ensure_future(self._clock.sleep(self._left)) if limited else None
        waited: set[asyncio.Future[Any]] = {task, self._stopped}
        started = self._clock.now()
        stopped = False
        try:
            await asyncio.wait(
                waited | ({timer} if timer else set()), return_when=asyncio.FIRST_COMPLETED
            )
            stopped = not task.done()
            if stopped:
                task.cancel()
                await asyncio.wait({task}, timeout=PATIENCE)
        finally:
            self._abandon(task)
            if timer is not None:
                self._left -= self._clock.now() - started
                if timer.done():
                    self._left = 0.0
                timer.cancel()
        if not task.done() or task.cancelled() or (stopped and task.exception()):
            return None
        return task.result()

    def _abandon(self, task: asyncio.Task[Any]) -> None:
        """Let a call that does not end go on without us; what becomes of it is nobody's error."""
        if task.done():
            return
        task.cancel()
        self._abandoned.add(task)
        task.add_done_callback(self._abandoned.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _show(self, show: Callable[[_S], None], what: _S) -> None:
        try:
            show(what)
        except Exception:  # showing a turn must not decide how it ends
            _log.exception("a display failed")


def _say(error: Exception) -> str:
    return str(error) if isinstance(error, CodeActError) else f"{type(error).__name__}: {error}"


def _mismatch(event: Event) -> PortFailed:
    """A port answered something else than it was asked."""
    port: Literal["executor", "approver"] = (
        "approver" if isinstance(event, Approved | Rejected) else "executor"
    )
    return PortFailed(port, f"The {port} answered for another step than the one asked for.")

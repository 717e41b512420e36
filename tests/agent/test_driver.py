"""A turn through the ports, with everything that ports can do wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from codeact_kernel.agent import driver as driver_module
from codeact_kernel.agent.driver import Driver
from codeact_kernel.agent.events import (
    Approved,
    AskModel,
    BudgetSpent,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Event,
    Finish,
    Interrupted,
    ModelReplied,
    PromptGiven,
    RunStep,
)
from codeact_kernel.agent.loop import Agent, LoopSettings, Phase
from codeact_kernel.errors import EnvironmentFailed, JournalError
from tests.agent.scripted import (
    ListDisplay,
    ListJournal,
    ManualClock,
    ScriptedApprover,
    ScriptedExecutor,
    ScriptedModel,
    done,
    step,
)

PROMPT = PromptGiven("t1", "Do it.")


class Stage:
    """A driver on scripted ports."""

    def __init__(
        self,
        model: ScriptedModel,
        executor: ScriptedExecutor | None = None,
        approver: ScriptedApprover | None = None,
        *,
        journal: ListJournal | None = None,
        turn_seconds: float | None = None,
        **settings: Any,
    ) -> None:
        self.model = model
        self.executor = executor or ScriptedExecutor()
        self.approver = approver or ScriptedApprover()
        self.journal = journal or ListJournal()
        self.display = ListDisplay()
        self.clock = ManualClock()
        self.agent = Agent(LoopSettings(**settings))
        self.driver = Driver(
            self.agent,
            self.model,
            self.executor,
            self.approver,
            self.journal,
            self.display,
            self.clock,
            turn_seconds=turn_seconds,
        )

    async def run(self, prompt: PromptGiven = PROMPT) -> Finish:
        finish = await self.driver.run_turn(prompt)
        assert self.agent.phase is Phase.IDLE
        assert self.display.finish == finish
        return finish


def never() -> Any:
    """A call that does not end by itself."""
    return asyncio.Event().wait()


async def test_a_turn_runs_to_its_answer_and_is_recorded_in_order() -> None:
    stage = Stage(ScriptedModel(step("x = 1"), "Done."))
    finish = await stage.run()
    assert (finish.stop, finish.answer) == ("answered", "Done.")
    assert stage.executor.ran == [RunStep("t1", 1, "x = 1")]
    assert [type(item).__name__ for item in stage.journal.items] == [
        "PromptGiven",
        "AskModel",
        "ModelReplied",
        "RunStep",
        "StepFinished",
        "AskModel",
        "ModelReplied",
        "Finish",
    ]
    assert stage.display.shown == [
        *("thinking", "replied", "running", "finished"),
        *("thinking", "replied", "ended"),
    ]


async def test_a_step_is_in_the_record_before_it_runs() -> None:
    stage = Stage(ScriptedModel(step("x = 1"), "Done."))
    seen: list[bool] = []

    def run() -> Any:
        seen.append(isinstance(stage.journal.items[-1], RunStep))
        return done(stage.executor.ran[-1])

    stage.executor.outcomes.append(run)
    await stage.run()
    assert seen == [True]


async def test_folding_the_journal_gives_the_same_state() -> None:
    stage = Stage(ScriptedModel(step("x = 1"), step("y = ("), "Done.", step("z"), "Again."))
    await stage.run()
    await stage.run(PromptGiven("t2", "More."))
    assert Agent.replay(stage.agent.settings, stage.journal.events).state == stage.agent.state


# --- interrupt -----------------------------------------------------------------------------


async def test_interrupt_during_a_model_call_ends_the_turn() -> None:
    stage = Stage(ScriptedModel(never))
    stage.journal.before = lambda item: _soon(stage.driver.interrupt, item, AskModel)
    assert (await stage.run()).stop == "interrupted"
    assert stage.journal.events[-1] == Interrupted()


async def test_interrupt_during_a_step_cancels_it() -> None:
    cancelled: list[bool] = []

    async def endless() -> Any:
        try:
            await never()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    stage = Stage(ScriptedModel(step("x")), ScriptedExecutor(endless))
    stage.journal.before = lambda item: _soon(stage.driver.interrupt, item, RunStep)
    assert (await stage.run()).stop == "interrupted"
    assert cancelled == [True]


async def test_interrupt_during_an_approval_ends_the_turn() -> None:
    stage = Stage(ScriptedModel(step("x")), approver=ScriptedApprover(never), approval="always")
    asyncio.get_running_loop().call_soon(stage.driver.interrupt)
    assert (await stage.run()).stop == "interrupted"
    assert stage.executor.ran == []


async def test_interrupt_between_steps_performs_nothing_more() -> None:
    stage = Stage(ScriptedModel(step("x"), "unused"))

    def run() -> Any:
        stage.driver.interrupt()
        return done(stage.executor.ran[-1], "kept\n")

    stage.executor.outcomes.append(run)
    assert (await stage.run()).stop == "interrupted"
    assert len(stage.model.asked) == 1
    assert [type(item).__name__ for item in stage.journal.items[-3:]] == [
        "StepFinished",
        "Interrupted",
        "Finish",
    ]


async def test_what_a_cancelled_step_still_reports_is_kept() -> None:
    stage = Stage(ScriptedModel(step("x")))

    async def reports() -> Any:
        try:
            await never()
        except asyncio.CancelledError:
            return done(stage.executor.ran[-1], "half\n", "error")

    stage.executor.outcomes.append(reports)
    stage.journal.before = lambda item: _soon(stage.driver.interrupt, item, RunStep)
    assert (await stage.run()).stop == "interrupted"
    assert [type(item).__name__ for item in stage.journal.events[-2:]] == [
        "StepFinished",
        "Interrupted",
    ]


async def test_an_error_while_a_call_is_cancelled_does_not_hide_the_interrupt() -> None:
    async def breaks_late() -> Any:
        try:
            await never()
        except asyncio.CancelledError:
            raise RuntimeError("the connection would not close") from None

    stage = Stage(ScriptedModel(breaks_late))
    stage.journal.before = lambda item: _soon(stage.driver.interrupt, item, AskModel)
    assert (await stage.run()).stop == "interrupted"


async def test_a_call_that_ignores_its_cancellation_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(driver_module, "PATIENCE", 0.0)
    release = asyncio.Event()
    ended = asyncio.Event()

    async def stubborn() -> Any:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        ended.set()
        raise RuntimeError("too late to matter")

    stage = Stage(ScriptedModel(step("x")), ScriptedExecutor(stubborn))
    stage.journal.before = lambda item: _soon(stage.driver.interrupt, item, RunStep)
    assert (await stage.run()).stop == "interrupted"
    release.set()
    await ended.wait()


async def test_interrupt_without_a_turn_does_nothing_to_the_next() -> None:
    stage = Stage(ScriptedModel("Done."))
    stage.driver.interrupt()
    assert (await stage.run()).stop == "answered"


async def test_a_turn_after_an_interrupted_one_works() -> None:
    stage = Stage(ScriptedModel(never, "Done."))
    asyncio.get_running_loop().call_soon(stage.driver.interrupt)
    await stage.run()
    assert (await stage.run(PromptGiven("t2", "Again."))).stop == "answered"


async def test_cancelling_the_turn_records_its_end() -> None:
    started = asyncio.Event()

    async def endless() -> Any:
        started.set()
        await never()

    stage = Stage(ScriptedModel(endless))
    turn = asyncio.ensure_future(stage.driver.run_turn(PROMPT))
    await started.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    assert stage.display.finish is not None
    assert stage.display.finish.stop == "interrupted"
    assert stage.agent.phase is Phase.IDLE


def _soon(act: Callable[[], None], item: Event | Effect, kind: type) -> None:
    """Let ``act`` happen while the effect of this kind is being performed."""
    if isinstance(item, kind):
        loop = asyncio.get_running_loop()
        loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(act)))


# --- time ------------------------------------------------------------------------------------


async def test_a_turn_that_takes_too_long_ends_as_time() -> None:
    stage = Stage(ScriptedModel(never), turn_seconds=10.0)
    stage.journal.before = lambda item: _soon(lambda: stage.clock.advance(10.0), item, AskModel)
    assert (await stage.run()).stop == "time"
    assert stage.journal.events[-1] == BudgetSpent("time")


async def test_the_time_of_all_calls_is_added_up() -> None:
    stage = Stage(ScriptedModel(step("x"), step("y"), "unused"), turn_seconds=10.0)

    def slow() -> Any:
        stage.clock.time += 6.0
        return done(stage.executor.ran[-1])

    stage.executor.outcomes += [slow, slow]
    assert (await stage.run()).stop == "time"
    assert len(stage.executor.ran) == 2


async def test_waiting_for_approval_counts_against_no_budget() -> None:
    stage = Stage(ScriptedModel(step("x"), "Done."), turn_seconds=10.0, approval="always")

    def slow() -> Any:
        stage.clock.advance(3_600.0)
        return Approved(1)

    stage.approver.decisions.append(slow)
    assert (await stage.run()).stop == "answered"


async def test_an_answer_that_comes_with_the_end_of_the_time_is_an_answer() -> None:
    stage = Stage(ScriptedModel(), turn_seconds=10.0)

    def late() -> Any:
        stage.clock.advance(11.0)
        return ModelReplied("Just in time.")

    stage.model.replies.append(late)
    assert (await stage.run()).answer == "Just in time."


# --- ports that break ----------------------------------------------------------------------


def breaks(error: Exception) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


async def test_a_model_that_raises_ends_the_turn() -> None:
    finish = await Stage(ScriptedModel(breaks(RuntimeError("boom")))).run()
    assert finish.stop == "model_error"
    assert "RuntimeError: boom" in finish.reason


async def test_an_executor_that_raises_ends_the_turn_with_its_sentence() -> None:
    error = EnvironmentFailed("The inner kernel did not start.", remedy="Run 'codeact doctor'.")
    finish = await Stage(ScriptedModel(step("x")), ScriptedExecutor(breaks(error))).run()
    assert finish.stop == "refused"
    assert "The inner kernel did not start. Run 'codeact doctor'." in finish.reason


async def test_an_approver_that_raises_runs_nothing() -> None:
    approver = ScriptedApprover(breaks(OSError("closed")))
    stage = Stage(ScriptedModel(step("x")), approver=approver, approval="always")
    assert (await stage.run()).stop == "refused"
    assert stage.executor.ran == []


async def test_an_answer_for_another_step_ends_the_turn() -> None:
    stage = Stage(ScriptedModel(step("x")), ScriptedExecutor(done(RunStep("t1", 9, "x"))))
    assert (await stage.run()).stop == "refused"


async def test_a_port_that_cancels_itself_ends_the_turn() -> None:
    stage = Stage(ScriptedModel(step("x")), ScriptedExecutor(breaks(asyncio.CancelledError())))  # type: ignore[arg-type]
    assert (await stage.run()).stop == "interrupted"


async def test_a_display_that_raises_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(ScriptedModel(step("x"), "Done."))
    for name in ("thinking", "replied", "running", "finished", "ended"):
        monkeypatch.setattr(stage.display, name, breaks_with_argument)
    finish = await stage.driver.run_turn(PROMPT)
    assert finish.stop == "answered"


def breaks_with_argument(what: object) -> None:
    raise RuntimeError(what)


# --- the record -----------------------------------------------------------------------------


def full(kind: type, when: int = 1) -> ListJournal:
    """A journal whose disk is full from the ``when``-th entry of this kind on."""
    seen: list[object] = []

    def before(item: Event | Effect) -> None:
        seen.extend([item] * isinstance(item, kind))
        if len(seen) >= when:
            raise JournalError("The record cannot be written: no space left.", remedy="Make room.")

    return ListJournal(before)


@pytest.mark.parametrize("kind", [PromptGiven, AskModel, ModelReplied, RunStep])
async def test_nothing_runs_unrecorded(kind: type) -> None:
    stage = Stage(ScriptedModel(step("x"), "unused"), journal=full(kind))
    finish = await stage.run()
    assert finish.stop == "refused"
    assert finish.reason.count("no space left. Make room.") == 1
    assert stage.executor.ran == []


async def test_an_answer_whose_end_cannot_be_recorded_says_so() -> None:
    finish = await Stage(ScriptedModel("Done."), journal=full(Finish)).run()
    assert (finish.stop, finish.answer) == ("answered", "Done.")
    assert "no space left" in finish.reason


async def test_a_journal_that_breaks_otherwise_ends_the_turn_too() -> None:
    def before(item: Event | Effect) -> None:
        raise ValueError("broken")

    assert (await Stage(ScriptedModel("x"), journal=ListJournal(before)).run()).stop == "refused"


async def test_a_turn_works_again_when_there_is_room_again() -> None:
    stage = Stage(ScriptedModel(step("x"), "Done."), journal=full(RunStep))
    await stage.run()
    stage.journal.before = lambda item: None
    assert (await stage.run(PromptGiven("t2", "Again."))).stop == "answered"


# --- beside the turn --------------------------------------------------------------------------


async def test_a_second_turn_is_refused_while_one_runs() -> None:
    refused: list[Finish] = []
    stage = Stage(ScriptedModel())

    async def meanwhile() -> Any:
        refused.append(await stage.driver.run_turn(PromptGiven("t2", "Me too.")))
        return ModelReplied("Done.")

    stage.model.replies.append(meanwhile)
    assert (await stage.run()).answer == "Done."
    assert [(finish.turn, finish.stop) for finish in refused] == [("t2", "refused")]


async def test_a_loss_between_turns_is_recorded_and_told() -> None:
    stage = Stage(ScriptedModel("Done."))
    stage.driver.tell(EnvironmentLost("It crashed."))
    await stage.run()
    assert "It crashed." in stage.model.asked[0].messages[-1].text
    assert stage.journal.items[0] == EnvironmentLost("It crashed.")


async def test_a_new_conversation_in_a_turn_interrupts_it_first() -> None:
    stage = Stage(ScriptedModel(never))
    asyncio.get_running_loop().call_soon(stage.driver.tell, ConversationReset())
    assert (await stage.run()).stop == "interrupted"
    assert stage.journal.events[-1] == ConversationReset()
    assert stage.agent.state.conversation.past == []


async def test_a_new_conversation_that_cannot_be_recorded_is_new_all_the_same() -> None:
    stage = Stage(ScriptedModel(never), journal=full(ConversationReset))
    asyncio.get_running_loop().call_soon(stage.driver.tell, ConversationReset())
    assert (await stage.run()).stop == "interrupted"
    assert stage.agent.state.conversation.past == []

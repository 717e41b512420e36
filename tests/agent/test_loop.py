"""The loop's rules, event by event."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from codeact_kernel.agent.budget import estimate, message_tokens
from codeact_kernel.agent.events import (
    Approved,
    AskApproval,
    AskModel,
    BudgetSpent,
    CellSeen,
    Context,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Event,
    Finish,
    Image,
    Interrupted,
    ModelFailed,
    ModelReplied,
    PortFailed,
    PromptGiven,
    Rejected,
    RunStep,
    StepError,
    StepFinished,
    Usage,
    Variable,
)
from codeact_kernel.agent.loop import Agent, LoopSettings, Phase
from tests.agent.scripted import done, step, texts


class Turn:
    """An agent in a turn; each call feeds an event and returns the one effect."""

    def __init__(self, agent: Agent | None = None, prompt: str = "Do it.", **settings: Any) -> None:
        self.agent = agent or Agent(LoopSettings(**settings))
        self.turn = "t1"
        self.last: Effect = self.feed(PromptGiven(self.turn, prompt))

    def feed(self, event: Event) -> Effect:
        (effect,) = self.agent.receive(event)
        self.last = effect
        return effect

    def ask(self, event: Event) -> AskModel:
        effect = self.feed(event)
        assert isinstance(effect, AskModel), effect
        return effect

    def run(self, event: Event) -> RunStep:
        effect = self.feed(event)
        assert isinstance(effect, RunStep), effect
        return effect

    def end(self, event: Event) -> Finish:
        effect = self.feed(event)
        assert isinstance(effect, Finish), effect
        assert self.agent.phase is Phase.IDLE
        return effect


def failure(code: RunStep, name: str = "KeyError", value: str = "'x'") -> StepFinished:
    return done(code, status="error", error=StepError(name, value))


# --- the plain course of a turn ------------------------------------------------------


def test_a_turn_asks_runs_observes_and_answers() -> None:
    turn = Turn()
    assert isinstance(turn.last, AskModel)
    assert turn.last.step == 1
    ran = turn.run(step("print(6*7)"))
    assert ran == RunStep("t1", 1, "print(6*7)")
    ask = turn.ask(done(ran, "42\n"))
    assert ask.step == 2
    assert ask.messages[-1].text == "[ok, 19 steps left]\n42"
    finish = turn.end(ModelReplied("It is 42."))
    assert finish == Finish("t1", "answered", "It is 42.", steps=1, usage=turn.agent.usage)


def test_within_a_turn_each_request_extends_the_one_before_exactly() -> None:
    turn = Turn()
    requests = [turn.last]
    for number in range(10):
        requests.append(turn.ask(done(turn.run(step(f"x = {number}")), "out")))
        requests.append(turn.ask(ModelReplied(f"```python\nx = ({number}\n```")))
    for before, after in pairwise(requests):
        assert isinstance(before, AskModel)
        assert isinstance(after, AskModel)
        assert after.messages[: len(before.messages)] == before.messages
        assert [one.role for one in after.messages[len(before.messages) :]] == ["assistant", "user"]


def test_what_the_model_invents_after_its_code_is_not_kept() -> None:
    turn = Turn()
    ran = turn.run(ModelReplied("```python\nx = 1\n```\nOutput: 99"))
    assert "99" not in "".join(texts(turn.ask(done(ran))))


def test_a_shell_block_runs_as_a_bash_cell() -> None:
    assert Turn().run(ModelReplied("```bash\nls\n```")) == RunStep("t1", 1, "%%bash\nls", "bash")


def test_unable_ends_the_turn_with_its_reason() -> None:
    finish = Turn().end(ModelReplied("UNABLE: there is no such file."))
    assert (finish.stop, finish.reason) == ("unable", "there is no such file.")


def test_an_empty_prompt_is_refused_with_a_sentence() -> None:
    turn = Turn(prompt=" \n")
    assert isinstance(turn.last, Finish)
    assert turn.last.stop == "refused"
    assert "empty" in turn.last.reason


def test_a_second_prompt_in_a_running_turn_is_refused_and_changes_nothing() -> None:
    turn = Turn()
    (refusal,) = turn.agent.receive(PromptGiven("t2", "Another"))
    assert isinstance(refusal, Finish)
    assert (refusal.turn, refusal.stop) == ("t2", "refused")
    assert turn.run(step("x = 1")).turn == "t1"


# --- replies that cannot run ------------------------------------------------------------


def test_code_that_does_not_parse_is_repaired_and_costs_a_step() -> None:
    turn = Turn(max_steps=5)
    ask = turn.ask(step("x = ("))
    assert "[not run, 4 steps left]" in ask.messages[-1].text
    assert "line 1: SyntaxError: '(' was never closed" in ask.messages[-1].text
    assert turn.run(step("x = 1")).step == 2


def test_a_reply_cut_by_the_token_limit_is_not_executed() -> None:
    ask = Turn().ask(ModelReplied("```python\nx = 1\n```", finish="length"))
    assert "shorter" in ask.messages[-1].text


def test_an_empty_reply_is_asked_for_again() -> None:
    turn = Turn()
    ask = turn.ask(ModelReplied(""))
    assert "empty" in ask.messages[-1].text
    assert all(one.text for one in ask.messages)
    turn.ask(ModelReplied(""))
    assert turn.end(ModelReplied("")).stop == "stuck"


# --- limits ------------------------------------------------------------------------------


def test_after_the_last_step_the_answer_is_asked_for() -> None:
    turn = Turn(max_steps=2)
    turn.ask(done(turn.run(step("a"))))
    ask = turn.ask(done(turn.run(step("b"))))
    assert "no steps left: answer now" in ask.messages[-1].text
    assert turn.end(ModelReplied("Done.")).stop == "answered"


def test_code_beyond_the_last_step_ends_the_turn() -> None:
    turn = Turn(max_steps=1)
    turn.ask(done(turn.run(step("a"))))
    finish = turn.end(step("b"))
    assert (finish.stop, finish.steps) == ("steps", 1)
    assert "(1)" in finish.reason


def test_repairs_count_as_steps() -> None:
    turn = Turn(max_steps=2)
    turn.ask(step("x = ("))
    turn.ask(step("y = ("))
    assert turn.end(step("z = (")).stop == "steps"


def test_tokens_beyond_the_limit_end_the_turn_before_the_step_runs() -> None:
    turn = Turn(max_tokens=5_000)
    reply = ModelReplied(step("x = 1").text, usage=Usage(5_000, 10))
    finish = turn.end(reply)
    assert finish.stop == "tokens"
    assert finish.usage == Usage(5_000, 10)


def test_the_next_call_is_not_made_when_it_would_exceed_the_token_limit() -> None:
    turn = Turn(max_tokens=1_000)
    ran = turn.run(step("x = 1"))
    assert turn.end(done(ran, "word " * 1_000)).stop == "tokens"


def test_an_answer_is_an_answer_even_if_it_cost_too_much() -> None:
    turn = Turn(max_tokens=5_000, max_cost=1.0)
    assert turn.end(ModelReplied("42", usage=Usage(9_000, 1, 2.0))).stop == "answered"


def test_cost_is_added_up_and_limited() -> None:
    turn = Turn(max_cost=1.0)
    ran = turn.run(ModelReplied(step("x").text, usage=Usage(10, 1, 0.6)))
    turn.ask(done(ran))
    finish = turn.end(ModelReplied(step("y").text, usage=Usage(10, 1, 0.6)))
    assert finish.stop == "cost"
    assert finish.usage.cost == pytest.approx(1.2)


def test_a_cost_limit_that_cannot_be_checked_stops_the_turn() -> None:
    finish = Turn(max_cost=1.0).end(ModelReplied(step("x").text, usage=Usage(10, 1)))
    assert finish.stop == "cost"
    assert "price" in finish.reason


def test_tokens_are_estimated_when_the_endpoint_reports_none() -> None:
    turn = Turn()
    turn.run(step("x = 1"))
    assert turn.agent.usage.prompt_tokens > 300
    assert turn.agent.usage.completion_tokens > 1


@pytest.mark.parametrize(
    ("event", "stop"),
    [
        (Interrupted(), "interrupted"),
        (BudgetSpent("time"), "time"),
        (PortFailed("executor", "Broken."), "refused"),
    ],
)
@pytest.mark.parametrize("phase", [Phase.ASKING, Phase.CONFIRMING, Phase.RUNNING])
def test_a_turn_can_be_stopped_in_each_phase(event: Event, stop: str, phase: Phase) -> None:
    turn = Turn(approval="always")
    if phase is not Phase.ASKING:
        turn.feed(step("x = 1"))
    if phase is Phase.RUNNING:
        turn.feed(Approved(1))
    assert turn.agent.phase is phase
    assert turn.end(event).stop == stop
    ask = Turn(turn.agent, "Go on.").last
    assert isinstance(ask, AskModel)
    assert "Your last turn ended without an answer" in ask.messages[-1].text
    roles = [one.role for one in ask.messages[1:]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]


# --- stuck -------------------------------------------------------------------------------


def test_the_same_code_with_the_same_error_three_times_is_stuck() -> None:
    turn = Turn()
    for _ in range(2):
        turn.ask(failure(turn.run(step("d['x']"))))
    finish = turn.end(failure(turn.run(step("d['x']"))))
    assert (finish.stop, finish.steps) == ("stuck", 3)
    assert "KeyError: 'x'" in finish.reason


def test_another_error_or_other_code_is_not_stuck() -> None:
    turn = Turn()
    for value in "abcd":
        turn.ask(failure(turn.run(step("d['x']")), value=value))
    for code in "abcd":
        turn.ask(failure(turn.run(step(code))))


def test_addresses_do_not_make_an_error_another() -> None:
    turn = Turn()
    for address in ("0x7f01", "0x7f02"):
        turn.ask(failure(turn.run(step("f()")), "TypeError", f"<object at {address}>"))
    assert (
        turn.end(failure(turn.run(step("f()")), "TypeError", "<object at 0x7f03>")).stop == "stuck"
    )


def test_code_that_never_parses_is_stuck_too() -> None:
    turn = Turn()
    turn.ask(step("x = ("))
    turn.ask(step("x = ("))
    assert turn.end(step("x = (")).stop == "stuck"


def test_success_is_never_stuck() -> None:
    turn = Turn()
    for _ in range(6):
        turn.ask(done(turn.run(step("poll()"))))


# --- approval ----------------------------------------------------------------------------


def test_approval_always_asks_before_each_step() -> None:
    turn = Turn(approval="always")
    assert turn.feed(step("x = 1")) == AskApproval("t1", 1, "x = 1")
    turn.ask(done(turn.run(Approved(1))))
    assert isinstance(turn.feed(step("y = 1")), AskApproval)


def test_approval_by_risk_asks_only_when_there_is_a_reason() -> None:
    agent = Agent(LoopSettings(approval="risk"), lambda code: ("deletes",) if "rm" in code else ())
    turn = Turn(agent)
    turn.ask(done(turn.run(step("x = 1"))))
    assert turn.feed(step("rm()")) == AskApproval("t1", 2, "rm()", ("deletes",))


def test_the_rest_of_the_turn_can_be_approved_at_once() -> None:
    turn = Turn(approval="always")
    turn.feed(step("x = 1"))
    turn.ask(done(turn.run(Approved(1, rest_of_turn=True))))
    turn.ask(done(turn.run(step("y = 1"))))
    turn.end(ModelReplied("Done."))
    assert isinstance(Turn(turn.agent).feed(step("z = 1")), AskApproval)


def test_an_edited_step_runs_as_edited_and_the_model_is_told() -> None:
    turn = Turn(approval="always")
    turn.feed(step("x = 1"))
    ran = turn.run(Approved(1, "%%bash\nls"))
    assert ran == RunStep("t1", 1, "%%bash\nls", "bash")
    assert "What ran:\n%%bash\nls" in turn.ask(done(ran)).messages[-1].text


def test_a_skipped_step_is_told_to_the_model() -> None:
    turn = Turn(approval="always")
    turn.feed(step("x = 1"))
    ask = turn.ask(Rejected(1, "not that file", skip=True))
    assert ask.messages[-1].text.endswith("The person skipped this step: not that file")


def test_a_rejection_ends_the_turn() -> None:
    turn = Turn(approval="always")
    turn.feed(step("x = 1"))
    assert turn.end(Rejected(1)).stop == "refused"


@pytest.mark.parametrize("event", [Approved(7), Rejected(7), StepFinished(1, "ok", "x")])
def test_a_decision_about_another_step_is_ignored(event: Event) -> None:
    turn = Turn(approval="always")
    turn.feed(step("x = 1"))
    assert turn.agent.receive(event) == []
    assert turn.agent.phase is Phase.CONFIRMING


# --- the environment ---------------------------------------------------------------------


def test_a_step_that_kills_its_environment_is_observed_with_what_was_lost() -> None:
    turn = Turn()
    ran = turn.run(step("eat()"))
    during = done(ran, "before\n", "killed", notice="It ran out of memory.")
    text = turn.ask(EnvironmentLost("It ran out of memory.", during=during)).messages[-1].text
    assert "[killed" in text
    assert "before" in text
    assert "Lost: all variables" in text
    assert text.count("It ran out of memory.") == 1


def test_a_loss_without_an_outcome_still_ends_the_step() -> None:
    turn = Turn()
    turn.run(step("x"))
    assert "[killed" in turn.ask(EnvironmentLost("Gone.")).messages[-1].text


def test_a_loss_while_the_model_thinks_goes_with_the_next_observation() -> None:
    turn = Turn()
    assert turn.agent.receive(EnvironmentLost("Gone.")) == []
    ask = turn.ask(done(turn.run(step("x"))))
    assert "(Gone. The environment was replaced." in ask.messages[-1].text
    assert "Gone" not in turn.ask(done(turn.run(step("y")))).messages[-1].text


@pytest.mark.parametrize("ending", [ModelReplied("Done."), Interrupted()])
def test_a_loss_that_could_not_be_told_is_told_in_the_next_turn(ending: Event) -> None:
    turn = Turn()
    turn.agent.receive(EnvironmentLost("Gone."))
    turn.end(ending)
    ask = Turn(turn.agent).last
    assert isinstance(ask, AskModel)
    assert "Gone. The environment was replaced." in ask.messages[-1].text


def test_a_loss_between_turns_opens_the_next() -> None:
    agent = Agent(LoopSettings())
    agent.receive(EnvironmentLost("Gone."))
    ask = Turn(agent).last
    assert isinstance(ask, AskModel)
    assert ask.messages[-1].text.startswith("(Gone.")


# --- pictures ----------------------------------------------------------------------------


@pytest.mark.parametrize("takes", [True, False])
def test_pictures_go_back_when_the_model_takes_them(takes: bool) -> None:
    turn = Turn(images=takes)
    picture = Image("image/png", "aGk=")
    ask = turn.ask(done(turn.run(step("plot()")), images=(picture,)))
    assert ask.messages[-1].images == ((picture,) if takes else ())
    assert ("image/png" in ask.messages[-1].text) is not takes


def test_pictures_that_would_fill_the_context_are_only_named() -> None:
    turn = Turn(images=True, context_tokens=8_192)
    pictures = (Image("image/png", "aGk="),) * 8
    ask = turn.ask(done(turn.run(step("plot()")), images=pictures))
    assert ask.messages[-1].images == ()
    assert "8 picture(s)" in ask.messages[-1].text


# --- what the model is told of the notebook -------------------------------------------------

CONTEXT = Context(
    (CellSeen("secret = 12345", "shown 678"),),
    (
        Variable("secret", "int", "12345"),
        Variable("df", "DataFrame", "3 × 4"),
        Variable("s", "str", "len 7"),
    ),
    "Always use metres.",
)


@pytest.mark.parametrize(
    ("level", "told", "untold"),
    [
        ("none", ("metres",), ("secret", "12345", "df", "678")),
        ("names", ("metres", "secret: int", "df: DataFrame, 3 × 4"), ("12345", "678", "len 7")),
        (
            "values",
            ("metres", "secret: int, 12345", "df: DataFrame, 3 × 4", "678", ">>> secret"),
            (),
        ),
    ],
)
def test_the_context_level_is_obeyed(
    level: Any, told: tuple[str, ...], untold: tuple[str, ...]
) -> None:
    (ask,) = Agent(LoopSettings(context=level)).receive(PromptGiven("t", "Hello", CONTEXT))
    assert isinstance(ask, AskModel)
    text = ask.messages[-1].text
    assert all(part in text for part in told)
    assert not any(part in text for part in untold)
    assert text.endswith("Hello\n\n[20 steps left]")


def test_instructions_are_repeated_only_when_they_changed() -> None:
    agent = Agent(LoopSettings())
    counts = []
    for text in ("Use metres.", "Use metres.", "Use feet."):
        (ask,) = agent.receive(PromptGiven("t", "Hello", Context(instructions=text)))
        assert isinstance(ask, AskModel)
        counts.append(sum("CODEACT.md" in one.text for one in ask.messages))
        agent.receive(ModelReplied("Hi."))
    assert counts == [1, 1, 2]


def test_a_huge_context_does_not_crowd_out_the_prompt() -> None:
    context = Context(
        tuple(CellSeen("x" * 10_000, "y" * 10_000) for _ in range(50)), instructions="z" * 99_999
    )
    (ask,) = Agent(LoopSettings(context_tokens=4_096)).receive(
        PromptGiven("t", "The question", context)
    )
    assert isinstance(ask, AskModel)
    assert "The question" in ask.messages[-1].text
    assert sum(map(message_tokens, ask.messages)) < 3_000


# --- room ---------------------------------------------------------------------------------


def talk(agent: Agent, turns: int, size: int = 2_000) -> list[AskModel]:
    """Turns of one step each, with ``size`` characters of output; returns each first request."""
    first = []
    for number in range(turns):
        turn = Turn(agent, f"Prompt number {number}.")
        assert isinstance(turn.last, AskModel)
        first.append(turn.last)
        ran = turn.run(step(f"code_{number}()"))
        turn.ask(done(ran, f"out_{number} " + "word " * (size // 5)))
        turn.end(ModelReplied(f"Answer number {number}."))
    return first


def test_older_turns_become_prompt_code_and_answer_and_then_go() -> None:
    agent = Agent(LoopSettings(context_tokens=4_096))
    last = talk(agent, 60)[-1]
    assert sum(map(message_tokens, last.messages)) <= 0.6 * 4_096
    together = "\n".join(texts(last))
    assert "Prompt number 58." in together
    assert "Answer number 58." in together
    assert "code_58()" in together
    assert "out_40 " not in together
    assert "Prompt number 0." not in together
    assert "Earlier turns were left out" in together


def test_nothing_is_shortened_while_there_is_room() -> None:
    requests = talk(Agent(LoopSettings(context_tokens=128_000)), 10)
    for before, after in pairwise(requests):
        assert after.messages[: len(before.messages)] == before.messages


def test_pictures_go_first() -> None:
    agent = Agent(LoopSettings(context_tokens=8_192, images=True))
    for number in range(5):
        turn = Turn(agent)
        ran = turn.run(step("plot()"))
        turn.ask(done(ran, f"seen {number}", images=(Image("image/png", "aGk="),)))
        turn.end(ModelReplied("Shown."))
    ask = Turn(agent).last
    assert isinstance(ask, AskModel)
    assert "seen 0" in "".join(texts(ask))
    assert sum(len(one.images) for one in ask.messages) < 5


def test_a_prompt_that_cannot_fit_is_refused_and_forgets_nothing() -> None:
    agent = Agent(LoopSettings(context_tokens=4_096))
    talk(agent, 2, size=100)
    finish = Turn(agent, "data " * 2_000_000).last
    assert isinstance(finish, Finish)
    assert finish.stop == "model_error"
    assert "too long" in finish.reason
    ask = Turn(agent, "Small.").last
    assert isinstance(ask, AskModel)
    assert "Answer number 0." in "".join(texts(ask))
    assert "data data" not in "".join(texts(ask))


def test_a_turn_that_outgrows_the_context_ends_with_a_reason() -> None:
    turn = Turn(context_tokens=4_096, max_steps=1_000)
    largest, effect = 0, turn.last
    while isinstance(effect, AskModel):
        largest = max(largest, sum(map(message_tokens, effect.messages)))
        effect = turn.feed(done(turn.run(step(f"x = {largest}")), "word " * 10_000))
    assert isinstance(effect, Finish)
    assert effect.stop == "tokens"
    assert effect.steps >= 5
    assert "context" in effect.reason
    assert largest < 4_096


def test_a_small_context_serves_many_plain_steps() -> None:
    turn = Turn(context_tokens=4_096)
    for number in range(20):
        turn.ask(done(turn.run(step(f"x = {number}; print(x)")), f"{number}\n"))
    assert turn.end(ModelReplied("Done.")).stop == "answered"


def too_long() -> ModelFailed:
    return ModelFailed("ContextTooLong", "The conversation is too long for the model.")


def test_a_conversation_that_the_endpoint_finds_too_long_is_compacted_and_sent_once_more() -> None:
    agent = Agent(LoopSettings(context_tokens=128_000))
    talk(agent, 10)
    turn = Turn(agent, "Now?")
    before = turn.last
    after = turn.ask(too_long())
    assert isinstance(before, AskModel)
    assert sum(map(message_tokens, after.messages)) < 0.5 * sum(
        map(message_tokens, before.messages)
    )
    assert "Now?" in after.messages[-1].text
    assert turn.end(too_long()).stop == "model_error"


def test_what_the_endpoint_refused_is_not_tried_again_in_the_next_turn() -> None:
    agent = Agent(LoopSettings(context_tokens=128_000))
    talk(agent, 10)
    turn = Turn(agent)
    refused = turn.last
    assert isinstance(refused, AskModel)
    turn.ask(too_long())
    turn.end(ModelReplied("Yes."))
    size = sum(map(message_tokens, refused.messages))
    assert all(sum(map(message_tokens, ask.messages)) < size for ask in talk(agent, 20))


def test_a_prompt_that_is_too_long_by_itself_is_not_sent_twice() -> None:
    turn = Turn(prompt="data " * 3_000, context_tokens=128_000)
    assert turn.end(too_long()).stop == "model_error"


def test_overflow_within_a_turn_ends_it() -> None:
    turn = Turn()
    turn.ask(done(turn.run(step("x"))))
    assert turn.end(too_long()).stop == "tokens"


def test_the_true_size_of_tokens_is_learned_from_usage() -> None:
    turn = Turn(context_tokens=10_000)
    assert isinstance(turn.last, AskModel)
    size = sum(map(message_tokens, turn.last.messages))
    turn.run(ModelReplied(step("x").text, usage=Usage(2 * size, 5)))
    assert turn.agent.state.context_limit == 5_000


def test_other_failures_of_the_model_end_the_turn_with_their_sentence() -> None:
    finish = Turn().end(ModelFailed("BadKey", "The endpoint refused the key.", 2.0))
    assert (finish.stop, finish.reason, finish.seconds) == (
        "model_error",
        "The endpoint refused the key.",
        2.0,
    )


# --- a new conversation --------------------------------------------------------------------


def test_a_reset_forgets_the_conversation() -> None:
    agent = Agent(LoopSettings())
    talk(agent, 3)
    assert agent.receive(ConversationReset()) == []
    ask = Turn(agent).last
    assert isinstance(ask, AskModel)
    assert len(ask.messages) == 2


def test_a_reset_in_a_turn_ends_it() -> None:
    turn = Turn()
    turn.run(step("x"))
    assert turn.end(ConversationReset()).stop == "interrupted"
    ask = Turn(turn.agent).last
    assert isinstance(ask, AskModel)
    assert len(ask.messages) == 2
    assert "last turn" not in ask.messages[-1].text


def test_the_fixed_prompt_is_within_600_tokens() -> None:
    ask = Turn().last
    assert isinstance(ask, AskModel)
    assert ask.messages[0].role == "system"
    assert estimate(ask.messages[0].text) <= 600

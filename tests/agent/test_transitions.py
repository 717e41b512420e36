"""The table is complete, and no sequence of events leads out of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.agent.events import (
    Approved,
    AskApproval,
    AskModel,
    Effect,
    Event,
    Finish,
    PromptGiven,
    Rejected,
    RunStep,
    StepFinished,
)
from codeact_kernel.agent.loop import TABLE, Agent, LoopSettings, Phase
from scripts.transition_diagram import PAGE, page
from tests.agent.strategies import ANSWERS, ANY_ITEM, PLAUSIBLE_EVENTS

SETTINGS = st.builds(
    LoopSettings,
    max_steps=st.integers(1, 4),
    max_tokens=st.sampled_from([0, 5_000]),
    max_cost=st.sampled_from([0.0, 0.5]),
    context_tokens=st.sampled_from([1_000, 4_096, 32_000]),
    approval=st.sampled_from(["never", "risk", "always"]),
    images=st.booleans(),
    context=st.sampled_from(["none", "names", "values"]),
)
EVENTS = st.lists(
    PLAUSIBLE_EVENTS | ANY_ITEM.filter(lambda item: isinstance(item, get_args(Event)))
)

WAITS_FOR = {AskModel: Phase.ASKING, AskApproval: Phase.CONFIRMING, RunStep: Phase.RUNNING}


def risk(code: str) -> tuple[str, ...]:
    return ("shell",) if "bash" in code else ()


def test_every_event_has_an_outcome_in_every_phase() -> None:
    assert set(TABLE) == {(phase, event) for phase in Phase for event in get_args(Event)}


def test_what_is_ignored_has_a_reason_and_what_is_handled_leads_somewhere() -> None:
    for transition in TABLE.values():
        assert bool(transition.handle) == bool(transition.to) != bool(transition.why)


@given(SETTINGS, EVENTS)
def test_no_sequence_of_events_reaches_an_undefined_state(
    limits: LoopSettings, events: list[Event]
) -> None:
    agent = Agent(limits, risk)
    for event in events:
        before, transition = agent.phase, TABLE[agent.phase, type(event)]
        effects = agent.receive(event)
        assert agent.phase in transition.to or (agent.phase is before and not transition.to)
        for effect in effects:
            check(agent, effect)
        assert agent.steps <= limits.max_steps
        if agent.phase is not before:
            assert effects


def check(agent: Agent, effect: Effect) -> None:
    """Each effect fits the phase it leaves the agent in, and can be sent."""
    if isinstance(effect, Finish):
        assert effect.stop == "answered" or effect.reason
        return
    assert agent.phase is WAITS_FOR[type(effect)]
    if isinstance(effect, AskModel):
        roles = [one.role for one in effect.messages]
        assert roles == ["system", *["user", "assistant"] * (len(roles) // 2 - 1), "user"]
        for one in effect.messages:
            assert one.text.strip()
            one.text.encode("utf-8")


@given(SETTINGS, EVENTS)
def test_the_state_is_a_fold_over_the_events(limits: LoopSettings, events: list[Event]) -> None:
    agent = Agent(limits, risk)
    effects = [agent.receive(event) for event in events]
    again = Agent(limits, risk)
    assert [again.receive(event) for event in events] == effects
    assert again.state == agent.state
    assert Agent.replay(limits, events, risk).state == agent.state


def fitting(effect: Effect, event: Event) -> Event:
    """``event`` with the step that ``effect`` waits for, so that it is not taken for a late one."""
    if isinstance(effect, RunStep) and isinstance(event, StepFinished):
        return replace(event, step=effect.step)
    if isinstance(effect, AskApproval) and isinstance(event, Approved | Rejected):
        return replace(event, step=effect.step)
    return event


@settings(max_examples=50)
@given(SETTINGS, st.data())
def test_every_turn_ends_whatever_the_ports_answer(limits: LoopSettings, data: Any) -> None:
    agent = Agent(limits, risk)
    (effect,) = agent.receive(PromptGiven("t", "Do it."))
    previous: AskModel | None = None
    for _ in range(3 * limits.max_steps + 3):
        if isinstance(effect, Finish):
            return
        if isinstance(effect, AskModel):
            if previous is not None:
                assert effect.messages[: len(previous.messages)] == previous.messages
            previous = effect
        event = data.draw(ANSWERS[type(effect)])
        (effect,) = agent.receive(fitting(effect, event))
    pytest.fail("the turn goes on")


def test_the_diagram_in_the_documentation_is_the_table() -> None:
    assert (Path(__file__).parents[2] / PAGE).read_text(encoding="utf-8") == page(), (
        "run: python scripts/transition_diagram.py"
    )

"""The recorded tasks, through the agent with their recorded outcomes."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from codeact_kernel.agent.events import (
    AskModel,
    Context,
    Effect,
    Finish,
    ModelReplied,
    PromptGiven,
    RunStep,
    StepError,
)
from codeact_kernel.agent.loop import Agent, LoopSettings
from codeact_kernel.agent.parse import StreamCut
from tests.agent.scripted import SCENARIOS, Played, recorded, scenario_turns

CONTEXT_SIZES = [4_096, 32_000, 200_000]


def play(agent: Agent, turn: str, played: Played) -> tuple[list[AskModel], list[RunStep], Finish]:
    """Feed one turn; in each request look for what the step before really did, with a random mark."""
    requests: list[AskModel] = []
    steps: list[RunStep] = []
    replies, outcomes = list(played.replies), list(played.observed)
    (effect,) = agent.receive(PromptGiven(turn, played.prompt, Context(played.cells)))
    while not isinstance(effect, Finish):
        assert isinstance(effect, AskModel)
        requests.append(effect)
        (effect,) = agent.receive(ModelReplied(replies.pop(0)))
        if isinstance(effect, RunStep):
            steps.append(effect)
            effect = observed(agent, effect, outcomes.pop(0))
    assert not replies
    assert not outcomes
    return requests, steps, effect


def observed(agent: Agent, step: RunStep, outcome: dict[str, object]) -> Effect:
    mark = uuid4().hex
    finished = recorded(step, {**outcome, "stdout": f"{outcome['stdout']}{mark}\n"})
    (effect,) = agent.receive(finished)
    assert isinstance(effect, AskModel)
    told = effect.messages[-1].text
    for part in (finished.stdout, finished.result or "", *error_words(finished.error)):
        assert part.strip("\n") in told
    assert mark in told
    return effect


def error_words(error: StepError | None) -> tuple[str, ...]:
    return (error.name, error.value) if error else ()


@pytest.mark.parametrize("size", CONTEXT_SIZES)
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_recorded_task_plays_to_its_answers(path: Path, size: int) -> None:
    agent = Agent(LoopSettings(context_tokens=size))
    for number, played in enumerate(scenario_turns(path)):
        requests, steps, finish = play(agent, f"t{number}", played)
        assert finish.stop == "answered"
        assert finish.answer == played.replies[-1].strip()
        assert [step.step for step in steps] == list(range(1, len(played.observed) + 1))
        assert played.prompt.strip() in requests[0].messages[-1].text
        for cell in played.cells:
            assert cell.code.split("\n")[0] in requests[0].messages[-1].text
        for before, after in pairwise(requests):
            assert after.messages[: len(before.messages)] == before.messages


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_stream_is_cut_at_the_code_of_each_reply(path: Path) -> None:
    for played in scenario_turns(path):
        for number, reply in enumerate(played.replies):
            cut = StreamCut()
            is_cut = [cut.feed(character) for character in reply + "\nOutput: invented"]
            assert any(is_cut) == (number < len(played.observed))


def test_there_are_eight_tasks() -> None:
    assert len(SCENARIOS) == 8

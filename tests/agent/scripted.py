"""A model, an executor and the other ports that do as they are told, and the recorded scenarios."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codeact_kernel.agent.events import (
    Approved,
    AskApproval,
    AskModel,
    CellSeen,
    Effect,
    EnvironmentLost,
    Event,
    Finish,
    Image,
    ModelFailed,
    ModelReplied,
    Rejected,
    RunStep,
    StepError,
    StepFinished,
    StepStatus,
)
from codeact_kernel.agent.ports import Display

SCENARIOS = sorted((Path(__file__).parent.parent / "scenarios").glob("*.json"))


@dataclass(frozen=True)
class Played:
    """One turn of a scenario: the prompt, the replies in order, and what each step did."""

    prompt: str
    replies: tuple[str, ...]
    observed: tuple[dict[str, Any], ...]
    cells: tuple[CellSeen, ...]


def scenario_turns(path: Path) -> Iterator[Played]:
    """The prompts of a scenario, with the code cells that the user ran before each."""
    cells: list[CellSeen] = []
    for turn in json.loads(path.read_text(encoding="utf-8"))["turns"]:
        if "code" in turn:
            cells.append(CellSeen(turn["code"], turn["observed"]["stdout"]))
        else:
            yield Played(
                turn["prompt"], tuple(turn["replies"]), tuple(turn["observed"]), tuple(cells)
            )
            cells = []


def recorded(step: RunStep, observed: dict[str, Any]) -> StepFinished:
    """The outcome that a scenario recorded for a step."""
    error = observed["error"]
    return StepFinished(
        step.step,
        "ok" if observed["ok"] else "error",
        step.code,
        stdout=observed["stdout"],
        result=observed["result"],
        error=StepError(error["ename"], error["evalue"]) if error else None,
        images=tuple(Image(mime, "aGk=") for mime in observed["mime"] if mime.startswith("image/")),
    )


def done(step: RunStep, stdout: str = "", status: StepStatus = "ok", **fields: Any) -> StepFinished:
    """A step that ended."""
    return StepFinished(step.step, status, step.code, stdout, **fields)


def step(code: str) -> ModelReplied:
    """A reply with code."""
    return ModelReplied(f"I run\n```python\n{code}\n```")


# --- ports ------------------------------------------------------------------------

Act = Callable[[], Any]


class ScriptedModel:
    """Gives out its replies in order; a callable reply is called (and awaited, if it is a coroutine)."""

    def __init__(self, *replies: ModelReplied | ModelFailed | str | Act) -> None:
        self.replies = list(replies)
        self.asked: list[AskModel] = []

    async def ask(self, ask: AskModel, display: Display) -> ModelReplied | ModelFailed:
        self.asked.append(ask)
        reply = self.replies.pop(0)
        if callable(reply):
            reply = await _result(reply)
        return ModelReplied(reply) if isinstance(reply, str) else reply


class ScriptedExecutor:
    """Runs nothing: a step prints ``ran <n>``, or gives the outcomes it was told."""

    def __init__(self, *outcomes: StepFinished | EnvironmentLost | Act) -> None:
        self.outcomes = list(outcomes)
        self.ran: list[RunStep] = []

    async def run(self, step: RunStep) -> StepFinished | EnvironmentLost:
        self.ran.append(step)
        if not self.outcomes:
            return done(step, f"ran {step.step}\n")
        outcome = self.outcomes.pop(0)
        result: StepFinished | EnvironmentLost = (
            await _result(outcome) if callable(outcome) else outcome
        )
        return result


class ScriptedApprover:
    """Decides as it is told."""

    def __init__(self, *decisions: Approved | Rejected | Act) -> None:
        self.decisions = list(decisions)
        self.asked: list[AskApproval] = []

    async def approve(self, ask: AskApproval) -> Approved | Rejected:
        self.asked.append(ask)
        decision = self.decisions.pop(0)
        result: Approved | Rejected = await _result(decision) if callable(decision) else decision
        return result


async def _result(act: Act) -> Any:
    value = act()
    return await value if asyncio.iscoroutine(value) else value


@dataclass
class ListJournal:
    """Keeps entries in memory; ``before`` is called with each first, and may raise."""

    before: Callable[[Event | Effect], None] = lambda item: None
    items: list[Event | Effect] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def event(self, event: Event) -> None:
        self.before(event)
        self.items.append(event)
        self.events.append(event)

    def effect(self, effect: Effect) -> None:
        self.before(effect)
        self.items.append(effect)


class ListDisplay:
    """Notes what it is shown."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.finish: Finish | None = None

    def thinking(self, ask: AskModel) -> None:
        self.shown.append("thinking")

    def delta(self, text: str) -> None:
        self.shown.append("delta")

    def replied(self, reply: ModelReplied | ModelFailed) -> None:
        self.shown.append("replied")

    def running(self, step: RunStep) -> None:
        self.shown.append("running")

    def finished(self, outcome: StepFinished | EnvironmentLost) -> None:
        self.shown.append("finished")

    def ended(self, finish: Finish) -> None:
        self.shown.append("ended")
        self.finish = finish


class ManualClock:
    """Stands still until ``advance``."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sleepers.append((self.time + seconds, woken))
        await woken

    def advance(self, seconds: float) -> None:
        self.time += seconds
        for due, woken in self.sleepers:
            if due <= self.time and not woken.done():
                woken.set_result(None)


def texts(ask: AskModel) -> Sequence[str]:
    """The texts of a request's messages."""
    return [one.text for one in ask.messages]

"""What the driver needs from the world.  Faces and edges implement these; the core never sees them."""

from __future__ import annotations

from typing import Protocol

from .events import (
    Approved,
    AskApproval,
    AskModel,
    Effect,
    EnvironmentLost,
    Event,
    Finish,
    ModelFailed,
    ModelReplied,
    Rejected,
    RunStep,
    StepFinished,
)


class Display(Protocol):
    """Shows a turn while it happens.  Calls must return at once and must not raise."""

    def thinking(self, ask: AskModel) -> None:
        """A model call starts, or starts over because it broke: deltas shown for it are void."""

    def delta(self, text: str) -> None:
        """The model wrote ``text`` (streamed; never fed to the core)."""

    def replied(self, reply: ModelReplied | ModelFailed) -> None:
        """The model call ended."""

    def running(self, step: RunStep) -> None:
        """A step starts."""

    def finished(self, outcome: StepFinished | EnvironmentLost) -> None:
        """A step ended."""

    def ended(self, finish: Finish) -> None:
        """The turn ended."""


class Model(Protocol):
    """Answers an ``AskModel``.  Never raises for what an endpoint can do: returns ``ModelFailed``.

    Cancelling the awaiting task stops the call at once and closes its connection.
    """

    async def ask(self, ask: AskModel, display: Display) -> ModelReplied | ModelFailed: ...


class Executor(Protocol):
    """Runs a ``RunStep`` in the environment, under the step limits.

    Never raises for what code can do.  Cancelling the awaiting task interrupts
    the step; the environment is usable again when ``ready`` returns.
    """

    async def run(self, step: RunStep) -> StepFinished | EnvironmentLost: ...


class Approver(Protocol):
    """Asks a person.  Waiting counts against no budget."""

    async def approve(self, ask: AskApproval) -> Approved | Rejected: ...


class Journal(Protocol):
    """Keeps the record.  ``event`` returns once the entry is written; raises ``JournalError``."""

    def event(self, event: Event) -> None: ...

    def effect(self, effect: Effect) -> None: ...


class Clock(Protocol):
    """Time for the driver's budget; the core never sees it."""

    def now(self) -> float:
        """Seconds since some fixed moment; never goes back."""

    async def sleep(self, seconds: float) -> None: ...

"""The agent: events in, effects out.

``TABLE`` says for every phase and every event what happens; there is no other
way in.  The agent reads no clock and performs nothing: its state is a fold
over the events it received, so that a journal of events is enough to get the
same state, and the same effects, again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .events import (
    Approved,
    BudgetSpent,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Event,
    Interrupted,
    ModelFailed,
    ModelReplied,
    PortFailed,
    PromptGiven,
    Rejected,
    StepFinished,
    Usage,
)
from .rules import Rules
from .state import LoopSettings, Phase, State

__all__ = ["TABLE", "Agent", "LoopSettings", "Phase", "State", "Transition", "no_risk"]


def no_risk(code: str) -> tuple[str, ...]:  # noqa: ARG001
    """The default for ``Agent(risk=...)``: nothing is a reason to ask."""
    return ()


class Agent:
    """One conversation.  ``receive`` is the only thing that changes it.

    ``risk(code)`` returns the reasons to ask a person before ``code`` runs, in
    words; it must be pure.
    """

    def __init__(
        self, settings: LoopSettings, risk: Callable[[str], tuple[str, ...]] = no_risk
    ) -> None:
        self.settings = settings
        self._rules = Rules(settings, risk)

    @classmethod
    def replay(
        cls,
        settings: LoopSettings,
        events: Iterable[Event],
        risk: Callable[[str], tuple[str, ...]] = no_risk,
    ) -> Agent:
        """The agent after ``events``."""
        agent = cls(settings, risk)
        for event in events:
            agent.receive(event)
        return agent

    def receive(self, event: Event) -> list[Effect]:
        """Take in what happened; returns what is to be done, in order.

        Total: every event has an outcome in every phase.  While a turn runs
        exactly one effect is outstanding, and ``Finish`` ends it.
        """
        transition = TABLE[self.phase, type(event)]
        return transition.handle(self._rules, event) if transition.handle else []

    @property
    def state(self) -> State:
        """All that the agent knows; to look at, not to change."""
        return self._rules.state

    @property
    def phase(self) -> Phase:
        """What the agent waits for."""
        return self.state.phase

    @property
    def turn(self) -> str:
        """Id of the current turn, or of the last one; empty before the first."""
        return self._rules.turn

    @property
    def steps(self) -> int:
        """Steps of the current or last turn that were used up."""
        return self.state.spent.steps

    @property
    def steps_left(self) -> int:
        """Steps that the turn may still use."""
        return self._rules.steps_left

    @property
    def usage(self) -> Usage:
        """Tokens and cost of the current or last turn."""
        return self.state.spent.usage


# --- the transition table -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transition:
    """What an event does in a phase: ``handle`` leads to one of ``to``, or it is ignored (``why``)."""

    handle: Callable[[Rules, Any], list[Effect]] | None
    to: tuple[Phase, ...] = ()
    why: str = ""


def _table() -> dict[tuple[Phase, type[Event]], Transition]:
    idle, asking, confirming, running = Phase
    late = "late: what it answers is no longer waited for"
    early = "nothing was asked that it answers"
    no_turn = "no turn is running"

    def go(handle: Callable[[Rules, Any], list[Effect]], *to: Phase) -> Transition:
        return Transition(handle, to)

    def ignore(why: str) -> Transition:
        return Transition(None, why=why)

    reset = go(Rules.reset, idle)
    rows: dict[type[Event], tuple[Transition, Transition, Transition, Transition]] = {
        PromptGiven: (
            go(Rules.begin, asking, idle),
            go(Rules.refuse, asking),
            go(Rules.refuse, confirming),
            go(Rules.refuse, running),
        ),
        ModelReplied: (
            ignore(late),
            go(Rules.replied, asking, confirming, running, idle),
            ignore(late),
            ignore(late),
        ),
        ModelFailed: (
            ignore(late),
            go(Rules.model_failed, asking, idle),
            ignore(late),
            ignore(late),
        ),
        StepFinished: (
            ignore(late),
            ignore(late),
            ignore(early),
            go(Rules.step_finished, asking, running, idle),
        ),
        EnvironmentLost: (
            go(Rules.environment_lost, idle),
            go(Rules.environment_lost, asking),
            go(Rules.environment_lost, confirming),
            go(Rules.step_lost, asking, idle),
        ),
        Approved: (
            ignore(late),
            ignore(late),
            go(Rules.approved, running, confirming),
            ignore(late),
        ),
        Rejected: (
            ignore(late),
            ignore(late),
            go(Rules.rejected, asking, confirming, idle),
            ignore(late),
        ),
        ConversationReset: (reset, reset, reset, reset),
    }
    for event, handle in (
        (Interrupted, Rules.interrupted),
        (BudgetSpent, Rules.time_is_up),
        (PortFailed, Rules.port_failed),
    ):
        end = go(handle, idle)
        rows[event] = (ignore(no_turn), end, end, end)
    return {
        (phase, event): transition
        for event, row in rows.items()
        for phase, transition in zip(Phase, row, strict=True)
    }


TABLE: Mapping[tuple[Phase, type[Event]], Transition] = _table()
"""The outcome of every event in every phase."""

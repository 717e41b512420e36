"""What the agent is told to keep to, and everything it knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from .budget import Spent
from .conversation import Conversation
from .events import PromptGiven, RunStep
from .prompt import ContextLevel


class Phase(Enum):
    """What the agent waits for."""

    IDLE = "idle"
    ASKING = "asking"
    CONFIRMING = "confirming"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class LoopSettings:
    """Settings of the loop, as in ``config.Settings``; a limit of 0 is none."""

    max_steps: int = 20
    max_tokens: int = 0
    """Prompt and completion tokens of all calls of a turn."""
    max_cost: float = 0.0
    context_tokens: int = 32_000
    """Size of the model's context."""
    approval: Literal["never", "risk", "always"] = "never"
    images: bool = False
    """Whether the model takes pictures."""
    context: ContextLevel = "values"


@dataclass(slots=True)
class State:
    """Everything the agent knows.  Two agents with equal states do the same from then on."""

    phase: Phase = Phase.IDLE
    given: PromptGiven | None = None
    """The prompt of the current turn, or of the last one."""
    spent: Spent = field(default_factory=Spent)
    conversation: Conversation = field(default_factory=Conversation)
    proposed: RunStep | None = None
    """The step that is to be confirmed or that runs, as the model wrote it."""
    trusted: bool = False
    """A person approved the rest of the turn."""
    failures: dict[tuple[str, str], int] = field(default_factory=dict)
    compacted_harder: bool = False
    opening_notices: tuple[str, ...] = ()
    """What the opening message of the current turn tells besides the prompt."""
    notices: list[str] = field(default_factory=list)
    """What the model must be told with the next message."""
    context_limit: int = 0
    """Size of the context in our own estimate of tokens: learned from usage and from refusals."""

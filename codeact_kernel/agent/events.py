"""What happened (events) and what is to be done (effects).

Both are frozen: the journal is the list of events, and the state of a
conversation is a fold over them.  Time, tokens and cost arrive inside events;
nothing here reads a clock.  Durations are seconds, sizes bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Stop = Literal[
    "answered",
    "unable",
    "steps",
    "time",
    "tokens",
    "cost",
    "stuck",
    "interrupted",
    "model_error",
    "refused",
]
"""Why a turn ended (design §9)."""

StepStatus = Literal["ok", "error", "killed", "skipped"]

Language = Literal["python", "bash"]


# --- what the model is told about the notebook -------------------------------


@dataclass(frozen=True, slots=True)
class CellSeen:
    """A cell the user ran since the last turn, and what it showed."""

    code: str
    output: str = ""
    error: str = ""


@dataclass(frozen=True, slots=True)
class Variable:
    """A name in the namespace: ``kind`` is its type, ``detail`` its shape, length or value."""

    name: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Context:
    """What the user did and has, as far as the context setting lets the model know."""

    cells: tuple[CellSeen, ...] = ()
    variables: tuple[Variable, ...] = ()
    instructions: str = ""
    """The text of ``CODEACT.md`` beside the notebook."""


# --- what a step did ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Image:
    """A picture a step showed; ``data`` is base64 text, ``mime`` one of png, jpeg, gif, webp."""

    mime: str
    data: str


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file made, changed or removed in the workspace; ``executes`` marks kinds that run later."""

    path: str
    change: Literal["created", "changed", "deleted"]
    bytes: int = 0
    executes: bool = False


@dataclass(frozen=True, slots=True)
class StepError:
    """A Python error; ``traceback`` is plain text without terminal colours."""

    name: str
    value: str
    traceback: str = ""


# --- events ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usage:
    """What one model call used; ``cost`` is in the currency of the user's price table, or None.

    ``estimated`` when the endpoint did not say, as for a stream that was cut.
    """

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class PromptGiven:
    """A turn starts."""

    turn: str
    text: str
    context: Context = Context()


@dataclass(frozen=True, slots=True)
class ModelReplied:
    """One model call ended well.

    ``finish`` is ``stop`` (the model ended), ``cut`` (the client stopped the
    stream after the first closed code block) or ``length`` (the token limit:
    the text may end anywhere).  ``tool_code`` is the code of a native
    ``python`` tool call, if the model made one.
    """

    text: str
    finish: Literal["stop", "cut", "length"] = "stop"
    usage: Usage = Usage()
    seconds: float = 0.0
    reasoning: str = ""
    tool_code: str | None = None


@dataclass(frozen=True, slots=True)
class ModelFailed:
    """The model could not answer; ``message`` is a sentence for a person."""

    kind: str
    """Name of the class in ``errors``, such as ``ContextTooLong``."""
    message: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A step ended; everything the model may be told about it.

    ``stdout`` and ``stderr`` are whole up to the executor's capture limit;
    beyond it they are head and tail with a marker, ``stdout_bytes`` is the
    true size and ``spooled`` the file with the whole text.  ``code`` is what
    ran; it differs from what was proposed when a person edited it.
    """

    step: int
    status: StepStatus
    code: str
    stdout: str = ""
    stderr: str = ""
    result: str | None = None
    displays: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    error: StepError | None = None
    seconds: float = 0.0
    peak_memory: int | None = None
    files: tuple[FileChange, ...] = ()
    stdout_bytes: int = 0
    spooled: str | None = None
    notice: str = ""
    """A sentence from the front, such as which limit stopped the step."""


@dataclass(frozen=True, slots=True)
class EnvironmentLost:
    """The inner kernel was replaced.  ``during`` is the step that it died in, if any."""

    reason: str
    lost: tuple[str, ...] = ("all variables", "child processes")
    kept: tuple[str, ...] = ("files",)
    during: StepFinished | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """A person let a step run, perhaps after editing it (``code`` is then the edited text)."""

    step: int
    code: str | None = None
    rest_of_turn: bool = False


@dataclass(frozen=True, slots=True)
class Rejected:
    """A person would not let a step run.

    ``skip`` lets the turn go on with ``reason`` told to the model; otherwise
    the turn ends as ``refused``.
    """

    step: int
    reason: str = ""
    skip: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A person stopped the turn."""


@dataclass(frozen=True, slots=True)
class BudgetSpent:
    """A budget measured outside the core ran out (wall time)."""

    budget: Literal["time"]


@dataclass(frozen=True, slots=True)
class PortFailed:
    """Something outside the core broke (executor, approver, journal), so the turn cannot go on.

    ``message`` is a sentence for a person.  A model's failure is a ``ModelFailed``.
    """

    port: Literal["executor", "approver", "journal"]
    message: str


@dataclass(frozen=True, slots=True)
class ConversationReset:
    """A person started a new conversation; the namespace stays."""


Event = (
    PromptGiven
    | ModelReplied
    | ModelFailed
    | StepFinished
    | EnvironmentLost
    | Approved
    | Rejected
    | Interrupted
    | BudgetSpent
    | PortFailed
    | ConversationReset
)


# --- effects ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the conversation, as the endpoint will see it."""

    role: Literal["system", "user", "assistant"]
    text: str
    images: tuple[Image, ...] = ()


@dataclass(frozen=True, slots=True)
class AskModel:
    """Send ``messages``; within a turn each is an exact extension of the one before."""

    turn: str
    step: int
    """The step that a reply with code would be (from 1)."""
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class RunStep:
    """Run ``code`` as step ``step``; it is Python (a bash block has become a ``%%bash`` cell)."""

    turn: str
    step: int
    code: str
    language: Language = "python"


@dataclass(frozen=True, slots=True)
class AskApproval:
    """Ask a person before ``code`` runs; ``reasons`` say why they are asked."""

    turn: str
    step: int
    code: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finish:
    """The turn is over.  ``answer`` is markdown; ``reason`` a sentence when it is no answer."""

    turn: str
    stop: Stop
    answer: str = ""
    reason: str = ""
    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0


Effect = AskModel | RunStep | AskApproval | Finish

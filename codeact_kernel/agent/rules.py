"""What each event does to a conversation: the loop rules of design §4, one method each.

Which event is taken in which phase is not decided here but by the table in
``loop``; a method may rely on the phase that the table gives it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from ..errors import ContextTooLong
from .budget import IMAGE_TOKENS, Spent, estimate, exceeded, measured
from .conversation import SYSTEM_TOKENS, Conversation
from .events import (
    Approved,
    AskApproval,
    AskModel,
    BudgetSpent,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Finish,
    Image,
    Interrupted,
    Language,
    ModelFailed,
    ModelReplied,
    PortFailed,
    PromptGiven,
    Rejected,
    RunStep,
    StepFinished,
    Stop,
)
from .observe import invalid, loss, observe, repair
from .parse import Answer, Broken, Code, Unable, parse_reply
from .prompt import EARLIER_LEFT_OUT, opening
from .state import LoopSettings, Phase, State
from .syntax import cell_magic, syntax_problem

SAME_FAILURES = 3
"""The same code failing this often with the same error is *stuck* (design §4)."""

_OPENING_TOKENS = 64
"""Room for the notices and marks of an opening message."""

_SMALLEST_OBSERVATION = 64
_SMALLEST_CONTEXT = 1_000

_ADDRESS = re.compile(r"0x[0-9a-fA-F]+")


class Rules:
    """The state of one conversation, and how each event changes it.

    Every method returns the effects to perform, in order.
    """

    def __init__(self, settings: LoopSettings, risk: Callable[[str], tuple[str, ...]]) -> None:
        self.settings = settings
        self.state = State(context_limit=settings.context_tokens)
        self._risk = risk

    @property
    def turn(self) -> str:
        """Id of the current turn, or of the last one; empty before the first."""
        return self.state.given.turn if self.state.given else ""

    @property
    def steps_left(self) -> int:
        """Steps that the turn may still use."""
        return max(self.settings.max_steps - self.state.spent.steps, 0)

    # --- a turn starts and ends ---------------------------------------------------

    def begin(self, event: PromptGiven) -> list[Effect]:
        """A turn starts, unless there is nothing in the prompt."""
        state = self.state
        state.given, state.spent, state.proposed = event, Spent(), None
        state.trusted = state.compacted_harder = False
        state.failures = {}
        if not event.text.strip():
            return self._finish("refused", "The prompt is empty. Write what you want done.")
        state.opening_notices = self._take_notices()
        return self._open(event)

    def _open(self, given: PromptGiven) -> list[Effect]:
        """Make room, put the opening message, and ask."""
        state = self.state
        conversation, limit = state.conversation, state.context_limit
        conversation.discard()
        fixed = SYSTEM_TOKENS + estimate(given.text) + _OPENING_TOKENS
        free = limit - self._reserve - fixed
        if free < 0:
            state.notices = [*state.opening_notices, *state.notices]
            return self._finish(
                "model_error",
                f"The prompt is too long: with the fixed instructions about {fixed:,} tokens, and the"
                f" model's context holds {limit:,}. Shorten it, or put the data in a file.",
            )
        share = min(limit // (16 if state.compacted_harder else 4), free // 2)
        conversation.make_room(estimate(self._opening(given, share)), limit)
        text = self._opening(given, share)
        conversation.open(given.text, text, given.context.instructions)
        return self._ask()

    def _opening(self, given: PromptGiven, tokens: int) -> str:
        conversation = self.state.conversation
        earlier = (EARLIER_LEFT_OUT,) if conversation.left_out else ()
        return opening(
            given.text,
            given.context,
            level=self.settings.context,
            tokens=tokens,
            steps_left=self.steps_left,
            notices=(*self.state.opening_notices, *earlier),
            instructions=not conversation.knows(given.context.instructions),
        )

    def refuse(self, event: PromptGiven) -> list[Effect]:
        """One turn at a time; the running one is not touched."""
        return [Finish(event.turn, "refused", reason="Another turn is still running.")]

    def _finish(self, stop: Stop, reason: str, answer: str = "") -> list[Effect]:
        state = self.state
        reason = reason.strip() or ("" if answer else "No reason was given.")
        if not answer and state.conversation.current:
            state.notices.append(f"Your last turn ended without an answer: {reason}")
        state.conversation.close(answer or f"(no answer: {reason})")
        state.phase, state.proposed = Phase.IDLE, None
        spent = state.spent
        return [Finish(self.turn, stop, answer, reason, spent.steps, spent.usage, spent.seconds)]

    def interrupted(self, event: Interrupted) -> list[Effect]:  # noqa: ARG002
        """A person stopped the turn."""
        return self._finish("interrupted", "The person interrupted the turn.")

    def time_is_up(self, event: BudgetSpent) -> list[Effect]:  # noqa: ARG002
        """The wall time of the turn ran out."""
        return self._finish("time", "The time limit of the turn was reached before an answer.")

    def port_failed(self, event: PortFailed) -> list[Effect]:
        """What the turn needs outside broke."""
        return self._finish("refused", event.message)

    def reset(self, event: ConversationReset) -> list[Effect]:  # noqa: ARG002
        """Forget the conversation; a running turn ends first."""
        effects: list[Effect] = []
        if self.state.phase is not Phase.IDLE:
            effects = self._finish("interrupted", "The person started a new conversation.")
        self.state.conversation = Conversation()
        self.state.notices = []
        return effects

    # --- asking the model ---------------------------------------------------------

    @property
    def _reserve(self) -> int:
        """Tokens of the context that are kept free for a reply."""
        return min(1_024, self.state.context_limit // 4)

    def _ask(self) -> list[Effect]:
        """Ask the model, unless a limit forbids it."""
        state = self.state
        size = state.conversation.tokens
        stop = self._over(size)
        if stop is None and size + self._reserve // 2 > state.context_limit:
            stop = (
                "tokens",
                f"The conversation of this turn no longer fits the model's context"
                f" ({self.settings.context_tokens:,} tokens).",
            )
        if stop is not None:
            return self._finish(*stop)
        state.phase = Phase.ASKING
        return [AskModel(self.turn, self.state.spent.steps + 1, state.conversation.messages())]

    def _over(self, ahead: int = 0) -> tuple[Stop, str] | None:
        """Why no call of ``ahead`` more tokens may be made."""
        limits = self.settings
        return exceeded(
            self.state.spent,
            max_tokens=limits.max_tokens,
            max_cost=limits.max_cost,
            ahead=ahead,
        )

    def _next_step(self) -> tuple[Stop, str] | None:
        """Use up one step; why that is not possible, if so."""
        if self.steps_left == 0:
            return (
                "steps",
                f"The limit of steps ({self.settings.max_steps}) was reached before an answer.",
            )
        self.state.spent = self.state.spent.next_step()
        return self._over()

    def replied(self, event: ModelReplied) -> list[Effect]:
        """Answer, refusal, code to run, or something to repair."""
        state = self.state
        size = state.conversation.tokens
        if not event.usage.estimated:
            self._learn(event.usage.prompt_tokens, size)
        usage = measured(event.usage, size, event.text + event.reasoning)
        state.spent = state.spent.after_call(usage, event.seconds)
        match parse_reply(event.text, event.tool_code, event.finish):
            case Answer(markdown):
                return self._finish("answered", "", markdown)
            case Unable(reason):
                return self._finish("unable", reason or "The model gave no reason.")
            case Broken(reason):
                return self._repair(event.text, reason, reason)
            case Code() as code:
                return self._propose(code)

    def _learn(self, prompt_tokens: int, estimated: int) -> None:
        """Where our estimate is too low for this model and text, its context is smaller to us."""
        if prompt_tokens > estimated:
            ratio = min(prompt_tokens / estimated, 3.0)
            learned = int(self.settings.context_tokens / ratio)
            self.state.context_limit = min(self.state.context_limit, learned)

    def model_failed(self, event: ModelFailed) -> list[Effect]:
        """The turn ends; only a conversation that is too long is shortened and sent once more."""
        state = self.state
        state.spent = state.spent.after_seconds(event.seconds)
        if event.kind != ContextTooLong.__name__:
            return self._finish("model_error", event.message)
        first = state.spent.steps == 0
        size = state.conversation.tokens
        state.context_limit = min(state.context_limit, max(size * 3 // 4, _SMALLEST_CONTEXT))
        if first and not state.compacted_harder and state.given:
            state.compacted_harder = True
            return self._open(state.given)
        return self._finish("model_error" if first else "tokens", event.message)

    # --- a step -----------------------------------------------------------------

    def _repair(self, said: str, problem: str, advice: str) -> list[Effect]:
        """The reply cannot run: it costs a step, and the model is told why."""
        self.state.conversation.say("assistant", said.strip() or "(empty)")
        stop = self._next_step() or self._stuck(said, problem)
        return self._finish(*stop) if stop else self._advise(advice)

    def _advise(self, advice: str) -> list[Effect]:
        """Tell the model why nothing ran, and ask again."""
        self._tell(repair(advice, steps_left=self.steps_left))
        return self._ask()

    def _propose(self, code: Code) -> list[Effect]:
        problem = syntax_problem(code.code)
        if problem is not None:
            return self._repair(code.said, f"{code.code}\n{problem.message}", invalid(problem))
        state = self.state
        state.conversation.say("assistant", code.said)
        stop = self._next_step()
        if stop is not None:
            return self._finish(*stop)
        state.proposed = RunStep(self.turn, state.spent.steps, code.code, code.language)
        reasons = self._risk(code.code)
        ask = self.settings.approval == "always" or (self.settings.approval == "risk" and reasons)
        if ask and not state.trusted:
            state.phase = Phase.CONFIRMING
            return [AskApproval(self.turn, state.spent.steps, code.code, reasons)]
        state.phase = Phase.RUNNING
        return [state.proposed]

    def approved(self, event: Approved) -> list[Effect]:
        """The proposed step runs, as it was or as the person edited it."""
        state = self.state
        step = state.proposed
        assert step is not None
        if event.step != step.step:
            return []
        state.trusted = event.rest_of_turn
        state.phase = Phase.RUNNING
        if event.code is None or event.code == step.code:
            return [step]
        language: Language = "bash" if cell_magic(event.code) == "bash" else "python"
        return [RunStep(step.turn, step.step, event.code, language)]

    def rejected(self, event: Rejected) -> list[Effect]:
        """The turn ends, or goes on without this step."""
        state = self.state
        step = state.proposed
        assert step is not None
        if event.step != step.step:
            return []
        reason = event.reason.strip()
        if not event.skip:
            return self._finish("refused", reason or "The person did not let the step run.")
        stop = self._stuck(step.code, "skipped")
        if stop is not None:
            return self._finish(*stop)
        return self._advise(f"The person skipped this step{': ' + reason if reason else '.'}")

    def step_finished(self, event: StepFinished) -> list[Effect]:
        """The model observes what the step did."""
        if self.state.proposed is None or event.step != self.state.proposed.step:
            return []
        return self._observe(event)

    def step_lost(self, event: EnvironmentLost) -> list[Effect]:
        """The step took its environment with it; the model observes that."""
        step = self.state.proposed
        assert step is not None
        during = event.during or StepFinished(step.step, "killed", step.code)
        if during.notice.strip() == event.reason.strip():
            during = replace(during, notice="")
        self.state.notices.append(loss(event))
        return self._observe(during)

    def environment_lost(self, event: EnvironmentLost) -> list[Effect]:
        """Between steps: the model is told with the next message."""
        self.state.notices.append(loss(event))
        return []

    def _observe(self, outcome: StepFinished) -> list[Effect]:
        state = self.state
        conversation = state.conversation
        assert state.proposed is not None
        state.spent = state.spent.after_seconds(outcome.seconds)
        room = state.context_limit - self._reserve - conversation.tokens
        pictures = IMAGE_TOKENS * len(outcome.images)
        tokens = max(min(state.context_limit // 8, room // 3), _SMALLEST_OBSERVATION)
        seen = observe(
            outcome,
            steps_left=self.steps_left,
            tokens=tokens,
            images=self.settings.images and room - pictures > state.context_limit // 4,
            proposed=state.proposed.code,
            full=room < state.context_limit // 8,
        )
        self._tell(seen.text, seen.images)
        state.proposed = None
        if outcome.status == "ok":
            conversation.code = outcome.code
        else:
            stop = self._stuck(outcome.code, _failure(outcome))
            if stop is not None:
                return self._finish(*stop)
        return self._ask()

    def _tell(self, text: str, images: tuple[Image, ...] = ()) -> None:
        """Say something to the model, and whatever else it must be told."""
        notices = [f"({notice})" for notice in self._take_notices()]
        self.state.conversation.say("user", "\n".join([text, *notices]), images)

    def _take_notices(self) -> tuple[str, ...]:
        notices = tuple(self.state.notices)
        self.state.notices.clear()
        return notices

    def _stuck(self, code: str, problem: str) -> tuple[Stop, str] | None:
        """Count a failure; why the turn is stuck if it was the same once too often."""
        failures = self.state.failures
        key = code, _ADDRESS.sub("0x", problem)
        failures[key] = failures.get(key, 0) + 1
        if failures[key] < SAME_FAILURES:
            return None
        last = problem.strip().rpartition("\n")[2]
        return "stuck", f"The same code failed {SAME_FAILURES} times in the same way: {last}"


def _failure(outcome: StepFinished) -> str:
    if outcome.error is None:
        return outcome.notice or outcome.status
    return f"{outcome.error.name}: {outcome.error.value}"

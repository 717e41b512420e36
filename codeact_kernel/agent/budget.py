"""What a turn has used, and when that is too much.  Time arrives as an event, never from a clock."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .events import Message, Stop, Usage

IMAGE_TOKENS = 1_000
"""What a picture is counted as: between 85 and about 1,100 in the tilings that vendors publish."""

MESSAGE_TOKENS = 4
"""What role and separators of one message are counted as in chat templates."""


def estimate(text: str) -> int:
    """Tokens of ``text``, about, without a tokenizer.

    A quarter token for each character plus 3/8 for each UTF-8 byte beyond its
    first: 4 characters a token for ASCII, 0.6 tokens for a Cyrillic or Greek
    letter, 1 for a Chinese, Japanese or Korean character, 1.4 for an emoji.
    """
    extra = 0 if text.isascii() else len(text.encode("utf-8", "replace")) - len(text)
    return (2 * len(text) + 3 * extra + 7) // 8


def message_tokens(message: Message) -> int:
    """Tokens of one message, about, its pictures included."""
    return MESSAGE_TOKENS + estimate(message.text) + IMAGE_TOKENS * len(message.images)


def add_usage(one: Usage, other: Usage) -> Usage:
    """The sum; the cost is None only when neither is known, estimated if a part of it is."""
    costs = [cost for cost in (one.cost, other.cost) if cost is not None]
    return Usage(
        one.prompt_tokens + other.prompt_tokens,
        one.completion_tokens + other.completion_tokens,
        sum(costs) if costs else None,
        one.estimated or other.estimated,
    )


@dataclass(frozen=True, slots=True)
class Spent:
    """What a turn has used so far.

    ``steps`` counts every reply that was not an answer, also those that could
    not run.  ``seconds`` are those of model calls and steps.  ``priced`` is
    false once a call had no known cost.
    """

    steps: int = 0
    usage: Usage = field(default_factory=Usage)
    seconds: float = 0.0
    priced: bool = True

    def after_call(self, usage: Usage, seconds: float) -> Spent:
        """With one more model call."""
        return replace(
            self,
            usage=add_usage(self.usage, usage),
            seconds=self.seconds + seconds,
            priced=self.priced and usage.cost is not None,
        )

    def after_seconds(self, seconds: float) -> Spent:
        """With the run time of a step, or of a call that failed."""
        return replace(self, seconds=self.seconds + seconds)

    def next_step(self) -> Spent:
        """With one more step."""
        return replace(self, steps=self.steps + 1)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens of all calls."""
        return self.usage.prompt_tokens + self.usage.completion_tokens


def measured(usage: Usage, prompt_tokens: int, text: str) -> Usage:
    """``usage``, or an estimate in its place when the endpoint reported none."""
    if usage.prompt_tokens or usage.completion_tokens:
        return usage
    return replace(
        usage, prompt_tokens=prompt_tokens, completion_tokens=estimate(text), estimated=True
    )


def exceeded(
    spent: Spent, *, max_tokens: int, max_cost: float, ahead: int = 0
) -> tuple[Stop, str] | None:
    """Why no further model call may be made, or None.

    ``ahead`` is the estimated size of that call, so that a limit on tokens is
    kept and not found out afterwards.  A limit of 0 is none.
    """
    if max_tokens and spent.tokens + ahead > max_tokens:
        return "tokens", (
            f"The turn has used {spent.tokens:,} of {max_tokens:,} tokens"
            f" and the next call needs about {ahead:,}."
        )
    if max_cost and not spent.priced:
        return "cost", (
            "A cost limit is set, but the price of this model is not known."
            " Set the prices, or remove the limit."
        )
    if max_cost and (spent.usage.cost or 0.0) >= max_cost:
        return "cost", f"The turn has cost {spent.usage.cost:.4g}; its limit is {max_cost:g}."
    return None

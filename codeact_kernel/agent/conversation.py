"""The messages so far, and how they are kept within the model's context.

Within a turn messages are only appended, so that the endpoint's prefix cache
holds.  Between turns, when little room is left, older turns are shortened in
this order, oldest first: pictures go, then a turn becomes prompt, final code
and answer, then it is dropped.  No model is asked to summarise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from .budget import message_tokens
from .events import Image, Message
from .prompt import SYSTEM
from .text import clip, sendable

ROOM_AT_START = 0.6
"""Part of the context that may be filled when a turn starts; the rest is for its steps."""

ROOM_AFTER = 0.4
"""Part that compaction shrinks to: below ``ROOM_AT_START``, so that not every turn compacts."""

UNOBSERVED = "[stopped: the result of this step is not known]"

_REMEMBERED_PROMPT = 2_000
"""Characters of a prompt that compaction keeps; pasted data is longer and has been worked on."""

_REMEMBERED_CODE = 4_000
"""Characters of the final code that compaction keeps."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn's messages.  ``prompt`` is what the user typed, ``code`` the last that ran well."""

    prompt: str
    messages: tuple[Message, ...]
    tokens: int
    code: str = ""
    instructions: str = ""
    """The ``CODEACT.md`` that this turn's messages contain."""


def message(role: str, text: str, images: tuple[Image, ...] = ()) -> Message:
    """A message that can be sent: valid Unicode."""
    assert role in ("system", "user", "assistant")
    return Message(role, sendable(text), images)  # type: ignore[arg-type]


def _without_images(turn: Turn) -> Turn:
    if not any(one.images for one in turn.messages):
        return turn
    return _with(turn, tuple(replace(one, images=()) for one in turn.messages))


def _compacted(turn: Turn) -> Turn:
    """Prompt, final code and answer, in the same form as a whole turn so that it teaches no other."""
    messages = [message("user", clip(turn.prompt, _REMEMBERED_PROMPT))]
    if turn.code:
        messages += [
            message("assistant", f"```python\n{clip(turn.code, _REMEMBERED_CODE)}\n```"),
            message("user", "[ok] (earlier steps and the output are left out)"),
        ]
    short = _with(turn, (*messages, turn.messages[-1]))
    return replace(short, instructions="") if short.tokens < turn.tokens else turn


def _with(turn: Turn, messages: tuple[Message, ...]) -> Turn:
    return replace(turn, messages=messages, tokens=sum(map(message_tokens, messages)))


@dataclass(slots=True)
class Conversation:
    """Past turns and the current one.  Two are equal when the next request would be."""

    past: list[Turn] = field(default_factory=list)
    prompt: str = ""
    code: str = ""
    instructions: str = ""
    current: list[Message] = field(default_factory=list)
    current_tokens: int = 0
    left_out: bool = False

    @property
    def tokens(self) -> int:
        """Estimated size of the next request."""
        return SYSTEM_TOKENS + sum(turn.tokens for turn in self.past) + self.current_tokens

    def messages(self) -> tuple[Message, ...]:
        """The next request; within a turn an exact extension of the one before."""
        earlier = [one for turn in self.past for one in turn.messages]
        return (_SYSTEM_MESSAGE, *earlier, *self.current)

    def knows(self, instructions: str) -> bool:
        """Whether a turn that is still there whole has told the model these instructions."""
        return any(turn.instructions == instructions for turn in self.past)

    def make_room(self, needed: int, limit: int) -> None:
        """Shorten older turns so that ``needed`` more tokens fit in a context of ``limit``."""
        if self.tokens + needed <= ROOM_AT_START * limit:
            return
        goal = int(ROOM_AFTER * limit) - needed
        for shorten in (_without_images, _compacted):
            self._shorten(shorten, goal)
        while self.past and self.tokens > goal:
            del self.past[0]
            self.left_out = True

    def _shorten(self, shorten: Callable[[Turn], Turn], goal: int) -> None:
        for index, turn in enumerate(self.past):
            if self.tokens <= goal:
                return
            self.past[index] = shorten(turn)

    def open(self, prompt: str, opening: str, instructions: str) -> None:
        """Start a turn with the message ``opening``."""
        self.prompt, self.code, self.instructions = prompt, "", instructions
        self.say("user", opening)

    def discard(self) -> None:
        """Forget the current turn, as if it had not been opened."""
        self.current, self.current_tokens = [], 0

    def say(self, role: str, text: str, images: tuple[Image, ...] = ()) -> None:
        """Append one message to the current turn."""
        one = message(role, text, images)
        self.current.append(one)
        self.current_tokens += message_tokens(one)

    def close(self, answer: str) -> None:
        """The turn is over.  ``answer`` is the model's last word, or says that there was none.

        Roles alternate in what is kept, as many chat templates demand.
        """
        if self.current and self.current[-1].role == "assistant":
            self.say("user", UNOBSERVED)
        if self.current:
            self.say("assistant", answer)
            self.past.append(
                Turn(
                    self.prompt,
                    tuple(self.current),
                    self.current_tokens,
                    self.code,
                    self.instructions,
                )
            )
        self.discard()


_SYSTEM_MESSAGE = message("system", SYSTEM)
SYSTEM_TOKENS = message_tokens(_SYSTEM_MESSAGE)

"""Questions to the person at a front-end: the front's own, and those of sandboxed code.

Only one is open at a time, and an answer counts only for the question that is
open, from the client that was asked.  So what a person says to sandboxed code
never approves a step, and what they say to us never reaches the code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from ..environment.environment import Environment
from ..environment.request import Request
from ..environment.wire import Message
from .front import Front
from .outputs import OutputPolicy

_LINES = 20
_CHARACTERS = 2_000
"""Of a question of sandboxed code."""

_BLANK = re.compile(r"\s{4,}|[\u2800\u3164\uffa0]+")
"""Would push our mark out of sight, to the line above; so would letters that show as nothing."""

_INVISIBLE = re.compile(
    "[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
)
"""Would write over our mark or turn its direction round: carriage return, backspace, bidi controls."""


@dataclass(frozen=True, eq=False, slots=True)
class Question:
    """A line of text asked of the client that sent ``client``; ``owner`` is whoever waits for it."""

    owner: object
    client: Message
    prompt: str
    password: bool
    on_answer: Callable[[Message], None]


class Questions:
    """Puts questions one after the other.

    An owner has one question at a time: a new one takes the place of the one before.
    """

    def __init__(self, front: Front, environment: Environment, policy: OutputPolicy) -> None:
        self._front = front
        self._environment = environment
        self._policy = policy
        self._waiting: list[Question] = []
        self._open: tuple[str, Question] | None = None

    def ask(self, question: Question) -> None:
        """Put ``question`` as soon as no other is open."""
        if self._open is not None and self._open[1].owner is question.owner:
            self._open = None
        self._waiting = [q for q in self._waiting if q.owner is not question.owner]
        self._waiting.append(question)
        self._next()

    def withdraw(self, owner: object) -> None:
        """``owner`` waits no more: a late answer is not taken for another question's."""
        self._waiting = [q for q in self._waiting if q.owner is not owner]
        if self._open is not None and self._open[1].owner is owner:
            self._open = None
            self._next()

    def answer(self, message: Message) -> None:
        """An ``input_reply`` came; it is dropped unless it answers the open question.

        Clients that name the question (``parent_header``) are taken at their
        word; of the others the identity must be that of the client asked.
        """
        if self._open is None:
            return
        asked, question = self._open
        if message.idents != question.client.idents or message.parent_id not in ("", asked):
            return
        self._open = None
        question.on_answer(message)
        self._next()

    def let_ask(self, request: Request, client: Message) -> None:
        """Let the code of ``request`` ask the client that sent ``client``, if that can be asked."""
        if client.content.get("allow_stdin") is not True:
            return

        def on_input(asked: Message) -> None:
            prompt = sandboxed(self._policy, asked.content.get("prompt"))
            password = asked.content.get("password") is True
            self.ask(Question(request, client, prompt, password, self._environment.send_input))

        request.on_input = on_input
        request.on_end = lambda: self.withdraw(request)

    def _next(self) -> None:
        if self._open is None and self._waiting:
            question = self._waiting.pop(0)
            asked = self._front.ask_input(
                question.client, question.prompt, password=question.password
            )
            self._open = asked, question


def sandboxed(policy: OutputPolicy, prompt: object) -> str:
    """A question of sandboxed code, each line marked so that none can pass for one of ours."""
    text = _INVISIBLE.sub("", prompt[:_CHARACTERS]) if isinstance(prompt, str) else ""
    lines = re.split("[\n\x85]", text)[:_LINES]
    return "\n".join(policy.input_prompt(_BLANK.sub("   ", line)) for line in lines)

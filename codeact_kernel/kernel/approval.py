"""Asks the person at the front-end before a step runs, through ``input()``."""

from __future__ import annotations

import asyncio

from ..agent.events import Approved, AskApproval, Rejected, StepFinished
from ..environment.wire import Message
from .inline import InlineDisplay
from .questions import Question, Questions

_CHOICES = "[y]es, [n]o and stop, [s]kip this step, [a]ll of this turn"


class InputApprover:
    """The ``Approver`` port of one turn.

    The question starts with ``CodeAct:``; whatever sandboxed code asks is
    shown with a prefix of its own, so neither can be taken for the other.
    """

    def __init__(self, questions: Questions, prompt: Message, display: InlineDisplay) -> None:
        self._questions = questions
        self._prompt = prompt
        self._display = display

    async def approve(self, ask: AskApproval) -> Approved | Rejected:
        """See ``ports.Approver``.  A front-end that cannot ask is told what to do instead."""
        self._display.proposed(ask.step, ask.code)
        if not self._prompt.content.get("allow_stdin", False):
            return Rejected(
                ask.step,
                reason="This step needs approval, and this front-end cannot ask for it. "
                "Run it where input() works, or set CODEACT_APPROVAL=never in a sandbox.",
            )
        reasons = f" ({'; '.join(ask.reasons)})" if ask.reasons else ""
        question = f"CodeAct: run step {ask.step}?{reasons} {_CHOICES}: "
        while True:
            answer = (await self._ask(question)).strip().lower()
            if answer in ("y", "yes"):
                return Approved(ask.step)
            if answer in ("a", "all"):
                return Approved(ask.step, rest_of_turn=True)
            if answer in ("s", "skip"):
                self._display.finished(StepFinished(ask.step, "skipped", ask.code))
                return Rejected(ask.step, reason="The user skipped this step.", skip=True)
            if answer in ("n", "no", "q", "quit", ""):
                return Rejected(ask.step, reason="The user did not let this step run.")
            question = f"CodeAct: please answer one of {_CHOICES}: "

    async def _ask(self, text: str) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_answer(message: Message) -> None:
            answer.set_result(str(message.content.get("value", "")))

        self._questions.ask(Question(self, self._prompt, text, False, on_answer))
        try:
            return await answer
        finally:
            self._questions.withdraw(self)

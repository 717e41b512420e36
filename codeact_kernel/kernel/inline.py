"""A turn rendered inside its prompt cell, for every front-end that knows nothing of us.

One line on top says what happens now, and at the end what happened.  Below it
come, step by step, the model's words, its code and what the code showed; last
the answer, with the whole turn as data beside it.  The displays carry
``metadata.codeact.part`` (``progress, text, code, answer``), so the outputs of
a step are found between two marked displays and are not saved a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import html
import re
from dataclasses import asdict
from typing import Any

from ..agent.events import (
    AskModel,
    EnvironmentLost,
    Finish,
    ModelFailed,
    ModelReplied,
    RunStep,
    StepFinished,
)
from ..environment.wire import Json, Message, new_id
from .front import Front
from .outputs import OutputPolicy, own_markdown
from .relay import Relay

TURN_MIME = "application/vnd.codeact.turn.v1+json"

_TICK = 1.0
"""Seconds between updates of the progress line; what is over sooner needs none."""


class Page:
    """What a prompt cell shows, kept so that a step may clear its own part of it.

    ``clear_output`` clears a whole cell; here the cell also holds earlier
    steps, which are shown again after it.
    """

    def __init__(self, front: Front, parent: bytes) -> None:
        self._front = front
        self._parent = parent
        self._shown: list[tuple[str, Json]] = []
        self._mark = 0
        self._clear = False

    def mark(self) -> None:
        """All that is shown so far stays when a step clears its output."""
        self._mark = len(self._shown)

    def show(self, kind: str, content: Json, **more: Any) -> None:
        """Publish an output and remember it."""
        if self._clear:
            self._again()
        if kind == "update_display_data":
            self._update(content)
        elif kind in ("stream", "display_data"):
            self._remember(kind, content)
        self._front.publish(kind, content, parent=self._parent, **more)

    def clear(self, *, wait: bool) -> None:
        """Clear what was shown since the mark, now or before the next output."""
        self._clear = True
        if not wait:
            self._again()

    def _again(self) -> None:
        self._clear = False
        del self._shown[self._mark :]
        self._front.publish("clear_output", {"wait": True}, parent=self._parent)
        for kind, content in self._shown:
            self._front.publish(kind, content, parent=self._parent)

    def _remember(self, kind: str, content: Json) -> None:
        if kind == "stream" and len(self._shown) > self._mark:
            last_kind, last = self._shown[-1]
            if last_kind == "stream" and last["name"] == content["name"]:
                self._shown[-1] = (kind, {**last, "text": last["text"] + content["text"]})
                return
        self._shown.append((kind, content))

    def _update(self, content: Json) -> None:
        display = content.get("transient", {}).get("display_id")
        for at, (kind, shown) in enumerate(self._shown):
            if display is not None and shown.get("transient", {}).get("display_id") == display:
                self._shown[at] = (kind, {**content})


class StepRelay(Relay):
    """A step's messages as part of the prompt cell.

    A result becomes a display (its number is not the cell's), an error a
    stderr stream: papermill and nbclient fail a notebook on any ``error``
    output, also on one that the next step puts right.
    """

    page: Page

    def show(self, kind: str, content: Json, message: Message) -> None:
        if kind in ("status", "execute_input"):
            return
        if kind == "clear_output":
            self.page.clear(wait=bool(content.get("wait")))
        elif kind == "error":
            text = "\n".join(map(str, content.get("traceback", ()))).rstrip("\n")
            self.page.show("stream", {"name": "stderr", "text": text + "\n"})
        elif kind == "execute_result":
            self.page.show(
                "display_data", {"data": content["data"], "metadata": content["metadata"]}
            )
        else:
            super().show(kind, content, message)

    def publish(self, kind: str, content: Json, **more: Any) -> None:
        self.page.show(kind, content, **more)


class InlineDisplay:
    """The ``Display`` port for one turn; also collects the turn as data."""

    def __init__(self, page: Page, policy: OutputPolicy, turn: str, prompt: str) -> None:
        self._page = page
        self._policy = policy
        self._turn = turn
        self._prompt = prompt
        self._model = ""
        self._progress = new_id()
        self._phase = "Thinking"
        self._step = 1
        self._characters = 0
        self._tokens = 0
        self._words = ""
        self._code_shown = (0, "")
        self._steps: list[Json] = []
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Show the progress line."""
        self._page.show(
            "display_data",
            {**self._display(self._line(self._now()), "progress"), **self._transient()},
        )
        self._page.mark()
        self._ticker = asyncio.ensure_future(self._tick())

    def introduce(self, model: str, notice: str) -> None:
        """Name the model that will be asked, and show what the user must know about it."""
        self._model = model
        if notice:
            self._page.show("display_data", self._display(own_markdown(notice), "notice"))
            self._page.mark()

    # --- the port -----------------------------------------------------------------

    def thinking(self, ask: AskModel) -> None:
        self._phase, self._step, self._characters = "Thinking", ask.step, 0

    def delta(self, text: str) -> None:
        self._phase = "Writing"
        self._characters += len(text)

    def replied(self, reply: ModelReplied | ModelFailed) -> None:
        if isinstance(reply, ModelReplied):
            self._tokens += reply.usage.prompt_tokens + reply.usage.completion_tokens
            self._characters = 0
            self._words = _before_code(reply.text)

    def proposed(self, step: int, code: str) -> None:
        """Show a step that a person is asked about, before it runs."""
        self._phase = "Waiting for approval"
        self._code(step, code)

    def running(self, step: RunStep) -> None:
        self._phase = "Running"
        self._code(step.step, step.code)

    def _code(self, step: int, code: str) -> None:
        self._step = step
        if self._words:
            self._page.show("display_data", self._display(own_markdown(self._words), "text", step))
            self._words = ""
        if self._code_shown != (step, code):
            self._page.show("display_data", self._display(code_markdown(code), "code", step))
            self._code_shown = (step, code)
        self._page.mark()

    def finished(self, outcome: StepFinished | EnvironmentLost) -> None:
        if isinstance(outcome, EnvironmentLost):
            text = f"{outcome.reason}\nLost: {', '.join(outcome.lost)}. Kept: {', '.join(outcome.kept)}.\n"
            self._page.show("stream", {"name": "stderr", "text": self._policy.text(text)})
        step = outcome.during if isinstance(outcome, EnvironmentLost) else outcome
        if step is not None:
            if step.notice and isinstance(outcome, StepFinished):
                self._page.show("stream", {"name": "stderr", "text": step.notice + "\n"})
            self._steps.append(step_data(step))
        self._page.mark()

    def ended(self, finish: Finish) -> None:
        self.stop()
        self._page.mark()
        self._update(self._line(self._summary(finish)))
        text = finish.answer if finish.stop in ("answered", "unable") else finish.reason
        bundle: Json = own_markdown(text or finish.reason or finish.stop)
        bundle[TURN_MIME] = self._data(finish)
        self._page.show("display_data", self._display(bundle, "answer"))

    def stop(self) -> None:
        """No more updates."""
        if self._ticker is not None:
            self._ticker.cancel()
            self._ticker = None

    # --- what is shown --------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._update(self._line(self._now()))

    def _update(self, bundle: Json) -> None:
        self._page.show(
            "update_display_data", {**self._display(bundle, "progress"), **self._transient()}
        )

    def _now(self) -> list[str]:
        parts = [f"{self._phase} · step {self._step}", f"{self._clock() - self._started:.0f} s"]
        tokens = self._tokens + self._characters // 4
        if tokens:
            parts.append(f"{tokens:,} tokens")
        return ["⏳ " + parts[0], *parts[1:], self._model]

    def _summary(self, finish: Finish) -> list[str]:
        usage = finish.usage
        parts = [
            f"{'✓' if finish.stop == 'answered' else '✗'} {finish.stop.replace('_', ' ')}",
            f"{finish.steps} step{'s' if finish.steps != 1 else ''}",
            f"{self._clock() - self._started:.1f} s",
            f"{usage.prompt_tokens + usage.completion_tokens:,} tokens",
        ]
        if usage.cost:
            parts.append(f"cost {usage.cost:.4f}")
        return [*parts, self._model]

    def _line(self, parts: list[str]) -> Json:
        text = " · ".join(["CodeAct", *(part for part in parts if part)])
        return {
            "text/html": f'<div style="opacity:0.65;font-size:90%">{html.escape(text)}</div>',
            "text/plain": text,
        }

    def _transient(self) -> Json:
        return {"transient": {"display_id": self._progress}}

    def _display(self, bundle: Json, part: str, step: int | None = None) -> Json:
        mark: Json = {"turn": self._turn, "part": part}
        if step is not None:
            mark["step"] = step
        return {"data": bundle, "metadata": {"codeact": mark}}

    def _data(self, finish: Finish) -> Json:
        usage = finish.usage
        return {
            "v": 1,
            "turn": self._turn,
            "prompt": self._prompt,
            "model": self._model,
            "stop": finish.stop,
            "reason": finish.reason,
            "answer": finish.answer,
            "usage": {
                "prompt_tokens": usage.prompt_tokens,
                "completion_tokens": usage.completion_tokens,
                "cost": usage.cost,
                "seconds": round(self._clock() - self._started, 3),
                "steps": finish.steps,
            },
            "steps": self._steps,
        }


def step_data(step: StepFinished) -> Json:
    """One step as it is kept in the turn's data (design §9); its outputs are the cell's."""
    error = step.error
    return {
        "step": step.step,
        "code": step.code,
        "sha256": hashlib.sha256(step.code.encode("utf-8", "surrogatepass")).hexdigest(),
        "status": step.status,
        "seconds": round(step.seconds, 3),
        "peak_memory": step.peak_memory,
        "files": [asdict(change) for change in step.files],
        "error": {"ename": error.name, "evalue": error.value} if error else None,
    }


def code_markdown(code: str) -> Json:
    """Code as a fenced block that nothing in it can close, and as plain text."""
    longest = max(map(len, re.findall("`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return {"text/markdown": f"{fence}python\n{code}\n{fence}", "text/plain": code}


def _before_code(text: str) -> str:
    """The model's words in front of its code."""
    return re.split(r"^[ \t]*(?:```|~~~)|<execute>", text, maxsplit=1, flags=re.MULTILINE)[
        0
    ].strip()

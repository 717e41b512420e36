"""A turn rendered inside its prompt cell, for every front-end that knows nothing of us.

One line on top says what happens now, and at the end what happened.  Below it
come, step by step, the model's words, its code under a caption that tells how
the step went, and what the code showed; last the answer, with the whole turn as
data beside it.  The displays carry
``metadata.codeact.part`` (``progress, text, code, answer``), so the outputs of
a step are found between two marked displays and are not saved a second time.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Collection
from dataclasses import asdict
from typing import Any

from ..agent.events import (
    AskModel,
    EnvironmentLost,
    FileChange,
    Finish,
    ModelFailed,
    ModelReplied,
    RunStep,
    StepFinished,
)
from ..environment.wire import Json, Message, new_id
from .front import Front
from .outputs import OutputPolicy, own
from .relay import Relay

TURN_MIME = "application/vnd.codeact.turn.v1+json"

_TICK = 1.0
"""Seconds between updates of the progress line; what is over sooner needs none."""

_FILES_SHOWN = 8
"""Files named below an answer; of more, their number."""

_REPEATED = 100_000_000
"""Characters shown again in one turn, after which clearing is not followed: it costs the code
nothing, and us all that is shown."""


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
        self._repeated = 0
        self._ended = False

    def mark(self) -> None:
        """All that is shown so far stays when a step clears its output."""
        self._mark = len(self._shown)
        self._clear = False

    def end(self) -> None:
        """The turn is over: what comes late is shown below the answer and clears nothing."""
        self._ended, self._clear = True, False
        self._shown.clear()

    def show(self, kind: str, content: Json, **more: Any) -> None:
        """Publish an output and remember it."""
        if kind in ("stream", "display_data"):
            if self._clear:
                self._again()
            if not self._ended:
                self._remember(kind, content)
        elif kind == "update_display_data":
            self._update(content)
        self._front.publish(kind, content, parent=self._parent, **more)

    def clear(self, *, wait: bool) -> None:
        """Clear what was shown since the mark, now or before the next output."""
        if self._ended or len(self._shown) == self._mark or self._repeated > _REPEATED:
            return
        self._clear = True
        if not wait:
            self._again()

    def _again(self) -> None:
        self._clear = False
        del self._shown[self._mark :]
        self._front.publish("clear_output", {"wait": True}, parent=self._parent)
        for kind, content in self._shown:
            if kind == "stream":
                content = {**content, "text": "".join(content["text"])}
            self._repeated += _size(content)
            self._front.publish(kind, content, parent=self._parent)

    def _remember(self, kind: str, content: Json) -> None:
        if kind == "stream":
            last_kind, last = self._shown[-1] if len(self._shown) > self._mark else ("", {})
            if last_kind == "stream" and last["name"] == content["name"]:
                last["text"].append(content["text"])
                return
            content = {**content, "text": [content["text"]]}
        self._shown.append((kind, content))

    def _update(self, content: Json) -> None:
        display = content.get("transient", {}).get("display_id")
        for at, (kind, shown) in enumerate(self._shown):
            if display is not None and shown.get("transient", {}).get("display_id") == display:
                self._shown[at] = (kind, {**content})


def _size(content: Json) -> int:
    """Roughly the characters of a stream or a display."""
    values = [content.get("text"), *content.get("data", {}).values()]
    return sum(len(value) for value in values if isinstance(value, str))


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
        self._open = (0, "")
        self._captions = 0
        self._steps: list[Json] = []
        self._files: dict[str, FileChange] = {}
        self._clock = asyncio.get_running_loop().time
        self._started = self._clock()
        self._ticker: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Show the progress line."""
        self._page.show("display_data", self._progress_line(self._now()))
        self._page.mark()
        self._ticker = asyncio.ensure_future(self._tick())

    def introduce(self, model: str, notice: str) -> None:
        """Name the model that will be asked, and show what the user must know about it."""
        self._model = model
        if notice:
            self._page.show("display_data", self._display(own.notice(notice), "notice"))
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
        self._code(step, code, "waiting for your approval")

    def running(self, step: RunStep) -> None:
        self._phase = "Running"
        self._code(step.step, step.code)

    def _code(self, step: int, code: str, how: str = "") -> None:
        self._step = step
        if self._words:
            self._page.show("display_data", self._display(own.words(self._words), "text", step))
            self._words = ""
        if self._open == (step, code):
            self._caption(how)
        else:
            self._open = (step, code)
            self._captions += 1
            self._page.show("display_data", self._open_code(how))
        self._page.mark()

    def _caption(self, how: str) -> None:
        """Say how the step whose code was shown last goes, or went."""
        if self._open[0]:
            self._page.show("update_display_data", self._open_code(how))

    def _open_code(self, how: str) -> Json:
        step, code = self._open
        caption = f"Step {step} · {how}" if how else f"Step {step}"
        shown = self._display(own.code(code, caption), "code", step)
        return shown | _identity(f"{self._progress}-{self._captions}")

    def finished(self, outcome: StepFinished | EnvironmentLost) -> None:
        if isinstance(outcome, EnvironmentLost):
            text = f"{outcome.reason}\nLost: {' and '.join(outcome.lost)}. Kept: {' and '.join(outcome.kept)}.\n"
            self._page.show("stream", {"name": "stderr", "text": self._policy.text(text)})
        step = outcome.during if isinstance(outcome, EnvironmentLost) else outcome
        if step is not None:
            if step.notice and isinstance(outcome, StepFinished):
                text = self._policy.text(step.notice + "\n")
                self._page.show("stream", {"name": "stderr", "text": text})
            self._caption(how_it_went(step))
            self._open = (0, "")
            self._steps.append(step_data(step))
            self._files |= {change.path: change for change in step.files}
        self._page.mark()

    def ended(self, finish: Finish) -> None:
        """Show the answer, or only what is left when there is none: the error that follows says why."""
        self.stop()
        self._page.mark()
        self._caption("not run" if self._phase == "Waiting for approval" else "not finished")
        self._update(self._summary(finish))
        files = files_line(self._files.values())
        text = {"answered": finish.answer, "unable": finish.reason}.get(finish.stop)
        bundle: Json = own.answer(text, [files]) if text else own.line(["No answer", files])
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
            self._update(self._now())

    def _update(self, parts: list[str]) -> None:
        self._page.show("update_display_data", self._progress_line(parts))

    def _progress_line(self, parts: list[str]) -> Json:
        shown = self._display(own.line(["CodeAct", *parts]), "progress")
        return shown | _identity(self._progress)

    def _now(self) -> list[str]:
        parts = [f"{self._phase} …", f"step {self._step}", f"{self._clock() - self._started:.0f} s"]
        tokens = self._tokens + self._characters // 4
        if tokens:
            parts.append(f"{tokens:,} tokens")
        return [*parts, self._model]

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


def how_it_went(step: StepFinished) -> str:
    """Such as ``12 s`` or ``ValueError · 340 ms``."""
    if step.status == "skipped":
        return "skipped"
    number = step.seconds
    took = f"{number * 1000:.0f} ms" if number < 0.9995 else f"{number:,.{int(number < 10)}f} s"
    return (
        took
        if step.status == "ok"
        else f"{step.error.name if step.error else step.status} · {took}"
    )


def files_line(files: Collection[FileChange]) -> str:
    """What the turn left in the workspace; kinds of files that run by themselves are marked."""
    named = [
        f"{file.change} {file.path}" + (" (runs later: look at it)" if file.executes else "")
        for file in sorted(files, key=lambda file: not file.executes)[:_FILES_SHOWN]
    ]
    if len(files) > _FILES_SHOWN:
        named.append(f"and {len(files) - _FILES_SHOWN} more")
    return f"Files: {', '.join(named)}" if named else ""


def _identity(display_id: str) -> Json:
    return {"transient": {"display_id": display_id}}


def _before_code(text: str) -> str:
    """The model's words in front of its code."""
    return re.split(r"^[ \t]*(?:```|~~~)|<execute>", text, maxsplit=1, flags=re.MULTILINE)[
        0
    ].strip()

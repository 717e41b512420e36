"""A turn inside its prompt cell."""

from __future__ import annotations

from typing import Any

import pytest

from codeact_kernel.agent.events import FileChange, StepError, StepFinished
from codeact_kernel.kernel.inline import Page, files_line, how_it_went


class Recorder:
    """Stands where a front-end would and shows what it would show."""

    def __init__(self) -> None:
        self.shown: list[str] = []
        self._clear = False

    def publish(self, kind: str, content: dict[str, Any], **_: Any) -> None:
        if kind == "clear_output":
            self._clear = True
            return
        if self._clear:
            self.shown.clear()
            self._clear = False
        if kind == "stream":
            if self.shown and self.shown[-1].startswith("~"):
                self.shown[-1] += content["text"]
            else:
                self.shown.append("~" + content["text"])
        elif kind == "display_data":
            self.shown.append(content["data"]["text/plain"])


def page() -> tuple[Page, Recorder]:
    recorder = Recorder()
    return Page(recorder, b"{}"), recorder  # type: ignore[arg-type]


def display(text: str, display_id: str | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"data": {"text/plain": text}, "metadata": {}}
    return content | ({"transient": {"display_id": display_id}} if display_id else {})


def test_a_step_that_clears_its_output_leaves_earlier_steps_alone() -> None:
    cell, seen = page()
    cell.show("display_data", display("step 1"))
    cell.mark()
    cell.show("stream", {"name": "stdout", "text": "10 %"})
    cell.clear(wait=True)
    assert seen.shown == ["step 1", "~10 %"]
    cell.show("stream", {"name": "stdout", "text": "20 %"})
    assert seen.shown == ["step 1", "~20 %"]


def test_output_can_be_cleared_at_once() -> None:
    cell, seen = page()
    cell.show("display_data", display("step 1"))
    cell.mark()
    cell.show("stream", {"name": "stdout", "text": "gone"})
    cell.clear(wait=False)
    assert seen.shown == ["step 1"]


def test_what_is_shown_again_is_shown_as_last_updated() -> None:
    cell, seen = page()
    cell.show("display_data", display("thinking", "progress"))
    cell.mark()
    cell.show("update_display_data", display("running", "progress"))
    cell.show("display_data", display("of a step", "other"))
    cell.clear(wait=False)
    assert seen.shown == ["running"]


@pytest.mark.parametrize(
    ("step", "caption"),
    [
        (StepFinished(1, "ok", "x", seconds=0.0204), "20 ms"),
        (StepFinished(1, "ok", "x", seconds=0.9999), "1.0 s"),
        (StepFinished(1, "ok", "x", seconds=1234.5), "1,234 s"),
        (StepFinished(1, "error", "x", error=StepError("KeyError", "'a'"), seconds=2), "KeyError · 2.0 s"),
        (StepFinished(1, "killed", "x", seconds=30), "killed · 30 s"),
        (StepFinished(1, "skipped", "x"), "skipped"),
    ],
)  # fmt: skip
def test_a_caption_tells_how_a_step_went(step: StepFinished, caption: str) -> None:
    assert how_it_went(step) == caption


def test_files_that_run_later_are_named_first_and_marked() -> None:
    files = [
        FileChange("a.csv", "created", 9),
        FileChange("conftest.py", "changed", 9, executes=True),
    ]
    assert files_line(files) == "Files: changed conftest.py (runs later: look at it), created a.csv"
    many = [FileChange(f"{number}.csv", "created") for number in range(12)]
    assert files_line(many).endswith("7.csv, and 4 more")
    assert files_line([]) == ""


def test_after_the_end_nothing_is_cleared_and_what_comes_late_is_shown() -> None:
    cell, seen = page()
    cell.show("display_data", display("answer"))
    cell.clear(wait=True)
    cell.end()
    cell.clear(wait=False)
    cell.show("stream", {"name": "stdout", "text": "late"})
    assert seen.shown == ["answer", "~late"]


def test_a_clearing_that_waits_does_not_outlive_its_step() -> None:
    cell, seen = page()
    cell.show("stream", {"name": "stdout", "text": "of step 1"})
    cell.clear(wait=True)
    cell.mark()
    cell.show("display_data", display("step 2"))
    assert seen.shown == ["~of step 1", "step 2"]


def test_clearing_that_costs_too_much_is_not_followed() -> None:
    cell, seen = page()
    cell.show("stream", {"name": "stdout", "text": "x" * 30_000_000})
    cell.mark()
    for _ in range(10):
        cell.show("display_data", display("tick"))
        cell.clear(wait=False)
    assert seen.shown.count("tick") == 6

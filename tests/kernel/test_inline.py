"""A turn inside its prompt cell."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from codeact_kernel.kernel.inline import Page, code_markdown


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
    cell.clear(wait=False)
    assert seen.shown == ["running"]


@given(st.text(alphabet="`~ \nab#"))
def test_no_code_can_leave_its_fence(code: str) -> None:
    tokens = MarkdownIt().parse(code_markdown(code)["text/markdown"])
    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content.rstrip("\n") == code.rstrip("\n")

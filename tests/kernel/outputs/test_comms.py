"""Comms pass, except those that would bring code into the page."""

from __future__ import annotations

from typing import Any

import pytest

from codeact_kernel.kernel.outputs import OutputPolicy

POLICY = OutputPolicy("click")


def _opened(**state: Any) -> dict[str, Any]:
    return {"comm_id": "c", "target_name": "jupyter.widget", "data": {"state": state}}


def test_a_standard_widget_opens() -> None:
    content = _opened(
        _model_module="@jupyter-widgets/controls",
        _view_module="@jupyter-widgets/controls",
        value=3,
    )
    assert POLICY.message("comm_open", content) == content
    layout = _opened(_model_module="@jupyter-widgets/base", _view_module=None)
    assert POLICY.message("comm_open", layout) == layout


@pytest.mark.parametrize(
    "content",
    [
        _opened(_model_module="anywidget", _esm="export default {}"),
        _opened(_model_module="@jupyter-widgets/controls", _view_module="http://x.example/y.js"),
        _opened(_model_module=["@jupyter-widgets/base"]),
        _opened(),
        {"comm_id": "c", "target_name": "jupyter.widget"},
        {"comm_id": "c", "target_name": "x", "target_module": "http://x.example/y.js"},
    ],
)
def test_a_widget_that_brings_code_does_not(content: dict[str, Any]) -> None:
    assert POLICY.message("comm_open", content) is None
    assert OutputPolicy("trust").message("comm_open", content) == content


def test_other_comms_and_their_messages_pass() -> None:
    for msg_type in ("comm_open", "comm_msg", "comm_close"):
        content = {"comm_id": "c", "target_name": "mine", "data": {"x": [1]}}
        assert POLICY.message(msg_type, content) == content


def test_a_widget_is_shown_as_its_text() -> None:
    data = {
        "application/vnd.jupyter.widget-view+json": {"model_id": "c"},
        "text/plain": "IntSlider()",
    }
    assert POLICY.display(data, {})[0] == {"text/plain": "IntSlider()"}

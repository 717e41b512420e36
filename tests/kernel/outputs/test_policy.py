"""Messages and MIME bundles: what passes, in which form, and what is left of the rest."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import OutputPolicy

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\x00" * 40).decode()
POLICY = OutputPolicy("click")

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
TYPES = ["status", "execute_input", "stream", "display_data", "update_display_data", "execute_result",
         "error", "clear_output", "debug_event", "codeact_event", "shutdown_reply"]  # fmt: skip
FIELDS = ["execution_state", "name", "text", "data", "metadata", "transient", "code", "wait", "ename",
          "evalue", "traceback", "execution_count"]  # fmt: skip


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_content_makes_it_raise(msg_type: str, content: dict[str, Any]) -> None:
    for mode in ("click", "frame", "sanitise", "trust"):
        policy = OutputPolicy(mode)
        policy.message(msg_type, content)
        assert policy.is_heavy(msg_type, content) in (True, False)


@given(
    st.dictionaries(
        st.sampled_from(["text/html", "text/plain", "text/markdown", "text/latex", "image/png", "x/y",
                         "image/svg+xml", "application/json"]),
        JSON,
    )
)  # fmt: skip
def test_no_bundle_makes_it_raise(data: dict[str, Any]) -> None:
    POLICY.display(data, data)


@pytest.mark.parametrize(
    "msg_type",
    ["codeact_event", "iopub_welcome", "shutdown_reply", "nonesuch", "input_request", "kernel_info_reply"],
)  # fmt: skip
def test_other_message_types_are_dropped(msg_type: str) -> None:
    for mode in ("click", "trust"):
        assert OutputPolicy(mode).message(msg_type, {"status": "ok"}) is None


@pytest.mark.parametrize("state", ["restarting", "dead", "autorestarting", "", None, ["busy"], {}])
def test_other_states_are_dropped(state: Any) -> None:
    assert POLICY.message("status", {"execution_state": state}) is None


def test_a_state_passes_without_company() -> None:
    content = {"execution_state": "idle", "codeact": 1}
    assert POLICY.message("status", content) == {"execution_state": "idle"}


def test_streams_keep_colours_only() -> None:
    content = {"name": "stdout", "text": "\x1b[31mred\x1b[0m\x1b]0;t\x07"}
    assert POLICY.message("stream", content) == {"name": "stdout", "text": "\x1b[31mred\x1b[0m"}
    assert POLICY.message("stream", {"name": "stdin", "text": "x"}) is None


def test_errors_are_plain_text() -> None:
    content = {
        "ename": "E\x1b[2J",
        "evalue": "v",
        "traceback": ["\x1b[0;31ma\x1b]8;;x\x07", 3],
        "x": 1,
    }
    assert POLICY.message("error", content) == {
        "ename": "E",
        "evalue": "v",
        "traceback": ["\x1b[0;31ma"],
    }


def test_a_result_keeps_its_number_and_display_id() -> None:
    content = {
        "data": {"text/plain": "3"},
        "metadata": {},
        "execution_count": 4,
        "transient": {"display_id": "a", "x": 1},
        "x": 1,
    }
    assert POLICY.message("execute_result", content) == {
        "data": {"text/plain": "3"},
        "metadata": {},
        "execution_count": 4,
        "transient": {"display_id": "a"},
    }


def test_javascript_leaves_its_text() -> None:
    data = {"application/javascript": "x", "text/plain": "<Javascript object>"}
    assert POLICY.display(data, {}) == ({"text/plain": "<Javascript object>"}, {})


def test_an_output_with_nothing_left_says_what_it_was() -> None:
    data, _ = POLICY.display({"application/pdf": "x", "application/javascript": "y"}, {})
    assert data == {
        "text/plain": "[not shown by the output policy: application/javascript, application/pdf]"
    }


def test_isolated_and_unknown_metadata_go() -> None:
    given_ = {
        "image/png": {"width": 30, "height": 9e9, "needs_background": "light", "isolated": True},
        "text/html": {"isolated": True},
        "isolated": True,
        "codeact": {"part": "answer"},
    }
    data, metadata = POLICY.display({"image/png": PNG, "text/html": "<b>x</b>"}, given_)
    assert set(data) == {"image/png", "text/html"}
    assert metadata == {"image/png": {"width": 30, "needs_background": "light"}}


@pytest.mark.parametrize(
    "value",
    ["", "x y", '"><img src=x>', "AAAA", PNG + "!", "é", 3, None, ["a"], "A", PNG[:-1]],
)
def test_what_is_not_a_picture_is_dropped(value: Any) -> None:
    data, _ = POLICY.display({"image/png": value, "text/plain": "fig"}, {})
    assert data == {"text/plain": "fig"}


def test_a_picture_passes_without_its_line_breaks() -> None:
    folded = "\n".join((PNG[:20], PNG[20:], ""))
    assert POLICY.display({"image/png": folded}, {}) == ({"image/png": PNG}, {})


def test_svg_becomes_a_picture_that_cannot_run() -> None:
    source = "<svg xmlns='http://www.w3.org/2000/svg'/>"
    data, _ = POLICY.display({"image/svg+xml": source}, {"image/svg+xml": {"width": 30}})
    encoded = base64.b64encode(source.encode()).decode()
    assert data == {
        "text/html": f'<img src="data:image/svg+xml;base64,{encoded}" width="30" style="max-width:100%">'
    }


def test_of_html_and_svg_the_html_is_shown_as_front_ends_would() -> None:
    data, _ = POLICY.display({"image/svg+xml": "<svg/>", "text/html": "<b>x</b>"}, {})
    assert data == {"text/html": "<b>x</b>"}


def test_latex_that_acts_on_the_page_is_dropped() -> None:
    assert POLICY.display({"text/latex": "$\\frac12$"}, {})[0] == {"text/latex": "$\\frac12$"}
    data = {"text/latex": "$\\href{javascript:x}{y}$", "text/plain": "y"}
    assert POLICY.display(data, {})[0] == {"text/plain": "y"}


def test_code_cannot_pass_for_a_turn_even_when_trusted() -> None:
    data = {"application/vnd.codeact.turn.v1+json": {}, "text/plain": "x"}
    for mode in ("click", "trust"):
        shown = OutputPolicy(mode).display(data, {"codeact": {"part": "answer"}, "x": {}})
        assert shown[0] == {"text/plain": "x"}
        assert "codeact" not in shown[1]


def test_prompts_of_input_are_marked() -> None:
    assert POLICY.input_prompt("Name\x1b[2J? ") == "[sandboxed code asks] Name? "


def test_heavy_is_what_is_large() -> None:
    small = {"data": {"text/html": "<b>x</b>", "image/png": PNG}}
    large = {"data": {"text/html": "<td>" * 100_000}}
    assert not POLICY.is_heavy("display_data", small)
    assert POLICY.is_heavy("display_data", large)
    assert not POLICY.is_heavy("stream", {"text": "x" * 10**6})
    assert not OutputPolicy("trust").is_heavy("display_data", large)

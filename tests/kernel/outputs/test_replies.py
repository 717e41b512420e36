"""Replies keep what clients need, as plain text, and nothing that acts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import OutputPolicy

from .test_policy import JSON

POLICY = OutputPolicy("click")
TYPES = ["execute_reply", "inspect_reply", "complete_reply", "kernel_info_reply", "history_reply",
         "is_complete_reply", "comm_info_reply", "debug_reply", "create_subshell_reply", "nonesuch"]  # fmt: skip
FIELDS = ["status", "payload", "user_expressions", "data", "metadata", "matches", "cursor_start", "body",
          "language_info", "help_links", "traceback", "found", "supported_features", "banner"]  # fmt: skip


@given(st.sampled_from(TYPES), st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_no_reply_makes_it_raise(msg_type: str, content: dict[str, Any]) -> None:
    POLICY.reply(msg_type, content)


def test_an_execute_reply_writes_no_cell_and_shows_no_html() -> None:
    content = {
        "status": "ok",
        "execution_count": 3,
        "payload": [
            {"source": "set_next_input", "text": "evil()", "replace": True},
            {"source": "page", "data": {"text/plain": "help", "text/html": "<script>"}, "start": 0},
            {"source": "ask_exit", "keepkernel": "<script>", "text": "evil()"},
            "x",
        ],
        "user_expressions": {
            "a": {
                "status": "ok",
                "data": {"text/plain": "1", "text/html": "<b>"},
                "metadata": {"x": 1},
            },
            "b": {"status": "error", "ename": "E", "evalue": "v", "traceback": ["t\x1b[2J"]},
            "c": 3,
        },
        "x": 1,
    }
    assert POLICY.reply("execute_reply", content) == {
        "status": "ok",
        "execution_count": 3,
        "payload": [
            {"source": "page", "data": {"text/plain": "help"}, "start": 0},
            {"source": "ask_exit", "keepkernel": False},
        ],
        "user_expressions": {
            "a": {"status": "ok", "data": {"text/plain": "1"}, "metadata": {}},
            "b": {"status": "error", "ename": "E", "evalue": "v", "traceback": ["t"]},
        },
    }


def test_a_failed_execution_keeps_its_error() -> None:
    content = {"status": "error", "ename": "E", "evalue": "v", "traceback": ["t"], "engine": 3}
    assert POLICY.reply("execute_reply", content) == {
        "status": "error",
        "ename": "E",
        "evalue": "v",
        "traceback": ["t"],
        "user_expressions": {},
        "payload": [],
    }


def test_inspection_is_plain_text() -> None:
    content = {"status": "ok", "found": True, "data": {"text/plain": "d\x1b[2J", "text/html": "<b>"},
               "metadata": {"x": 1}}  # fmt: skip
    assert POLICY.reply("inspect_reply", content) == {
        "status": "ok",
        "found": True,
        "data": {"text/plain": "d"},
        "metadata": {},
    }


def test_completions_keep_their_types_as_strings() -> None:
    types = [
        {"start": 0, "end": 2, "text": "ab", "type": "function", "signature": "(x)", "html": "<b>"},
        3,
    ]
    content = {"status": "ok", "matches": ["ab", 3], "cursor_start": 0, "cursor_end": 2,
               "metadata": {"_jupyter_types_experimental": types, "x": 1}}  # fmt: skip
    assert POLICY.reply("complete_reply", content) == {
        "status": "ok",
        "matches": ["ab"],
        "cursor_start": 0,
        "cursor_end": 2,
        "metadata": {
            "_jupyter_types_experimental": [
                {"start": 0, "end": 2, "text": "ab", "type": "function", "signature": "(x)"}
            ]
        },
    }


def test_kernel_info_has_no_links_from_inside() -> None:
    content = {"status": "ok", "banner": "b", "help_links": [{"text": "x", "url": "javascript:x"}],
               "language_info": {"name": "python", "codemirror_mode": {"name": "ipython", "version": 3}},
               "supported_features": ["debugger"], "debugger": True, "x": 1}  # fmt: skip
    reply = POLICY.reply("kernel_info_reply", content)
    assert reply["help_links"] == []
    assert reply["language_info"]["codemirror_mode"] == {"name": "ipython", "version": 3}
    assert reply["debugger"] is True
    assert "x" not in reply


def test_rich_variables_of_the_debugger_follow_the_display_rules() -> None:
    body = {"data": {"text/html": "<img src=x onerror=pwn()>", "text/plain": "p"}, "metadata": {}}
    reply = POLICY.reply("debug_reply", {"success": True, "body": body, "command": "x"})
    assert "onerror" not in reply["body"]["data"]["text/html"]
    assert reply["success"] is True


@pytest.mark.parametrize("msg_type", ["history_reply", "is_complete_reply", "debug_reply"])
def test_other_replies_keep_their_shape(msg_type: str) -> None:
    content = {
        "status": "ok",
        "history": [[1, 2, "a\x1b[2J"], [1, 3, ["in", None]]],
        "indent": "  ",
    }
    assert POLICY.reply(msg_type, content) == {
        "status": "ok",
        "history": [[1, 2, "a"], [1, 3, ["in", None]]],
        "indent": "  ",
    }

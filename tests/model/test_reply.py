"""One reply from the events of a stream, in the dialects of several servers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.events import Usage
from codeact_kernel.agent.parse import StreamCut
from codeact_kernel.model.reply import ReplyReader


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def read(*events: dict[str, Any]) -> ReplyReader:
    reader = ReplyReader(StreamCut())
    for event in events:
        reader.feed(event)
    return reader


def test_deltas_add_up() -> None:
    reader = read(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "4"}),
        chunk({"content": "2"}, "stop"),
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
    assert (reader.text, reader.finish, reader.cut) == ("42", "stop", False)
    assert reader.usage == Usage(3, 2)


def test_the_text_ends_with_the_line_that_closes_the_first_block() -> None:
    reader = ReplyReader(StreamCut())
    shown = reader.feed(chunk({"content": "So:\n```python\nf()\n```\nIt printed 7.\n"}))
    assert shown == reader.text == "So:\n```python\nf()\n```\n"
    assert reader.cut
    assert reader.feed(chunk({"content": "More."}, "stop")) == ""
    assert reader.text == "So:\n```python\nf()\n```\n"


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60))
def test_how_a_reply_is_cut_into_deltas_makes_no_difference(sizes: list[int]) -> None:
    whole = "Grüße 🎉\n```python\nprint('世界')\n```\nIt printed"
    reader, start = ReplyReader(StreamCut()), 0
    for size in [*sizes, len(whole)]:
        reader.feed(chunk({"content": whole[start : start + size]}))
        start += size
    assert reader.text == "Grüße 🎉\n```python\nprint('世界')\n```\n"


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "Let me see."},
        {"reasoning": "Let me see."},
        {"reasoning_content": "Let me see.", "reasoning": "Let me see."},
        {"content": None, "reasoning_content": "Let me see."},
    ],
)
def test_reasoning_is_kept_apart(delta: dict[str, Any]) -> None:
    reader = read(chunk(delta), chunk({"content": "Yes."}, "stop"))
    assert (reader.reasoning, reader.text) == ("Let me see.", "Yes.")


def test_content_may_be_a_list_of_parts() -> None:
    parts = [{"type": "thinking", "thinking": []}, {"type": "text", "text": "Yes."}]
    assert read(chunk({"content": parts})).text == "Yes."


def test_a_plain_completion_is_read_too() -> None:
    message = {"role": "assistant", "content": "Yes."}
    reader = read({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (reader.text, reader.finish) == ("Yes.", "stop")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('{"code": "print(1)"}', "print(1)"),
        ('{"source": "print(1)"}', "print(1)"),
        ("print(1)", "print(1)"),
        ('"print(1)"', "print(1)"),
        ({"code": "print(1)"}, "print(1)"),
        ('{"code": "print(1', '{"code": "print(1'),
        ("{}", ""),
        ("[1]", "[1]"),
    ],
)
def test_a_tool_call_gives_code(arguments: Any, code: str) -> None:
    call = {"index": 0, "function": {"name": "python", "arguments": arguments}}
    assert read(chunk({"tool_calls": [call]})).tool_code == code


def test_a_tool_call_comes_in_pieces_and_only_the_first_counts() -> None:
    def call(index: int, name: str | None, arguments: str) -> dict[str, Any]:
        return chunk(
            {"tool_calls": [{"index": index, "function": {"name": name, "arguments": arguments}}]}
        )

    reader = read(
        call(0, "search", "{}"),
        call(1, "python", ""),
        call(1, None, '{"code": "a'),
        call(2, "python", '{"code": "second()"}'),
        call(1, None, '=1"}'),
    )
    assert reader.tool_code == "a=1"
    assert reader.tool_names == ["search", "python", "python"]


def test_no_tool_call_is_no_code() -> None:
    assert read(chunk({"content": "hi"})).tool_code is None
    assert read(chunk({"tool_calls": [{"function": {"name": "search"}}]})).tool_code is None


def test_half_characters_wait_for_their_other_half_or_are_replaced() -> None:
    reader = ReplyReader(StreamCut())
    shown = [
        reader.feed(chunk({"content": text})) for text in ("a\ud83c", "\udf89b", "\udf89", "c")
    ]
    assert shown == ["a", "🎉b", "\ufffd", "c"]
    assert reader.text.encode("utf-8") == "a🎉b\ufffdc".encode()


def test_usage_is_the_last_that_was_told() -> None:
    reader = read(
        chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}),
        chunk({"content": "b"}, usage=None),
        chunk({"content": "c"}, usage={"prompt_tokens": 5, "completion_tokens": 3}),
        chunk({"content": "d"}, usage={"prompt_tokens": None}),
    )
    assert reader.usage == Usage(5, 3)


@pytest.mark.parametrize(
    "event",
    [{}, {"choices": None}, {"choices": "x"}, {"choices": [1]}, {"choices": [{"delta": "x"}]},
     {"choices": [{"delta": {"tool_calls": [7]}}]}, {"choices": [{"delta": {"tool_calls": 7}}]}, [], 7, None],
)  # fmt: skip
def test_anything_else_is_refused(event: Any) -> None:
    with pytest.raises((ValueError, TypeError, AttributeError)):
        ReplyReader(StreamCut()).feed(event)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["choices", "delta", "message", "content", "tool_calls", "function",
                             "arguments", "name", "index", "usage", "reasoning", "text"]),
            inner, max_size=4,
        ),
        max_leaves=12,
    )
)  # fmt: skip
def test_no_json_breaks_it_in_another_way(value: Any) -> None:
    value = json.loads(json.dumps(value))
    reader = ReplyReader(StreamCut())
    try:
        reader.feed({"choices": [{"delta": value}], "usage": value})
    except (ValueError, TypeError, AttributeError):
        return
    assert isinstance(reader.text + reader.reasoning + (reader.tool_code or ""), str)

"""The wire protocol between two keys."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.environment.wire import (
    DELIMITER,
    MOST_DEPTH,
    MOST_VALUES,
    Message,
    Signer,
    WireError,
    build,
    make_header,
    pack,
    unpack,
)

OUTER, INNER = Signer(b"outer"), Signer(b"inner")

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=10,
)
contents = st.dictionaries(st.text(), json_values, max_size=5)


@given(contents, st.lists(st.binary(), max_size=3))
def test_a_relayed_message_keeps_every_byte_but_its_signature(content, buffers):  # type: ignore[no-untyped-def]
    frames = build(
        OUTER, make_header("execute_request", "s"), content, idents=[b"client"], buffers=buffers
    )
    relayed = Message.parse(frames, OUTER).to_wire(INNER)
    assert relayed[:2] == frames[:2]
    assert relayed[3:] == frames[3:]
    again = Message.parse(relayed, INNER)
    assert again.content == json.loads(pack(content))
    assert again.idents == [b"client"]
    assert again.buffers == buffers


def test_a_message_signed_with_another_key_is_refused() -> None:
    frames = build(INNER, make_header("execute_request", "s"), {})
    with pytest.raises(WireError, match="signature"):
        Message.parse(frames, OUTER)


def test_a_changed_content_is_refused() -> None:
    frames = build(OUTER, make_header("execute_request", "s"), {"code": "1"})
    frames[-1] = pack({"code": "2"})
    with pytest.raises(WireError, match="signature"):
        Message.parse(frames, OUTER)


def test_an_empty_key_switches_signing_off() -> None:
    nobody = Signer(b"")
    frames = build(nobody, make_header("execute_request", "s"), {"code": "1"})
    assert frames[1] == b""
    assert Message.parse(frames, nobody).content == {"code": "1"}


@given(st.lists(st.binary(max_size=30), max_size=9))
def test_frames_that_are_no_message_are_refused_and_never_break(frames: list[bytes]) -> None:
    with pytest.raises(WireError):
        Message.parse(frames, OUTER)


@pytest.mark.parametrize("header", [b"[]", b"{}", b'{"msg_id": 1, "msg_type": "x"}', b"\xff", b"{"])
def test_a_header_without_id_and_type_is_refused(header: bytes) -> None:
    body = [header, b"{}", b"{}", b"{}"]
    with pytest.raises(WireError):
        Message.parse([DELIMITER, OUTER.sign(body), *body], OUTER)


def test_content_nested_beyond_reason_is_refused() -> None:
    with pytest.raises(WireError):
        unpack(b'{"a":' * 100_000)


@pytest.mark.parametrize(
    "frame", [b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}', b'{"a":1e999}', b'{"a":-1e999}']
)
def test_numbers_that_json_has_no_name_for_are_refused(frame: bytes) -> None:
    with pytest.raises(WireError):
        unpack(frame)


@given(st.integers(MOST_DEPTH - 3, MOST_DEPTH + 3), st.booleans())
def test_what_is_read_can_be_written_again(depth: int, lists: bool) -> None:
    inside = b"[" * depth + b"]" * depth if lists else b'{"a":' * depth + b"1" + b"}" * depth
    frame = b'{"x":' + inside + b"}"
    if 1 + depth > MOST_DEPTH:
        with pytest.raises(WireError, match="deep"):
            unpack(frame)
    else:
        assert pack(unpack(frame)) == frame


def test_more_values_than_any_output_has_are_refused_before_they_are_made() -> None:
    with pytest.raises(WireError, match="many"):
        unpack(b'{"a":[' + b"[]," * MOST_VALUES + b"0]}")
    with pytest.raises(WireError, match="many"):
        unpack(b"{" + b'"":0,' * MOST_VALUES + b'"":0}')


@pytest.mark.parametrize("text", ["a,[b]{", '\\",', "\\", ",\\\\"])
def test_a_text_may_have_any_number_of_the_marks_of_values(text: str) -> None:
    content = {"text": text * (MOST_VALUES // len(text) + MOST_VALUES // 2)}
    assert unpack(pack(content)) == content


def test_an_endless_string_full_of_quotes_is_refused_at_once() -> None:
    with pytest.raises(WireError):
        unpack(b'{"a":"' + rb"\",[" * MOST_VALUES)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_text_are_read_as_ipykernel_sends_them(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    frame = json.dumps({"text": text}, ensure_ascii=False).encode("utf-8", "surrogateescape")
    assert unpack(frame) == {"text": text}


def test_what_front_ends_cannot_read_is_not_packed() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack({"value": float("nan")})


def test_a_lone_surrogate_does_not_stop_a_message() -> None:
    assert unpack(pack({"text": "a\ud800b"}))["text"] == "a?b"


@pytest.mark.parametrize("date", ["yesterday", 5, None, "2026-01-01T00:00:00<script>"])
def test_only_a_real_date_is_handed_on(date: object) -> None:
    frames = build(OUTER, {**make_header("x", "s"), "date": date}, {})
    assert Message.parse(frames, OUTER).date is None
    dated = build(OUTER, make_header("x", "s", "2026-01-01T00:00:00+00:00"), {})
    assert Message.parse(dated, OUTER).date == "2026-01-01T00:00:00+00:00"

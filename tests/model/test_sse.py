"""Bytes of an event stream become the data of its events, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.model.sse import EventReader


def read(*pieces: bytes) -> list[str]:
    reader = EventReader()
    return [event for piece in pieces for event in reader.feed(piece)] + reader.finish()


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\ndata: b\n\n", ["a", "b"]),
        (b"data: a\r\n\r\ndata: b\r\n\r\n", ["a", "b"]),
        (b"data:no space\n\n", ["no space"]),
        (b": keep-alive\n\ndata: a\n\n", ["a"]),
        (b"event: x\nid: 1\nretry: 5\ndata: a\n\n", ["a"]),
        (b"data: one\ndata: two\n\n", ["one\ntwo"]),
        (b"data: not ended", ["not ended"]),
        (b"\n\n\n", []),
        (b"", []),
        (b"nothing of the kind\n\n", []),
        ("data: Grüße 世界\n\n".encode(), ["Grüße 世界"]),
    ],
)
def test_streams_are_read_as_the_standard_says(stream: bytes, events: list[str]) -> None:
    assert read(stream) == events


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1)
    ),
    st.lists(st.integers(1, 40), max_size=30),
)
def test_where_the_bytes_are_cut_makes_no_difference(texts: list[str], cuts: list[int]) -> None:
    stream = "".join(f"data: {text}\n\n" for text in texts).encode()
    pieces, start = [], 0
    for length in cuts:
        pieces.append(stream[start : start + length])
        start += length
    pieces.append(stream[start:])
    assert read(*pieces) == texts


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(UnicodeDecodeError):
        read(b"data: \xff\xfe\n\n")
    with pytest.raises(UnicodeDecodeError):
        read(b"data: half a character \xe4\xb8")

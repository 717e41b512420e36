"""Plain text: colours stay, other controls go, words are never lost."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs.text import cap_text, clean_text, well_formed

_SAFE = re.compile(r"(?:[\x08\t\n\r\x20-\x7e\xa0-\ud7ff\ue000-\U0010ffff]|\x1b\[[0-9;:]*m)*")

PIECES = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        ["\x1b", "\x1b[", "\x1b]8;;", "\x1b]", "\x07", "\x1b\\", "\x9c", "\x9b", "\x9d", "m", "31",
         "\x1bP", "\x1b_", "\x1b^", "\x1bX", "\x1bc", "\x1b(B", "\x1b[31m", "\x1b[2J", "\ud800",
         "\udcff", "\x00", "\r", "\b", ";", "http://x"]
    ),
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=20).map("".join)


@given(TEXTS)
def test_only_colours_and_line_controls_remain(text: str) -> None:
    assert _SAFE.fullmatch(clean_text(text))


@given(TEXTS)
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) is once or clean_text(once) == once


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"])))
def test_text_without_controls_is_the_same_object(text: str) -> None:
    assert clean_text(text) is text


@given(st.lists(st.sampled_from(["\x1b]", "\x1bP", "\x1b[", "\x1b", "\x9d", "\x9b", "→word"])))
def test_an_unfinished_sequence_hides_no_words(pieces: list[str]) -> None:
    assert clean_text("".join(pieces)) == "→word" * pieces.count("→word")


@pytest.mark.parametrize(
    ("given_", "kept"),
    [
        ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        ("\x1b[38;2;1;2;3mrgb\x1b[m", "\x1b[38;2;1;2;3mrgb\x1b[m"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]52;c;Zm9v\x07b", "ab"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x1b[2J\x1b[H\x1b[?25lb", "ab"),
        ("a\x9b2Jb\x9d0;t\x9cc", "abc"),
        ("a\x1bcb", "ab"),
        ("10%\r20%\b\b", "10%\r20%\b\b"),
        ("\ud800x", "\ufffdx"),
    ],
)
def test_sequences(given_: str, kept: str) -> None:
    assert clean_text(given_) == kept


def test_a_sequence_split_over_two_messages_does_not_come_together() -> None:
    assert "\x1b" not in clean_text("\x1b]8;;http://x") + clean_text("\x1b\\link")
    assert "\x1b" not in clean_text("\x1b") + clean_text("]0;t\x07")


def test_long_text_is_cut_and_says_so() -> None:
    assert cap_text("x" * 30, 10) == "x" * 10 + "\n… 20 more characters not shown"
    assert cap_text("short", 10) == "short"


@given(st.text(st.characters(exclude_categories=[])))
def test_well_formed_text_can_be_encoded(text: str) -> None:
    well_formed(text).encode("utf-8")

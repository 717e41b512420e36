"""Text that fits a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.text import clip, plain, sendable, shares


def test_what_fits_is_not_touched() -> None:
    assert clip("abc", 3) == "abc"


def test_the_gap_says_how_much_is_missing_and_where_to_find_it() -> None:
    assert clip("a" * 50 + "b" * 50, 10, "see x") == (
        "aaaaa\n[... 90 characters left out; see x ...]\nbbbbb"
    )


def test_the_cut_is_moved_to_the_end_of_a_line() -> None:
    text = "\n".join(f"line {n}" for n in range(100))
    head, _, tail = clip(text, 60).partition("\n[...")
    assert head.split("\n")[-1] == "line 3"
    assert tail.split("\n")[1] == "line 97"


@given(st.text(), st.integers(0, 50))
def test_head_and_tail_are_parts_of_the_text_and_the_count_is_right(text: str, limit: int) -> None:
    clipped = clip(text, limit)
    if len(text) <= limit:
        assert clipped == text
        return
    assert len(clipped) <= limit + 60
    head, _, rest = clipped.rpartition("\n[... ")
    count, _, tail = rest.partition(" characters left out ...]\n")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert len(text) - len(head) - len(tail) - text.count("\n") <= int(count.replace(",", ""))


@given(st.lists(st.integers(0, 1_000)), st.integers(-10, 2_000))
def test_shares_never_exceed_the_total_nor_what_a_part_needs(sizes: list[int], total: int) -> None:
    given_out = shares(sizes, total)
    assert all(0 <= share <= size for share, size in zip(given_out, sizes, strict=True))
    assert sum(given_out) == min(sum(sizes), max(total, 0))


def test_small_parts_are_whole_and_large_ones_equal() -> None:
    assert shares([5, 1_000, 1_000], 105) == [5, 50, 50]


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        ("\x1b[31;1mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x1b]never ended\nnext line", "\nnext line"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("10%\r100%\r", "100%"),
        ("\x1bcreset", "creset"),
    ],
)
def test_the_terminal_is_taken_off(shown: str, left: str) -> None:
    assert plain(shown) == left


@given(st.text(st.characters(exclude_characters="\x1b\r")))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


@given(st.text(st.characters()))
def test_everything_can_be_sent(text: str) -> None:
    assert len(sendable(text + "\ud800").encode("utf-8")) >= len(text)

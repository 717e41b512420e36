"""Counting what a turn uses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.budget import (
    IMAGE_TOKENS,
    Spent,
    add_usage,
    estimate,
    exceeded,
    measured,
    message_tokens,
)
from codeact_kernel.agent.events import Image, Message, Usage


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcd", 1),
        ("abcde", 2),
        ("word " * 100, 125),
        ("漢字" * 50, 100),
        ("я" * 80, 50),
        ("🎉" * 8, 11),
    ],
)
def test_the_rule_for_estimates(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


@given(st.text(), st.text())
def test_estimates_add_up(one: str, other: str) -> None:
    assert 0 <= estimate(one) + estimate(other) - estimate(one + other) <= 1


def test_pictures_count() -> None:
    plain = message_tokens(Message("user", "x"))
    assert (
        message_tokens(Message("user", "x", (Image("image/png", "aGk="),))) == plain + IMAGE_TOKENS
    )


def test_usage_adds_up_as_far_as_it_is_known() -> None:
    assert add_usage(Usage(1, 2), Usage(3, 4)) == Usage(4, 6)
    assert add_usage(Usage(1, 2, 0.5), Usage(3, 4, estimated=True)) == Usage(
        4, 6, 0.5, estimated=True
    )


def test_what_the_endpoint_does_not_report_is_estimated() -> None:
    assert measured(Usage(), 7, "abcd") == Usage(7, 1, estimated=True)
    assert measured(Usage(1, 2), 7, "abcd") == Usage(1, 2)


@pytest.mark.parametrize(
    ("spent", "ahead", "stop"),
    [
        (Spent(usage=Usage(60, 40)), 0, None),
        (Spent(usage=Usage(60, 40)), 1, "tokens"),
        (Spent(usage=Usage(60, 41)), 0, "tokens"),
        (Spent(usage=Usage(1, 1, 0.99)), 0, None),
        (Spent(usage=Usage(1, 1, 1.0)), 0, "cost"),
        (Spent(usage=Usage(1, 1, 0.1), priced=False), 0, "cost"),
    ],
)
def test_limits(spent: Spent, ahead: int, stop: str | None) -> None:
    found = exceeded(spent, max_tokens=100, max_cost=1.0, ahead=ahead)
    assert (found and found[0]) == stop
    assert exceeded(spent, max_tokens=0, max_cost=0.0, ahead=ahead) is None

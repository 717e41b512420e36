"""How long to wait, and when to give up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.errors import EndpointUnreachable
from codeact_kernel.model.retry import Backoff, Failure, retry_after

BROKEN = EndpointUnreachable("It broke.")
NOW = datetime(2026, 11, 20, 10, 0, 0, tzinfo=UTC)


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(tries=8, first=1, longest=10)
    waits = [backoff.wait(n, Failure(BROKEN, transient=True), 0.0) for n in range(1, 9)]
    assert waits == [1, 2, 4, 8, 10, 10, 10, None]


def test_a_failure_that_would_come_again_is_not_tried_again() -> None:
    assert Backoff().wait(1, Failure(BROKEN), 0.5) is None


def test_the_endpoint_may_ask_for_more_but_not_for_ever() -> None:
    def wait(seconds: float) -> float | None:
        failure = Failure(BROKEN, transient=True, retry_after=seconds)
        return Backoff(first=1, patience=60).wait(1, failure, 0.0)

    assert wait(7) == 8
    assert wait(60) == 61
    assert wait(61) is None


@given(st.integers(1, 20), st.floats(0, 1), st.none() | st.floats(0, 1e6))
def test_all_waits_together_are_bounded(tries: int, chance: float, after: float | None) -> None:
    backoff = Backoff(tries=tries)
    failure = Failure(BROKEN, transient=True, retry_after=after)
    waits = [backoff.wait(n, failure, chance) for n in range(1, tries + 2)]
    assert waits[tries - 1 :] == [None, None]
    assert all(0 < w <= backoff.longest + backoff.patience for w in waits if w is not None)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-4"}, 0.0),
        ({"retry-after": "Fri, 20 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "Fri, 20 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers, NOW) == seconds

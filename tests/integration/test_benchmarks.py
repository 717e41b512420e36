"""Every row of the benchmarks is really measured, in tiny sizes; nothing here looks at the time."""

from __future__ import annotations

import math

import pytest

from benchmarks import experiments
from benchmarks.lab import TINY, laboratory
from benchmarks.measure import measure
from benchmarks.registry import EXPERIMENTS

NOT_TIMED = {"tokens", "memory"}
"""Experiments whose bars hold on any machine, however busy."""


def test_the_issue_is_covered() -> None:
    assert experiments.__doc__
    assert list(EXPERIMENTS) == [
        "pass",
        "start",
        "turn",
        "tokens",
        "memory",
        "lines",
        "flood",
        "interrupt",
    ]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_each_row_is_measured(name: str) -> None:
    with laboratory(TINY) as lab:
        results = measure(EXPERIMENTS[name], lab, 1, lambda _: None)
        assert not list(lab.workspace.iterdir())
    assert [result.row for result in results] == list(EXPERIMENTS[name].rows)
    for result in results:
        figures = [result.ours.median, *([result.theirs.median] if result.theirs else [])]
        assert all(math.isfinite(figure) and figure >= 0 for figure in figures)
        if name in NOT_TIMED:
            assert result.verdict != "over", result

"""Takes samples of the sides in turn, and sums them up."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from .lab import Lab
from .registry import Experiment, Row

Series = dict[str, list[float]]
"""Samples by ``side.value``."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Median, least and most of a series."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Result:
    """A row with its figures; ``ratio`` is that of the medians."""

    row: Row
    rounds: int
    ours: Summary
    theirs: Summary | None

    @property
    def ratio(self) -> float | None:
        return self.ours.median / self.theirs.median if self.theirs else None

    @property
    def verdict(self) -> Literal["ok", "over", ""]:
        """Whether the row keeps its bar; empty if it has none."""
        if self.row.bar is None:
            return ""
        figure = self.ours.median if self.ratio is None else self.ratio
        return "ok" if figure <= self.row.bar else "over"


def measure(
    experiment: Experiment, lab: Lab, rounds: int, progress: Callable[[str], None]
) -> list[Result]:
    """Sample every side ``rounds`` times, A B A B, so that a slow minute of the machine hits all.

    ``progress`` is told what runs now.
    """
    series: Series = defaultdict(list)
    with experiment.open(lab) as sides:
        for number in range(1, rounds + 1):
            for side, sample in sides.items():
                progress(f"{experiment.name}: {side}, {number} of {rounds}")
                for name, value in sample().items():
                    series[f"{side}.{name}"].append(value)
    return [_result(row, series) for row in experiment.rows]


def _result(row: Row, series: Series) -> Result:
    theirs = Summary.of(series[row.theirs]) if row.theirs else None
    return Result(row, len(series[row.ours]), Summary.of(series[row.ours]), theirs)

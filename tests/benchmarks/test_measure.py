"""How samples are taken and judged; the figures here are made up."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks import report
from benchmarks.lab import TINY, Lab
from benchmarks.measure import Result, Summary, measure
from benchmarks.registry import EXPERIMENTS, Experiment, Row, Sides, experiment

LAB = Lab(Path("/nowhere"), {}, "none", TINY)


@pytest.fixture(autouse=True)
def no_new_experiments() -> Iterator[None]:
    before = dict(EXPERIMENTS)
    yield
    EXPERIMENTS.clear()
    EXPERIMENTS.update(before)


def made_up(*rows: Row, taken: list[str], **values: list[float]) -> Experiment:
    """Sides ``a`` and ``b`` that say in ``taken`` when they are sampled."""

    @experiment("made up", *rows, rounds=3)
    def sides(lab: Lab) -> Iterator[Sides]:
        assert lab is LAB

        def sample(side: str) -> Mapping[str, float]:
            taken.append(side)
            return {"x": values[side][taken.count(side) - 1]}

        yield {"a": lambda: sample("a"), "b": lambda: sample("b")}

    return sides


def test_the_sides_take_turns() -> None:
    taken: list[str] = []
    told: list[str] = []
    found = made_up(Row("r", "ms", "a.x"), taken=taken, a=[1, 2, 3], b=[1, 2, 3])
    measure(found, LAB, 3, told.append)
    assert taken == ["a", "b", "a", "b", "a", "b"]
    assert told[-1] == "made up: b, 3 of 3"


def test_a_row_compares_medians_and_keeps_the_extremes() -> None:
    row = Row("r", "ms", "a.x", "b.x", bar=1.5)
    found = made_up(row, taken=[], a=[2, 9, 4], b=[4, 1, 2])
    [result] = measure(found, LAB, 3, lambda _: None)
    assert result == Result(row, 3, Summary(4, 2, 9), Summary(2, 1, 4))
    assert result.ratio == 2
    assert result.verdict == "over"


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (Row("a ratio at its bar", "ms", "a.x", "b.x", bar=2), "ok"),
        (Row("a figure at its bar", "MB", "a.x", bar=4), "ok"),
        (Row("a figure above it", "MB", "a.x", bar=3.9), "over"),
        (Row("a row that only informs", "MB", "a.x", "b.x"), ""),
    ],
    ids=lambda value: value.title if isinstance(value, Row) else "",
)
def test_a_verdict_is_of_the_ratio_or_of_the_figure(row: Row, verdict: str) -> None:
    [result] = measure(made_up(row, taken=[], a=[4], b=[2]), LAB, 1, lambda _: None)
    assert result.verdict == verdict


def test_the_report_says_everything_three_times() -> None:
    rows = Row("r", "ms", "a.x", "b.x", bar=2), Row("s", "MB", "a.x", bar=60)
    results = measure(made_up(*rows, taken=[], a=[4, 5], b=[2, 2]), LAB, 2, lambda _: None)
    assert report.markdown(results).splitlines()[2:] == [
        "| r | 4.50 ms (4.00 to 5.00) | 2.00 ms | 2.25 | ≤ 2 | over | 2 |",
        "| s | 4.50 MB (4.00 to 5.00) |  |  | ≤ 60 MB | ok | 2 |",
    ]
    assert report.table(results).row_count == 2
    read: dict[str, Any] = json.loads(report.as_json(results, LAB))
    assert [result["verdict"] for result in read["results"]] == ["over", "ok"]
    assert read["results"][0]["ours"] == {"median": 4.5, "least": 4, "most": 5}

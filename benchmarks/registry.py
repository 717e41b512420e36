"""What is measured: experiments, and the rows of the table that they fill."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Literal

from .lab import Lab

Unit = Literal["ms", "s", "MB", "tokens", "%"]

Sides = Mapping[str, Callable[[], Mapping[str, float]]]
"""What is compared, by name: each call takes one sample and returns its values by name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    ``ours`` and ``theirs`` name series of values as ``side.value``, such as
    ``codeact.reply``.  ``bar`` is the most that their ratio may be, or the most
    that ours may be when there is nothing to compare with; None: a row that
    informs and judges nothing.
    """

    title: str
    unit: Unit
    ours: str
    theirs: str | None = None
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Experiment:
    """Some rows that are measured together.

    ``open`` makes ready what is needed and gives the sides; ``rounds`` is how
    often each side is sampled when nobody says.
    """

    name: str
    rows: tuple[Row, ...]
    rounds: int
    open: Callable[[Lab], AbstractContextManager[Sides]]


EXPERIMENTS: dict[str, Experiment] = {}
"""All there are, by name, in the order of the table."""


def experiment(
    name: str, *rows: Row, rounds: int
) -> Callable[[Callable[[Lab], Iterator[Sides]]], Experiment]:
    """Register a generator function (which yields its sides once) under ``name``."""

    def register(function: Callable[[Lab], Iterator[Sides]]) -> Experiment:
        EXPERIMENTS[name] = found = Experiment(name, rows, rounds, contextmanager(function))
        return found

    return register

"""The results as a table for a terminal, as Markdown and as JSON."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict

from rich.table import Table

from .lab import Lab
from .measure import Result, Summary

HEADINGS = ("", "codeact", "beside", "ratio", "bar", "", "rounds")


def machine(lab: Lab) -> str:
    """What it was measured on, without saying whose it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = ", ".join(
        f"{name} {importlib.metadata.version(name)}"
        for name in ("ipykernel", "jupyter_client", "pyzmq", "openai")
    )
    return (
        f"{len(os.sched_getaffinity(0))} cores, {memory:.0f} GB, Linux {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, sandbox {lab.sandbox}, {packages}"
    )


def cells(result: Result) -> tuple[str, ...]:
    """One line of the table; figures are medians, with the least and the most."""
    row = result.row
    bar = "" if row.bar is None else f"≤ {row.bar:g}"
    if row.bar is not None and result.ratio is None and row.unit != "%":
        bar += f" {row.unit}"
    return (
        row.title,
        _figure(result.ours, row.unit),
        _figure(result.theirs, row.unit) if result.theirs else "",
        f"{result.ratio:.2f}" if result.ratio is not None else "",
        bar,
        result.verdict,
        str(result.rounds),
    )


def _figure(summary: Summary, unit: str) -> str:
    def show(value: float) -> str:
        return f"{value:.0f}" if unit in ("tokens", "%") or value >= 100 else f"{value:.2f}"

    spread = summary.least != summary.most
    between = f" ({show(summary.least)} to {show(summary.most)})" if spread else ""
    return f"{show(summary.median)} {unit}{between}"


def table(results: Sequence[Result]) -> Table:
    """For a terminal."""
    shown = Table(*HEADINGS)
    for result in results:
        style = {"over": "red", "ok": "green", "": ""}[result.verdict]
        *start, verdict, rounds = cells(result)
        shown.add_row(*start, f"[{style}]{verdict}[/]" if style else verdict, rounds)
    return shown


def markdown(results: Sequence[Result]) -> str:
    """For ``benchmarks/README.md``."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(cells, results)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_json(results: Sequence[Result], lab: Lab) -> str:
    """Everything, for other programs."""
    found = [
        {**asdict(result), "ratio": result.ratio, "verdict": result.verdict} for result in results
    ]
    return json.dumps({"machine": machine(lab), "results": found}, indent=1)

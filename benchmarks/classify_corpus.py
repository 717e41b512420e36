"""How often is a cell taken for what it is not?  Measured on text that you bring.

    python benchmarks/classify_corpus.py --notebooks DIR --prompts DIR [--show 20]

``--notebooks``: any folder; every ``*.ipynb`` below it is read.  Its Python code
cells are split by IPython's own transformer and ``ast.parse``, a judge that the
classifier does not use, into *valid* cells and *broken* ones (typing errors,
Python 2, shell lines, prose in a code cell, ...), each text counted once.

``--prompts``: a folder with one folder per language, each with ``*.txt`` files (a
prompt a line) or ``*.jsonl`` files (objects with a ``text``), each text counted once.

Prints counts, rates with their 95 % intervals (Wilson), the time per cell, and
whether the bars hold: no valid cell taken for a prompt, at most 2 % of the broken
ones, at least 97 % of the prompts recognised and 95 % in every language.  Exits 1
when one does not.  To compare with published figures, keep the repositories on
which patterns were tuned apart from those that are measured.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import statistics
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from IPython.core.inputtransformer2 import TransformerManager

from codeact_kernel.kernel.classify import Kind, classify

MOST_BROKEN = 0.02
LEAST_PROMPTS = 0.97
LEAST_PER_LANGUAGE = 0.95

_PYTHON_2 = re.compile(
    r"^\s*(?:print\s+[^\s(=,.)]|print\s*$|print\s+\(.*\)\s*[,%]|exec\s+[\"'\w]|raise\s+\w+\s*,)"
    r"|^\s*except\s+[\w.() ]+,\s*\w+\s*:|\b0\d+\b|<>",
    re.MULTILINE,
)


@dataclass
class Group:
    """Texts of one sort, what they should be taken for, and which were not."""

    name: str
    expected: Kind
    total: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Classify ``text`` and keep score."""
        start = time.perf_counter()
        kind = classify(text)
        self.seconds.append(time.perf_counter() - start)
        self.total += 1
        if kind != self.expected:
            self.wrong.append(text)

    @property
    def error(self) -> float:
        """The share taken for the other kind."""
        return len(self.wrong) / self.total if self.total else 0.0

    def line(self) -> str:
        """One row of the report."""
        low, high = wilson(len(self.wrong), self.total)
        return (
            f"{self.name:28}{self.total:8}{len(self.wrong):8}{100 * self.error:8.2f} %"
            f"   {100 * low:.2f} - {100 * high:.2f} %"
        )


def wilson(hits: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """The Wilson score interval for ``hits`` in ``total``; 1.96 gives 95 %."""
    if not total:
        return 0.0, 1.0
    share, square = hits / total, z * z
    middle = share + square / (2 * total)
    spread = z * ((share * (1 - share) + square / (4 * total)) / total) ** 0.5
    scale = 1 + square / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def code_cells(notebook: Path) -> Iterator[str]:
    """The non-empty code cells of a Python notebook of any format version; none if it is not one."""
    try:
        book = json.loads(notebook.read_bytes())
        metadata = book.get("metadata") or {}
        language = (metadata.get("kernelspec") or {}).get("language") or (
            metadata.get("language_info") or {}
        ).get("name", "python")
        cells = book.get("cells") or [c for w in book.get("worksheets", []) for c in w["cells"]]
    except (ValueError, AttributeError, KeyError, TypeError):
        return
    for cell in cells if "python" in str(language).lower() else ():
        source = "".join(cell.get("source") or cell.get("input") or "")
        if cell.get("cell_type") == "code" and source.strip():
            yield source


def is_valid(source: str) -> bool:
    """True when IPython would run ``source``."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(TransformerManager().transform_cell(source))  # type: ignore[no-untyped-call]
    except (SyntaxError, ValueError, RuntimeError, MemoryError):
        return False
    return True


def prompt_texts(file: Path) -> Iterator[str]:
    """The prompts of a ``.txt`` or ``.jsonl`` file."""
    for line in file.read_text(encoding="utf-8").splitlines():
        text = str(json.loads(line)["text"]) if file.suffix == ".jsonl" else line
        if text.strip():
            yield text


def measure_cells(folder: Path) -> list[Group]:
    """Valid and broken cells below ``folder``."""
    valid = Group("valid cells", "code")
    python_2 = Group("broken cells: Python 2", "code")
    other = Group("broken cells: other", "code")
    texts = {cell for book in sorted(folder.rglob("*.ipynb")) for cell in code_cells(book)}
    for text in sorted(texts):
        if is_valid(text):
            valid.add(text)
        else:
            (python_2 if _PYTHON_2.search(text) else other).add(text)
    return [valid, python_2, other]


def measure_prompts(folder: Path) -> list[Group]:
    """One group for each language folder in ``folder``."""
    groups = []
    for language in sorted(path for path in folder.iterdir() if path.is_dir()):
        group = Group(f"prompts: {language.name}", "prompt")
        files = sorted(f for f in language.iterdir() if f.suffix in {".txt", ".jsonl"})
        for text in sorted({text for file in files for text in prompt_texts(file)}):
            group.add(text)
        groups.append(group)
    return groups


def union(name: str, groups: Iterable[Group]) -> Group:
    """All of ``groups`` in one."""
    whole = Group(name, "code")
    for group in groups:
        whole.total += group.total
        whole.wrong += group.wrong
        whole.seconds += group.seconds
    return whole


def broken_bars(cells: list[Group], prompts: list[Group]) -> list[str]:
    """The bars that do not hold, in words."""
    missed = []
    if cells:
        valid, *broken = cells
        if valid.wrong:
            missed.append(f"{len(valid.wrong)} valid cells were taken for prompts")
        if union("", broken).error > MOST_BROKEN:
            missed.append("more than 2 % of the broken cells were taken for prompts")
    if prompts and union("", prompts).error > 1 - LEAST_PROMPTS:
        missed.append("fewer than 97 % of the prompts were recognised")
    missed += [
        f"fewer than 95 % in {group.name}"
        for group in prompts
        if group.error > 1 - LEAST_PER_LANGUAGE
    ]
    return missed


def main() -> int:
    """Measure, print, and say with the exit code whether the bars hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--notebooks", type=Path, help="folder with *.ipynb files, at any depth")
    parser.add_argument("--prompts", type=Path, help="folder with a folder per language")
    parser.add_argument("--show", type=int, default=0, help="print so many mistakes per group")
    options = parser.parse_args()
    if not (options.notebooks or options.prompts):
        parser.error("nothing to measure: give --notebooks, --prompts or both")
    for folder in filter(None, (options.notebooks, options.prompts)):
        if not folder.is_dir():
            parser.error(f"{folder} is not a folder")
    classify("compile the patterns")
    cells = measure_cells(options.notebooks) if options.notebooks else []
    prompts = measure_prompts(options.prompts) if options.prompts else []
    if not any(group.total for group in [*cells, *prompts]):
        parser.error("no Python notebook and no prompt was found there")
    rows = [*cells, union("broken cells: all", cells[1:]), *prompts, union("prompts: all", prompts)]
    print(f"{'':28}{'texts':>8}{'wrong':>8}{'share':>10}   95 % interval")
    for group in rows:
        if group.total:
            print(group.line())
            for text in group.wrong[: 0 if group.name.endswith(": all") else options.show]:
                print("    ", repr(text[:200]))
    seconds = sorted(union("", [*cells, *prompts]).seconds)
    print(
        f"time per text: median {1e6 * statistics.median(seconds):.0f} µs, "
        f"99 % below {1e6 * seconds[int(0.99 * len(seconds))]:.0f} µs"
    )
    missed = broken_bars(cells, prompts)
    print("bars: " + ("; ".join(missed) if missed else "all hold"))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

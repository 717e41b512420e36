"""Is this a cell that IPython could run?  Answered without IPython, for the core is pure.

The check knows the escapes that models write (``%magic``, ``!command``,
``name?``, ``x = !command``, cell magics).  It may refuse what IPython accepts
(``>>>`` prompts, auto-call); the model is then told and writes plain Python.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass

from .lexer import quote_after

_CELL_MAGIC = re.compile(r"\s*%%(\w+)[^\n]*(?:\n|$)")
_PYTHON_CELL_MAGICS = frozenset({"time", "timeit", "capture", "prun", "debug"})
_ESCAPE = re.compile(
    r"(?P<indent>\s*)(?!\s)(?:"
    r"!\S.*"
    r"|%{1,2}[A-Za-z_].*"
    r"|\?{1,2}\s*[%\w.*]+\s*"
    r"|%{0,2}[\w.*\[\]]+\?{1,2}\s*"
    r")$",
    re.DOTALL,
)
_ASSIGNED = re.compile(
    r"(?P<indent>\s*)(?!\s)[\w., \[\]'\"*]+=\s*(?:!|%)[A-Za-z_./~$\"'].*$", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class SyntaxProblem:
    """Where and why code cannot be parsed.  ``line`` and ``column`` count from 1."""

    message: str
    line: int | None = None
    column: int | None = None
    text: str = ""

    def __str__(self) -> str:
        """Line, caret and message, as Python shows them."""
        if self.line is None:
            return self.message
        shown = f"line {self.line}: {self.message}"
        source = self.text.rstrip()
        if not source.strip():
            return shown
        indent = len(source) - len(source.lstrip())
        column = max((self.column or 1) - 1 - indent, 0)
        return f"{shown}\n    {source.strip()}\n    {' ' * column}^"


def cell_magic(code: str) -> str | None:
    """Name of the cell magic that ``code`` begins with, if its body is not Python; else None."""
    match = _CELL_MAGIC.match(code)
    if match is None or match[1] in _PYTHON_CELL_MAGICS:
        return None
    return match[1]


def syntax_problem(code: str) -> SyntaxProblem | None:
    """None when ``code`` is Python or IPython; else what is wrong.  Never raises."""
    try:
        code.encode("utf-8")
    except UnicodeEncodeError as error:
        line = code.count("\n", 0, error.start) + 1
        return SyntaxProblem("the code contains half a character (a lone surrogate)", line)
    if cell_magic(code) is not None:
        return None
    source = _without_indent(code)
    problem = _parse(source)
    if problem is None:
        return None
    translated = _translate(source)
    if translated != source:
        problem = _parse(translated)
    if problem is None or problem.line is None:
        return problem
    lines = source.split("\n")
    text = lines[problem.line - 1] if problem.line <= len(lines) else ""
    return SyntaxProblem(problem.message, problem.line, problem.column, text)


def _parse(source: str) -> SyntaxProblem | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ast.parse(source)
        except SyntaxError as error:
            return SyntaxProblem(f"{type(error).__name__}: {error.msg}", error.lineno, error.offset)
        except (ValueError, RecursionError, MemoryError, OverflowError) as error:
            return SyntaxProblem(f"{type(error).__name__}: {str(error) or 'nested too deeply'}")
    return None


def _without_indent(code: str) -> str:
    """As IPython's ``leading_indent``: the first line's indent is taken off every line."""
    stripped = code.lstrip("\n")
    indent = stripped[: len(stripped) - len(stripped.lstrip(" \t"))]
    if not indent:
        return code
    return "\n".join(line.removeprefix(indent) for line in code.split("\n"))


def _translate(source: str) -> str:
    """Put a statement of the same indent in place of each escape; lines keep their numbers."""
    match = _CELL_MAGIC.match(source)
    if match:
        source = "pass\n" * match[0].count("\n") + source[match.end() :]
    out: list[str] = []
    quote, continued = "", False
    for line in source.split("\n"):
        escape = None if quote else _ESCAPE.match(line) or _ASSIGNED.match(line)
        if continued:
            out.append("")
            continued = line.endswith("\\")
        elif escape:
            out.append(f"{escape['indent']}pass")
            continued = line.endswith("\\")
        else:
            out.append(line)
            quote = quote_after(line + "\n", quote)
    return "\n".join(out)

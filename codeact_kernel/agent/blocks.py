"""Find the first block of code in a reply, line by line.

One reader serves the whole reply (``parse``) and the stream (``StreamCut``),
so that both see the same block.  It knows Markdown fences and the
``<execute>`` tag, and that a closing fence inside a string, a here-document or
a nested example closes nothing.  Each line costs its own length, once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal, Protocol

from .lexer import quote_after
from .syntax import cell_magic, syntax_problem

Kind = Literal["python", "bash", "untagged", "other"]

_PYTHON_TAGS = frozenset({"python", "py", "python3", "ipython", "ipython3", "tool_code"})
_BASH_TAGS = frozenset({"bash", "sh", "shell"})

_FENCE = re.compile(r"([ \t]*)(`{3,}(?=[^`]*$)|~{3,})(.*)$", re.DOTALL)
_TAG_NAME = re.compile(r"[\s{.]*([\w+#-]*)")
_EXECUTE = re.compile(r"\s*<execute>|.*<execute>(?=\s*$)", re.DOTALL)
_EXECUTE_END = "</execute>"
_HERE_DOCUMENT = re.compile(r"(?<!<)<<-?\s*(['\"]?)([A-Za-z_]\w*)\1")
_SHELL_MAGICS = frozenset({"bash", "sh", "script"})


@dataclass(frozen=True, slots=True)
class Fence:
    """A line that is a Markdown fence; ``info`` is what follows it."""

    indent: int
    marks: str
    info: str

    def closes(self, other: Fence) -> bool:
        """Whether this line can end the block that ``other`` opened (CommonMark §4.5)."""
        return (
            not self.info
            and self.marks[0] == other.marks[0]
            and len(self.marks) >= len(other.marks)
        )


def fence_of(line: str) -> Fence | None:
    """The fence that ``line`` is, or None.  Any indent will do: models fence inside lists."""
    match = _FENCE.match(line)
    if match is None:
        return None
    return Fence(len(match[1].expandtabs(4)), match[2], match[3].strip())


def _kind(info: str) -> Kind:
    match = _TAG_NAME.match(info)
    name = match[1].lower() if match else ""
    if not info:
        return "untagged"
    if name in _PYTHON_TAGS:
        return "python"
    return "bash" if name in _BASH_TAGS else "other"


# --- what keeps a closing fence from closing -----------------------------------


class _Guard(Protocol):
    """Says whether the next line still belongs to something that was opened inside the block."""

    @property
    def inside(self) -> bool: ...

    def feed(self, text: str) -> None: ...


class _PythonStrings:
    """Inside a string that goes over several lines."""

    def __init__(self) -> None:
        self._quote = ""

    @property
    def inside(self) -> bool:
        return bool(self._quote)

    def feed(self, text: str) -> None:
        self._quote = quote_after(text, self._quote)


class _HereDocuments:
    """Inside a shell's here-document."""

    def __init__(self) -> None:
        self._ends: list[str] = []

    @property
    def inside(self) -> bool:
        return bool(self._ends)

    def feed(self, text: str) -> None:
        if self._ends:
            if text.strip() == self._ends[0]:
                del self._ends[0]
        else:
            self._ends = [match[2] for match in _HERE_DOCUMENT.finditer(text)]


class _NestedFences:
    """Inside a fence with an info string, within a document that is shown or written."""

    def __init__(self) -> None:
        self._open: list[Fence] = []

    @property
    def inside(self) -> bool:
        return bool(self._open)

    def feed(self, text: str) -> None:
        fence = fence_of(text)
        if fence is None:
            return
        if self._open and fence.closes(self._open[-1]):
            self._open.pop()
        elif fence.info:
            self._open.append(fence)


def _guard(kind: Kind, first: str) -> _Guard:
    magic = cell_magic(first) if kind == "python" else None
    if kind == "bash" or magic in _SHELL_MAGICS:
        return _HereDocuments()
    return _NestedFences() if magic or kind in ("untagged", "other") else _PythonStrings()


# --- blocks ---------------------------------------------------------------------


@dataclass(slots=True)
class Block:
    """One block while it is read.  ``fence`` is None for ``<execute>``.

    ``end`` is the offset in the reply just after the block.  ``doubtful`` marks
    the first closing fence that the guard held back: number of lines, the rest
    of the last line, offset.
    """

    kind: Kind
    fence: Fence | None
    lines: list[str] = field(default_factory=list)
    closed: bool = False
    end: int = 0
    doubtful: tuple[int, str, int] | None = None
    _held: _Guard | None = None

    @property
    def code(self) -> str:
        """The text between the fences, without the fence's own indent."""
        return "\n".join(self.lines)

    def feed(self, line: str, end: int) -> None:
        """Take the next line, whose text ends at offset ``end`` of the reply."""
        if self._held is None and line.strip():
            self._held = _guard(self.kind, line.strip())
        if self.fence is None:
            self._feed_execute(line, end)
        else:
            self._feed_fenced(line, end, self.fence)

    def _feed_fenced(self, line: str, end: int, opened: Fence) -> None:
        fence = fence_of(line)
        if fence is not None and fence.closes(opened):
            if self._held is None or not self._held.inside:
                self._close(end)
                return
            self.doubtful = self.doubtful or (len(self.lines), "", end)
        if self._held is not None:
            self._held.feed(line + "\n")
        self.lines.append(_unindent(line, opened.indent))

    def _feed_execute(self, line: str, end: int) -> None:
        start = 0
        while (found := line.find(_EXECUTE_END, start)) >= 0:
            after = found + len(_EXECUTE_END)
            stop = end - len(line) + after
            if self._held is not None:
                self._held.feed(line[start:found])
            if self._held is None or not self._held.inside:
                self.lines.append(line[:found])
                self._close(stop)
                return
            self.doubtful = self.doubtful or (len(self.lines), line[:found], stop)
            start = after
        if self._held is not None:
            self._held.feed(line[start:] + "\n")
        self.lines.append(line)

    def _close(self, end: int) -> None:
        """The block is complete.  If the guard was misled, the shorter text is the one that parses."""
        self.closed, self.end = True, end
        if self.doubtful and self.kind == "python" and syntax_problem(self.code):
            longer = self.lines, self.end
            self.close_early()
            if syntax_problem(self.code):
                self.lines, self.end = longer

    def close_early(self) -> None:
        """End the block where it might have ended first; only with ``doubtful``."""
        if self.doubtful is None:
            return
        count, rest, self.end = self.doubtful
        self.lines = [*self.lines[:count], rest] if rest else self.lines[:count]
        self.closed = True


def _unindent(line: str, width: int) -> str:
    taken = 0
    while taken < min(width, len(line)) and line[taken] in " \t":
        taken += 1
    return line[taken:]


class BlockReader:
    """Reads a reply's lines in order; ``found`` is the first closed block that is marked as code.

    ``blocks`` are all fenced blocks up to then, ``visible`` the offset where
    a leading ``<think>…</think>`` ends: drafts in it are never run.
    """

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.found: Block | None = None
        self.visible = 0
        self._state: Literal["start", "thinking", "text"] = "start"
        self._open: Block | None = None

    @property
    def thinking(self) -> bool:
        """Whether a leading ``<think>`` is still open."""
        return self._state == "thinking"

    @property
    def open(self) -> Block | None:
        """The block that is still open."""
        return self._open

    def line(self, line: str, end: int) -> None:
        """Take one line without its newline; ``end`` is the offset of the line's end."""
        if line.endswith("\r"):
            line, end = line[:-1], end - 1
        if self._state == "start" and line.strip():
            self._state = "thinking" if line.lstrip().startswith("<think>") else "text"
        if self.thinking:
            _, closed, line = line.partition("</think>")
            if not closed:
                return
            self._state, self.visible = "text", end - len(line)
        if self._open is None:
            self._open = self._opened(line, end)
        else:
            self._open.feed(line, end)
        block = self._open
        if block is not None and block.closed:
            self._open = None
            if block.kind in ("python", "bash") and block.code.strip():
                self.found = self.found or block

    def _opened(self, line: str, end: int) -> Block | None:
        fence = fence_of(line)
        if fence is not None:
            block = Block(_kind(fence.info), fence)
        elif tag := _EXECUTE.match(line):
            block = Block("python", None)
            rest = line[tag.end() :]
            if rest.strip():
                block.feed(rest.lstrip(" \t"), end)
        else:
            return None
        self.blocks.append(block)
        return block

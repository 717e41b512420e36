"""What a model's reply means: code to run, an answer, that it cannot, or nothing usable.

Only what the model marked as code is ever run: a ``python`` or shell fence, an
``<execute>`` tag, a native tool call.

An *untagged* fence is Markdown's mark for code, but not for Python: models
also put printed results and file names into one.  It is run only when it is
the one block of the reply, ends it, parses as plain Python and does something
(assigns, imports, defines, loops, prints); ``455.0``, ``df`` or a table is
part of an answer.  Anything else in an untagged fence is never run.
"""

from __future__ import annotations

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Literal

from .blocks import Block, BlockReader, fence_of
from .events import Language
from .syntax import cell_magic, syntax_problem

_UNABLE = re.compile(r"[\s*_`]*UNABLE:[*_`]*\s*")
_PRINTERS = frozenset({"print", "display"})


@dataclass(frozen=True, slots=True)
class Code:
    """A step: ``code`` is what runs (a shell block has become a ``%%bash`` cell).

    ``said`` is the reply up to the end of the block: what the model is shown
    as its own words, so that nothing it invented after them stays.
    """

    code: str
    language: Language
    said: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The reply is the answer, in Markdown."""

    markdown: str


@dataclass(frozen=True, slots=True)
class Unable:
    """The model says that it cannot do what was asked."""

    reason: str


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing can be made of the reply; ``reason`` is told to the model."""

    reason: str


Reply = Code | Answer | Unable | Broken

CUT_OFF = (
    "Your reply was cut off by the token limit, so nothing ran. Reply again, shorter:"
    " one small code block, or a brief answer."
)
NOTHING = "Your reply was empty. Write one ```python block, or the answer."
UNCLOSED = (
    "Your code block was not closed, so nothing ran. End it with a closing fence;"
    " around code that itself contains ``` use a longer fence (````)."
)


def parse_reply(
    text: str, tool_code: str | None = None, finish: Literal["stop", "cut", "length"] = "stop"
) -> Reply:
    """Read a reply.  Never raises.

    ``tool_code`` is the code of a native tool call; it comes before the text.
    A reply that ended at the token limit (``length``) is never run.  The first
    closed block counts; an unclosed one only if the model ended by itself and
    the block parses.
    """
    if finish == "length":
        return Broken(CUT_OFF)
    reader = BlockReader()
    offset = 0
    for line in text.split("\n"):
        offset += len(line)
        reader.line(line, offset)
        if reader.found:
            break
        offset += 1
    visible = "" if reader.thinking else text[reader.visible :]
    if tool_code is not None and tool_code.strip():
        code = _unwrapped(_newlines(tool_code))
        return _step(code, "python", f"{visible.strip()}\n\n```python\n{code}\n```".strip())
    unable = _UNABLE.match(visible)
    if unable:
        return Unable(visible[unable.end() :].strip())
    return _from_blocks(reader, text, visible)


def _from_blocks(reader: BlockReader, text: str, visible: str) -> Reply:
    block = reader.found or _ended_early(reader.open)
    if block is not None:
        return _of_block(block, text[reader.visible : block.end])
    rest = reader.open
    if rest is not None and rest.kind in ("python", "bash") and rest.code.strip():
        if rest.doubtful is None and _complete(rest):
            return _of_block(rest, visible)
        return Broken(UNCLOSED)
    if len(reader.blocks) == 1 and _acts(reader.blocks[0], text):
        return _of_block(reader.blocks[0], visible)
    if not visible.strip() or _only_empty_code(reader.blocks):
        return Broken(NOTHING)
    return Answer(visible.strip())


def _of_block(block: Block, said: str) -> Code:
    language: Language = "bash" if block.kind == "bash" else "python"
    code = _newlines(block.code)
    return _step(_unwrapped(code) if block.fence is None else code, language, said.strip())


def _step(code: str, language: Language, said: str) -> Code:
    code = code.strip("\n").rstrip()
    if language == "bash":
        return Code(f"%%bash\n{code}", "bash", said)
    return Code(code, "bash" if cell_magic(code) == "bash" else "python", said)


def _ended_early(block: Block | None) -> Block | None:
    """A Python block whose string never ends: it ends at its first fence, with that error."""
    if block is None or block.doubtful is None or block.kind != "python":
        return None
    if cell_magic(block.code.lstrip("\n")) is not None:
        return None
    block.close_early()
    return block


def _complete(block: Block) -> bool:
    """Whether an unclosed block can be trusted to be whole: only Python can be checked."""
    if block.kind != "python" or cell_magic(block.code.lstrip("\n")) is not None:
        return False
    return syntax_problem(block.code) is None


def _acts(block: Block, text: str) -> bool:
    """Whether an untagged block is meant as a step (see the module's docstring)."""
    if block.kind != "untagged" or not block.closed or text[block.end :].strip():
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            body = ast.parse(block.code).body
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return False
    return any(_does_something(statement) for statement in body)


def _does_something(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    if isinstance(statement, ast.Expr):
        call = statement.value
        return (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id in _PRINTERS
        )
    return True


def _only_empty_code(blocks: list[Block]) -> bool:
    return bool(blocks) and all(
        block.kind in ("python", "bash") and not block.code.strip() for block in blocks
    )


def _unwrapped(code: str) -> str:
    """Without the fence that some models put around code inside a tag or a tool call."""
    lines = code.strip().split("\n")
    first, last = fence_of(lines[0]), fence_of(lines[-1])
    if len(lines) > 2 and first and last and last.closes(first):
        return "\n".join(lines[1:-1])
    return code


def _newlines(code: str) -> str:
    return code.replace("\r\n", "\n").replace("\r", "\n")


class StreamCut:
    """Tells a streaming client when to stop: the first closed code block is complete.

    A block is complete with the newline after its closing fence, for until then
    the line could go on.  Cutting there and parsing what was received gives the
    same code as parsing the whole reply.  Linear in the text, however it is
    chunked.  Untagged fences never cut: whether they are code depends on the
    rest of the reply.
    """

    def __init__(self) -> None:
        self._reader = BlockReader()
        self._line: list[str] = []

    def feed(self, delta: str) -> bool:
        """Take the next piece of text; True once the stream can be cut, and from then on."""
        *ended, rest = delta.split("\n")
        for piece in ended:
            if self._reader.found is None:
                self._reader.line("".join((*self._line, piece)), 0)
            self._line.clear()
        self._line.append(rest)
        return self._reader.found is not None

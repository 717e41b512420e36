"""Is a cell a prompt (plain language) or code?

Sending someone's broken code to a paid model by surprise is worse than showing
a ``SyntaxError``, so every doubt is resolved to *code*.  The order is: the
cell's metadata, a ``%%codeact`` or ``%codeact`` first line, and then

    prompt  =  it reads like prose  and  it is not Python

Both sides are needed; the cheap one, ``prose``, is asked first.  Only a text that
reads like prose is handed to ``ast.parse``, so ordinary code costs microseconds,
and IPython (58 ms to import) is never needed: its special lines are few and are
made harmless by ``_plain_python``.  IPython itself would be the wrong judge in one
case, for it takes any line that ends in ``?`` for a help request.

No function here raises, whatever the text; time is linear in its length.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Literal

Kind = Literal["prompt", "code"]

HINT = "If this was meant for the model, put %%codeact on the first line and run the cell again."

_MARKER = re.compile(r"\s*%%?codeact(?!\S)")


@dataclass(frozen=True, slots=True)
class Cell:
    """What to do with a cell: run ``text`` as code, or ask it as a prompt.

    For a prompt that began with a marker, ``text`` comes without the marker.
    """

    kind: Kind
    text: str


def classify_cell(source: str, metadata: Mapping[str, object] | None = None) -> Cell:
    """Decide about a cell as it arrives in a front-end's execute request.

    ``metadata`` is the cell's; its ``codeact.kind`` (design: metadata on cells)
    wins over the text.  ``generated`` is code, ``answer`` never reaches a
    kernel as a code cell and is code, too; ``auto`` or anything unknown means
    that the text decides.
    """
    body = _without_marker(source)
    match _stated_kind(metadata):
        case "prompt":
            return Cell("prompt", source if body is None else body)
        case "code" | "generated" | "answer":
            return Cell("code", source)
    if body is not None:
        return Cell("prompt", body)
    return Cell(classify(source), source)


def classify(source: str) -> Kind:
    """``"prompt"`` when ``source`` is plain language beyond doubt, else ``"code"``."""
    if _without_marker(source) is not None:
        return "prompt"
    from . import prose  # late: its patterns take 10 ms to compile, and the front starts first

    return "prompt" if prose.reads_like_prose(source) and not _is_python(source) else "code"


def hint(source: str) -> str:
    """A sentence for below a ``SyntaxError``: how to ask this text as a prompt.

    Empty when ``source`` shows no sign of plain language.
    """
    from . import prose

    return HINT if prose.contains_prose(source) else ""


def _without_marker(source: str) -> str | None:
    found = _MARKER.match(source)
    return source[found.end() :].strip() if found else None


def _stated_kind(metadata: Mapping[str, object] | None) -> object:
    ours = (metadata or {}).get("codeact")
    return ours.get("kind") if isinstance(ours, Mapping) else None


_SPECIAL = re.compile(
    r"""
      ^[ \t]* (?: %{1,2}\w | ! | \?{1,2}\S | [/,;][A-Za-z_] ) .* $
    | ^[ \t]* [%\w.*\[\]]{0,99} [%*\]] [\w.*]{0,99} \?{1,2} [ \t]* $
    | (?<== )\ * [%!] \w .* $
    """,
    re.VERBOSE | re.MULTILINE,
)
_HELP = re.compile(r"^([ \t]*[\w.]++)\?{1,2}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_PROMPT_SIGNS = re.compile(r"^[ \t]*(?:>>>|\.\.\.(?=[ \n])|In \[\d*\]:|\.{3,}:)[ ]?", re.MULTILINE)


def _is_python(source: str) -> bool:
    """True when Python, or IPython after its special lines, accepts ``source`` as code."""
    if _parses(source):
        return True
    plain = _plain_python(source)
    return plain != source and _parses(plain)


def _plain_python(source: str) -> str:
    """``source`` without prompt signs, and with IPython's special lines made into expressions."""
    text = dedent(_PROMPT_SIGNS.sub("", dedent(source)))
    return _HELP.sub(r"\1", _SPECIAL.sub("0", text))


def _parses(source: str) -> bool:
    """True when ``ast.parse`` accepts ``source`` and it says more than a sentence in Han or kana.

    The parser gives up with ``MemoryError`` on a line of some 1,600 plain words; what it cannot
    read is not Python.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return not _only_says(tree)


_SPOKEN = (
    *(ast.Expr, ast.AnnAssign, ast.Tuple, ast.Name, ast.Attribute, ast.Constant),
    *(ast.BinOp, ast.UnaryOp, ast.Compare, ast.operator, ast.unaryop, ast.cmpop, ast.expr_context),
)


def _only_says(tree: ast.Module) -> bool:
    """True for expressions that call nothing and have a sentence in Han or kana for a name.

    ASCII dots, commas, hyphens and comparisons stand in such sentences, too; a colon makes
    the sentence before it an annotated name.
    """
    from . import prose

    nodes = [node for statement in tree.body for node in ast.walk(statement)]
    return (
        all(isinstance(node, _SPOKEN) for node in nodes)
        and not any(isinstance(node, ast.AnnAssign) and node.value for node in nodes)
        and any(prose.is_sentence(_name(node)) for node in nodes)
    )


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""

"""Is a cell a prompt (plain language) or code?

Sending someone's broken code to a paid model by surprise is worse than showing
a ``SyntaxError``, so every doubt is resolved to *code*.  The order is: the
cell's metadata, a ``%%codeact`` or ``%codeact`` first line, and then

    prompt  =  it reads like prose  and  it is not Python

Both sides are needed; the cheap one is asked first.  ``_prose`` looks at the
shape of the text.  Its main observation holds in every language that separates
words with spaces: *in Python two names never stand next to each other* unless
one of them is a keyword, while in prose they always do.  Scripts without
spaces are counted by character.  Against that stand the marks of code: calls,
subscripts, attributes, operators, assignments, command-line options.  Only a
text that reads like prose is handed to ``ast.parse``, so ordinary code costs
microseconds, and IPython (58 ms to import) is never needed: its special lines
are few and are blanked by ``_plain_python``.  IPython itself would be the wrong
judge in one case, for it takes any line that ends in ``?`` for a help request.

No function here raises, whatever the text; time is linear in its length, and
the shape is judged by the first ``_HEAD`` characters alone.
"""

from __future__ import annotations

import ast
import keyword
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import dedent
from typing import Literal

Kind = Literal["prompt", "code"]

HINT = "If this was meant for the model, put %%codeact on the first line and run the cell again."

_HEAD = 8_000
_MARKER = re.compile(r"\s*%%?codeact(?:[ \t]+|(?=\n)|\Z)")


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
    return "prompt" if _prose(source) and not _is_python(source) else "code"


def hint(source: str) -> str:
    """A sentence for below a ``SyntaxError``: how to ask this text as a prompt.

    Empty when ``source`` shows no sign of plain language.
    """
    weights = [_weigh(line) for line in _blanked(source).splitlines()]
    return HINT if any(prose > code for prose, code in weights) else ""


def _without_marker(source: str) -> str | None:
    found = _MARKER.match(source)
    return source[found.end() :].strip() if found else None


def _stated_kind(metadata: Mapping[str, object] | None) -> object:
    ours = (metadata or {}).get("codeact")
    return ours.get("kind") if isinstance(ours, Mapping) else None


# --- does it read like prose? ---------------------------------------------------------------

_ENOUGH = 2.0
"""Prose weight below which nothing is a prompt: three plain words in a row, or five Han or kana."""

_STRINGS = re.compile(
    r"""
      (?P<quotes>\"{3}|'{3}) .*? (?: (?P=quotes) | \Z )
    | (?<![\w"']) [rRbBfFuU]{0,2} "(?:[^"\\\n]|\\.)*"
    | (?<![\w"']) [rRbBfFuU]{0,2} '(?:[^'\\\n]|\\.|'(?=\w))*'(?!\w)
    | (?: ^ | (?<=[(\[{=,:+]) | (?<=print\ ) | (?<=[(\[{=,:+]\ ) ) [rRbBfFuU]{0,2} ["'] [^\n]*
    | ^[ \t]*``` .*? (?: ^[ \t]*``` | \Z )
    | `[^`\n]*`
    | (?: ^ | (?<=\s) ) \#[^\n]*
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)

_STATEMENT = re.compile(
    r"""\s*(?:
      (?: >>> | \.\.\. (?=\s) | In\ \[\d*\]: | Out\[\d+\]: )
    | [%!@$<>|&;{}\])]
    | \*?[\w.]++ (?:\[[^\]\n]*+\])*+ (?: \s*+,\s*+ \*?[\w.]++ (?:\[[^\]\n]*+\])*+ )*+
      \s*+ (?: :[\w.,\[\]\ ]++ | //|\*\*|>>|<<|[-+*/%&|^@] )?+ = (?!=)
    | [a-z]\w* (?:\ \w+){1,3} \ = (?!=)
    | [A-Za-z_]\w* (?:\.\w+)+ \s* $
    | [A-Za-z_][\w.]* [(\["]
    | print' | print \s* (?: $ | ["'(%] | [\w.]+ \s* (?: $ | [,%.(\[] ) )
    | from\b .* \bimport\b | import\b .* \b(?: import | as\ +\w+ \s* (?: $ | [,;#] ) )
    | (?: from\ +[\w.]+ \ + )? im?port\ +[\w.*]+ (?: \ +as\ +\w+ )? \s* (?: ,.* | [;\\(].* )? $
    | \w+\ +[\w.]+\ +(?: as\ +\w+ | import\b (?!\ +(?:the|a|an|all|my)\b) .* ) \s* $
    | for\ +[\w, ()]+\ +in\ +[^\s]+ (?: \ *:.* | \s* ) $
    | (?: def | class )\ +\w+ \s* (?: [(:] .* )? $
    | (?: else|try|finally|pass|break|continue|return ) \s* :? \s* $
    | Traceback\ \(most\ recent | File\ " | \w*(?:Error|Exception|Warning):\ | -{4,} | ={4,}
    | \d{4}-\d\d-\d\d[T\ ]\d | (?: [~.]*/ | [A-Za-z]:\\ | https?:// ) \S* \s* (?: [:#(\[] | $ )
    | (?: SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|GRANT|WITH|FROM|WHERE|JOIN|SET|USE ) \ +[\w*"`(]
    | (?: Requirement\ already | Collecting\ \S+$ | Successfully\ installed | Installing\ collected )
    )""",
    re.VERBOSE,
)
"""Lines that are code whatever words they contain: their beginning cannot begin a sentence."""

_BLOCK = re.compile(
    r"\s*(?:async +)?(?:if|elif|while|with|except|for|def|class|else|try|finally)\b[^:\n]*:\s*$"
)
_DOCUMENT = ("%", "!", "?", "`" * 3, "#", "**", ">", "|", "<", '"' * 3, "'" * 3, '""', "''")
"""A cell that opens like this is a magic, a comment, a string, or markdown in the wrong cell."""

_COMMANDS = frozenset(
    [
        "pip",
        "pip3",
        "conda",
        "mamba",
        "git",
        "ls",
        "cd",
        "cp",
        "mv",
        "rm",
        "mkdir",
        "rmdir",
        "pwd",
        "echo",
        "sudo",
        "apt",
        "apt-get",
        "brew",
        "wget",
        "curl",
        "docker",
        "ipython",
        "jupyter",
        "npm",
        "chmod",
        "chown",
        "tar",
        "unzip",
        "timeit",
        "grep",
        "sed",
        "awk",
        "ssh",
        "nohup",
        "kaggle",
    ]
)
"""Shell and IPython commands that people type without ``!`` or ``%``, and that are no words."""

_WORDY_COMMANDS = frozenset(
    [
        "python",
        "python3",
        "cat",
        "kill",
        "source",
        "export",
        "time",
        "who",
        "whos",
        "head",
        "tail",
        "bash",
        "sh",
        "make",
        "run",
        "history",
    ]
)
"""The same, but these begin sentences, too: a command only when short or with an option or path."""
_ARGUMENT = re.compile(r"\s(?:-{1,2}\w|[\w.~*-]*/|[\w*-]+\.\w|\w+=|\d+\s*$)")

_MARKS = re.compile(
    r"""
      [\w\])] \(
    | \w \[
    | [\w)\]] \. [A-Za-z_]\w* (?= \s*[(=,\[] | [)\].] )
    | [=!<>]= | [-=]> | <- | := | [-+*/|&^%]= | && | \|\| | :: | \*\* | //
    | (?<![=!<>]) = (?!=)
    | [;{}\\] | </?\w | \$\w
    | \w_\w
    | (?<=\s) --? \w
    """,
    re.VERBOSE,
)

_REQUESTS = frozenset(
    "plot show describe summarize summarise explain visualize visualise analyze analyse compute"
    " calculate compare zeig zeige beschreibe erkläre berechne vergleiche analysiere zeichne"
    " montre affiche décris explique calcule trace résume muestra explica calcula compara grafica"
    " analiza resume mostra mostre explique calcule".split()  # noqa: SIM905
)
"""First words that make a prompt of two words. The languages not named here need no such help."""

_KEYWORDS = frozenset([*keyword.kwlist, "print", "exec"])
_SPACELESS = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]"
)
"""Scripts written without spaces: Thai, Lao, Burmese, Khmer, kana, Han."""
_CODE_CHARS = re.compile(r"[_=()\[\]{}<>\\/@#$%^&|+~`*.:;,]")
_SPACE = re.compile(r"[ \xa0\u202f\u3000]")
_QUOTES = '""'
_LATIN = 0x250
_TRIM = "\"'*«»„“”‘’¿¡(…"
_STOPS = (".", ",", ";", ":", "!", "?", ")", "…")
_ENDS = (".", "?", "!", "。", "？", "！", "؟", "।")
_INTRODUCTION = re.compile(r"\s*(?:\S.*\n)*?.*(?:[:?：？]\s*\n|[.!。！]\s*\n\s*\n)")


def _prose(source: str) -> bool:
    """True when plain words come first and outweigh the marks of code.

    Lines that are certainly code may only follow an introduction of their own:
    without one, the words are likelier a comment that lacks its ``#``.
    """
    head = source[:_HEAD].lstrip()
    if head.startswith(_DOCUMENT):
        return False
    blanked = _blanked(head)
    said = prose = code = 0.0
    for line in blanked.splitlines():
        plain, marks = _weigh(line)
        if plain > marks:
            said += plain
            prose += plain - marks
        elif marks > plain:
            if not said:
                return False
            code += marks - plain
    return said >= _ENOUGH and (prose > 3 * code or _introduces(blanked))


def _introduces(blanked: str) -> bool:
    """True when the first paragraph is a finished sentence, so that what follows is its material."""
    first = _INTRODUCTION.match(blanked)
    if not first:
        return False
    weights = [_weigh(line) for line in first[0].splitlines()]
    return all(plain >= marks for plain, marks in weights) and sum(p for p, _ in weights) >= 3


def _blanked(source: str) -> str:
    """``source`` without what strings and comments say; quotes stay as a mark."""
    return _STRINGS.sub(_blank, source[:_HEAD])


def _blank(found: re.Match[str]) -> str:
    sign = found[0].lstrip()[0]
    return sign if sign in "#`" else _QUOTES


def _weigh(line: str) -> tuple[float, float]:
    """The weight of plain language and of code in one line without strings and comments."""
    code = float(len(_MARKS.findall(line)))
    chunks = _SPACE.split(line.strip())
    if _STATEMENT.match(line) or _is_command(chunks, line):
        return 0, code + 3
    if _BLOCK.match(line):
        code += 3
    if chunks[0] in _KEYWORDS:
        code += 1
    prose = 0.4 * len(_SPACELESS.findall(line))
    before = ""
    for chunk in chunks:
        word = _plain_word(chunk)
        prose += _beside(before, word)
        before = "" if chunk.endswith(_STOPS) else word
    if prose:
        prose += line.rstrip().endswith(_ENDS) + (chunks[0].lower() in _REQUESTS)
    return prose, code


def _is_command(chunks: list[str], line: str) -> bool:
    first = chunks[0]
    if first in _WORDY_COMMANDS:
        return len(chunks) < 3 or _ARGUMENT.search(line) is not None
    return first in _COMMANDS


def _beside(before: str, word: str) -> float:
    """What two neighbours weigh: names never stand side by side in Python, keywords do."""
    if not before or not word:
        return 0
    if before[0].isdigit() or word[0].isdigit() or _QUOTES in (before, word):
        return 0.5 if before[0].isalpha() or word[0].isalpha() else 0
    if word in _KEYWORDS or before in _KEYWORDS:
        return 0.5
    return 1 if ord(word[0]) < _LATIN else 2


def _plain_word(chunk: str) -> str:
    """``chunk`` without the punctuation around it when a sentence could contain it, else nothing."""
    if chunk == _QUOTES:
        return chunk
    word = chunk.strip(_TRIM).rstrip(".,;:!?)…").strip(_TRIM)
    return "" if not word or _CODE_CHARS.search(word) else word


# --- is it Python? --------------------------------------------------------------------------

_SPECIAL = re.compile(
    r"""
      ^[ \t]* (?: %{1,2}\w | ! | \?{1,2}\S | [/,;][A-Za-z_] | [%\w.*\[\]]*[%*\]]\S*\?{1,2}[ \t]*$ ) .* $
    | (?<== )\ * [%!] \w .* $
    """,
    re.VERBOSE | re.MULTILINE,
)
_HELP = re.compile(r"^([ \t]*[\w.]+)\?{1,2}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_PROMPT_SIGNS = re.compile(r"^[ \t]*(?:>>>|\.\.\.(?=[ \n])|In \[\d*\]:|\.{3,}:)[ ]?", re.MULTILINE)
_GRAMMAR = re.compile(
    "[请吗呢哪谁怎吧]|什么|多少|如何|为什么|计算|显示|列出|画出|找出|比较|预测|分析"
    "|ください|して|です|ます|何|誰|いつ|どこ|なの"
)
"""Pieces of Chinese and Japanese sentences that names of variables lack."""
_NAME_LENGTH = 8
"""A bare Han or kana name this long is a sentence."""


def _is_python(source: str) -> bool:
    """True when Python, or IPython after its special lines, accepts ``source`` as code."""
    return _parses(source) or _parses(_plain_python(source))


def _plain_python(source: str) -> str:
    """``source`` without prompt signs, and with IPython's special lines made into expressions."""
    text = dedent(_PROMPT_SIGNS.sub("", source))
    return _HELP.sub(r"\1", _SPECIAL.sub("0", text))


def _parses(source: str) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return False
    except (RecursionError, MemoryError):
        return True
    return not _only_sentences(tree.body)


def _only_sentences(body: list[ast.stmt]) -> bool:
    """True for bare names, at least one of them a sentence in a script without spaces."""
    names = [_bare_name(statement) for statement in body]
    return all(names) and any(
        _SPACELESS.search(name) and (len(name) >= _NAME_LENGTH or _GRAMMAR.search(name))
        for name in names
    )


def _bare_name(statement: ast.stmt) -> str:
    """The name that is all of ``statement`` (``name`` or ``name: anything``), else nothing."""
    match statement:
        case (
            ast.Expr(value=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name), value=None)
        ):
            return name
    return ""

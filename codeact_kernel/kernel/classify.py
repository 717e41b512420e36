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
"""Prose weight below which nothing is a prompt: three plain words in a row, or four Han or kana."""

_STRINGS = re.compile(
    r"""
      (?<!\w) [rRbBfFuU]{0,2} (?P<quotes>\"{3}|'{3}) .*? (?: (?P=quotes) | \Z )
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
    | [%!@$<&;{}\])]
    | \*?[\w.]++ (?:\[[^\]\n]*+\])*+ (?: \s*+,\s*+ \*?[\w.]++ (?:\[[^\]\n]*+\])*+ )*+
      \s*+ (?: :[\w.,\[\]\ ]++ | //|\*\*|>>|<<|[-+*/%&|^@] )?+ = (?!=)
    | [a-z]\w* (?:\ \w+){1,3} \ = (?!=)
    | [A-Za-z_][A-Za-z0-9_]* (?:\.[A-Za-z0-9_]+)+ \s* $
    | [A-Za-z_][\w.]* [(\["]
    | print (?!\w) (?: \s* (?: $ | ["'%] ) | \s+ (?: \( | [\w.]+ \s* (?: $ | [,%.(\[] ) ) )
    | from\b .* \bimport\b | import\b .* \b(?: import | as\ +\w+ \s* (?: $ | [,;#] ) )
    | from\ +[\w.]+ (?: \ +i\w+\ +[\w.*]+ )? \s* (?: $ | [,;#] )
    | [im][imnport]{3,6}\ +[\w.]+\ +as\ +\w+ \s* $
    | import\ +(?! (?:the|a|an|all|my|this)\b ) [\w.*]+ (?: (?:\ +\w+){0,2} \s* $ | \s*[,;\\(] )
    | \w+\ +[\w.]+\ +import\b (?! \ +(?:the|a|an|all|my|this)\b )
    | for\ +[\w, ()]+\ +in\ +[^\s]+ (?: \ *:.* | \s* ) $
    | (?: def | class )\ +\w+ \s* (?: [(:（：] .* )? $
    | (?: print | input ) （
    | (?: else|try|finally|pass|break|continue|return ) \s* :? \s* $
    | Traceback\ \(most\ recent | File\ " | \w*(?:Error|Exception|Warning):\ | -{4,} | ={4,}
    | \d{4}-\d\d-\d\d[T\ ]\d | (?: [~.]*/ | [A-Za-z]:\\ | https?:// ) \S* \s* (?: [:#(\[] | $ )
    | (?: SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|GRANT|WITH|FROM|WHERE|JOIN|SET|USE ) \ +[\w*"`(]
    | (?: Requirement\ already | Collecting\ \S+$ | Successfully\ installed | Installing\ collected )
    )""",
    re.VERBOSE,
)
"""Lines that are code whatever words they contain: their beginning cannot begin a sentence."""

_PARTICLE = re.compile(r"""[)\]}"']\s?[をがのはにでとかもへ的怎是中里转求按为报]""")
"""Grammar right after a bracket or quote: the code before it is quoted by a sentence."""

_BLOCK = re.compile(
    r"\s*(?:async +)?(?:if|elif|while|with|except|for|def|class|else|try|finally)\b[^:：\n]*[:：]\s*$"
)
_DOCUMENT = ("%", "!", "?", "`" * 3, "#", "**", ">", "|", "<", '"' * 3, "'" * 3, '""', "''")
"""A cell that opens like this is a magic, a comment, a string, or markdown in the wrong cell."""

_COMMAND = re.compile(
    r"""\s*(?:
      (?: pip3?|conda|mamba|git|ls|cd|cp|mv|rm|mkdir|rmdir|pwd|echo|sudo|apt|apt-get|brew|wget|curl
        | docker|ipython|jupyter|npm|chmod|chown|tar|unzip|timeit|grep|sed|awk|ssh|nohup|kaggle ) (?!\S)
    | (?: python3?|cat|kill|source|export|time|who|whos|head|tail|bash|sh|make|run|history )
      (?: \s+\S+ )? (?: \s*$ | \s+(?:-|\S*/|\S+\.\w|\w+=) | \s.*\s--?\w )
    )""",
    re.VERBOSE,
)
"""Shell and IPython commands that people type without ``!`` or ``%``.

Those of the second kind begin sentences, too: commands only when short or with an option or path.
"""

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

_REQUEST = re.compile(
    r"""\s*(?:
      plot|show|describe|summari[sz]e|explain|visuali[sz]e|analy[sz]e|compute|calculate|compare
    | zeige?|beschreibe|erkläre|berechne|vergleiche|analysiere|zeichne
    | montre|affiche|décris|explique|calcule|trace|résume
    | muestra|explica|calcula|compara|grafica|analiza|resume
    )\b""",
    re.VERBOSE | re.IGNORECASE,
)
"""First words that make a prompt of two words, in languages where two could be a typing error."""

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
    if (_STATEMENT.match(line) and not _PARTICLE.search(line)) or _COMMAND.match(line):
        return 0, code + 3
    if _BLOCK.match(line):
        code += 3
    if chunks[0] in _KEYWORDS:
        code += 1
    prose = 0.5 * len(_SPACELESS.findall(line))
    before = ""
    for chunk in chunks:
        word = _plain_word(chunk)
        prose += _beside(before, word)
        before = "" if chunk.endswith(_STOPS) else word
    if prose:
        prose += line.rstrip().endswith(_ENDS) + (_REQUEST.match(line) is not None)
    return prose, code


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
      ^[ \t]* (?: %{1,2}\w | ! | \?{1,2}\S | [/,;][A-Za-z_] ) .* $
    | ^[ \t]* [%\w.*\[\]]{0,99} [%*\]] [\w.*]{0,99} \?{1,2} [ \t]* $
    | (?<== )\ * [%!] \w .* $
    """,
    re.VERBOSE | re.MULTILINE,
)
_HELP = re.compile(r"^([ \t]*[\w.]++)\?{1,2}(?=[ \t]*(?:#.*)?$)", re.MULTILINE)
_PROMPT_SIGNS = re.compile(r"^[ \t]*(?:>>>|\.\.\.(?=[ \n])|In \[\d*\]:|\.{3,}:)[ ]?", re.MULTILINE)
_GRAMMAR = re.compile(
    "[请吗呢哪谁怎吧按把帮]|是(?!否)|什么|多少|如何|为什么|一下|计算|显示|列出|画出|找出|比较|预测|分析"
    "|を|ください|して|です|ます|何|誰|いつ|どこ|なの|とは|には|たい$|せよ$"
)
"""Pieces of Chinese and Japanese sentences that names of variables lack."""
_NAME_LENGTH = 8
"""A bare Han or kana name this long is a sentence."""


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
    nodes = [node for statement in tree.body for node in ast.walk(statement)]
    return (
        all(isinstance(node, _SPOKEN) for node in nodes)
        and not any(isinstance(node, ast.AnnAssign) and node.value for node in nodes)
        and any(_is_sentence(_name(node)) for node in nodes)
    )


def _name(node: ast.AST) -> str:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _is_sentence(name: str) -> bool:
    if not _SPACELESS.search(name):
        return False
    return len(name) >= _NAME_LENGTH or _GRAMMAR.search(name) is not None

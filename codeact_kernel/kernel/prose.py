"""Does a text read like plain language, judged by its shape alone?

The main observation holds in every language that separates words with spaces:
*in Python two names never stand next to each other* unless one of them is a
keyword, while in prose they always do.  Scripts without spaces are counted by
character.  Against that stand the marks of code: calls, subscripts, attributes,
operators, assignments, options of commands.  What strings and comments say
counts for neither side.  No list of words decides; the few there are name
commands of a shell and first words of very short requests.

Nothing here raises; only the first ``_HEAD`` characters are read.
"""

from __future__ import annotations

import keyword
import re

_HEAD = 8_000
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

# Groups are atomic rather than possessive, which goes wrong before Python 3.11.5 (cpython
# issue 106052).
_STATEMENT = re.compile(
    r"""\s*(?:
      (?: >>> | \.\.\. (?=\s) | In\ \[\d*\]: | Out\[\d+\]: )
    | [%!@$<&;{}\])]
    | \*?[\w.]++ (?>(?:\[[^\]\n]*+\])*) (?>(?: \s*+,\s*+ \*?[\w.]++ (?>(?:\[[^\]\n]*+\])*) )*)
      \s*+ (?>(?: :[\w.,\[\]\ ]++ | //|\*\*|>>|<<|[-+*/%&|^@] )?) = (?!=)
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
        | docker|ipython|npm|chmod|chown|tar|unzip|timeit|grep|sed|awk|ssh|nohup|kaggle ) (?!\S)
    | (?: jupyter|python3?|cat|kill|source|export|time|who|whos|head|tail|bash|sh|make|run|history )
      (?: \s+[^\s\u3040-\u9fff]+ )? (?: \s*$ | \s+(?:-|\S*/|\S+\.\w|\w+=) | \s.*\s--?\w )
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
_GRAMMAR = re.compile(
    "[请吗呢哪谁怎吧按把帮]|是(?!否)|什么|多少|如何|为什么|一下|计算|显示|列出|画出|找出|比较|预测|分析"
    "|を|ください|して|です|ます|何|誰|いつ|どこ|なの|とは|には|たい$|せよ$"
)
"""Pieces of Chinese and Japanese sentences that names of variables lack."""
_NAME_LENGTH = 8
"""A bare Han or kana name this long is a sentence."""

_CODE_CHARS = re.compile(r"[_=()\[\]{}<>\\/@#$%^&|+~`*.:;,]")
_SPACE = re.compile(r"[ \xa0\u202f\u3000]")
_QUOTES = '""'
_LATIN = 0x250
"""The first letter beyond the Latin blocks of Unicode."""
_TRIM = "\"'*«»„“”‘’¿¡(…"
_STOPS = (".", ",", ";", ":", "!", "?", ")", "…")
_ENDS = (".", "?", "!", "。", "？", "！", "؟", "।")

_INTRODUCTION = re.compile(r"\s*(?:\S.*\n)*?.*(?:[:?：？]\s*\n|[.!。！]\s*\n\s*\n)")


def reads_like_prose(source: str) -> bool:
    """True when plain words come first and outweigh the marks of code.

    Lines that are certainly code may only follow an introduction of their own:
    without one, the words are likelier a comment that lacks its ``#``.
    """
    head = source.lstrip()[:_HEAD]
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


def contains_prose(source: str) -> bool:
    """True when some line of ``source`` says more than it computes."""
    return any(plain > marks for plain, marks in map(_weigh, _blanked(source).splitlines()))


def is_sentence(name: str) -> bool:
    """True when ``name``, an identifier, is rather a sentence in Han or kana."""
    if not _SPACELESS.search(name):
        return False
    return len(name) >= _NAME_LENGTH or _GRAMMAR.search(name) is not None


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
    return "#" if found[0][0] == "#" else _QUOTES


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
    words = [each for each in (before, word) if each[0].isalpha()]
    if len(words) < 2:  # the other one is a number or a quotation
        return 0.5 if words and len(words[0]) > 1 and words[0] not in _KEYWORDS else 0
    if before in _KEYWORDS or word in _KEYWORDS:
        return 0.5
    return 1 if ord(word[0]) < _LATIN else 2


def _plain_word(chunk: str) -> str:
    """``chunk`` without the punctuation around it when a sentence could contain it, else nothing."""
    if chunk == _QUOTES:
        return chunk
    word = chunk.strip(_TRIM).rstrip(".,;:!?)…").strip(_TRIM)
    return word if word[:1].isalnum() and not _CODE_CHARS.search(word) else ""

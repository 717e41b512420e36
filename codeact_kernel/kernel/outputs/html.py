"""Static HTML: cleaned with nh3, its style sheets confined to it."""

from __future__ import annotations

import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING, Final

from . import css
from .text import well_formed

if TYPE_CHECKING:
    from nh3 import Cleaner

SIZE_LIMIT: Final = 2_000_000
"""Characters of HTML that are cleaned; more is framed instead."""

_TAGS_UNCHECKED: Final = 400
_SIZE_UNCHECKED: Final = 30_000
_PASSES: Final = 10
_ATTRIBUTES_LIMIT: Final = 40

_TAGS: Final = frozenset(
    """
    a abbr address article aside audio b bdi bdo blockquote br caption center cite code col
    colgroup dd del details dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6
    header hr i img ins kbd li main mark ol p pre q rp rt ruby s samp section small source span
    strike strong sub summary sup table tbody td tfoot th thead time tr tt u ul var video wbr
    """.split()  # noqa: SIM905
)
_DROPPED_WITH_CONTENT: Final = frozenset(
    {"script", "style", "template", "noscript", "iframe", "object", "title", "svg", "math"}
)
_ATTRIBUTES: Final = {
    "*": {"class", "id", "style", "title", "dir", "lang", "align", "valign", "width", "height"},
    "a": {"href"},
    "audio": {"src", "controls", "loop", "muted"},
    "col": {"span"},
    "colgroup": {"span"},
    "details": {"open"},
    "font": {"color", "size"},
    "img": {"src", "alt"},
    "li": {"value"},
    "ol": {"start", "type", "reversed"},
    "source": {"src", "type"},
    "table": {"border", "cellpadding", "cellspacing", "bgcolor"},
    "td": {"colspan", "rowspan", "headers", "bgcolor"},
    "th": {"colspan", "rowspan", "headers", "scope", "bgcolor"},
    "time": {"datetime"},
    "tr": {"bgcolor"},
    "video": {"src", "controls", "loop", "muted"},
}

_STYLER_ID: Final = re.compile(r"T_[\w-]{1,100}", re.ASCII)
_LINK: Final = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20]", re.IGNORECASE)
_EMBEDDED: Final = re.compile(
    r"data:(?:image/(?:png|jpeg|gif|webp|svg\+xml)|audio/[\w.+-]{1,40}|video/[\w.+-]{1,40})[;,]",
    re.IGNORECASE | re.ASCII,
)
_LENGTH: Final = re.compile(r"\d{1,4}(?:\.\d{1,6})?(?:px|%)?", re.ASCII)

_STYLE_START: Final = re.compile(r"<style\b[^<>]*+>", re.IGNORECASE)
_STYLE_END: Final = re.compile(r"</style(?=[\s/>])[^>]*+>?", re.IGNORECASE)

# Groups are atomic rather than possessive, which goes wrong before Python 3.11.5 (cpython
# issue 106052).
_TAG_INSIDE: Final = (
    r"""(?>(?:\s++[^\s"'<>/=]++(?>(?:\s*+=\s*+(?:"[^"<]*+"|'[^'<]*+'|[^\s"'=<>`]++))?))"""
    rf"{{0,{_ATTRIBUTES_LIMIT}}})\s*+"
)
_LEAF: Final = re.compile(
    rf"<(?:(?:br|col|hr|img|source|wbr|input|link|meta){_TAG_INSIDE}/?>"
    rf"|([a-z][a-z0-9-]*+){_TAG_INSIDE}>[^<]*+</\1\s*+>"
    r"|!--(?>(?:[^<-]|-(?!->))*)-->)",
    re.IGNORECASE,
)

# TeX that MathJax would obey in any text of the page: links, classes, styles, loading, definitions.
# (MathJax documentation, "TeX and LaTeX extensions": html, require, unicode, newcommand, texhtml.)
UNSAFE_TEX: Final = re.compile(
    r"\\(?=(?:href|url|require|class|style|cssId|data|unicode|def|gdef|edef|xdef|let|mmlToken"
    r"|newcommand|renewcommand|providecommand|newenvironment|renewenvironment|includegraphics"
    r"|bbox|htmlClass|htmlId|htmlStyle|htmlData|csname|DeclareMathOperator|DeclarePairedDelimiters"
    r"|Newextarrow|texhtml|begingroup|input|write|special)(?![A-Za-z])|begin\s*\{(?:html|texhtml))"
)

_PLACEHOLDER: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='190' height='20'%3E"
    "%3Ctext y='15' font-size='13' font-family='sans-serif' fill='gray'%3E"
    "remote image not loaded%3C/text%3E%3C/svg%3E"
)


def too_much(source: str) -> bool:
    """Whether cleaning ``source`` could take long: too large, too entangled or too much CSS.

    The HTML parser compares each tag with all open elements, each attribute
    with all of its tag, and opens unclosed formatting again and again: work that
    grows with the square of its input.  What a program wrote (tables, reports)
    closes its tags in order, and is linear.
    """
    if len(source) > SIZE_LIMIT:
        return True
    sheets, rest = _without_styles(source)
    if len(sheets) > css.STYLE_LIMIT:
        return True
    few = len(rest) <= _SIZE_UNCHECKED and rest.count("<") <= _TAGS_UNCHECKED
    return not (few or _is_tidy(rest))


def _is_tidy(source: str) -> bool:
    """Whether tags close in the order they open, and do not nest without end.

    Takes away the innermost elements, again and again, until nothing is left.
    That is quick for what programs write, as little is left after each pass;
    ``_PASSES`` times the work of the first is enough for them.
    """
    work = _PASSES * len(source)
    found = 1
    while found and work > 0:
        work -= len(source)
        source, found = _LEAF.subn("", source)
    return "<" not in source


def _without_styles(source: str) -> tuple[str, str]:
    """The text of all style elements of ``source``, and ``source`` without them."""
    sheets: list[str] = []
    rest: list[str] = []
    position = 0
    while start := _STYLE_START.search(source, position):
        rest.append(source[position : start.start()])
        end = _STYLE_END.search(source, start.end())
        sheets.append(source[start.end() : end.start() if end else None])
        position = end.end() if end else len(source)
    rest.append(source[position:])
    return "\n".join(sheets), "".join(rest)


def clean(source: str) -> str:
    """``source`` without anything that runs, loads, submits, or reaches outside its place.

    Style sheets are kept, confined to the result.  Links stay as links that
    open elsewhere; pictures, sound and films only when embedded.
    """
    sheets, rest = _without_styles(well_formed(source))
    body = UNSAFE_TEX.sub(r"<span>\\</span>", _cleaner().clean(rest))
    if not sheets:
        return body
    scope = "co-" + hashlib.sha256(sheets.encode()).hexdigest()[:12]
    rules = css.scoped(sheets, f"#{scope}")
    return f'<div id="{scope}"><style>{rules}</style>{body}</div>' if rules else body


@cache
def _cleaner() -> Cleaner:
    from nh3 import Cleaner

    return Cleaner(
        tags=_TAGS,
        clean_content_tags=_DROPPED_WITH_CONTENT,
        attributes=_ATTRIBUTES,
        attribute_filter=_attribute,
        link_rel="noopener noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        url_schemes={"http", "https", "mailto", "data"},
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    match name:
        case "style":
            return css.declarations(value) or None
        case "class":
            return css.class_names(value) or None
        case "id":
            return value if _STYLER_ID.fullmatch(value) else None
        case "href":
            return value if _LINK.match(value) else None
        case "src":
            if _EMBEDDED.match(value):
                return value
            return _PLACEHOLDER if tag == "img" else None
        case "width" | "height":
            return value if _LENGTH.fullmatch(value) else None
        case _:
            return value

"""CSS made safe by construction: what comes out was matched, piece by piece, against a grammar.

No CSS parser is involved.  A parser that understood the input differently from
the browser would be a hole; here only the *output* matters, and it consists of
selectors and values of a small grammar without strings that could hide
braces, without escapes, comments, at-rules, ``url()`` or custom properties.
Input that is cut up wrongly merely loses its style.

What the properties and values leave out, and why: anything that loads
(``url``, ``image-set``), that leaves its place and so could cover the page
(``position``, ``transform``, negative lengths, shadows, outlines, units of the
viewport) or that moves (animation, transition).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

STYLE_LIMIT: Final = 200_000
"""Characters of style sheets in one output that are worked on; more is framed instead."""

_PROPERTIES: Final = frozenset(
    """
    background background-clip background-color background-image background-origin
    background-position background-repeat background-size
    border border-bottom border-bottom-color border-bottom-left-radius
    border-bottom-right-radius border-bottom-style border-bottom-width border-collapse
    border-color border-left border-left-color border-left-style border-left-width
    border-radius border-right border-right-color border-right-style border-right-width
    border-spacing border-style border-top border-top-color border-top-left-radius
    border-top-right-radius border-top-style border-top-width border-width
    align-content align-items align-self box-sizing caption-side clear color column-gap
    display empty-cells flex flex-basis flex-direction flex-flow flex-grow flex-shrink
    flex-wrap float font font-family font-size font-style font-variant font-weight gap
    grid-template-columns grid-template-rows height justify-content justify-items justify-self
    letter-spacing line-height list-style-position list-style-type margin margin-bottom
    margin-left margin-right margin-top max-height max-width min-height min-width opacity order
    overflow overflow-wrap overflow-x overflow-y padding padding-bottom padding-left
    padding-right padding-top row-gap table-layout text-align text-decoration
    text-decoration-color text-decoration-line text-decoration-style text-indent text-overflow
    text-transform vertical-align visibility white-space width word-break word-spacing word-wrap
    """.split()  # noqa: SIM905
)

# Properties that take negative lengths: there a calc() could subtract its way out of the box.
_SIGNED: Final = re.compile(
    r"margin|text-indent|letter-spacing|word-spacing|vertical-align|background-position"
)

_UNITS: Final = "px|em|rem|ex|ch|pt|pc|cm|mm|in|fr|deg|turn|%"
_FUNCTIONS: Final = (
    "rgba?|hsla?|linear-gradient|radial-gradient|repeating-linear-gradient|calc|min|max|var"
)

# Possessive throughout: linear in the length of the input, whatever it is.
_VALUE: Final = re.compile(
    rf"""(?:
      \s++ | , | /(?!\*) | \*(?!/)
    | [+-](?=\s)
    | (?:{_FUNCTIONS})\(
    | \)
    | \+?(?:\d++(?:\.\d++)?|\.\d++)(?:{_UNITS})?(?![\w%.])
    | \#[0-9a-f]{{3,8}}+(?!\w)
    | (?:--|-(?=[a-z]))?[a-z][\w-]*+(?!\()
    | "[\w .,-]*+" | '[\w .,-]*+'
    )++""",
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)
_IMPORTANT: Final = re.compile(r"\s*!\s*important\s*$", re.IGNORECASE)
_FAR: Final = re.compile(r"(?<![\w#.])\d{5}")

_SELECTOR: Final = re.compile(
    r"""(?:
      [.#][A-Za-z_][\w-]*+
    | [A-Za-z][\w-]*+
    | \*
    | ::?(?:before|after|hover|focus|first-child|last-child|only-child|first-of-type|last-of-type
          |only-of-type|empty|checked|first-line|first-letter|link|visited)(?![\w(-])
    | :nth-(?:last-)?(?:child|of-type)\([\dnevod+\s-]++\)
    | :not\([.#]?[A-Za-z_][\w-]*+\)
    | \s*+[>+~]\s*+
    | \s++
    )++""",
    re.VERBOSE | re.ASCII,
)
_CLASS: Final = re.compile(r"\.([A-Za-z_][\w-]*)")
_COMMENT: Final = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)

_PAGE_CLASSES: Final = frozenset(
    {"dataframe", "alert", "tex2jax_ignore", "mathjax_ignore"}
    | {f"alert-{kind}" for kind in ("info", "success", "warning", "danger", "block")}
)
"""Classes that front-ends style and nothing reacts to; every other one gets a prefix of ours."""

CLASS_PREFIX: Final = "co-"


def class_names(value: str) -> str:
    """The value of a ``class`` attribute, every name out of reach of the page's own CSS and code."""
    return " ".join(_class_name(name) for name in value.split())


def _class_name(name: str) -> str:
    return name if name in _PAGE_CLASSES or name.startswith(CLASS_PREFIX) else CLASS_PREFIX + name


@lru_cache(maxsize=4096)
def declarations(text: str) -> str:
    """The declarations of ``text`` (``"color: red; …"``) that are on the list, in order."""
    return ";".join(filter(None, map(_declaration, text.split(";"))))


def _declaration(text: str) -> str:
    name, _, value = text.partition(":")
    name = name.strip().lower()
    value = value.strip()
    if name not in _PROPERTIES or not value or len(value) > 1_000:
        return ""
    important = _IMPORTANT.search(value)
    bare = value[: important.start()] if important else value
    if _VALUE.fullmatch(bare) is None or _FAR.search(bare) or not _balanced(bare):
        return ""
    if "calc(" in bare.lower() and _SIGNED.match(name):
        return ""
    return f"{name}:{bare}{' !important' if important else ''}"


def _balanced(value: str) -> bool:
    depth = 0
    for character in value:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return False
    return depth == 0


def scoped(sheet: str, scope: str) -> str:
    """The style rules of ``sheet``, each selector beneath ``scope`` (such as ``#co-1a2b``).

    At-rules go, with everything in them.
    """
    rules: list[str] = []
    prelude, depth, skipping = "", 0, False
    for part in re.split(r"([{}])", _COMMENT.sub(" ", sheet)):
        if part == "{":
            depth += 1
            skipping = skipping or depth > 1 or prelude.startswith("@")
        elif part == "}":
            depth = max(0, depth - 1)
            skipping = skipping and depth > 0
        elif depth == 0:
            prelude = part.rpartition(";")[2].strip()
        elif not skipping:
            rules.append(_rule(prelude, part, scope))
    return "".join(rules)


def _rule(prelude: str, body: str, scope: str) -> str:
    kept = declarations(body)
    if not kept:
        return ""
    selectors = [_selector(one.strip(), scope) for one in prelude.split(",")]
    listed = ",".join(filter(None, selectors))
    return f"{listed}{{{kept}}}" if listed else ""


def _selector(selector: str, scope: str) -> str:
    if not selector or selector[0] in ">+~" or _SELECTOR.fullmatch(selector) is None:
        return ""
    renamed = _CLASS.sub(lambda match: f".{_class_name(match[1])}", selector)
    return f"{scope} {renamed}"

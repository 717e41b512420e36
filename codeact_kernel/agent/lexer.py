"""Where a Python string is open: all that finding the end of a code block needs to know."""

from __future__ import annotations

import re

_START = re.compile(r"'''|\"\"\"|'|\"|#[^\r\n]*")
_END = {
    "'": re.compile(r"\\.|'|[\r\n]", re.DOTALL),
    '"': re.compile(r"\\.|\"|[\r\n]", re.DOTALL),
    "'''": re.compile(r"\\.|'''", re.DOTALL),
    '"""': re.compile(r"\\.|\"\"\"", re.DOTALL),
}


def quote_after(text: str, quote: str = "") -> str:
    """The quote that is open after ``text``, when ``quote`` was open before it; ``""`` for none.

    Linear in ``text``.  Wrong code does not confuse it for long: a string with
    single quotes ends with its line.
    """
    position = 0
    while True:
        if not quote:
            start = _START.search(text, position)
            if start is None:
                return ""
            position = start.end()
            quote = "" if start[0].startswith("#") else start[0]
            continue
        end = _END[quote].search(text, position)
        if end is None:
            return quote
        position = end.end()
        if not end[0].startswith("\\"):
            quote = ""

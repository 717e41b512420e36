"""Plain text made safe for terminals and browsers: colours stay, every other control goes.

Front-ends show text with a terminal emulator's eyes: ``jupyter console`` is a
terminal, and JupyterLab turns OSC 8 into links.  Only SGR (``ESC [ … m``,
ECMA-48 8.3.117) is kept, with tab, newline, carriage return and backspace,
which progress bars need.
"""

from __future__ import annotations

import re
from typing import Final

TEXT_LIMIT: Final = 1_000_000
"""Characters of one text that is shown; streams have the flood limit instead."""

_ASCII_CONTROLS: Final = tuple(
    chr(code) for code in (*range(0x20), 0x7F) if chr(code) not in "\b\t\n\r"
)
_SUSPECT: Final = re.compile("[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")

# One alternative per kind of sequence (ECMA-48 5.3-5.6), each linear: a string
# without its terminator loses only its introducer, so that no text disappears.
_CONTROL: Final = re.compile(
    "(?P<sgr>\x1b\\[[0-9;:]{0,100}m)"
    "|(?:\x1b[\\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*+(?:\x07|\x1b\\\\|\x9c)"
    "|(?:\x1b\\[|\x9b)[0-?]*+[ -/]*+[@-~]"
    "|\x1b[ -/]*+[0-Z\\\\^-~]"
    "|\x1b[\\[\\]]?"
    "|(?P<surrogate>[\ud800-\udfff])"
    "|[\x00-\x07\x0b\x0c\x0e-\x1f\x7f-\x9f]"
)


def clean_text(text: str) -> str:
    """``text`` with SGR colours kept and other control sequences removed.

    Lone surrogates, which no front-end can receive as UTF-8, become U+FFFD.
    Returns the same object when there is nothing to do.
    """
    return text if _is_clean(text) else _CONTROL.sub(_replacement, text)


def _is_clean(text: str) -> bool:
    if text.isascii():  # ten times as fast as the search
        return not any(map(text.__contains__, _ASCII_CONTROLS))
    return _SUSPECT.search(text) is None


def _replacement(match: re.Match[str]) -> str:
    if match["surrogate"]:
        return "\ufffd"
    return match["sgr"] or ""


def without_colours(text: str) -> str:
    """Clean ``text`` without its SGR colours, for places that no terminal's rules apply to."""
    return _SGR.sub("", text) if "\x1b" in text else text


_SGR: Final = re.compile("\x1b\\[[0-9;:]*m")


def cap_text(text: str, limit: int = TEXT_LIMIT) -> str:
    """The first ``limit`` characters of ``text`` and a notice, or ``text`` itself when it fits."""
    if len(text) <= limit:
        return text
    return f"{text[:limit]}\n… {len(text) - limit} more characters not shown"


def well_formed(text: str) -> str:
    """``text`` with lone surrogates as U+FFFD, so that it can be encoded as UTF-8."""
    if text.isascii():
        return text
    return text.encode("utf-8", "replace").decode("utf-8") if _LONE.search(text) else text


_LONE: Final = re.compile("[\ud800-\udfff]")

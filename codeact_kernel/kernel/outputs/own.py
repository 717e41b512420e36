"""How the front shows what it says itself: lines about the turn, the model's words, its code.

All of it stands in an output that front-ends trust, so nothing in it is left to
a front-end's own markdown renderer: ``text/html`` is safe and complete, and
``text/plain`` is for terminals.  The look is written into the elements, in
colours mixed from those of the page, for there is no style sheet that would be
in Lab, in Notebook, in VS Code, in a saved page, and in light and dark.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Final

from . import html
from .markdown import highlighted, own_markdown, with_colours
from .text import clean_text

Bundle = dict[str, str]

_QUIET: Final = "opacity:0.7;font-size:90%"
_ACCENT: Final = "rgba(224,128,58,0.9)"

# Written out where a reader would not see them, or see other text than Python does: controls
# (carriage returns are line ends in Python), zero-width and bidirectional marks, tags (Unicode
# TR 36, "Bidirectional Text Spoofing").  The joiners of emoji and of Persian stay.
_UNSEEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def line(parts: Iterable[str]) -> Bundle:
    """A quiet line about the turn; empty parts are left out."""
    text = clean_text(" · ".join(part for part in parts if part))
    return {"text/html": f'<div style="{_QUIET}">{_literal(text)}</div>', "text/plain": text}


def notice(text: str) -> Bundle:
    """A quiet sentence of ours, in markdown."""
    return _within(f'<div style="{_QUIET};margin-top:0.5em">', text)


def words(text: str) -> Bundle:
    """What the model says between steps, in markdown."""
    return _within('<div style="margin-top:0.8em">', text)


def answer(text: str, closing: Iterable[str] = ()) -> Bundle:
    """The answer, in markdown, set off from the steps; ``closing`` is a quiet line below it."""
    shown = _within(
        f'<div style="margin-top:0.8em;border-left:3px solid {_ACCENT};'
        'background:rgba(224,128,58,0.08);padding:0.8em 1em 0.1em">',
        text,
    )
    below = line(closing)
    if below["text/plain"]:
        shown["text/html"] += f'<div style="margin-top:0.5em">{below["text/html"]}</div>'
        shown["text/plain"] += "\n\n" + below["text/plain"]
    return shown


def code(source: str, caption: str) -> Bundle:
    """Python under a caption, exactly: characters that cannot be seen are written out."""
    shown = visible(source)
    block = (
        '<div style="margin:0.3em 0 0.6em;border-left:3px solid rgba(127,127,127,0.4);'
        'background:rgba(127,127,127,0.08);padding:0.4em 0.8em 0.5em">'
        f'<div style="{_QUIET};margin-bottom:0.3em">{_literal(caption)}</div>'
        '<pre style="margin:0;padding:0;background:none;white-space:pre-wrap;word-break:normal;'
        "overflow-wrap:anywhere;tab-size:4;line-height:1.35;font-size:var(--jp-code-font-size,0.93em);"
        'font-family:var(--jp-code-font-family,monospace)">'
        f"{highlighted(shown, 'python')}</pre></div>"
    )
    return {"text/html": with_colours(block), "text/plain": shown}


def visible(source: str) -> str:
    """``source`` with each character that could mislead its reader as ``⟨U+202E⟩``."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", source.replace("\r\n", "\n"))


def _literal(text: str) -> str:
    """HTML for ``text`` that a page's formula typesetter leaves alone too."""
    return html.clean(escape(text).replace("$", "<span>$</span>"))


def _within(start: str, text: str) -> Bundle:
    shown = own_markdown(text)
    return {**shown, "text/html": f"{start}{shown['text/html']}</div>"}

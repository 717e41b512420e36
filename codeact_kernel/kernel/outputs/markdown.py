"""Markdown rendered here, so that no front-end's renderer interprets what code or a model wrote.

Sanitising the markdown source instead does not work: what is code and what is
HTML in it depends on the renderer.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from functools import cache
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from . import html
from .text import clean_text, without_colours

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

SIZE_LIMIT: Final = 100_000
"""Characters of markdown that are rendered; more is shown as it is written."""

_CODE_LIMIT: Final = 20_000
"""Characters of a code block that are coloured."""

# Pygments token types and their colours: JupyterLab's of its editors, VS Code's of its
# charts, and where there is neither one that can be read on white and on black.
_PALETTE: Final = {
    "Keyword": ("k", "keyword", "charts-green", "#2e8b2e"),
    "Name.Builtin": ("b", "builtin", "charts-green", "#2e8b2e"),
    "Name.Function": ("d", "def", "charts-blue", "#4078d0"),
    "Name.Class": ("d", "def", "charts-blue", "#4078d0"),
    "Name.Decorator": ("m", "meta", "charts-purple", "#a558d0"),
    "Literal.String": ("s", "string", "charts-red", "#cc5040"),
    "Literal.Number": ("n", "number", "charts-green", "#2e8b57"),
    "Comment": ("c", "comment", "descriptionForeground", "#6a8587"),
    "Operator": ("o", "operator", "charts-purple", "#a558d0"),
}
_COLOURS: Final = {kind: f"var(--ca-{name})" for kind, (name, *_) in _PALETTE.items()}
_DEFINITIONS: Final = ";".join(
    sorted(
        {
            f"--ca-{name}:var(--jp-mirror-editor-{lab}-color,var(--vscode-{code},{fallback}))"
            for name, lab, code, fallback in _PALETTE.values()
        }
    )
)


def own_markdown(text: str) -> dict[str, str]:
    """The MIME bundle of markdown the front shows itself, such as the model's answer.

    ``text/html`` is safe; HTML in ``text`` is shown as text.  Remote images
    become a link with their text and address, so that nothing loads without a
    click.  ``text/plain`` is ``text`` without control characters.
    """
    plain = without_colours(clean_text(text))
    return {"text/html": render(plain, raw_html=False), "text/plain": plain}


def render(text: str, *, raw_html: bool) -> str:
    """Safe HTML for ``text``: CommonMark with tables, strikethrough and dollar math.

    ``raw_html`` keeps (cleaned) HTML in it, as notebooks expect of their own markdown.
    """
    if len(text) > SIZE_LIMIT:
        return f"<pre>{escape(text)}</pre>"
    return with_colours(html.clean(_renderer(raw_html).render(text)))


def highlighted(code: str, language: str) -> str:
    """``code`` as HTML for a ``<pre>``; coloured, within ``with_colours``, if the language is known."""
    return _highlighted(code, language, "") or escape(code)


def with_colours(markup: str) -> str:
    """``markup`` with the colours defined that it uses: once, not in each of its spans."""
    if "var(--ca-" not in markup:
        return markup
    return f'<div style="{_DEFINITIONS}">{markup}</div>'


@cache
def _renderer(raw_html: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    renderer = MarkdownIt("commonmark", {"html": raw_html, "highlight": _highlighted})
    renderer.enable(["table", "strikethrough"])
    dollarmath_plugin(renderer, double_inline=True, allow_space=False, allow_digits=False)
    for name, rule in {
        "text": _text,
        "image": _image,
        "math_inline": _math("$"),
        "math_inline_double": _math("$$"),
        "math_block": _math("$$"),
        "math_block_label": _math("$$"),
    }.items():
        renderer.add_render_rule(name, rule)
    return renderer


def _text(
    _self: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
) -> str:
    """Text; a dollar that is not math is put where the page's typesetter does not look for pairs."""
    return escape(tokens[index].content).replace("$", "<span>$</span>")


def _math(delimiter: str) -> Any:
    """A rule that hands math to the page's own typesetter as it was written."""

    def rule(
        _self: RendererHTML, tokens: Sequence[Token], index: int, _options: Any, _env: Any
    ) -> str:
        token = tokens[index]
        formula = f"{delimiter}{escape(token.content.replace('$', ''))}{delimiter}"
        return f"<p>{formula}</p>\n" if token.block else formula

    return rule


def _image(
    self: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    words = escape(self.renderInlineAsText(token.children, options, env) or "image")
    if source.lower().startswith("data:image/"):
        return f'<img src="{escape(source)}" alt="{words}">'
    return f'{words} (<a href="{escape(source)}">{escape(source)}</a>)'


def _highlighted(code: str, language: str, _attributes: str) -> str:
    """``code`` as HTML, coloured when its language is known; the renderer adds ``<pre><code>``."""
    if not language or len(code) > _CODE_LIMIT:
        return ""
    from pygments import lex
    from pygments.lexers import get_lexer_by_name
    from pygments.util import ClassNotFound

    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return ""
    tokens = ((_colour(str(kind), _COLOURS), piece) for kind, piece in lex(code, lexer))
    return "".join(
        _span(colour, escape("".join(piece for _, piece in run)))
        for colour, run in groupby(tokens, lambda token: token[0])
    )


def _span(colour: str | None, piece: str) -> str:
    return f'<span style="color:{colour}">{piece}</span>' if colour else piece


def _colour(kind: str, colours: Mapping[str, str]) -> str | None:
    """The colour of ``kind`` (``Token.Name.Function.Magic``) or its nearest ancestor."""
    name = kind.removeprefix("Token.")
    while name:
        if name in colours:
            return colours[name]
        name = name.rpartition(".")[0]
    return None

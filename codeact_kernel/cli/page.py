"""An executed notebook as one HTML page that loads nothing from anywhere."""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING

from ..replay.expand import mark_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

_STYLE = """
<style>
  body.jp-Notebook { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
  .celltag_codeact-prompt .jp-InputArea-editor, .celltag_codeact-prompt .highlight {
    background: #eef5f7 !important;
  }
  .jp-Cell.celltag_codeact-prompt .jp-InputArea-editor {
    border: none; border-left: 4px solid #1f4e5f; border-radius: 0;
  }
  .jp-Cell.celltag_codeact-prompt .highlight pre {
    white-space: pre-wrap; font-family: var(--jp-content-font-family); font-size: 1.05em;
    line-height: 1.5; padding: .3em .6em;
  }
  .celltag_codeact-answer { border-left: 4px solid #e0803a; background: #fdf6ef; }
</style>
"""

_SCRIPTS = re.compile(r"<script\b.*?</script>", re.DOTALL)
_NOTHING_REMOTE = (
    '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data: blob:; '
    "media-src data: blob:; font-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline' "
    "'unsafe-eval'\">"
)


def to_html(notebook: NotebookNode, title: str) -> str:
    """The page.  Prompts look like the plain language they are, answers are set off.

    Formulas stay as they were typed: the library that sets them would have to
    be loaded from the network.
    """
    from nbconvert.exporters import HTMLExporter

    page = copy.deepcopy(notebook)
    page.metadata.title = title
    for cell in page.cells:
        kind = mark_of(cell).get("kind")
        if kind == "prompt":
            cell.metadata.magics_language = "text"
        if kind in {"prompt", "answer"}:
            # nbconvert marks the cells of a tag with the class celltag_TAG.
            cell.metadata.setdefault("tags", []).append(f"codeact-{kind}")
    html, _ = HTMLExporter().from_notebook_node(page)
    head, end, body = str(html).partition("</head>")
    return (
        _SCRIPTS.sub("", head).replace("<head>", f"<head>{_NOTHING_REMOTE}", 1)
        + _STYLE
        + end
        + body
    )

"""An executed notebook as one HTML page that loads nothing from anywhere."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ..replay.expand import mark_of

if TYPE_CHECKING:
    from nbformat import NotebookNode

_STYLE = """
<style>
  body.jp-Notebook { max-width: 60rem; margin: 0 auto; padding: 1.5rem; }
  .codeact-prompt .jp-InputArea-editor {
    background: #eef5f7; border: none; border-left: 4px solid #1f4e5f; border-radius: 0;
  }
  .codeact-prompt .highlight pre {
    white-space: pre-wrap; font-family: var(--jp-content-font-family); font-size: 1.05em; padding: .3em .6em;
  }
  .codeact-answer { border-left: 4px solid #e0803a; background: #fdf6ef; }
  .jp-InputArea-editor .highlight pre { overflow-x: auto; }
</style>
</head>"""

_REMOTE = ("mathjax_url", "require_js_url", "jquery_url", "mermaid_js_url")


def to_html(notebook: NotebookNode, title: str) -> str:
    """The page.  Prompts look like the plain language they are, answers are set off."""
    from nbconvert.exporters import HTMLExporter
    from traitlets.config import Config

    page = copy.deepcopy(notebook)
    page.metadata.title = title
    for cell in page.cells:
        kind = mark_of(cell).get("kind")
        if kind == "prompt":
            cell.metadata.magics_language = "text"
        if kind in {"prompt", "answer"}:
            cell.metadata.setdefault("tags", []).append(f"codeact-{kind}")
    config = Config({"HTMLExporter": dict.fromkeys(_REMOTE, "")})
    html, _ = HTMLExporter(config=config).from_notebook_node(page)
    # nbconvert marks the cells of a tag with the class celltag_TAG.
    style = _STYLE.replace(".codeact-", ".celltag_codeact-")
    return str(html).replace("</head>", style, 1)

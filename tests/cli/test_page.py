"""The page shows the notebook and loads nothing."""

from __future__ import annotations

import re

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from codeact_kernel.cli.page import to_html


def page() -> str:
    prompt = {"codeact": {"v": 1, "kind": "prompt"}}
    answer = {"codeact": {"v": 1, "kind": "answer"}}
    shown = new_output("stream", name="stdout", text="forty-two\n")
    cells = [
        new_code_cell("Is the class of this cell plain text?", metadata=prompt),
        new_code_cell("print('forty-two')", outputs=[shown], execution_count=1),
        new_markdown_cell("It is **42**, or $6 \\times 7$.", metadata=answer),
    ]
    return to_html(new_notebook(cells=cells), "Six by seven")


def test_everything_is_on_the_page() -> None:
    html = page()

    assert "<title>Six by seven</title>" in html
    assert "Is the class of this cell plain text?" in html, "a prompt is not highlighted as code"
    assert "forty-two" in html
    assert "<strong>42</strong>" in html
    assert "celltag_codeact-prompt" in html
    assert "celltag_codeact-answer" in html


def test_nothing_is_loaded_from_anywhere() -> None:
    html = page()

    assert "<script" not in html
    assert re.findall(r"(?:src|href)=[\"']?(?!data:|#)\w+:", html) == []
    assert re.findall(r"(?:@import|url\()\s*[\"']?(?!data:|#)", html) == []
    assert html.index("Content-Security-Policy") < html.index("<style")

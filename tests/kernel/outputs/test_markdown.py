"""Markdown becomes safe HTML; formulas stay for the page to typeset."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import own_markdown
from codeact_kernel.kernel.outputs.markdown import render

from .structure import problems

PIECES = st.one_of(
    st.text(max_size=4),
    st.sampled_from(
        ["`", "``", "```\n", "\n\n", "![", "](", ")", "[", "http://x/y", "javascript:pwn()", "<img src=x ",
         'onerror="pwn()">', "<script>", "</script>", "$", "$$", "\\style{", "\\href{", "|", "|-|\n", "> ", "- ",
         "<!--", "-->", "    ", "~~~python\n", "&lt;", "\\", "*", "_", "<http://x>", "[1]: http://x\n"]
    ),
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=20).map("".join)


@given(TEXTS)
@settings(max_examples=200)
def test_any_markdown_gives_safe_html(text: str) -> None:
    assert problems(render(text, raw_html=True)) == []
    bundle = own_markdown(text)
    assert problems(bundle["text/html"]) == []


def test_an_answer_is_rendered_and_kept_as_text() -> None:
    text = "# Result\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\n**bold** ~~gone~~ and `code`\n"
    bundle = own_markdown(text)
    assert bundle["text/plain"] == text
    for part in ("<h1>Result</h1>", "<td>1</td>", '<td style="text-align:right">2</td>',
                 "<strong>bold</strong>", "<s>gone</s>", "<code>code</code>"):  # fmt: skip
        assert part in bundle["text/html"]


def test_escape_sequences_in_an_answer_are_no_part_of_it() -> None:
    bundle = own_markdown("a \x1b[1;31mred\x1b[0m \x1b[2J\x1b]8;;http://x\x07word\x1b]8;;\x07\x00")
    assert bundle["text/plain"] == "a red word"
    assert "<p>a red word</p>" in bundle["text/html"]


def test_html_in_an_answer_is_shown_as_text() -> None:
    assert "List&lt;int&gt;" in own_markdown("a List<int> here")["text/html"]


def test_a_remote_image_becomes_a_link_that_shows_its_address() -> None:
    html = own_markdown("![sales](http://x.example/p.png?secret)")["text/html"]
    assert "<img" not in html
    assert "sales (<a " in html
    assert ">http://x.example/p.png?secret</a>" in html


def test_an_embedded_image_stays() -> None:
    html = own_markdown("![dot](data:image/png;base64,iVBORw0KGgo=)")["text/html"]
    assert 'src="data:image/png;base64,iVBORw0KGgo="' in html


@pytest.mark.parametrize(
    ("text", "math"),
    [
        ("so $a_1*b*c$ it", "$a_1*b*c$"),
        ("$$\n\\int_0^1 x\n$$", "$$\n\\int_0^1 x\n$$"),
        ("| $x^2$ |\n|---|\n| $y_1$ |", "<td>$y_1$</td>"),
        ("$a<b$", "$a&lt;b$"),
    ],
)
def test_formulas_stay_for_the_page(text: str, math: str) -> None:
    assert math in own_markdown(text)["text/html"]


def test_a_price_is_no_formula() -> None:
    html = own_markdown("from $5 to $7")["text/html"]
    assert html == "<p>from <span>$</span>5 to <span>$</span>7</p>\n"


def test_code_is_coloured_and_complete() -> None:
    html = own_markdown("```python\ndef f(x):\n    return '<b>'  # why\n```")["text/html"]
    assert "jp-mirror-editor-keyword-color" in html
    assert "&lt;b&gt;" in html
    assert "<pre><code" in html


def test_code_in_an_unknown_language_stays_plain() -> None:
    html = own_markdown("```nonesuch\na < b\n```")["text/html"]
    assert ">a &lt; b\n</code></pre>" in html


def test_very_long_markdown_is_shown_as_written() -> None:
    html = render("[" * 200_000, raw_html=True)
    assert html == f"<pre>{'[' * 200_000}</pre>"

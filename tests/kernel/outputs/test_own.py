"""What the front shows itself is safe, whole, and says what is in it."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import own

from .structure import problems

TEXT = st.text(max_size=60) | st.sampled_from(
    ["</pre><script>pwn()</script>", "$$\\style{x}$$", "<img src=x onerror=pwn()>", "```\n</div>", "\x1b]8;;http://x\x07"]
)  # fmt: skip


def words_of(markup: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", markup))


@given(TEXT, TEXT)
@settings(max_examples=200)
def test_nothing_that_is_shown_can_run_or_load(text: str, other: str) -> None:
    for bundle in (
        own.line([text, other]),
        own.notice(text),
        own.words(text),
        own.answer(text, [other]),
        own.code(text, other),
    ):
        assert problems(bundle["text/html"]) == []
        assert "\x1b" not in bundle["text/plain"]


@given(st.text(alphabet="abc'\"#<>&`$\\{}\n\t @0"))
def test_code_is_shown_exactly(source: str) -> None:
    bundle = own.code(source, "Step 1")
    assert words_of(bundle["text/html"]) == "Step 1" + source
    assert bundle["text/plain"] == source


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("a = 1  # \u202e evil", "a = 1  # ⟨U+202E⟩ evil"),
        ("# nothing\ros.remove(x)", "# nothing⟨U+000D⟩os.remove(x)"),
        ("na\u200bme", "na⟨U+200B⟩me"),
        ("print('\x1b[2K')", "print('⟨U+001B⟩[2K')"),
        ("one\r\ntwo", "one\ntwo"),
        ("'👩\u200d🔬 é 中'", "'👩\u200d🔬 é 中'"),
    ],
)
def test_what_could_mislead_a_reader_of_code_is_written_out(source: str, shown: str) -> None:
    bundle = own.code(source, "Step 1")
    assert bundle["text/plain"] == shown
    assert words_of(bundle["text/html"]) == "Step 1" + shown


def test_colours_are_defined_once_for_all_of_the_code() -> None:
    markup = own.code("def f():\n    return 'x'\n" * 50, "Step 1")["text/html"]
    assert markup.count("--jp-mirror-editor-keyword-color") == 1


def test_a_line_leaves_out_what_is_empty() -> None:
    assert own.line(["CodeAct", "", "a <b>"])["text/plain"] == "CodeAct · a <b>"


def test_names_that_code_chose_are_no_formulas() -> None:
    name = r"$\href{javascript:pwn()}{x}$"
    for markup in (own.line([name])["text/html"], own.code("1", name)["text/html"]):
        assert words_of(markup).removesuffix("1") == name
        assert "$\\href" not in markup
        assert "\\href" not in markup


def test_what_stands_below_an_answer_is_no_markdown() -> None:
    bundle = own.answer("**yes**", ["Files: created *x*.csv"])
    assert "<strong>yes</strong>" in bundle["text/html"]
    assert "created *x*.csv" in bundle["text/html"]
    assert bundle["text/plain"] == "**yes**\n\nFiles: created *x*.csv"

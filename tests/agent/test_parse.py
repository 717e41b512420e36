"""What counts as code in a reply, and what does not."""

from __future__ import annotations

import ast
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.parse import Answer, Broken, Code, StreamCut, Unable, parse_reply


def code(text: str) -> str:
    reply = parse_reply(text)
    assert isinstance(reply, Code), reply
    return reply.code


def is_answer(text: str) -> bool:
    return parse_reply(text) == Answer(text.strip())


@pytest.mark.parametrize(
    "tag", ["python", "py", "python3", "Python", "ipython", "{python}", "tool_code"]
)
def test_a_fence_tagged_as_python_is_a_step(tag: str) -> None:
    assert parse_reply(f"Let me see.\n\n```{tag}\nx = 1\n```") == Code(
        "x = 1", "python", f"Let me see.\n\n```{tag}\nx = 1\n```"
    )


@pytest.mark.parametrize("tag", ["bash", "sh", "shell", "Bash"])
def test_a_shell_fence_becomes_a_bash_cell(tag: str) -> None:
    assert parse_reply(f"```{tag}\nls -l\n```") == Code(
        "%%bash\nls -l", "bash", f"```{tag}\nls -l\n```"
    )


@pytest.mark.parametrize(
    "tag", ["json", "text", "sql", "markdown", "javascript", "console", "output", "r"]
)
def test_other_languages_are_illustration(tag: str) -> None:
    assert is_answer(f"See:\n```{tag}\nx = 1\n```")


@pytest.mark.parametrize(
    "text",
    [
        "<execute>\nprint(1)\n</execute>",
        "<execute> print(1) </execute>",
        "Let me look. <execute>\nprint(1)\n</execute> Observation: 1",
        "<execute>\n```python\nprint(1)\n```\n</execute>",
    ],
)
def test_an_execute_tag_is_a_step(text: str) -> None:
    assert code(text).strip() == "print(1)"


def test_a_mention_of_the_execute_tag_is_not_code() -> None:
    assert is_answer("Write code between <execute> and </execute> tags.")


def test_a_native_tool_call_is_a_step_and_keeps_what_was_said() -> None:
    assert parse_reply("Let me see.", "x = 1") == Code(
        "x = 1", "python", "Let me see.\n\n```python\nx = 1\n```"
    )


def test_a_fence_inside_a_tool_call_is_taken_off() -> None:
    reply = parse_reply("", "```python\nx = 1\n```")
    assert isinstance(reply, Code)
    assert reply.code == "x = 1"


def test_a_blank_tool_call_does_not_hide_the_answer() -> None:
    assert parse_reply("It is 42.", "  ") == Answer("It is 42.")


def test_only_the_first_closed_block_counts_and_nothing_said_after_it() -> None:
    text = "```python\nx = 1\n```\nOutput: 1\n```python\nx = 2\n```\nIt is 2."
    assert parse_reply(text) == Code("x = 1", "python", "```python\nx = 1\n```")


def test_an_illustration_before_the_code_is_passed_over() -> None:
    assert code("Given\n```json\n{}\n```\nI run\n```python\nx = 1\n```") == "x = 1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''"),
        ("~~~python\nx = 1\n~~~", "x = 1"),
        ("~~~python\ns = '''\n```\n'''\n~~~", "s = '''\n```\n'''"),
        ("1. First\n   ```python\n   if x:\n       y\n   ```", "if x:\n    y"),
        ("```python\nx = 1\n`````", "x = 1"),
        ("```python\r\nx = 1\r\ny = 2\r\n```\r\n", "x = 1\ny = 2"),
        ("``` python title='a.py'\nx = 1\n```", "x = 1"),
    ],
)
def test_fences_come_in_many_forms(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    "body",
    [
        'text = """\n```python\nprint(1)\n```\n"""\nprint(text)',
        "text = '''\n```\n'''",
        'r"""\n```\n\\"""\n```\n"""',
        '# it\'s """ only a comment\nx = 1',
        's = \'a """ b\'\nx = 1',
        'f"""{x}\n```\n"""',
        "s = 'one \\\ntwo'\nx = 1",
    ],
)
def test_a_fence_inside_a_string_does_not_close_the_block(body: str) -> None:
    assert code(f"```python\n{body}\n```\nAnd then prose.") == body
    ast.parse(body)


@pytest.mark.parametrize("line", ["s = '</execute>'", 's = """\n</execute>\n"""'])
def test_a_closing_tag_inside_a_string_does_not_close_the_block(line: str) -> None:
    assert code(f"<execute>\n{line}\nprint(s)\n</execute> done").strip() == f"{line}\nprint(s)"


def test_a_string_that_never_ends_does_not_swallow_the_rest_of_the_reply() -> None:
    assert code('```python\ns = """oops\n```\nThis should print.') == 's = """oops'


def test_a_here_document_may_contain_fences() -> None:
    body = "cat > README.md <<'EOF'\n# Title\n```python\nx\n```\n```\nbare\n```\nEOF\nls"
    assert code(f"```bash\n{body}\n```\nDone") == f"%%bash\n{body}"


def test_a_file_written_by_a_magic_may_contain_fenced_examples() -> None:
    body = "%%writefile README.md\n# Title\n```bash\nls\n```\nend"
    assert code(f"```python\n{body}\n```\nDone") == body


def test_code_within_a_markdown_example_is_not_run() -> None:
    text = (
        "```markdown\n# T\n```python\na()\n```\ntext\n```python\nb()\n```\n```\nThat is the file."
    )
    assert is_answer(text)


def test_drafts_in_leading_thoughts_are_neither_run_nor_shown() -> None:
    thought = "<think>\nMaybe\n```python\nrm()\n```\n</think>\n\n"
    assert parse_reply(thought + "It is 42.") == Answer("It is 42.")
    assert code(thought + "```python\nx = 1\n```") == "x = 1"
    assert isinstance(parse_reply("<think>\n```python\nrm()\n```\n"), Broken)


# --- untagged fences ---------------------------------------------------------------


@pytest.mark.parametrize(
    "body", ["x=1", "import os", "for i in y:\n    f(i)", "print(x)", "x: int = 1"]
)
def test_an_untagged_fence_that_ends_the_reply_and_does_something_is_a_step(body: str) -> None:
    assert code(f"Let me see.\n```\n{body}\n```\n") == body


@pytest.mark.parametrize(
    "body",
    [
        "455.0",
        "df",
        "[1, 2]",
        "mean: 3",
        "array([1, 2])",
        "np.float64(3.0)",
        "a  b\n1  2",
        "!ls",
        "",
        "x = (",
    ],
)
def test_an_untagged_fence_with_a_result_is_part_of_the_answer(body: str) -> None:
    assert is_answer(f"The result is\n```\n{body}\n```")


@pytest.mark.parametrize(
    "text",
    [
        "```\nx = 1\n```\nis how you assign.",
        "```\nx = 1\n```\nand\n```\ny = 2\n```",
        "```\nx = 1",
        "```\n```python\nx = 1\n```",
    ],
)
def test_an_untagged_fence_elsewhere_is_not_run(text: str) -> None:
    assert is_answer(text)


# --- not code -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "x = 1",
        "done",
        "Use `x = 1`.",
        "import os",
        "    x = 1",
        "> ```python\n> x\n> ```",
        "print(1)",
    ],
)
def test_text_without_a_fence_is_the_answer(text: str) -> None:
    assert is_answer(text)


@pytest.mark.parametrize("text", ["UNABLE: no file", "\n**UNABLE:** no file", "UNABLE:\nno file"])
def test_unable_is_recognised(text: str) -> None:
    assert parse_reply(text) == Unable("no file")


def test_unable_wins_over_code() -> None:
    assert parse_reply("UNABLE: no\n```python\nx\n```").__class__ is Unable


@pytest.mark.parametrize("text", ["", " \n", "```python\n```", "```python\n\n```"])
def test_a_reply_with_nothing_in_it_is_broken(text: str) -> None:
    assert isinstance(parse_reply(text), Broken)


@pytest.mark.parametrize(
    "text", ["It is", "```python\nx = 1\n```", "```python\nx = 1", "UNABLE: no"]
)
def test_a_reply_cut_by_the_token_limit_is_never_run(text: str) -> None:
    assert isinstance(parse_reply(text, finish="length"), Broken)
    assert isinstance(parse_reply(text, "x = 1", finish="length"), Broken)


def test_an_unclosed_block_counts_only_if_it_is_whole() -> None:
    assert code("```python\nx = 1\n") == "x = 1"
    assert isinstance(parse_reply("```python\nx = (1,\n"), Broken)
    assert isinstance(parse_reply("```bash\nrm -rf build/\n"), Broken)
    assert isinstance(parse_reply("```python\n%%writefile a\nhalf"), Broken)


# --- properties ---------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        "```", "````", "~~~", "```python", "```bash", "```json", "```markdown", "<execute>", "</execute>",
        "<think>", "</think>", "UNABLE: ", "\n", "\n\n", "\r\n", "\r", "   ", '"""', "'''", "'", '"', "\\", "#",
        "x = 1", "print(1)", "(", ")", "%%bash", "%%writefile a", "<<EOF", "EOF", "text", "`", "é", "\u2028",
        "\ud800", "\x00", "!ls", "%%time",
    ]
)  # fmt: skip
REPLIES = st.lists(PIECES | st.just("\n"), max_size=30).map("".join) | st.text(max_size=60)


def code_of(text: str) -> str | None:
    reply = parse_reply(text)
    return reply.code if isinstance(reply, Code) else None


def chunks(text: str, cuts: list[int]) -> list[str]:
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    return [text[start:end] for start, end in pairwise(places)]


@given(REPLIES, st.sampled_from(["stop", "cut", "length"]), st.none() | REPLIES)
def test_the_parser_never_raises(text: str, finish: str, tool: str | None) -> None:
    reply = parse_reply(text, tool, finish)  # type: ignore[arg-type]
    assert isinstance(reply, Code | Answer | Unable | Broken)
    assert not (finish == "length" and isinstance(reply, Code))


@given(REPLIES, st.lists(st.integers(0, 500)))
def test_cutting_the_stream_then_parsing_gives_the_code_of_the_whole(
    text: str, cuts: list[int]
) -> None:
    cut, received = StreamCut(), ""
    for chunk in chunks(text, cuts):
        received += chunk
        if cut.feed(chunk):
            break
    assert code_of(received) == code_of(text)


@given(REPLIES)
def test_a_cut_never_loses_code(text: str) -> None:
    cut = StreamCut()
    if cut.feed(text) and not isinstance(parse_reply(text), Unable):
        assert code_of(text) is not None


@given(REPLIES)
def test_only_text_that_the_model_marked_as_code_is_run(text: str) -> None:
    """Code stands in the reply, after a mark, as it is but for newlines and the fence's indent."""
    found = code_of(text)
    if found is None:
        return
    marks = [text.find(mark) for mark in ("```", "~~~", "<execute>") if mark in text]
    assert marks
    assert squeezed(found.removeprefix("%%bash\n")) in squeezed(text[min(marks) :])


def squeezed(text: str) -> str:
    return " ".join(text.split())


@given(st.text(alphabet=st.characters(exclude_characters="`~<"), max_size=200))
def test_without_a_mark_nothing_is_run(text: str) -> None:
    assert code_of(text) is None


@given(
    st.lists(
        st.sampled_from(
            ["x = 1", "s = '''", "'''", '"""', "# ```", "y = '`'", "", "if x:", "    z"]
        )
    )
)
def test_valid_python_survives_its_fence(lines: list[str]) -> None:
    body = "\n".join(lines)
    try:
        ast.parse(body)
    except SyntaxError:
        return
    if body.strip():
        assert code(f"```python\n{body}\n```\nprose\n") == body.strip("\n").rstrip()


def test_the_cut_comes_with_the_line_that_closes_the_block() -> None:
    cut = StreamCut()
    assert not cut.feed("Let me.\n```python\nx = 1\n``")
    assert not cut.feed("`")
    assert cut.feed("\nOutput")
    assert cut.feed("more")


def test_untagged_fences_do_not_cut() -> None:
    cut = StreamCut()
    assert not cut.feed("```\nx = 1\n```\n")
    assert cut.feed("```python\nx = 2\n```\n")


def test_a_long_line_in_single_characters_is_joined_once() -> None:
    """A detector that scanned its buffer for each delta would need 10**10 character visits here."""
    cut = StreamCut()
    for _ in range(100_000):
        cut.feed("x")
    assert cut.feed("\n```python\nx\n```\n")

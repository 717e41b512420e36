"""Which cells are accepted, and what is said about the others."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from codeact_kernel.agent.syntax import cell_magic, syntax_problem


@pytest.mark.parametrize(
    "code",
    [
        "x = 1",
        "",
        "# only a comment",
        "await f()",
        "async with a as b:\n    pass",
        "async for x in y: print(x)",
        "%matplotlib inline\nx = 1",
        "%time f(x)",
        "!ls -l | grep 'x",
        "!!ls",
        "files = !ls\nfiles[0]",
        "a, b = !echo 'it''s",
        "t = %timeit -o f()",
        "if x:\n    !ls\n    %cd ..\n",
        "df.head?",
        "df.head??",
        "?df",
        "??df.head",
        "?np.*load*",
        "%%bash\nfor f in *; do echo $f; done",
        "%%writefile a.txt\nany ( text",
        "%%time\nx = 1",
        "%%timeit x = 1\nx + 1",
        "\n%%bash\nls",
        "!pip install \\\n    requests \\\n    numpy\nimport requests",
        "s = '''\n!not an escape\n'''\n!ls",
        "    x = 1\n    y = 2",
        "x = (a\n     % b)",
        "print('\\d')",
        "x = 10 ** 10",
    ],
)
def test_python_and_ipython_are_accepted(code: str) -> None:
    assert syntax_problem(code) is None


@pytest.mark.parametrize(
    "code",
    [
        "x = ",
        "print('a",
        "if x:\npass",
        "%%time\nx = ",
        "!ls\nx = (",
        "for i in y\n    pass",
        "s = '''",
        "Here is the code:",
        "x = 1\n y = 2",
        "x\x00y",
        "x = '\ud800'",
        "%%bash\necho '\ud800'",
        "(" * 3000 + ")" * 3000,
    ],
)
def test_everything_else_is_refused(code: str) -> None:
    assert syntax_problem(code) is not None


def test_the_problem_names_line_caret_and_cause() -> None:
    problem = syntax_problem("!ls\nx = 1\nif x:\n    print('a)\n")
    assert str(problem) == (
        "line 4: SyntaxError: unterminated string literal (detected at line 4)\n"
        "    print('a)\n"
        "          ^"
    )


def test_the_shown_line_is_the_one_the_model_wrote() -> None:
    problem = syntax_problem("%%time\n%cd ..\nx = = 1")
    assert problem is not None
    assert (problem.line, problem.text) == (3, "x = = 1")


def test_cell_magics_with_python_in_them_are_python() -> None:
    assert cell_magic("%%time\nx") is None
    assert cell_magic("%%bash\nx") == "bash"
    assert cell_magic("x = 1") is None


@pytest.mark.parametrize("piece", ["-", "not ", "(", "[", "lambda:", "x if x else ", "f'{", "(a:="])
def test_code_that_is_nested_too_deeply_is_refused_in_words(piece: str) -> None:
    problem = syntax_problem(piece * 20_000 + "1")
    assert problem is not None
    assert len(problem.message) > len("MemoryError: ")


@pytest.mark.parametrize("piece", [" ", "x ", "a.", "?", "%", "! ", "[", "= "])
def test_long_lines_are_checked_in_linear_time(piece: str) -> None:
    """A pattern that backtracks over such a line would not come back within the test's limit."""
    assert syntax_problem("(\n" + piece * 300_000) is not None


@given(st.text())
def test_the_check_never_raises(code: str) -> None:
    str(syntax_problem(code))


@given(
    st.lists(
        st.sampled_from(["!", "%", "?", "x", "=", "'", '"""', "\n", "\\", "(", " ", "%%", "time"])
    )
)
def test_nor_does_it_for_escapes_in_odd_places(pieces: list[str]) -> None:
    str(syntax_problem("".join(pieces)))


CELL_LINES = [
    "x = 1", "!ls", "%cd ..", "%%time", "df?", "?df", "x = !ls", "if x:", "    !ls", "    %time f()",
    "    x = %who_ls", "    pass", "s = '''a", "'''", "!!ls -l", "%timeit -n 10 f(x)",
    "df.head??", "d['a'] = !ls", "a, b = !ls", "!pip install a \\", "    b c", "# comment", "", "await f()",
    "x = a % b", "!echo \"it's\"", "get = %env HOME", "def f():", "    return 1", "%%capture out", "np.*load*?",
]  # fmt: skip


new_manager: Callable[[], Any] = TransformerManager


@settings(max_examples=300)
@given(st.lists(st.sampled_from(CELL_LINES), min_size=1, max_size=5).map("\n".join))
def test_what_ipython_can_run_of_such_lines_is_accepted(code: str) -> None:
    try:
        ast.parse(new_manager().transform_cell(code))
    except SyntaxError:
        return
    assert syntax_problem(code) is None or code.lstrip("\n").startswith(("%%time", "%%capture"))

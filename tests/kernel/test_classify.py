"""Prompt or code: explicit marks first, then the shape of the text, and doubt means code."""

from __future__ import annotations

import ast
import random
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codeact_kernel.kernel.classify import HINT, Cell, classify, classify_cell, hint

from .prompts import PROMPTS
from .snippets import BROKEN, PASTED, VALID

EVERY_PROMPT = [prompt for prompts in PROMPTS.values() for prompt in prompts]
EVERY_CODE = [*VALID, *BROKEN, *PASTED]
NOT_IN_A_TABLE = [
    "",
    " \n\t\n",
    "x\0y = 3",
    "x = '\ud800'",
    "(" * 5_000,
    "-" * 5_000 + "1",
    "+".join(["a"] * 5_000),
]


@pytest.mark.parametrize("language", PROMPTS)
def test_requests_in_this_language_are_prompts(language: str) -> None:
    assert len(PROMPTS[language]) >= 40
    assert [text for text in PROMPTS[language] if classify(text) == "code"] == []


@pytest.mark.parametrize("code", [*EVERY_CODE, *NOT_IN_A_TABLE])
def test_this_is_code(code: str) -> None:
    assert classify(code) == "code"


def test_there_are_enough_snippets_to_mean_something() -> None:
    assert len(VALID) >= 80
    assert len(BROKEN) >= 90
    assert len(PASTED) >= 50


@pytest.mark.parametrize(
    ("word", "question"),
    [("df.head?", "Which country has the highest score?"), ("数据?", "哪个国家的分数最高?")],
)
def test_a_question_mark_asks_for_help_only_behind_a_name(word: str, question: str) -> None:
    assert classify(word) == "code"
    assert classify(question) == "prompt"


def test_a_name_in_chinese_is_a_sentence_only_when_it_is_long_or_says_something() -> None:
    assert classify("销售数据") == "code"
    assert classify("统计每个城市的销售额") == "prompt"
    assert classify("请画图说明") == "prompt"


def test_other_scripts_are_read_too() -> None:
    for text in (
        "प्रत्येक शहर की कुल बिक्री दिखाओ",
        "ارسم المبيعات الشهرية لكل مدينة",
        "הצג את המכירות לפי עיר",
        "각 도시의 매출을 그래프로 그려줘",
        "Δείξε τις πωλήσεις ανά πόλη",
        "แสดงยอดขายของแต่ละเมือง",
        "Pokaż sprzedaż w każdym mieście",
        "Vẽ biểu đồ doanh thu theo tháng",
        "Mostre a receita mensal por região",
    ):
        assert classify(text) == "prompt", text


def test_code_below_an_introduction_is_material_of_the_prompt() -> None:
    function = "def mean(values):\n    return sum(values) / len(value)\n"
    assert classify("Find the mistake in this function:\n" + function) == "prompt"
    assert classify("This function fails for an empty list. Fix it.\n\n" + function) == "prompt"
    assert classify("Explain this\n```python\n" + function + "```") == "prompt"


def test_words_above_code_without_an_introduction_are_a_forgotten_comment() -> None:
    assert classify("compute the mean of the values\nmean = sum(values) / len(values)") == "code"
    assert classify("first load the data\nimport pandas as pd\ndf = pd.read_csv('a')") == "code"


# --- explicit marks ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["code", "generated", "answer"])
def test_metadata_can_say_code_against_the_text(kind: str) -> None:
    text = "%%codeact\nPlot the sales by month."
    assert classify_cell(text, {"codeact": {"v": 1, "kind": kind}}) == Cell("code", text)


def test_metadata_can_say_prompt_against_the_text() -> None:
    metadata = {"codeact": {"v": 1, "kind": "prompt"}}
    assert classify_cell("x = 1", metadata) == Cell("prompt", "x = 1")
    assert classify_cell("%%codeact\nx = 1", metadata) == Cell("prompt", "x = 1")


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        {},
        {"codeact": {}},
        {"codeact": {"kind": "auto"}},
        {"codeact": {"kind": "of another version"}},
        {"codeact": {"kind": ["prompt"]}},
        {"codeact": "prompt"},
        {"codeact": None},
    ],
)
def test_metadata_that_decides_nothing_leaves_it_to_the_text(
    metadata: dict[str, object] | None,
) -> None:
    assert classify_cell("x = 1", metadata).kind == "code"
    assert classify_cell("Plot the sales by month.", metadata).kind == "prompt"


@pytest.mark.parametrize(
    ("source", "prompt"),
    [
        ("%%codeact\nx = 1", "x = 1"),
        ("%codeact continue", "continue"),
        ("%%codeact continue", "continue"),
        ("\n\n  %%codeact\n\n  plot it\nin red\n", "plot it\nin red"),
        ("%%codeact draw a line\nand a circle", "draw a line\nand a circle"),
        ("%%codeact\r\nplot it", "plot it"),
        ("%%codeact", ""),
    ],
)
def test_a_marker_makes_a_prompt_and_is_no_part_of_it(source: str, prompt: str) -> None:
    assert classify_cell(source) == Cell("prompt", prompt)
    assert classify(source) == "prompt"


@pytest.mark.parametrize("source", ["%%codeactor\nx", "x\n%%codeact\ny", "%codeact_x", "codeact x"])
def test_what_only_resembles_a_marker_is_none(source: str) -> None:
    assert classify_cell(source) == Cell("code", source)


def test_without_a_marker_the_text_is_kept_as_typed() -> None:
    assert classify_cell("  Plot the sales.\n") == Cell("prompt", "  Plot the sales.\n")


@pytest.mark.parametrize(
    "text", ["top 10 customers", "Umsatz Region", "print the total", "求均值吧"]
)
def test_a_refused_text_with_words_gets_a_hint(text: str) -> None:
    assert hint(text) == HINT
    assert "%%codeact" in HINT


@pytest.mark.parametrize("text", ["x = = 3", "print x", "for i in range(10)", "(", ""])
def test_plainly_broken_code_gets_no_hint(text: str) -> None:
    assert hint(text) == ""


# --- properties -------------------------------------------------------------------------------


MODULES = ("argparse", "ast", "bdb", "calendar", "csv", "difflib", "doctest", "fractions")


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


@pytest.fixture(scope="module")
def nodes() -> list[tuple[str, ast.stmt]]:
    """The statements of some modules of the standard library: real code, on every machine."""
    root = Path(sysconfig.get_path("stdlib"))
    sources = [(root / f"{name}.py").read_text(encoding="utf-8") for name in MODULES]
    return [
        (source, node)
        for source in sources
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.stmt)
    ]


@pytest.fixture(scope="module")
def statements(nodes: list[tuple[str, ast.stmt]]) -> list[str]:
    """Some thousand statements, in the shape that ``ast.unparse`` gives them."""
    return sorted({ast.unparse(node) for _, node in nodes if not _is_docstring(node)})


def test_no_statement_of_the_standard_library_is_a_prompt_as_written(
    nodes: list[tuple[str, ast.stmt]],
) -> None:
    for source, node in nodes:
        written = "\n".join(source.splitlines()[node.lineno - 1 : node.end_lineno])
        assert classify(written) == "code", written


def test_no_statement_of_the_standard_library_is_a_prompt(statements: list[str]) -> None:
    assert len(statements) > 2_000
    assert [code for code in statements if classify(code) == "prompt"] == []


@pytest.mark.parametrize("lost", ["()[]{}", "\"'", ":", ",", "=", "\n"])
def test_a_statement_that_lost_a_character_stays_code(statements: list[str], lost: str) -> None:
    draw = random.Random(lost)
    broken = [
        code[:at] + code[at + 1 :]
        for code in statements
        if (at := _somewhere(draw, code, lost)) is not None
    ]
    wrong = [code for code in broken if classify(code) == "prompt"]
    assert len(broken) > 500
    assert len(wrong) <= 0.02 * len(broken), wrong


def _somewhere(draw: random.Random, code: str, characters: str) -> int | None:
    places = [at for at, character in enumerate(code) if character in characters]
    return draw.choice(places) if places else None


def test_statements_in_python_2_are_code(nodes: list[tuple[str, ast.stmt]]) -> None:
    values = {
        ast.unparse(node.value)
        for _, node in nodes
        if isinstance(node, ast.Return | ast.Assign) and node.value
    }
    wrong = [value for value in values if classify(f"print {value}") == "prompt"]
    assert len(values) > 1_000
    assert len(wrong) <= 0.005 * len(values), wrong


@given(st.text(max_size=400))
@settings(max_examples=500, deadline=None)
def test_no_text_is_too_strange(text: str) -> None:
    assert classify(text) in ("prompt", "code")
    assert classify_cell(text).kind == classify(text)
    assert hint(text) in ("", HINT)


@given(st.lists(st.sampled_from([*EVERY_PROMPT, *EVERY_CODE]), max_size=4), st.characters())
@settings(max_examples=300, deadline=None)
def test_no_mixture_is_too_strange(parts: list[str], between: str) -> None:
    assert classify(between.join(parts)) in ("prompt", "code")


@given(st.sampled_from(EVERY_CODE), st.sampled_from(["\n", "  \n", "\n\n\n"]))
@settings(deadline=None)
def test_empty_lines_around_code_change_nothing(code: str, margin: str) -> None:
    assert classify(margin + code + margin) == "code"


@given(st.sampled_from(EVERY_PROMPT), st.sampled_from(["\n", "  \n", "\n\n\n", "  "]))
@settings(deadline=None)
def test_margins_around_a_prompt_change_nothing(prompt: str, margin: str) -> None:
    assert classify(margin + prompt + margin) == "prompt"


@pytest.mark.parametrize("prompt", [p for prompts in PROMPTS.values() for p in prompts[:5]])
def test_quoted_or_commented_prompts_are_code(prompt: str) -> None:
    assert classify(f"# {prompt}") == "code"
    assert classify(repr(prompt)) == "code"
    assert classify(f"ask({prompt!r})") == "code"
    assert classify(f"text = '''{prompt}'''") == "code"


def test_ten_megabytes_are_no_trouble() -> None:
    assert classify("Describe these numbers:\n" + "12.5 17.25 3\n" * 800_000) == "prompt"
    assert classify("the word goes on " * 600_000) == "prompt"
    assert classify("x = 1\n" * 1_700_000) == "code"
    assert classify("Plot this\n" + "*" * 10_000_000) == "code"
    assert classify("\n" * 10_000_000) == "code"


def test_deciding_imports_neither_ipython_nor_anything_else_heavy() -> None:
    script = (
        "import sys; from codeact_kernel.kernel.classify import classify;"
        "classify('Plot the sales by month?'); classify('%time x');"
        "print(*sorted({'IPython', 'openai', 'zmq'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []

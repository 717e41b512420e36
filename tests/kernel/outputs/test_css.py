"""CSS: what is on the list stays, what loads, moves or covers goes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import css

from .structure import problems

PIECES = st.sampled_from(
    ["color", "background", "position", ":", ";", "red", "fixed", "url(", ")", "http://x", "{", "}",
     "@import", "@media", "#T_a", ".b", "td", ">", "+", ",", "*", "/*", "*/", "\\", "'", '"', "-5px",
     "10px", "100vw", "calc(", "1px - 9px", "margin-top", "var(--x)", "--x", "!important", "rgb(1,2,3)",
     "<", "</style>", "&", "|", "expression(", "\n", "\x00", "é", "99999px", "width", "content", "::before"]
)  # fmt: skip
SHEETS = st.lists(st.one_of(PIECES, st.text(max_size=3)), max_size=30).map("".join)

_NEVER = re.compile(
    r"url|@|\\|position|http|/\*|<|expression|vw|99999|margin-top:calc|--x:", re.IGNORECASE
)


@given(SHEETS)
def test_nothing_dangerous_survives_in_declarations(text: str) -> None:
    kept = css.declarations(text)
    assert not _NEVER.search(kept)
    assert not set("{}<>\\@") & set(kept)
    assert css.declarations(kept) == kept


@given(SHEETS)
def test_every_rule_of_a_sheet_is_confined(sheet: str) -> None:
    rules = css.scoped(sheet, "#co-0123456789ab")
    assert problems(f'<div id="co-0123456789ab"><style>{rules}</style></div>') == []
    for rule in filter(None, rules.split("}")):
        selectors, _, _ = rule.partition("{")
        assert all(one.startswith("#co-0123456789ab ") for one in selectors.split(","))


@pytest.mark.parametrize(
    "kept",
    [
        "color:red",
        "background-color:#ffe0e0",
        "background:linear-gradient(90deg, #d65f5f 33.3%, transparent 33.3%)",
        "width:10em;height:80%",
        "border:1px solid rgba(0,0,0,0.5) !important",
        "font-family:'Helvetica Neue', \"Arial\", sans-serif",
        "width:calc(100% - 10px)",
        "color:var(--jp-ui-font-color1, #008000)",
        "text-align:right;font-weight:bold",
        "grid-template-columns:1fr 2fr",
    ],
)
def test_ordinary_declarations_stay(kept: str) -> None:
    assert css.declarations(kept) == kept


@pytest.mark.parametrize(
    "dropped",
    [
        "position:fixed",
        "transform:scale(9)",
        "z-index:9",
        "background:url(http://x)",
        "background:u\\72l(http://x)",
        "background:image-set('http://x' 1x)",
        "background:/**/url(x)",
        "margin-left:-900px",
        "margin-left:calc(0px - 900px)",
        "margin-left:CALC(0px - 900px)",
        "width:100vw",
        "height:100vh",
        "width:99999px",
        "width:1e9px",
        "box-shadow:0 0 0 999px red",
        "color:red}body{display:none",
        "color:rgb(1,2,3",
        "color:red)",
        "--x:1",
        "behavior:x",
        "animation:k 1s",
        "cursor:none",
        "content:'x'",
    ],
)
def test_what_loads_moves_or_covers_goes(dropped: str) -> None:
    assert css.declarations(dropped) == ""


def test_rules_of_a_styler_are_confined_and_complete() -> None:
    sheet = (
        "#T_1 th {color: red}\n#T_1_row0_col0, #T_1_row1_col0 {background-color: yellow;}"
        "#T_1 tr:hover td:nth-child(2n+1) {color: blue}"
    )
    assert css.scoped(sheet, "#s") == (
        "#s #T_1 th{color:red}"
        "#s #T_1_row0_col0,#s #T_1_row1_col0{background-color:yellow}"
        "#s #T_1 tr:hover td:nth-child(2n+1){color:blue}"
    )


def test_at_rules_go_with_all_in_them() -> None:
    sheet = (
        "@import url(x); p {color:red} @media print { p {color:blue} b {color:blue} }"
        "i {color:green} @font-face {font-family: q} @charset 'x'; u {color:red}"
    )
    assert css.scoped(sheet, "#s") == "#s p{color:red}#s i{color:green}#s u{color:red}"


@pytest.mark.parametrize(
    "selector", ["> p", "+ p", "~ p", "| p", "& p", "p\\3a", "[href^='a']", ""]
)
def test_a_selector_that_could_leave_its_scope_loses_its_rule(selector: str) -> None:
    assert css.scoped(f"{selector} {{color:red}}", "#s") == ""


def test_classes_of_the_page_are_out_of_reach() -> None:
    assert css.class_names("dataframe jp-Button lm-Menu mine") == (
        "dataframe co-jp-Button co-lm-Menu co-mine"
    )
    assert css.scoped(".jp-Button.mine {color:red}", "#s") == "#s .co-jp-Button.co-mine{color:red}"

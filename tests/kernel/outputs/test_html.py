"""Static HTML: structure over anything a fuzzer writes, and the tables people show."""

from __future__ import annotations

from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import OutputPolicy, html
from codeact_kernel.kernel.outputs.text import well_formed

from .structure import framed, problems

_TAGS = ["p", "b", "a", "table", "td", "style", "script", "svg", "math", "iframe", "noscript", "div",
         "template", "title", "textarea", "select", "img", "form", "base", "mtext", "mglyph",
         "foreignObject", "plaintext", "xmp", "details", "annotation-xml", "!--", "?xml", "![CDATA["]  # fmt: skip
_ATTRIBUTES = ["href='javascript:pwn()'", "onerror=pwn()", "src=http://x/y", "style='position:fixed'",
               'style="background:url(http://x)"', "class='jp-x lm-y'", "id=login", "id=T_ab",
               "data-commandlinker-command=terminal:create-new", "srcset='http://x 1x'",
               "href=https://ok.example", "xlink:href=javascript:pwn()", "background=http://x",
               "name=cookie", "title='\"><script>pwn()</script>'", "target=_top"]  # fmt: skip


@st.composite
def _tag(draw: st.DrawFn) -> str:
    name = draw(st.sampled_from(_TAGS))
    slash = draw(st.sampled_from(["", "", "/"]))
    attributes = draw(st.lists(st.sampled_from(_ATTRIBUTES), max_size=3))
    space = draw(st.sampled_from([" ", "/", "\n", "\x00", " "]))
    end = draw(st.sampled_from([">", ">", "/>", " >", "", "-->"]))
    return f"<{slash}{name}{space}{space.join(attributes)}{end}"


DOCUMENTS = st.lists(
    st.one_of(
        _tag(),
        st.text(st.characters(exclude_categories=[]), max_size=4),
        st.sampled_from(
            ["-->", "]]>", "&lt;script&gt;", "{color:red}", "*/", "</style>", "$\\style{"]
        ),
    ),
    max_size=15,
).map("".join)


def markup(text: str) -> list[object]:
    """Tags and text in order; the cleaner writes the attributes that it adds in any order."""
    found: list[object] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.append((tag, sorted(attrs, key=str)))

        def handle_endtag(self, tag: str) -> None:
            found.append(f"/{tag}")

        def handle_data(self, data: str) -> None:
            found.append(data)

    reader = Reader()
    reader.feed(text)
    reader.close()
    return found


@given(DOCUMENTS)
def test_cleaned_html_is_safe_and_stays_as_it_is(source: str) -> None:
    once = html.clean(source)
    assert problems(once) == []
    if "<style>" not in once:
        assert markup(html.clean(once)) == markup(once)


@given(DOCUMENTS)
def test_every_display_is_clean_or_framed(source: str) -> None:
    for mode in ("click", "frame", "sanitise"):
        shown, _ = OutputPolicy(mode).display({"text/html": source}, {})
        produced = shown.get("text/html", "")
        if produced.startswith('<iframe class="codeact-frame"'):
            framed(produced)
        else:
            assert problems(produced) == []


@given(DOCUMENTS)
def test_a_frame_holds_its_content_unchanged_and_inert(source: str) -> None:
    shown, _ = OutputPolicy("frame").display({"text/html": f"<script></script>{source}"}, {})
    assert framed(shown["text/html"]).body == f"<script></script>{well_formed(source)}"


def test_a_table_of_pandas_keeps_its_look() -> None:
    frame = pd.DataFrame({"a": [1, 2], "b": ["x", "<script>"]})
    cleaned = html.clean(frame._repr_html_())  # type: ignore[operator]
    assert '<table border="1" class="dataframe">' in cleaned
    assert ".dataframe tbody tr th{vertical-align:top}" in cleaned
    assert '<tr style="text-align:right">' in cleaned
    assert "&lt;script&gt;" in cleaned
    assert problems(cleaned) == []


def test_a_styler_keeps_colours_bars_and_captions() -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    styled = frame.style.background_gradient(axis=None).bar(subset=["a"]).set_caption("both")
    source = styled.set_properties(subset=None, **{"font-weight": "bold"}).to_html()
    cleaned = html.clean(source)
    assert cleaned.count("background-color:#") == source.count("background-color: #")
    assert cleaned.count("linear-gradient(") == source.count("linear-gradient(") > 0
    assert cleaned.count("font-weight:bold") == source.count("font-weight: bold") > 0
    assert "<caption>both</caption>" in cleaned
    assert problems(cleaned) == []


@pytest.mark.parametrize(
    ("source", "kept"),
    [
        ("<a href='https://x.example/a?b'>x</a>", 'href="https://x.example/a?b"'),
        ("<a href='mailto:a@b.example'>x</a>", 'href="mailto:a@b.example"'),
        ("<details open><summary>s</summary>x</details>", "<summary>s</summary>"),
        ("<img alt=plot src='data:image/png;base64,AAAA' width=90>", "data:image/png;base64,AAAA"),
        ("<audio controls src='data:audio/wav;base64,AAAA'></audio>", "data:audio/wav;base64,AAAA"),
        ("<div class='alert alert-info'>x</div>", 'class="alert alert-info"'),
        ("<table><tr><td colspan=2 bgcolor=red>x</table>", 'colspan="2" bgcolor="red"'),
    ],
)
def test_useful_things_stay(source: str, kept: str) -> None:
    assert kept in html.clean(source)


@pytest.mark.parametrize("href", ["/api/shutdown", "#x", "//x.example", "javascript:x", "data:text/html,x",
                                  "file:///etc", "vbscript:x", "?x", "blob:http://x"])  # fmt: skip
def test_links_lead_to_other_sites_only(href: str) -> None:
    assert "href" not in html.clean(f"<a href='{href}'>x</a>")


def test_a_remote_picture_says_that_it_was_not_loaded() -> None:
    assert "remote image not loaded" in html.clean("<img src='http://x.example/y.png'>")


@pytest.mark.parametrize(
    "macro", ["href", "style", "class", "require", "unicode", "def", "cssId", "htmlStyle"]
)
def test_tex_that_acts_on_the_page_is_taken_apart(macro: str) -> None:
    cleaned = html.clean(f"<p title='\\{macro}'>$\\{macro}{{x}}{{y}}$ and $\\frac12$</p>")
    assert f"$\\{macro}" not in cleaned
    assert f"$<span>\\</span>{macro}" in cleaned
    assert "$\\frac12$" in cleaned
    assert problems(cleaned) == []


@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 100_000,
        "<div>" * 50_000 + "</div>" * 50_000,
        "<b></i>" * 50_000,
        "<div><table><td></div></td></table>" * 20_000,
        "<a><b><p>" * 30_000,
        "x" * 2_100_000,
        "<style>" + "p{color:red}" * 20_000 + "</style>",
        "<p " + "<" * 100_000,
        "<p " + " ".join(f"a{n}" for n in range(20_000)) + ">",
        "<p>" + "".join(f"<font color={n}>" for n in range(250)) + "</p><p>x" * 250,
        "<table>" * 900,
        "<!--" * 10_000,
    ],
    ids=lambda bomb: bomb[:20],
)
def test_what_would_take_long_to_clean_is_framed_instead(bomb: str) -> None:
    shown, _ = OutputPolicy("click").display({"text/html": bomb}, {})
    parts = framed(shown["text/html"])
    assert parts.body == bomb
    assert "sha256-" in parts.policy


def test_a_large_well_formed_table_is_not_framed() -> None:
    table = pd.DataFrame({"a": range(6_000), "b": range(6_000)}).to_html()
    assert table.count("<") > 20_000
    shown, _ = OutputPolicy("click").display({"text/html": table}, {})
    assert problems(shown["text/html"]) == []
    assert shown["text/html"].count("<td>") == table.count("<td>")


def test_in_sanitise_mode_scripts_too_large_to_clean_are_not_shown() -> None:
    shown, _ = OutputPolicy("sanitise").display({"text/html": "<script>" + " " * 2_100_000}, {})
    assert shown == {"text/plain": "[not shown by the output policy: text/html]"}

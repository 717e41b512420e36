"""What people show every day still looks as it should behind the policy, in a real browser."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.figure import Figure
from playwright.sync_api import Page

from codeact_kernel.kernel.outputs import OutputPolicy, own_markdown

from .conftest import show

Open = Callable[[], Page]
POLICY = OutputPolicy("click")

COLOUR = "(s) => getComputedStyle(document.querySelector(s)).%s"


@pytest.fixture
def page(open_notebook: Open) -> Page:
    return open_notebook()


def _shown(page: Page, data: dict[str, str]) -> None:
    show(page, "output", POLICY.display(data, {})[0])


def _plot(kind: str) -> bytes:
    figure = Figure(figsize=(3, 2))
    figure.subplots().plot([1, 3, 2])
    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "x"}):
        figure.savefig(buffer, format=kind)
    return buffer.getvalue()


def test_a_data_frame(page: Page) -> None:
    frame = pd.DataFrame({"name": ["a", "b"], "n": [1, 2]})
    _shown(page, {"text/html": frame.to_html(), "text/plain": repr(frame)})
    assert page.locator("#output td").all_inner_texts() == ["a", "1", "b", "2"]


def test_a_styler_with_its_colours_and_bars(page: Page) -> None:
    frame = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    styled = frame.style.highlight_max(color="rgb(1, 2, 3)").bar(subset=["b"])
    _shown(page, {"text/html": styled.to_html()})
    cell = "#output td[id$=row1_col0]"
    assert page.evaluate(COLOUR % "backgroundColor", cell) == "rgb(1, 2, 3)"
    bar = "#output td[id$=row0_col1]"
    assert "linear-gradient" in page.evaluate(COLOUR % "backgroundImage", bar)


def test_the_style_of_an_output_stays_in_it(page: Page) -> None:
    page.evaluate("document.body.insertAdjacentHTML('afterbegin', '<p class=mine>page</p>')")
    _shown(page, {"text/html": "<style>p,.mine{color:rgb(1,2,3)}</style><p class=mine>x</p>"})
    assert page.evaluate(COLOUR % "color", "#output p") == "rgb(1, 2, 3)"
    assert page.evaluate(COLOUR % "color", "body > p") == "rgb(0, 0, 0)"


def test_a_plot_as_svg(page: Page) -> None:
    _shown(page, {"image/svg+xml": _plot("svg").decode()})
    page.wait_for_function("document.querySelector('#output img').naturalWidth > 200")


def test_a_plot_as_png(page: Page) -> None:
    picture = base64.b64encode(_plot("png")).decode()
    shown, _ = POLICY.display({"image/png": picture}, {})
    html = f"<img src='data:image/png;base64,{shown['image/png']}'>"
    show(page, "output", {"text/html": html})
    page.wait_for_function("document.querySelector('#output img').naturalWidth > 200")


def test_an_estimator_is_drawn_before_any_click(page: Page) -> None:
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]

    _shown(page, {"text/html": LogisticRegression()._repr_html_()})
    inner = page.frame_locator("#output iframe").frame_locator("iframe")
    label = inner.locator(".sk-toggleable__label").first
    label.wait_for()
    assert "LogisticRegression" in label.inner_text()


def test_a_drawing_by_script_after_the_click(page: Page) -> None:
    """As plotting libraries do: a library inline, then a call of it on an element."""
    _shown(
        page,
        {
            "text/html": "<div id='map' style='height:200px'></div><script>window.library = {draw(e) {"
            "const c = e.appendChild(document.createElement('canvas'));"
            "c.getContext('2d').fillRect(0, 0, 9, 9); c.dataset.drawn = new Function('return 1')()}}"
            "</script><script>library.draw(document.getElementById('map'))</script>"
        },
    )
    outer = page.frame_locator("#output iframe")
    outer.frame_locator("iframe").locator("#map").wait_for()
    assert outer.frame_locator("iframe").locator("canvas").count() == 0
    outer.locator("button").click()
    outer.frame_locator("iframe").locator("canvas[data-drawn='1']").wait_for()
    page.wait_for_function("document.querySelector('#output iframe').offsetHeight === 200")


def test_an_answer(page: Page) -> None:
    show(page, "output", own_markdown("| a |\n|---|\n| **1** |\n\n```python\nx = 'y'\n```\n"))
    assert page.locator("#output td strong").inner_text() == "1"
    assert page.locator("#output pre").inner_text() == "x = 'y'\n"

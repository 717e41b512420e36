"""Every attack in a real browser: it works on a stock page and does nothing behind the policy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import get_args

import pytest
from markdown_it import MarkdownIt
from playwright.sync_api import Error, Page

from codeact_kernel.kernel.outputs import OutputPolicy
from codeact_kernel.kernel.outputs.policy import Mode
from tests.kernel.outputs.attacks import SCRIPTED, STATIC, WITHOUT_EFFECT, Attack

from .canaries import Canary
from .conftest import show

Open = Callable[[], Page]

FILTERED = [mode for mode in get_args(Mode) if mode != "trust"]

# SVG as its own MIME type is shown as a picture by careful front-ends, and
# pasted into the page by others; our stock page is one of the others.


def _stock(attack: Attack, net: str) -> dict[str, str]:
    """The bundle as it is; markdown as a renderer makes HTML of it that filters nothing."""
    data = attack.filled(net)
    if "text/markdown" in data:
        renderer = MarkdownIt("commonmark", {"html": True})
        renderer.validateLink = lambda url: True  # type: ignore[method-assign]
        return {"text/html": renderer.render(data["text/markdown"])}
    return data


def _click(page: Page, attack: Attack) -> None:
    if attack.click:
        for target in page.query_selector_all(f"#{attack.name} {attack.click}"):
            with contextlib.suppress(Error):
                target.dispatch_event("click")


def _unsuccessful(page: Page, listener: Canary, attacks: Iterable[Attack]) -> list[str]:
    names = []
    for attack in attacks:
        if attack.aim == "network":
            worked = listener.wait_for(attack.name, 5)
        else:
            try:
                page.wait_for_function(f"window.pwned.includes('{attack.name}')", timeout=5_000)
                worked = True
            except Error:
                worked = False
        if not worked:
            names.append(attack.name)
    return names


def test_unfiltered_attacks_work(open_notebook: Open, listener: Canary) -> None:
    """Otherwise nothing would follow from their failing."""
    attacks = [
        attack
        for attack in STATIC + SCRIPTED
        if not attack.leaves and attack.name not in WITHOUT_EFFECT
    ]
    page = open_notebook()
    for attack in attacks:
        show(page, attack.name, _stock(attack, listener.address))
    for attack in attacks:
        _click(page, attack)
    assert _unsuccessful(page, listener, attacks) == []


def test_unfiltered_attacks_that_leave_the_page_work(open_notebook: Open, listener: Canary) -> None:
    for attack in STATIC + SCRIPTED:
        if attack.leaves:
            page = open_notebook()
            with contextlib.suppress(Error):
                show(page, attack.name, _stock(attack, listener.address))
                _click(page, attack)
            assert _unsuccessful(page, listener, [attack]) == []


def _settle(page: Page, listener: Canary) -> None:
    """Return when every frame has loaded and answered, and the listener had its chance."""
    for frame in page.frames:
        with contextlib.suppress(Error):  # a frame that was replaced meanwhile
            frame.wait_for_load_state("load", timeout=5_000)
            frame.evaluate("1")
    listener.wait_for_any(1.0)


@pytest.mark.parametrize("mode", FILTERED)
def test_filtered_attacks_do_nothing(
    mode: Mode, open_notebook: Open, notebook: Canary, listener: Canary
) -> None:
    """All in one page, everything clicked that an attack wants clicked."""
    policy = OutputPolicy(mode)
    page = open_notebook()
    address = page.url
    for attack in STATIC + SCRIPTED:
        data, _ = policy.display(attack.filled(listener.address), {})
        show(page, attack.name, data)
    _settle(page, listener)
    for attack in STATIC:
        _click(page, attack)
    for frame in page.frames[1:]:  # links in the page may be clicked: that is what they are for
        for target in frame.query_selector_all("a, form button, p, text"):
            with contextlib.suppress(Error):
                target.click(timeout=500, force=True)
    _settle(page, listener)

    assert listener.hits() == set()
    assert page.evaluate("window.pwned") == []
    assert page.title() == "notebook"
    assert page.url == address
    assert len(page.context.pages) == 1
    assert not {path for path in notebook.paths() if path != "/"} - {"/favicon.ico"}

"""A real browser and a page that shows outputs as a trusted notebook does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import chromium

from .canaries import Canary, Datagrams

# JupyterLab's way with a trusted output: innerHTML, then every script element is
# made anew so that it runs; JavaScript outputs are evaluated.
NOTEBOOK = b"""<!doctype html><meta charset="utf-8"><title>notebook</title><body><div id="out"></div>
<script>
window.pwned = [];
window.pwn = (name) => window.pwned.push(name);
window.show = (data, name) => {
  const box = document.createElement('section');
  box.id = name;
  document.getElementById('out').append(box);
  for (const mime of ['application/javascript', 'text/javascript'])
    if (data[mime]) { (0, eval)(data[mime]); return; }
  const source = data['text/html'] ?? data['text/markdown'] ?? data['image/svg+xml'];
  if (source === undefined) { box.textContent = data['text/plain'] ?? ''; return; }
  box.innerHTML = source;
  for (const old of box.querySelectorAll('script')) {
    const made = document.createElement('script');
    for (const {name, value} of old.attributes) made.setAttribute(name, value);
    made.textContent = old.textContent;
    old.replaceWith(made);
  }
};
</script>"""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium, the system's own.

    It ends with this package: its event loop runs all the while, and asyncio
    tests elsewhere need one of their own.
    """
    with chromium() as browser:
        yield browser


@pytest.fixture
def notebook() -> Iterator[Canary]:
    """The server of the page itself: what a Jupyter server is to JupyterLab."""
    with Canary(NOTEBOOK) as server:
        yield server


@pytest.fixture
def listener() -> Iterator[Canary]:
    """A server somewhere else."""
    with Canary() as server:
        yield server


@pytest.fixture
def datagrams() -> Iterator[Datagrams]:
    with Datagrams() as datagrams:
        yield datagrams


@pytest.fixture
def open_notebook(browser: Browser, notebook: Canary) -> Iterator[Callable[[], Page]]:
    """``open_notebook()``: a fresh page in a fresh browser context."""
    contexts = []

    def opened() -> Page:
        context = browser.new_context(viewport={"width": 1000, "height": 800})
        contexts.append(context)
        page = context.new_page()
        page.goto(notebook.address)
        return page

    yield opened
    for context in contexts:
        context.close()


def show(page: Page, name: str, data: dict[str, Any]) -> None:
    """Add an output to the page."""
    page.evaluate("([data, name]) => window.show(data, name)", [data, name])

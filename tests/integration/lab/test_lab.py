"""A real JupyterLab: a notebook of attacks does nothing to the page with our kernel, and works with a stock one."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pytest
from playwright.sync_api import Browser, Error, Page

from tests.integration.outputs.canaries import HOST, Canary
from tests.support.browser import chromium
from tests.support.kernel_client import clean_environ
from tests.support.scripted_server import ScriptedServer

from . import attacks

PATIENCE = 60.0
"""Seconds that the server may take to start, and a notebook to run."""

_PROMPT = {"codeact": {"v": 1, "kind": "prompt"}}
_PROMPTS = ("Show me the sales <img src=data:, onerror=\"pwn('prompt')\">", "And the <b>rest</b>.")


class Lab:
    """A Jupyter server with JupyterLab on the loopback, all its folders in ``home``."""

    def __init__(self, home: Path, settings: dict[str, str]) -> None:
        self.folder = home / "notebooks"
        self.folder.mkdir()
        self._log = (home / "log").open("w+b")
        with socket.socket() as free:
            free.bind((HOST, 0))
            self.address = f"http://{HOST}:{free.getsockname()[1]}"
        # Else Lab asks a person whether it may fetch news.
        news = home / "config/lab/user-settings/@jupyterlab/apputils-extension"
        news.mkdir(parents=True)
        (news / "notification.jupyterlab-settings").write_text('{"fetchNews": "false"}')
        self._process = subprocess.Popen(
            [
                sys.executable, "-P", "-m", "jupyterlab", "--no-browser", "--allow-root",
                f"--ip={HOST}", f"--port={self.address.rpartition(':')[2]}",
                "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.folder}",
                "--IdentityProvider.token=secret", "--LabApp.expose_app_in_browser=True",
            ],
            env=clean_environ(home, settings),
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )  # fmt: skip

    def __enter__(self) -> Self:
        until = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(urllib.error.URLError):
                self.api("status")
                return self
            if self._process.poll() is not None or time.monotonic() > until:
                self._log.seek(0)
                raise RuntimeError(self._log.read().decode())
            time.sleep(0.05)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            self.api("shutdown", b"")
            self._process.wait(20)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._log.close()

    def api(self, path: str, body: bytes | None = None) -> Any:
        """What the server answers; with ``body``, to a POST."""
        request = urllib.request.Request(
            f"{self.address}/api/{path}", body, {"Authorization": "token secret"}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:
            text = response.read()
        return json.loads(text) if text else None

    def terminals(self, count: int, seconds: float) -> int:
        """How many terminals there are, as soon as there are ``count``, or after ``seconds``."""
        until = time.monotonic() + seconds
        while True:
            number = len(self.api("terminals"))
            if number >= count or time.monotonic() > until:
                return number
            time.sleep(0.1)

    def write(self, name: str, kernel: str, cells: list[dict[str, Any]]) -> None:
        """Write a notebook that has not been run."""
        empty: dict[str, Any] = {
            "cell_type": "code",
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        content = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"name": kernel, "display_name": kernel}},
            "cells": [empty | {"id": f"cell-{at}"} | cell for at, cell in enumerate(cells)],
        }
        (self.folder / name).write_text(json.dumps(content))


class Notebook:
    """A notebook open in a page of its own."""

    def __init__(self, lab: Lab, browser: Browser, name: str) -> None:
        self._address = f"{lab.address}/lab/workspaces/{Path(name).stem}/tree/{name}"
        self.context = browser.new_context(viewport={"width": 1000, "height": 3000})
        self.context.add_init_script("window.pwned = []; window.pwn = (name) => pwned.push(name)")
        self.page: Page = self.context.new_page()
        self.page.goto(f"{self._address}?token=secret")
        self._wait_for_kernel()

    def _wait_for_kernel(self) -> None:
        self.page.wait_for_function(
            "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
            "?.status === 'idle'",
            timeout=PATIENCE * 1000,
        )

    def command(self, name: str) -> None:
        """Run one of Lab's commands to its end."""
        self.page.evaluate("(name) => jupyterapp.commands.execute(name).then(() => 0)", name)

    def run_all(self) -> None:
        """Run every cell, one after the other."""
        self.page.set_default_timeout(PATIENCE * 1000)
        self.command("notebook:run-all-cells")
        self.command("docmanager:save")

    def reopen(self) -> None:
        """Load the page anew; what the notebook shows now comes from its file."""
        self.page.goto(self._address)
        self._wait_for_kernel()

    def click_all(self, selector: str) -> None:
        """Click what matches in the outputs."""
        for target in self.page.query_selector_all(f".jp-OutputArea-output :is({selector})"):
            with contextlib.suppress(Error):
                target.dispatch_event("click")

    def settle(self, listener: Canary) -> None:
        """Return when every frame has loaded and answered, and the listener had its chance."""
        for frame in self.page.frames:
            with contextlib.suppress(Error):  # a frame that was replaced meanwhile
                frame.wait_for_load_state("load", timeout=5_000)
                frame.evaluate("1")
        listener.wait_for_any(1.0)

    def pwned(self) -> set[str]:
        """Names of the attacks that ran with the page's rights."""
        return set(self.page.evaluate("window.pwned"))

    def count(self, selector: str) -> int:
        """How many elements match."""
        return len(self.page.query_selector_all(selector))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def listener() -> Iterator[Canary]:
    """A server somewhere else, which our page must not reach."""
    with Canary() as listener:
        yield listener


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, listener: Canary) -> Iterator[Lab]:
    name = attacks.filled(attacks.NAMES["model_name"], "model_name", "")
    with ScriptedServer(attacks.replies(listener.address), models=(name,)) as endpoint:
        settings = {"CODEACT_BASE_URL": endpoint.base_url, "CODEACT_MODEL": name}
        with Lab(tmp_path_factory.mktemp("lab"), settings) as lab:
            yield lab
        assert endpoint.unplayed() == []


def _code(sources: list[str]) -> list[dict[str, Any]]:
    return [{"source": source} for source in sources]


def test_nothing_that_our_kernel_shows_acts_on_the_page(
    lab: Lab, browser: Browser, listener: Canary
) -> None:
    prompts = [{"source": text, "metadata": _PROMPT} for text in _PROMPTS]
    cells = [*_code(attacks.hostile_cells(listener.address)), *prompts]
    lab.write("ours.ipynb", "codeact", cells)
    notebook = Notebook(lab, browser, "ours.ipynb")
    notebook.run_all()
    _assert_nothing_happened(notebook, lab, listener, len(cells))
    notebook.reopen()
    _assert_nothing_happened(notebook, lab, listener, len(cells))
    notebook.context.close()


def _assert_nothing_happened(notebook: Notebook, lab: Lab, listener: Canary, cells: int) -> None:
    """Neither by itself nor when a person clicks what looks as if it could be clicked."""
    notebook.settle(listener)
    notebook.click_all("a:not([href^=http]), button, [data-commandlinker-command]")
    notebook.settle(listener)

    assert notebook.pwned() == set()
    assert listener.hits() == set()
    assert lab.terminals(1, 0.0) == 0
    assert notebook.count(".jp-Notebook .jp-Cell") == cells
    assert notebook.count("a[href*='terminal-link'], a[href^='javascript:']") == 0
    assert len(notebook.context.pages) == 1
    _assert_all_of_the_turns_is_there(notebook, listener.address)


def _assert_all_of_the_turns_is_there(notebook: Notebook, net: str) -> None:
    """Otherwise nothing would follow from its being harmless."""
    shown = "\n".join(
        element.text_content() or ""
        for element in notebook.page.query_selector_all(".jp-OutputArea-output")
    )
    for name, text in [*attacks.CODE.items(), *attacks.NAMES.items()]:
        expected = attacks.filled(text, name, net).replace("\r", "\n")
        assert expected in shown, name
    for words in ("I look", "It is done", "As seen", "See [there]", "It cannot be done"):
        assert words in shown


def test_the_same_acts_on_the_page_of_a_stock_kernel(lab: Lab, browser: Browser) -> None:
    before = lab.terminals(0, 0.0)
    with Canary() as listener:
        cells = _code(
            [
                *attacks.hostile_cells(listener.address),
                *attacks.careless_cells(listener.address),
            ]
        )
        lab.write("stock.ipynb", "python3", cells)
        notebook = Notebook(lab, browser, "stock.ipynb")
        notebook.run_all()
        assert notebook.count(".jp-Notebook .jp-Cell") == len(cells) + 1
        assert notebook.count("a[href*='terminal-link']") == 1
        notebook.click_all("form button, [data-commandlinker-command]")

        payloads = {**attacks.DISPLAYS, **attacks.PROGRAMS, **attacks.WORDS, **attacks.CODE}
        payloads |= attacks.NAMES
        loads = {name for name, payload in payloads.items() if "NET/hit" in str(payload)}
        scripts = payloads.keys() - loads - attacks.TERMINALS - attacks.WITHOUT_EFFECT
        with contextlib.suppress(Error):
            notebook.page.wait_for_function(
                "(count) => new Set(window.pwned).size >= count", arg=len(scripts), timeout=15_000
            )
        assert scripts - notebook.pwned() == set()
        assert {name for name in loads if not listener.wait_for(name, 5.0)} == set()
        expected = before + len(attacks.TERMINALS)
        assert lab.terminals(expected, 10.0) == expected
        notebook.context.close()

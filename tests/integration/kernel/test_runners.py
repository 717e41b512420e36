"""The same notebooks through the tools that people already run notebooks with."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import nbformat
import pexpect
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.conftest import ServeScript
from tests.support.kernel_client import PATIENCE, Kernel, clean_environ, parts, printed
from tests.support.scenarios import SCENARIOS, CodeCell, Turn, assert_played, load

pytestmark = pytest.mark.timeout(300)

Tool = Literal["nbconvert", "papermill"]
TOOLS: tuple[Tool, ...] = ("nbconvert", "papermill")

COMMANDS: dict[Tool, list[str]] = {
    "nbconvert": [
        *("jupyter", "nbconvert", "--to", "notebook", "--execute"),
        *("a.ipynb", "--output", "done.ipynb"),
    ],
    "papermill": ["papermill", "a.ipynb", "done.ipynb", "--no-progress-bar"],
}


@dataclass(frozen=True)
class Runner:
    """Runs command lines in one folder, in a clean environment."""

    folder: Path
    home: Path

    def __call__(self, base_url: str, module: str, *arguments: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments],
            cwd=self.folder,
            env=clean_environ(self.home, {"CODEACT_BASE_URL": base_url}),
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        return Done(done.returncode, done.stdout + done.stderr)


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    code: int
    said: str


@pytest.fixture
def run(tmp_path: Path) -> Runner:
    folder = tmp_path / "work"
    folder.mkdir()
    return Runner(folder, tmp_path / "home")


def save(folder: Path, *sources: str) -> None:
    """A notebook as a person makes it: no metadata of ours, except that of the kernel."""
    cells = [new_markdown_cell("# Notes"), *map(new_code_cell, sources)]
    kernel = {"name": "codeact", "display_name": "CodeAct (Python)", "language": "python"}
    notebook = new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "a.ipynb")


def read(folder: Path) -> Any:
    notebook = nbformat.read(folder / "done.ipynb", as_version=4)
    nbformat.validate(notebook)
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    """The cells that were saved, without those that papermill adds for itself."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def expected_parts(turn: Turn, *, first: bool) -> Iterator[str]:
    """What is shown; before the first question also what the endpoint is and what it is sent."""
    yield from ("progress", "notice") if first else ("progress",)
    for reply in turn.replies[:-1]:
        if reply.partition("```")[0].strip():
            yield "text"
        yield from ("code", "output")
    yield "answer"


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_notebook_of_prompts_is_executed_and_tidy(
    path: Path, tool: Tool, run: Runner, serve: ServeScript
) -> None:
    """Every scenario but one has a step that fails and is fixed: no reason to fail a notebook."""
    scenario = load(path)
    server = serve(scenario.replies)
    scenario.lay_out(run.folder)
    save(run.folder, *scenario.sources)
    done = run(server.base_url, *COMMANDS[tool])
    assert done.code == 0, done.said
    assert server.unplayed() == []

    notebook = read(run.folder)
    cells = code_cells(notebook)
    assert len(cells) == len(scenario.cells)
    for cell, expected in zip(cells, scenario.cells, strict=True):
        assert [output for output in cell.outputs if output.output_type == "error"] == []
        if isinstance(expected, CodeCell):
            assert printed(cell.outputs, "stdout") == expected.observed["stdout"]
        else:
            assert_played(cell.outputs, expected)
            first = expected is scenario.turns[0]
            assert parts(cell.outputs) == list(expected_parts(expected, first=first))
    counts = [cell.execution_count for cell in cells]
    assert all(one < after for one, after in pairwise(counts))
    assert_no_residue(notebook)


def assert_no_residue(notebook: Any) -> None:
    saved = nbformat.writes(notebook)
    for residue in ("Thinking", "Writing …", "Running …", "transient", "display_id"):
        assert residue not in saved, residue
    assert saved.count("✓ answered") == 2 * saved.count('"part": "progress"')  # as HTML and text


def test_a_page_made_of_it_reads_like_a_report(run: Runner, serve: ServeScript) -> None:
    scenario = load(next(path for path in SCENARIOS if path.stem.startswith("04")))
    server = serve(scenario.replies)
    scenario.lay_out(run.folder)
    save(run.folder, *scenario.sources)
    page = ["jupyter", "nbconvert", "--to", "html", "--execute", "a.ipynb", "--output", "done.html"]
    done = run(server.base_url, *page)
    assert done.code == 0, done.said

    html = (run.folder / "done.html").read_text(encoding="utf-8")
    (main,) = BeautifulSoup(html, "html.parser").find_all("main")
    text = " ".join(main.get_text().split())
    at = 0
    for turn in scenario.turns:
        for words in in_reading_order(turn):
            found = text.find(" ".join(words.split()), at)
            assert found >= 0, f"{words!r} is not on the page after {text[max(0, at - 200) : at]!r}"
            at = found
    for noise in ("Running …", "vnd.codeact", "\x1b", "[31m", "<div", "&lt;"):
        assert noise not in text
    assert "**Revenue per region**" not in text, "Markdown is rendered"


def in_reading_order(turn: Turn) -> Iterator[str]:
    yield turn.prompt[:40]
    yield "✓ answered"
    for step in turn.steps:
        yield step.mark
        if step.error is not None:
            yield step.error["ename"]
    yield turn.answer.strip().partition("\n")[0].strip("*")[:30]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_turn_without_an_answer_fails_the_notebook(
    tool: Tool, run: Runner, serve: ServeScript
) -> None:
    server = serve(["```python\nprint('looked')\n```", "UNABLE: there is no such file."])
    save(run.folder, "kept = 1", "Please add up the numbers in the file.", "open('never', 'w')")
    done = run(server.base_url, *COMMANDS[tool])

    assert done.code != 0
    assert "CodeActTurnError" in done.said
    assert "there is no such file" in done.said
    assert "codeact_kernel/" not in done.said, "no traceback of ours"
    assert not (run.folder / "never").exists()
    if tool == "papermill":  # nbconvert does not save what failed
        _, asked, after = [
            c for c in code_cells(read(run.folder)) if "papermill-error" not in str(c)
        ]
        assert "looked\n" in printed(asked.outputs, "stdout")
        assert asked.outputs[-1].ename == "CodeActTurnError"
        assert after.execution_count is None


def test_a_client_that_posts_all_at_once_sees_the_rest_aborted(
    tmp_path: Path, serve: ServeScript
) -> None:
    """Run All in JupyterLab: every request is sent before the first has ended."""
    server = serve(["UNABLE: no."])
    with Kernel(tmp_path / "work", {"CODEACT_BASE_URL": server.base_url}) as kernel:
        sources = [
            "before = 1",
            "Please make it work.",
            "open('never', 'w')",
            "And then go on, please.",
        ]
        requests = [kernel.send(source) for source in sources]
        first, asked, *rest = [kernel.wait(request) for request in requests]
        assert first.ok
        assert asked.content["ename"] == "CodeActTurnError"
        assert [result.content["status"] for result in rest] == ["aborted", "aborted"]
        assert [result.outputs for result in rest] == [[], []]
        assert kernel.run("before").result == "1", "nothing stays aborted, nothing is lost"
        assert not (kernel.folder / "never").exists()
        assert len(server.requests) == 1


VSCODE = {
    "cellId": "vscode-notebook-cell:/home/someone/my%20work/a.ipynb#W2sZmlsZQ%3D%3D",
    "trusted": True,
    "vscode": {"languageId": "python"},
}


def test_a_client_like_vs_code_gets_all_of_it(tmp_path: Path, serve: ServeScript) -> None:
    """It sends interrupts on shell, ``stop_on_error: false``, and a URI for a cell's id."""
    server = serve(["```python\nraise ValueError('first')\n```", "UNABLE: no.", "An answer."])
    with Kernel(tmp_path / "work", {"CODEACT_BASE_URL": server.base_url}) as kernel:
        options: dict[str, Any] = {"metadata": VSCODE, "stop_on_error": False}
        sources = ["Please make it work.", "print('goes on')", "Is there an answer now?"]
        requests = [kernel.send(source, **options) for source in sources]
        failed, code, answered = [kernel.wait(request) for request in requests]
        assert failed.content["ename"] == "CodeActTurnError"
        assert code.stdout == "goes on\n"
        assert answered.ok
        assert parts(answered.outputs)[-1] == "answer"

        loop = kernel.send("print('on')\nwhile True: pass", **options)
        kernel.until(loop, "stream", "on")
        interrupt = kernel.request("interrupt_request", {}, channel="shell")
        assert kernel.reply(interrupt)["content"]["status"] == "ok"
        assert kernel.wait(loop).content["ename"] == "KeyboardInterrupt"
        assert kernel.run("6 * 7", **options).result == "42"
        known = {
            "status",
            "execute_input",
            "stream",
            "display_data",
            "update_display_data",
            "error",
        }
        for result in (failed, code, answered):
            assert {message["msg_type"] for message in result.messages} <= known


class Console:
    """``jupyter console`` at a terminal."""

    def __init__(self, run: Runner, base_url: str) -> None:
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "jupyter", "console", "--kernel", "codeact", "--simple-prompt"],
            cwd=str(run.folder),
            env=clean_environ(run.home, {"CODEACT_BASE_URL": base_url, "TERM": "dumb"}),
            encoding="utf-8",
            timeout=int(PATIENCE),
            dimensions=(50, 400),
        )
        self.child.setecho(False)
        self._prompted()

    def _prompted(self) -> None:
        self.child.expect(r"In \[\d+\]: $")

    def say(self, cell: str) -> str:
        """Type a cell in one line; returns what is on the screen until the next prompt."""
        self.child.sendline(" ".join(cell.split("\n")) if "\n" in cell else cell)
        self._prompted()
        return str(self.child.before).replace("\r\n", "\n")

    def leave(self) -> None:
        self.child.sendline("exit")
        self.child.expect(pexpect.EOF)
        self.child.wait()


@pytest.fixture
def console(request: pytest.FixtureRequest) -> Iterator[Any]:
    opened: list[Console] = []

    def open_console(run: Runner, base_url: str) -> Console:
        opened.append(Console(run, base_url))
        return opened[-1]

    yield open_console
    for one in opened:
        one.child.close(force=True)


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_console_shows_steps_and_answers_as_text(
    path: Path, run: Runner, serve: ServeScript, console: Any
) -> None:
    scenario = load(path)
    server = serve(scenario.replies)
    scenario.lay_out(run.folder)
    at = console(run, server.base_url)
    for cell in scenario.cells:
        if isinstance(cell, CodeCell):
            at.say(f"exec({cell.code!r})")
        else:
            assert_on_screen(at.say(cell.prompt), cell)
    at.leave()
    assert at.child.exitstatus == 0
    assert server.unplayed() == []


def assert_on_screen(shown: str, turn: Turn) -> None:
    place = 0
    for step in turn.steps:
        for words in (step.code, step.stdout, step.observed["result"] or ""):
            place = shown.find(words, place)
            assert place >= 0, f"{words!r} is not in {shown!r}"
        if step.error is not None:
            assert step.error["evalue"] in shown
    assert turn.answer.strip() in shown[place:]
    assert not re.search(r"<(?:div|p|table)\b", shown), "text, not HTML"

"""The commands with the real kernel, a real sandbox, and a model over real HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from codeact_kernel.replay.expand import mark_of
from tests.conftest import ServeScript

CODEACT = [sys.executable, "-P", "-m", "codeact_kernel.cli"]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """An environment without the settings of the machine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEACT_", "OPENAI_", "JPY_"))
    }
    return kept | {
        "JUPYTER_CONFIG_DIR": str(tmp_path / "config"),
        "JUPYTER_DATA_DIR": str(tmp_path / "data"),
        "CODEACT_MODEL": "scripted",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    return work


def codeact(
    folder: Path, environ: dict[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CODEACT, *arguments],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def prompt(text: str) -> Any:
    return new_code_cell(text, metadata={"codeact": {"v": 1, "kind": "prompt"}})


def saved(folder: Path, *cells: Any, name: str = "a.ipynb") -> Path:
    path = folder / name
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def read(path: Path) -> Any:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def kinds(notebook: Any) -> list[str]:
    return [mark_of(cell).get("kind", cell.cell_type) for cell in notebook.cells]


def printed(cell: Any) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


FIXES_AN_ERROR = [
    "I divide.\n\n```python\nanswer = 84 / parts\n```",
    "The name was missing.\n\n```python\nparts = 2\nanswer = 84 / parts\nprint(answer)\nanswer\n```",
    "It is **42**.",
]


def test_prompts_and_code_share_a_namespace_and_errors_get_fixed(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    server = serve(FIXES_AN_ERROR)
    saved(
        folder,
        new_markdown_cell("# Halves"),
        new_code_cell("mine = 'token-7f3a'\nprint(mine)"),
        prompt("What is half of 84?"),
        new_code_cell("print(answer + 1)"),
    )
    done = codeact(folder, environ | {"CODEACT_BASE_URL": server.base_url}, "run", "a.ipynb")
    notebook = read(folder / "a.executed.ipynb")

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "The executed notebook is a.executed.ipynb"
    assert kinds(notebook) == [
        "markdown",
        "code",
        "prompt",
        "generated",
        "generated",
        "answer",
        "code",
    ]
    _, _, asked, failed, good, answer, own = notebook.cells
    assert asked.outputs == []
    assert failed.metadata.codeact.status == "error"
    assert failed.metadata.tags == ["raises-exception"]
    assert "NameError" in printed(failed)
    assert printed(good) == "42.0\n"
    assert answer.source == "It is **42**."
    assert printed(own) == "43.0\n"
    assert [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"] == [
        *range(1, 6)
    ]
    assert "token-7f3a" in json.dumps(server.requests[0].body), "the model sees the user's cell"
    assert "NameError" in json.dumps(server.requests[1].body)
    assert "❯ What is half of 84?" in done.stdout
    assert "It is **42**." in done.stdout


def test_a_second_run_asks_anew_and_keeps_one_set_of_steps(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    server = serve([*FIXES_AN_ERROR, *FIXES_AN_ERROR])
    settings = environ | {"CODEACT_BASE_URL": server.base_url}
    saved(folder, prompt("What is half of 84?"))
    codeact(folder, settings, "run", "a.ipynb")
    again = codeact(folder, settings, "run", "a.executed.ipynb", "-o", "a.executed.ipynb")

    assert again.returncode == 0, again.stderr
    assert kinds(read(folder / "a.executed.ipynb")) == [
        "prompt",
        "generated",
        "generated",
        "answer",
    ]


def test_an_executed_notebook_runs_in_a_stock_kernel(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    """Generated cells are ordinary cells; only the prompts are left out."""
    server = serve(FIXES_AN_ERROR)
    saved(folder, prompt("What is half of 84?"))
    codeact(folder, environ | {"CODEACT_BASE_URL": server.base_url}, "run", "a.ipynb")
    notebook = read(folder / "a.executed.ipynb")
    notebook.cells = [cell for cell in notebook.cells if mark_of(cell).get("kind") != "prompt"]
    nbformat.write(notebook, folder / "plain.ipynb")
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute"]
    options = ["--ExecutePreprocessor.kernel_name=python3", "plain.ipynb", "--inplace"]
    subprocess.run([*command, *options], cwd=folder, env=environ, check=True, capture_output=True)

    assert printed(read(folder / "plain.ipynb").cells[1]) == "42.0\n"


def test_a_turn_without_an_answer_ends_with_1_and_everything_saved(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    server = serve(["```python\nprint('half way')\n```", "UNABLE: there is no data."])
    saved(folder, prompt("Analyse the data."), new_code_cell("print('never')"))
    done = codeact(folder, environ | {"CODEACT_BASE_URL": server.base_url}, "run", "a.ipynb")
    notebook = read(folder / "a.executed.ipynb")

    assert done.returncode == 1
    assert "A turn ended without an answer" in done.stderr
    assert kinds(notebook) == ["prompt", "generated", "answer", "code"]
    assert printed(notebook.cells[1]) == "half way\n"
    assert notebook.cells[2].metadata.codeact.stop == "unable"
    assert notebook.cells[3].execution_count is None


def test_a_failing_cell_ends_with_1_and_old_outputs_are_gone(
    folder: Path, environ: dict[str, str]
) -> None:
    old = new_output("stream", name="stdout", text="from last year\n")
    saved(
        folder,
        new_code_cell("print('first')"),
        new_code_cell("1 / 0"),
        new_code_cell("2", outputs=[old], execution_count=7),
    )
    done = codeact(folder, environ, "run", "a.ipynb")
    notebook = read(folder / "a.executed.ipynb")

    assert done.returncode == 1
    assert "A cell failed (ZeroDivisionError: division by zero)" in done.stderr
    assert printed(notebook.cells[0]) == "first\n"
    assert notebook.cells[1].outputs[0].output_type == "error"
    assert notebook.cells[2].outputs == []


def test_no_endpoint_is_an_error_in_the_cell_with_the_remedy(
    folder: Path, environ: dict[str, str]
) -> None:
    saved(folder, prompt("What is half of 84?"))
    settings = environ | {"CODEACT_BASE_URL": "http://127.0.0.1:9/v1"}
    done = codeact(folder, settings, "run", "a.ipynb")

    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "127.0.0.1:9" in done.stderr


def test_the_input_is_not_changed_and_the_code_works_in_its_folder(
    folder: Path, environ: dict[str, str]
) -> None:
    path = saved(folder, new_code_cell("open('made.txt', 'w').write('here')"))
    before = path.read_bytes()
    codeact(folder.parent, environ, "run", str(path))

    assert path.read_bytes() == before
    assert (folder / "made.txt").read_text() == "here"


def test_streams_of_a_cell_are_joined_and_progress_bars_end_where_they_ended(
    folder: Path, environ: dict[str, str]
) -> None:
    code = "import sys\nfor i in range(4):\n    print(f'\\r{i}', end='', flush=True)"
    saved(folder, new_code_cell(code))
    codeact(folder, environ, "run", "a.ipynb")
    (output,) = read(folder / "a.executed.ipynb").cells[0].outputs

    assert output.text == "3"


def test_ask_prints_the_answer_and_saves_what_was_done(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    (folder / "numbers.csv").write_text("1\n2\n39\n")
    code = "total = sum(map(int, open('numbers.csv')))\nprint(total)"
    server = serve([f"```python\n{code}\n```", "The sum is printed above."])
    settings = environ | {"CODEACT_BASE_URL": server.base_url}
    done = codeact(
        folder.parent, settings, "ask", "total", "--workspace", "work", "-o", "done.ipynb"
    )

    assert done.returncode == 0, done.stderr
    assert "  42\n" in done.stdout
    assert "The sum is printed above." in done.stdout
    assert kinds(read(folder.parent / "done.ipynb")) == ["prompt", "generated", "answer"]


def test_output_goes_on_when_the_reader_of_the_transcript_has_left(
    folder: Path, environ: dict[str, str]
) -> None:
    saved(folder, new_code_cell("print('line')"), new_code_cell("print('end')"))
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen(
        [*CODEACT, "run", "a.ipynb"], cwd=folder, env=environ, stdout=writing
    )
    os.close(writing)

    assert process.wait() == 0
    assert printed(read(folder / "a.executed.ipynb").cells[1]) == "end\n"


WAITS = "open('started', 'w').close()\nprint('before', flush=True)\nimport time\ntime.sleep(100)"


def at_a_terminal(folder: Path, environ: dict[str, str], *arguments: str) -> pexpect.spawn:
    return pexpect.spawn(
        CODEACT[0],
        [*CODEACT[1:], *arguments],
        cwd=str(folder),
        env=environ,
        encoding="utf-8",
        timeout=60,
        dimensions=(40, 120),
    )


@pytest.fixture
def waiting(folder: Path, environ: dict[str, str]) -> Iterator[pexpect.spawn]:
    """A run at a terminal, in the middle of a long cell."""
    saved(folder, new_code_cell("print('first')"), new_code_cell(WAITS), new_code_cell("3"))
    with at_a_terminal(folder, environ, "run", "a.ipynb") as child:
        child.expect("  before")
        yield child


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_stopping_saves_what_was_done(
    waiting: pexpect.spawn, folder: Path, stop: signal.Signals
) -> None:
    waiting.kill(stop)
    waiting.expect("The executed notebook is a.executed.ipynb")
    waiting.expect(pexpect.EOF)
    waiting.wait()
    notebook = read(folder / "a.executed.ipynb")

    assert waiting.exitstatus == 1
    assert printed(notebook.cells[0]) == "first\n"
    assert printed(notebook.cells[1]).startswith("before\n")
    assert notebook.cells[2].execution_count is None


def test_a_person_at_the_terminal_approves_steps(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    server = serve(["```python\nprint('approved', 6 * 7)\n```", "Done."])
    saved(folder, prompt("Multiply."))
    settings = environ | {"CODEACT_BASE_URL": server.base_url, "CODEACT_APPROVAL": "always"}
    child = at_a_terminal(folder, settings, "run", "a.ipynb")
    child.expect("CodeAct: run step 1")
    child.sendline("y")
    child.expect("approved 42")
    child.expect(pexpect.EOF)
    child.wait()

    assert child.exitstatus == 0


def test_without_a_terminal_approval_is_refused_in_a_sentence(
    folder: Path, environ: dict[str, str], serve: ServeScript
) -> None:
    server = serve(["```python\nopen('ran', 'w')\n```", "Done."])
    saved(folder, prompt("Multiply."))
    settings = environ | {"CODEACT_BASE_URL": server.base_url, "CODEACT_APPROVAL": "always"}
    done = codeact(folder, settings, "run", "a.ipynb")

    assert done.returncode == 1
    assert "approval" in done.stderr
    assert not (folder / "ran").exists()

"""The Binder image runs the demo and says in the notebook what isolates its code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

START = Path(__file__).parent.parent / "binder" / "start"


def started(home: Path, **environ: str) -> dict[str, str]:
    """The environment that the server gets."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    done = subprocess.run(
        [START, sys.executable, "-c", code],
        env={**os.environ, "HOME": str(home), "PATH": path, **environ},
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, str] = json.loads(done.stdout)
    return result


def isolation(home: Path) -> str:
    cells = json.loads((home / "demo" / "sales.ipynb").read_text(encoding="utf-8"))["cells"]
    (text,) = ["".join(cell["source"]) for cell in cells if cell["id"] == "isolation"]
    return text


@pytest.fixture
def no_sandbox(tmp_path: Path) -> dict[str, str]:
    """A machine on which no sandbox works, as an import that comes before all others."""
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(
        "from codeact_kernel.sandbox import select\n"
        "from codeact_kernel.errors import SandboxError\n"
        "def none(name):\n"
        "    raise SandboxError('No sandbox works on this machine.')\n"
        "select.choose = none\n"
    )
    return {"PYTHONPATH": str(folder)}


def test_the_recording_answers_and_the_notebook_names_the_sandbox(tmp_path: Path) -> None:
    environ = started(tmp_path)

    assert Path(environ["CODEACT_CASSETTE"]).exists()
    assert "CODEACT_APPROVAL" not in environ
    assert isolation(tmp_path).startswith("**Isolation here:** ")
    assert (tmp_path / "demo" / "sales.csv").exists()


def test_without_a_sandbox_the_container_is_named_as_the_only_wall(
    tmp_path: Path, no_sandbox: dict[str, str]
) -> None:
    environ = started(tmp_path, **no_sandbox)

    assert environ["CODEACT_SANDBOX"] == "none"
    assert "throw-away container, and nothing more" in isolation(tmp_path)


def test_starting_twice_says_it_once(tmp_path: Path) -> None:
    started(tmp_path)
    started(tmp_path)

    assert isolation(tmp_path)

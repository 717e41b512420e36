"""The demo for real: no key, no network, and results that follow the data."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from codeact_kernel.replay.expand import mark_of


def demo(folder: Path) -> subprocess.CompletedProcess[str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEACT_", "OPENAI_", "JPY_"))
    }
    return subprocess.run(
        [sys.executable, "-P", "-m", "codeact_kernel.cli", "demo", str(folder)],
        env=kept
        | {"JUPYTER_CONFIG_DIR": str(folder.parent), "JUPYTER_DATA_DIR": str(folder.parent)},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


@pytest.fixture(scope="module")
def shown(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[subprocess.CompletedProcess[str], Path]:
    folder = tmp_path_factory.mktemp("demo") / "output"
    return demo(folder), folder


def test_the_demo_ends_well_and_names_the_notebook_last(
    shown: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    done, folder = shown

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == f"The executed notebook is {folder}/sales.executed.ipynb"
    assert "recording" in done.stdout
    assert "codeact config" in done.stdout
    assert done.stderr == ""


def test_the_notebook_shows_an_error_its_repair_a_plot_and_a_follow_up(
    shown: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    notebook = nbformat.read(shown[1] / "sales.executed.ipynb", as_version=4)
    nbformat.validate(notebook)
    cells = notebook.cells
    kinds = [mark_of(cell).get("kind", cell.cell_type) for cell in cells]
    outputs = [output for cell in cells for output in cell.get("outputs", ())]

    assert kinds == [
        "markdown",
        *["prompt", "generated", "generated", "generated", "answer"],
        "code",
        *["prompt", "generated", "answer"],
    ]
    statuses = [cell.metadata.codeact.status for cell in cells if mark_of(cell).get("status")]
    assert statuses == ["error", "ok", "ok", "ok"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 2
    assert not [output for output in outputs if output.output_type == "error"]


def test_the_page_holds_the_pictures_and_loads_nothing(
    shown: tuple[subprocess.CompletedProcess[str], Path],
) -> None:
    html = (shown[1] / "sales.html").read_text(encoding="utf-8")

    assert len(re.findall(r"<img[^>]+data:image/png;base64,", html)) == 2
    assert re.findall(r"(?:src|href)=[\"']?(?!data:|#)\w+:", html) == []


def test_results_follow_the_data_and_a_changed_file_is_kept(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    folder.mkdir()
    rows = "".join(f"2025-{month:02}-10,Atlantis,Trident,{month},10.00\n" for month in range(1, 13))
    data = "order_date,region,product,units,unit_price\n" + rows
    (folder / "sales.csv").write_text(data)
    done = demo(folder)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Most revenue: Atlantis, 100% of the total." in done.stdout
    assert (folder / "sales.csv").read_text() == data


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = demo(tmp_path / "file" / "output")

    assert done.returncode == 2
    assert done.stderr.startswith("codeact: The demo cannot write")
    assert done.stderr.count("\n") == 1

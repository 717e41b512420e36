"""Whatever file is given, the answer is a notebook or one sentence; whatever is written, it lands where it should."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from codeact_kernel.cli.notebooks import (
    OutputFile,
    check_kernel,
    notebook_text,
    prompt_notebook,
    read_notebook,
)
from codeact_kernel.errors import UsageError


def written(path: Path, content: Any) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def code_cell(source: Any = "1 + 1", **more: Any) -> dict[str, Any]:
    cell = {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
    return cell | {"execution_count": None} | more


def notebook(*cells: dict[str, Any], minor: int = 5, **metadata: Any) -> dict[str, Any]:
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": metadata, "cells": list(cells)}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff\xfe\x00", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\x89PNG\r\n", "not JSON"),
        ([], "not a Jupyter notebook"),
        ({"a": 1}, "not a Jupyter notebook"),
        ({"nbformat": "4"}, "not a Jupyter notebook"),
        ({"nbformat": 3, "nbformat_minor": 0, "worksheets": []}, "old notebook format 3"),
        ({"nbformat": 4}, "not a valid notebook"),
        ({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": 7}, "not a valid notebook"),
        (
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [3]},
            "not a valid notebook",
        ),
        (notebook(code_cell(7)), "not a valid notebook"),
        (
            {"nbformat": 99, "nbformat_minor": 0, "metadata": {}, "cells": []},
            "not a valid notebook",
        ),
        (notebook(), "no cell to run"),
        (notebook(code_cell("  \n")), "no cell to run"),
        (notebook({"cell_type": "markdown", "metadata": {}, "source": "x"}), "no cell to run"),
    ],
)
def test_what_is_no_notebook_to_run_is_refused_in_one_sentence(
    tmp_path: Path, content: Any, says: str
) -> None:
    path = written(tmp_path / "given.ipynb", content)

    with pytest.raises(UsageError, match=says) as caught:
        read_notebook(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_notebook(tmp_path / "none.ipynb")
    with pytest.raises(UsageError, match="is a directory"):
        read_notebook(tmp_path)


def test_an_older_minor_format_is_read_and_gets_ids(tmp_path: Path) -> None:
    cell = code_cell(["a = 1\n", "a"])
    read = read_notebook(written(tmp_path / "old.ipynb", notebook(cell, minor=2)))

    assert read.cells[0].source == "a = 1\na"
    assert read.cells[0].id
    assert read.nbformat_minor == 5


def test_missing_and_doubled_ids_are_mended(tmp_path: Path) -> None:
    cells = [code_cell(), code_cell(id="a"), code_cell(id="a")]
    read = read_notebook(written(tmp_path / "ids.ipynb", notebook(*cells)))

    assert len({cell.id for cell in read.cells}) == 3


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    text = json.dumps(notebook(code_cell(id="a"))).encode("utf-8-sig")

    assert read_notebook(written(tmp_path / "bom.ipynb", text)).cells[0].source == "1 + 1"


def test_a_notebook_of_ours_reads_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "task.ipynb"
    path.write_text(notebook_text(prompt_notebook("Sum it up.\nBriefly.")), encoding="utf-8")

    assert read_notebook(path).cells[0].source == "Sum it up.\nBriefly."


@pytest.mark.parametrize(
    ("metadata", "says"),
    [
        ({"kernelspec": {"name": "ir", "display_name": "R", "language": "R"}}, "for R "),
        ({"language_info": {"name": "julia"}}, "for julia"),
        (
            {"kernelspec": {"name": "nowhere-env", "display_name": "x", "language": "python"}},
            "'nowhere-env', which is not installed",
        ),
    ],
)
def test_notebooks_for_other_kernels_are_refused(metadata: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        check_kernel(notebook(code_cell(), **metadata), Path("a.ipynb"), inner_kernel="")


@pytest.mark.parametrize("name", ["codeact", "python3"])
def test_notebooks_for_plain_python_are_taken(name: str) -> None:
    spec = {"name": name, "display_name": "x", "language": "python"}

    check_kernel(notebook(kernelspec=spec), Path("a.ipynb"), inner_kernel="")
    check_kernel(notebook(), Path("a.ipynb"), inner_kernel="")


def test_an_unknown_environment_is_taken_when_a_person_named_the_one_to_use() -> None:
    spec = {"name": "nowhere-env", "display_name": "x", "language": "python"}

    check_kernel(notebook(kernelspec=spec), Path("a.ipynb"), inner_kernel="python3")


def test_output_replaces_the_file_as_a_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.ipynb"
    target.write_text("old")
    with closing(OutputFile(target)) as file:
        assert target.read_text() == "old"
        assert file.write("new") == target

    assert target.read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["out.ipynb"]


def test_a_link_put_in_place_of_the_output_is_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep me")
    folder = tmp_path / "work"
    folder.mkdir()
    with closing(OutputFile(folder / "out.ipynb")) as file:
        (folder / "out.ipynb").symlink_to(precious)
        (folder / f".out.ipynb.{os.getpid()}.new").symlink_to(precious)
        file.write("new")

    assert precious.read_text() == "keep me"
    assert (folder / "out.ipynb").read_text() == "new"
    assert not (folder / "out.ipynb").is_symlink()


def test_a_link_put_in_place_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    folder = tmp_path / "work"
    folder.mkdir()
    with closing(OutputFile(folder / "out.ipynb")) as file:
        folder.rename(tmp_path / "moved")
        folder.symlink_to(elsewhere)
        file.write("new")

    assert list(elsewhere.iterdir()) == []
    assert (tmp_path / "moved" / "out.ipynb").read_text() == "new"


def test_nothing_is_lost_when_the_folder_is_gone(tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    with closing(OutputFile(folder / "out.ipynb")) as file:
        folder.rmdir()
        saved = file.write("precious")

    assert saved.read_text() == "precious"
    saved.unlink()
    saved.parent.rmdir()


@pytest.mark.parametrize("path", ["none/out.ipynb", ".", "file/out.ipynb"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(UsageError, match="cannot be written"):
        OutputFile(tmp_path / path)


def test_text_that_is_no_unicode_is_still_saved(tmp_path: Path) -> None:
    with closing(OutputFile(tmp_path / "out.ipynb")) as file:
        file.write("half a \ud83d pair")

    assert (tmp_path / "out.ipynb").read_text(encoding="utf-8") == "half a ? pair"

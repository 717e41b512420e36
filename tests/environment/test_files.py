"""The look at the workspace: what changed, what runs later, and what it never does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codeact_kernel.agent.events import FileChange
from codeact_kernel.environment.files import WorkspaceFiles, changes, executes, snapshot
from codeact_kernel.sandbox.workspace import Workspace


def test_nothing_is_reported_the_first_time(tmp_path: Path) -> None:
    (tmp_path / "old.txt").write_text("x")
    assert WorkspaceFiles(Workspace(tmp_path)).changes() == ()


def test_made_changed_and_removed_files_are_reported_by_path(tmp_path: Path) -> None:
    for name in ("same", "edited", "removed"):
        (tmp_path / name).write_text("x")
    files = WorkspaceFiles(Workspace(tmp_path))
    files.changes()
    (tmp_path / "edited").write_text("longer")
    (tmp_path / "removed").unlink()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "table.csv").write_text("a,b")
    assert files.changes() == (
        FileChange("edited", "changed", 6),
        FileChange("out/table.csv", "created", 3),
        FileChange("removed", "deleted"),
    )
    assert files.changes() == ()


def test_a_forged_time_of_the_same_size_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text("one")
    before, times = snapshot(tmp_path), file.stat()
    file.write_text("two")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert changes(before, snapshot(tmp_path)) == (FileChange("a.txt", "changed", 3),)


def test_making_a_file_executable_is_a_change_that_runs(tmp_path: Path) -> None:
    file = tmp_path / "tool"
    file.write_text("x")
    before = snapshot(tmp_path)
    file.chmod(0o755)
    assert changes(before, snapshot(tmp_path)) == (FileChange("tool", "changed", 1, executes=True),)


def test_a_folder_that_went_takes_its_files_with_it(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "f").write_text("x")
    before = snapshot(tmp_path)
    (tmp_path / "a").rename(tmp_path / "c")
    found = [(change.path, change.change) for change in changes(before, snapshot(tmp_path))]
    assert found == [("a/b/f", "deleted"), ("c/b/f", "created")]


def test_a_file_in_place_of_a_folder_is_new(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    before = snapshot(tmp_path)
    (tmp_path / "x").rmdir()
    (tmp_path / "x").write_text("1")
    assert changes(before, snapshot(tmp_path)) == (FileChange("x", "created", 1),)


def test_links_are_seen_but_never_followed(tmp_path: Path) -> None:
    outside, workspace = tmp_path / "outside", tmp_path / "workspace"
    outside.mkdir()
    workspace.mkdir()
    before = snapshot(workspace)
    (workspace / "link").symlink_to(outside)
    (workspace / "loop").symlink_to(workspace)
    (outside / "f").write_text("x")
    found = [change.path for change in changes(before, snapshot(workspace))]
    assert found == ["link", "loop"]


def test_beyond_the_limit_nothing_is_invented(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    (tmp_path / "large").mkdir()
    for number in range(20):
        (tmp_path / "large" / f"{number}").write_text("x")
    before = snapshot(tmp_path, limit=10)
    (tmp_path / "small" / "f").write_text("x")
    (tmp_path / "large" / "0").write_text("changed")
    after = snapshot(tmp_path, limit=10)
    assert "large" not in after.folders
    assert [change.path for change in changes(before, after)] == ["small/f"]


def test_a_folder_that_only_one_look_covers_is_not_taken_for_new(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_text("x")
    narrow, wide = snapshot(tmp_path, limit=1), snapshot(tmp_path)
    assert changes(narrow, wide) == ()
    assert changes(wide, narrow) == ()


def test_a_workspace_that_is_gone_is_no_error(tmp_path: Path) -> None:
    assert changes(snapshot(tmp_path / "none"), snapshot(tmp_path / "none")) == ()


@pytest.mark.parametrize(
    "path",
    [
        "conftest.py",
        "deep/Makefile",
        "x.pth",
        "sitecustomize.py",
        "report.ipynb",
        "run.SH",
        ".git/hooks/pre-commit",
        ".vscode/tasks.json",
        "json.py",
        "pyproject.toml",
        "__pycache__/m.cpython-311.pyc",
    ],
)
def test_kinds_that_run_later_are_marked(path: str) -> None:
    assert executes(path)


@pytest.mark.parametrize("path", ["data.csv", "plot.png", "analysis.py", "notes.md", "a/b.json"])
def test_plain_files_are_not_marked(path: str) -> None:
    assert not executes(path)
    assert executes(path, 0o100755)

"""Where a notebook works, and where it must not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codeact_kernel.errors import SandboxError
from codeact_kernel.sandbox.base import Launch
from codeact_kernel.sandbox.view import shown
from codeact_kernel.sandbox.workspace import Workspace, discover


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    return home


def launch(workspace: Workspace, tmp_path: Path, *interpreter: Path) -> Launch:
    return Launch(["true"], {}, workspace, tmp_path / "run", tmp_path / "spool", interpreter)


def test_the_project_is_the_next_git_folder_upwards(home: Path) -> None:
    (home / "p" / ".git").mkdir(parents=True)
    (home / "p" / "a" / "b").mkdir(parents=True)
    assert discover(home / "p" / "a" / "b").project == home / "p"


def test_a_home_folder_under_git_is_no_project(home: Path) -> None:
    (home / ".git").mkdir()
    (home / "a").mkdir()
    assert discover(home / "a").project is None


def test_links_are_resolved(home: Path) -> None:
    (home / "real").mkdir()
    (home / "link").symlink_to(home / "real")
    assert discover(home / "link").folder == home / "real"


def test_a_folder_that_is_not_there_is_one_sentence(home: Path) -> None:
    with pytest.raises(SandboxError, match=r"gone does not exist\. Start"):
        discover(home / "gone")


def test_a_folder_that_cannot_be_written_is_one_sentence(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with pytest.raises(SandboxError, match=r"cannot be written\. Change its permissions"):
        discover(home)


@pytest.mark.parametrize("folder", ["/", "/usr/share", "/etc", "/proc"])
def test_system_folders_are_refused(folder: str, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="a folder of its own"):
        shown(launch(Workspace(Path(folder)), tmp_path))


def test_a_folder_above_home_is_refused(home: Path, tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match="more than a notebook should reach"):
        shown(launch(Workspace(home.parent), tmp_path))


def test_what_is_deeper_overrides_what_is_above_it(home: Path, tmp_path: Path) -> None:
    folder = home / "p" / "n"
    (folder / ".venv").mkdir(parents=True)
    (folder / ".envrc").write_text("")
    (folder / "book.ipynb").write_text("")
    workspace = Workspace(folder, home / "p", folder / "book.ipynb")
    python = folder / "venv"
    seen = {place.path: place.access for place in shown(launch(workspace, tmp_path, python))}
    assert seen[home / "p"] == "read"
    assert seen[folder] == "write"
    for protected in (folder / ".venv", folder / ".envrc", folder / "book.ipynb", python):
        assert seen[protected] == "read"
    paths = [place.path for place in shown(launch(workspace, tmp_path, python))]
    assert paths.index(home / "p") < paths.index(folder) < paths.index(python)


def test_the_workspace_stays_writable_when_it_is_on_the_interpreters_path(
    home: Path, tmp_path: Path
) -> None:
    folder = home / "p"
    folder.mkdir()
    seen = {
        place.path: place.access for place in shown(launch(Workspace(folder), tmp_path, folder))
    }
    assert seen[folder] == "write"


def test_in_the_home_folder_dot_entries_are_hidden(home: Path, tmp_path: Path) -> None:
    (home / ".ssh").mkdir()
    seen = {place.path: place.access for place in shown(launch(Workspace(home), tmp_path))}
    assert seen[home / ".ssh"] == "hidden"

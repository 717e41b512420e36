"""Which Python runs the code, and what is said when it cannot."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from codeact_kernel.environment import probe
from codeact_kernel.environment.interpreter import find
from codeact_kernel.errors import EnvironmentFailed


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of kernelspecs that Jupyter looks in first."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    return tmp_path / "kernels"


def install(kernels: Path, name: str, **spec: Any) -> None:
    (kernels / name).mkdir(parents=True)
    (kernels / name / "kernel.json").write_text(json.dumps(spec))


def test_ours_needs_its_prefixes_and_its_path() -> None:
    found = find()
    assert found.program == sys.executable
    assert {Path(sys.prefix), Path(sys.base_prefix)} <= set(found.folders)


def test_neither_the_home_folder_nor_one_above_it_is_ever_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path), str(tmp_path.parent), "/"])
    assert not {tmp_path, tmp_path.parent, Path("/")} & set(find().folders)


def test_folders_of_editable_installs_are_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finder = type(sys)("__editable___thing_finder")
    finder.MAPPING = {"thing": str(tmp_path / "src" / "thing")}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, finder.__name__, finder)
    assert str(tmp_path / "src") in probe.folders()


def test_an_installed_kernel_is_asked_for_its_folders(kernels: Path) -> None:
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    install(kernels, "other", argv=argv, language="python", env={"A": "1"})
    found = find("other")
    assert found.argv == argv
    assert found.env == {"A": "1"}
    assert Path(sys.prefix) in found.folders


def test_a_kernel_that_is_not_installed_is_named_with_those_that_are(kernels: Path) -> None:
    install(kernels, "mine", argv=[], language="python")
    with pytest.raises(EnvironmentFailed, match=r"no kernel 'absent'.*mine"):
        find("absent")


def test_a_kernel_of_another_language_is_refused(kernels: Path) -> None:
    install(kernels, "r", argv=["R", "--slave"], language="R")
    with pytest.raises(EnvironmentFailed, match="not one of ipykernel"):
        find("r")


def test_a_kernelspec_that_is_no_json_is_refused(kernels: Path) -> None:
    (kernels / "bad").mkdir(parents=True)
    (kernels / "bad" / "kernel.json").write_text("{")
    with pytest.raises(EnvironmentFailed, match="not a kernelspec"):
        find("bad")


def test_an_interpreter_that_is_gone_is_named(kernels: Path, tmp_path: Path) -> None:
    argv = [str(tmp_path / "gone"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    install(kernels, "gone", argv=argv, language="python")
    with pytest.raises(EnvironmentFailed, match="does not run"):
        find("gone")


def test_an_interpreter_without_ipykernel_is_told_how_to_get_it(
    kernels: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')
    bare.chmod(0o755)
    argv = [str(bare), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    install(kernels, "bare", argv=argv, language="python")
    with pytest.raises(EnvironmentFailed, match=r"has no ipykernel.*-m pip install ipykernel"):
        find("bare")

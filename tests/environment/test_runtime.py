"""Runtime folders: private, short, and not left behind."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from codeact_kernel.environment.runtime import SOCKET_PATH, new_runtime


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def forget(folder: Path) -> None:
    os.utime(folder, (0, 0))


def test_it_is_private(place: Path) -> None:
    runtime = new_runtime()
    assert runtime.parent == place
    assert runtime.stat().st_mode & 0o077 == 0


def test_a_long_place_for_temporary_files_is_not_used(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = place / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    runtime = new_runtime()
    try:
        assert len(f"{runtime}/k-1") <= SOCKET_PATH
    finally:
        for folder in ("tmp", "home", ""):
            (runtime / folder).rmdir()


def test_a_forgotten_one_is_removed(place: Path) -> None:
    old = new_runtime()
    forget(old)
    new_runtime()
    assert not old.exists()


def test_one_that_its_keeper_holds_stays(place: Path) -> None:
    old = new_runtime()
    forget(old)
    held = os.open(old, os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    new_runtime()
    os.close(held)
    assert old.exists()


def test_a_fresh_one_stays(place: Path) -> None:
    first = new_runtime()
    new_runtime()
    assert first.exists()


def test_a_link_that_looks_like_one_is_not_followed(place: Path) -> None:
    (place / "precious").mkdir()
    forget(place / "precious")
    (place / "codeact-link").symlink_to(place / "precious")
    os.utime(place / "codeact-link", (0, 0), follow_symlinks=False)
    new_runtime()
    assert (place / "precious").exists()

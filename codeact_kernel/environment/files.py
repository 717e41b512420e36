"""Which files of the workspace were made, changed or removed, and which of them run later.

Looks at names and inodes only (``lstat``): nothing is opened and no link is
followed, for the folder belongs to code that is not trusted.
"""

from __future__ import annotations

import os
import stat
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..agent.events import FileChange
from ..sandbox.workspace import Workspace

ENTRIES = 10_000
"""Entries looked at, nearest to the top first; what lies beyond is not reported (about 40 ms)."""

_NAMES = frozenset(
    [
        "conftest.py",
        "sitecustomize.py",
        "usercustomize.py",
        "setup.py",
        "setup.cfg",
        "pyproject.toml",
        "tox.ini",
        "noxfile.py",
        "pytest.ini",
        "makefile",
        "gnumakefile",
        "justfile",
        "dockerfile",
        "containerfile",
        "compose.yaml",
        "compose.yml",
        "docker-compose.yaml",
        "docker-compose.yml",
        "package.json",
        "pyvenv.cfg",
        "tasks.py",
        "fabfile.py",
        "rakefile",
        "gemfile",
        "vagrantfile",
        "jenkinsfile",
        "cmakelists.txt",
        "codeact.md",
    ]
)
"""Files that common tools run, or obey, by their name (lower case)."""

_SUFFIXES = frozenset(
    [
        ".pth",
        ".ipynb",
        ".sh",
        ".bash",
        ".zsh",
        ".fish",
        ".csh",
        ".bat",
        ".cmd",
        ".ps1",
        ".pyc",
        ".pyd",
        ".so",
        ".dll",
        ".dylib",
        ".desktop",
        ".service",
        ".egg-link",
        ".jar",
        ".reg",
        ".vbs",
        ".lnk",
    ]
)
"""Kinds of files that run, or are loaded as code, without anybody reading them first."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What ``lstat`` says of one entry; a change of the content or the mode changes it."""

    mode: int
    size: int
    inode: int
    changed: int
    """``st_ctime_ns``, which a program cannot set."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The folders looked at, relative to the workspace, each with all its entries."""

    folders: Mapping[str, Mapping[str, Seen]]


class WorkspaceFiles:
    """Sees which files of ``workspace`` changed since it was last asked; nothing, the first time."""

    def __init__(self, workspace: Workspace) -> None:
        self._folder = workspace.folder
        self._last: Snapshot | None = None

    def changes(self) -> tuple[FileChange, ...]:
        """What differs from the look before, by path."""
        now = snapshot(self._folder)
        before, self._last = self._last, now
        return changes(before, now) if before is not None else ()


def snapshot(folder: Path, limit: int = ENTRIES) -> Snapshot:
    """Look at ``folder`` and below, breadth first, until ``limit`` entries have been seen.

    A folder is looked at whole or not at all.  Unreadable ones are left out.
    """
    folders: dict[str, Mapping[str, Seen]] = {}
    waiting, left = deque([""]), limit
    while waiting and left > 0:
        relative = waiting.popleft()
        entries = _entries(folder / relative, left)
        if entries is None:
            continue
        folders[relative] = entries
        left -= len(entries)
        below = sorted(name for name, seen in entries.items() if stat.S_ISDIR(seen.mode))
        waiting.extend(f"{relative}/{name}".lstrip("/") for name in below)
    return Snapshot(folders)


def _entries(folder: Path, limit: int) -> Mapping[str, Seen] | None:
    """All entries of ``folder``; None if it cannot be listed or has more than ``limit``."""
    entries: dict[str, Seen] = {}
    try:
        with os.scandir(folder) as listed:
            for entry in listed:
                if len(entries) == limit:
                    return None
                found = entry.stat(follow_symlinks=False)
                entries[entry.name] = Seen(
                    found.st_mode, found.st_size, found.st_ino, found.st_ctime_ns
                )
    except OSError:
        return None
    return entries


def changes(before: Snapshot, after: Snapshot) -> tuple[FileChange, ...]:
    """What differs between two looks at the same workspace, by path; folders themselves are left out.

    A folder that only one of the looks covers counts as made or removed when
    its parent says so, and is left out otherwise.
    """
    found = [
        change
        for folder in before.folders.keys() | after.folders.keys()
        for change in _differences(folder, before, after)
    ]
    return tuple(sorted(found, key=lambda change: change.path))


def _differences(folder: str, before: Snapshot, after: Snapshot) -> Iterator[FileChange]:
    old, new = before.folders.get(folder), after.folders.get(folder)
    if (old is None and _listed(folder, before)) or (new is None and _listed(folder, after)):
        return
    old, new = old or {}, new or {}
    for name in old.keys() | new.keys():
        was, now = old.get(name), new.get(name)
        seen = now or was
        if was == now or seen is None or stat.S_ISDIR(seen.mode):
            continue
        path = f"{folder}/{name}".lstrip("/")
        if now is None:
            yield FileChange(path, "deleted")
        else:
            fresh = was is None or stat.S_ISDIR(was.mode)
            runs = executes(path, now.mode)
            yield FileChange(path, "created" if fresh else "changed", now.size, runs)


def _listed(folder: str, look: Snapshot) -> bool:
    """Whether ``folder``, which ``look`` does not cover, was there (or may have been)."""
    parent, _, name = folder.rpartition("/")
    entries = look.folders.get(parent)
    if entries is None:
        return _listed(parent, look) if folder else True
    return name in entries and stat.S_ISDIR(entries[name].mode)


def executes(path: str, mode: int = 0) -> bool:
    """Whether the file at ``path`` (relative to the workspace) may run later without being read.

    By name (a tool's configuration, or a module that hides one of the standard
    library), by kind, by being executable, or by lying in a hidden folder.
    """
    file = PurePosixPath(path)
    if stat.S_ISREG(mode) and mode & 0o111:
        return True
    if any(part.startswith(".") for part in file.parts):
        return True
    if file.suffix.lower() == ".py" and file.stem in sys.stdlib_module_names:
        return True
    return file.name.lower() in _NAMES or file.suffix.lower() in _SUFFIXES

"""Control groups: the hard limits of memory, processors and processes, where one can be had.

Version 2 is used when a folder is ours to divide (a delegated one, or as
root), version 1 as root.  Elsewhere the keeper watches the tree instead.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .limits import Limits

ROOT = Path("/sys/fs/cgroup")

PERIOD = 100_000
"""Microseconds over which processor time is shared out (the kernel's default)."""


PREFIX = "codeact-"
"""Groups are called this and the process id of their keeper."""

STALE = 60.0
"""Seconds after which a group without members or keeper is taken for forgotten."""

_KILL_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """A group that limits what joins it, as far as its controllers go.

    ``folders`` are to be joined and removed, one per hierarchy.
    """

    version: int
    folders: Mapping[str, Path]
    """Controller (``memory``, ``pids``, ``cpu``) to folder; the same one for all in version 2."""

    @property
    def oom(self) -> Path | None:
        """The file that counts the kills for want of memory."""
        name = "memory.events" if self.version == 2 else "memory.oom_control"
        return self.folders["memory"] / name if "memory" in self.folders else None

    @property
    def freeze(self) -> Path | None:
        """The file to which a 0 forbids new processes."""
        return self.folders["pids"] / "pids.max" if "pids" in self.folders else None

    def kill(self) -> None:
        """SIGKILL every member, and return when none is left or ``_KILL_SECONDS`` have passed."""
        if self.freeze is not None:
            _write(self.freeze, "0")
        deadline = time.monotonic() + _KILL_SECONDS
        while members := self._members():
            for pid in members:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > deadline:
                return
            time.sleep(0.005)

    def _members(self) -> set[int]:
        found: set[int] = set()
        for folder in set(self.folders.values()):
            with suppress(OSError):
                found.update(map(int, (folder / "cgroup.procs").read_text().split()))
        return found

    def remove(self) -> None:
        """Remove the folders, if they are empty and still there."""
        for folder in set(self.folders.values()):
            with suppress(OSError):
                folder.rmdir()


def create(name: str, limits: Limits) -> ControlGroup | None:
    """A new group ``PREFIX + name`` under the caller's own, or None where none can be had."""
    try:
        own = _own()
    except OSError:
        return None
    name = PREFIX + name
    group = _create_v2(name, limits, own) or _create_v1(name, limits, own)
    if group is not None:
        for folder in set(group.folders.values()):
            _forget_stale(folder.parent)
    return group


def _forget_stale(parent: Path) -> None:
    """Remove what a keeper and a front, killed together, could not."""
    for folder in parent.glob(f"{PREFIX}*"):
        with suppress(OSError):  # a group with members cannot be removed
            if folder.stat().st_mtime < time.time() - STALE:
                folder.rmdir()


def memory_limit() -> int | None:
    """Bytes that the caller's own groups, and those above, allow; None without a limit."""
    found = []
    try:
        own = _own()
    except OSError:
        return None
    for folder, name in (
        (_mount("") / own.get("", "/").lstrip("/"), "memory.max"),
        (_mount("memory") / own.get("memory", "/").lstrip("/"), "memory.limit_in_bytes"),
    ):
        for place in (folder, *folder.parents):
            if not place.is_relative_to(ROOT):
                break
            try:
                found.append(int((place / name).read_text()))
            except (OSError, ValueError):  # not there, or "max"
                continue
    return min(found, default=None)


def _own() -> dict[str, str]:
    """Controller ("" for version 2) to the caller's group, as the kernel names it."""
    own = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            own[controller] = path
    return own


def _mount(controller: str) -> Path:
    if controller:
        return ROOT / controller
    return ROOT if (ROOT / "cgroup.controllers").exists() else ROOT / "unified"


def _create_v2(name: str, limits: Limits, own: Mapping[str, str]) -> ControlGroup | None:
    top = _mount("")
    here = top / own.get("", "/").lstrip("/")
    # A group with members of its own cannot be divided, except the root: try its parent then.
    for parent in (here, here.parent, top):
        if not parent.is_relative_to(top) or not os.access(parent / "cgroup.procs", os.W_OK):
            continue
        for controller in ("memory", "pids", "cpu"):
            _write(parent / "cgroup.subtree_control", f"+{controller}")
        try:
            enabled = (parent / "cgroup.subtree_control").read_text().split()
            if not {"memory", "pids"} <= set(enabled):
                continue
            folder = parent / name
            folder.mkdir()
        except OSError:
            continue
        settings = {
            "memory.max": limits.memory,
            "memory.swap.max": None if limits.memory is None else 0,
            "pids.max": limits.processes,
            "cpu.max": limits.cpus and f"{limits.cpus * PERIOD} {PERIOD}",
        }
        return _limited(ControlGroup(2, dict.fromkeys(enabled, folder)), folder, settings)
    return None


def _create_v1(name: str, limits: Limits, own: Mapping[str, str]) -> ControlGroup | None:
    swap = limits.memory  # memory and swap together
    settings: dict[str, dict[str, int | str | None]] = {
        "memory": {"memory.limit_in_bytes": limits.memory, "memory.memsw.limit_in_bytes": swap},
        "pids": {"pids.max": limits.processes},
        "cpu": {
            "cpu.cfs_period_us": PERIOD,
            "cpu.cfs_quota_us": limits.cpus and limits.cpus * PERIOD,
        },
    }
    group = ControlGroup(1, {})
    folders: dict[str, Path] = {}
    for controller, values in settings.items():
        above = _mount(controller)
        inside = above / own.get(controller, "/").lstrip("/")
        folder = (inside if inside.is_dir() else above) / name  # a container shows only its own
        try:
            folder.mkdir()
        except OSError:
            continue
        folders[controller] = folder
        group = ControlGroup(1, folders)
        if _limited(group, folder, values) is None:
            return None
    if {"memory", "pids"} <= set(folders):
        return group
    group.remove()
    return None


def _limited(
    group: ControlGroup, folder: Path, settings: Mapping[str, int | str | None]
) -> ControlGroup | None:
    """``group`` with ``settings`` in force, or None and no group when the kernel refuses."""
    for name, value in settings.items():
        optional = "swap" in name or "memsw" in name or name.startswith("cpu")
        if value is not None and not _write(folder / name, str(value)) and not optional:
            group.remove()
            return None
    return group


def _write(path: Path, value: str) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY)
    except OSError:
        return False
    try:
        os.write(fd, value.encode())
    except OSError:
        return False
    finally:
        os.close(fd)
    return True

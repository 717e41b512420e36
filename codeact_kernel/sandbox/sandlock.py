"""The second choice: Landlock and seccomp, by the sandlock library; no namespaces needed.

Files outside the view, sockets, and other processes are refused.  Known gaps:
calls that change or read only metadata (``chmod``, ``utime``, ``stat``) reach
whatever the user owns; ``/dev/shm``, which ``multiprocessing`` needs, is the
machine's; there is no loopback network, so the debugger does not work.
"""

from __future__ import annotations

import marshal
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..errors import SandboxError
from . import limiting, sandlock_host
from .base import Launch, Sandboxed
from .kept import Command, Kept
from .view import DEVICES, ETC, SYSTEM, shown

_REQUEST = 100
"""File descriptor on which the host process gets what to do."""

_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty")
_WRITABLE = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/ptmx", "/dev/pts", "/dev/shm")  # noqa: S108

_GROUPS = tuple(
    f"/sys/fs/cgroup/{name}"
    for name in (
        "cpu.max",
        "memory.max",
        "cpu/cpu.cfs_period_us",
        "cpu/cpu.cfs_quota_us",
        "memory/memory.limit_in_bytes",
    )
)
"""Where libraries look for the limits of a container; they give up if refused."""


class Sandlock:
    """The ``Sandbox`` kind ``sandlock``."""

    name = "sandlock"

    def __init__(self) -> None:
        self._verdict: tuple[str | None] | None = None

    def check(self) -> str | None:
        """None if it works here, else why not and what to do; it starts ``true`` behind the walls."""
        if self._verdict is None:
            self._verdict = (self._try(),)
        return self._verdict[0]

    def describe(self) -> str:
        """What it isolates and what limits it."""
        return (
            "sandlock: only the workspace, system and Python can be opened, no network, "
            f"no other process; {limiting.describe()}"
        )

    def start(self, launch: Launch) -> Sandboxed:
        """Start the process; raises ``SandboxError`` when there is no sandlock or no safe view."""
        place = _library()
        if place is None:
            raise SandboxError("sandlock is not installed.", remedy=_INSTALL)
        request = marshal.dumps((place, _settings(launch), list(launch.argv)))
        argv = _host(_REQUEST)
        command = Command(argv, launch.env, "/", {_REQUEST: request}, wrappers=1)
        return Kept(command, launch)

    def _try(self) -> str | None:
        place = _library()
        if place is None:
            return f"sandlock is not installed. {_INSTALL}"
        readable = [path for path in (*SYSTEM, "/dev/null") if Path(path).exists()]
        settings = {"fs_readable": readable, "max_processes": 8, **_as_root()}
        reading, writing = os.pipe()
        try:
            with os.fdopen(writing, "wb") as request:
                request.write(marshal.dumps((place, settings, ["/bin/true"])))
            done = subprocess.run(
                _host(reading), capture_output=True, timeout=20, check=False, pass_fds=(reading,)
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"sandlock does not start: {error}."
        finally:
            os.close(reading)
        if not done.returncode:
            return None
        said = done.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        return (
            f"sandlock does not work here ({said or f'exit code {done.returncode}'}). "
            "It needs Linux 6.12 with Landlock, and in a container '--cap-add SYS_PTRACE'."
        )


_INSTALL = "Install it: pip install sandlock (Linux only)."


def _library() -> list[str] | None:
    """Where the library can be imported from; None if it is not installed."""
    spec = find_spec("sandlock")
    if spec is None or spec.origin is None:
        return None
    return [str(Path(spec.origin).parent.parent)]


def _host(request: int) -> list[str]:
    # Without warnings: the library warns of a setting that it does obey.
    options = ["-I", "-S", "-B", "-W", "ignore"]
    return [sys.executable, *options, sandlock_host.__file__, str(request)]


def _as_root() -> Mapping[str, int]:
    """Root keeps its powers behind Landlock, so it runs in a user namespace, which has none."""
    return {"uid": 0, "gid": 0} if os.getuid() == 0 else {}


def _settings(launch: Launch) -> dict[str, Any]:
    """The library's settings; memory is left to our own limits, which let ``MemoryError`` be raised.

    The library counts memory when it is mapped and kills at the limit.
    """
    places = shown(launch)
    readable = [
        *SYSTEM,
        *(f"/etc/{entry}" for entry in ETC),
        *DEVICES,
        *_DEVICES,
        *_GROUPS,
        "/proc",
        "/etc/passwd",
        "/etc/group",
    ]
    readable += [str(place.path) for place in places if place.access == "read"]
    writable = [*_WRITABLE, *(str(place.path) for place in places if place.access == "write")]
    folder = launch.workspace.folder
    return {
        "fs_readable": _existing(readable),
        "fs_writable": _existing(writable),
        # Landlock cannot take back what it gave: what is not writable in the workspace is hidden.
        "fs_denied": [
            str(place.path)
            for place in places
            if place.access != "write" and place.path.is_relative_to(folder)
        ],
        "max_processes": launch.limits.processes,
        "cwd": str(folder),
        **_as_root(),
    }


def _existing(paths: Sequence[str]) -> list[str]:
    return sorted({path for path in paths if Path(path).exists()})

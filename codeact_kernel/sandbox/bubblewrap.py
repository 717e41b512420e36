"""The first choice: Linux namespaces, set up by bubblewrap.

Inside there is a file tree of allow-listed mounts, and own processes, IPC,
host name, users, and a network of nothing but loopback.  No capability is
left and nothing set-uid works.  Process 1 of the namespace belongs to
bubblewrap; when it ends, the system ends everything in the namespace.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from ..errors import SandboxError
from . import limiting
from .base import Launch, Sandboxed
from .kept import Command, Kept
from .view import DEVICES, ETC, SYSTEM, shown

_WALLS = (
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--hostname",
    "codeact",
)

_ARGS, _DATA = 100, 101
"""File descriptors of the command: its options, and from here on files' contents.

High, so that none is one of the keeper's own.
"""


_PROC = tuple(
    f"/proc/{name}" for name in ("sys", "sysrq-trigger", "pressure", "acpi", "fs", "scsi", "mtrr")
)
"""Parts of ``/proc`` that change the machine."""


class Bubblewrap:
    """The ``Sandbox`` kind ``bubblewrap``."""

    name = "bubblewrap"

    def __init__(self) -> None:
        self._verdict: tuple[str | None] | None = None
        self._trial: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Begin what the first ``check`` waits for; it says what goes wrong."""
        program = shutil.which("bwrap")
        if program is not None and self._verdict is None and self._trial is None:
            with suppress(OSError):
                self._trial = _begin_trial(program)

    def check(self) -> str | None:
        """None if it works here, else why not and what to do; it starts ``true`` behind the walls."""
        if self._verdict is None:
            self._verdict = (self._try(),)
        return self._verdict[0]

    def describe(self) -> str:
        """What it isolates and what limits it."""
        return (
            "bubblewrap: own files (the workspace, read-only system and Python), own processes, "
            f"no network; {limiting.describe()}"
        )

    def start(self, launch: Launch) -> Sandboxed:
        """Start the process; raises ``SandboxError`` when there is no bubblewrap or no safe view."""
        program = shutil.which("bwrap")
        if program is None:
            raise SandboxError("bubblewrap is not installed.", remedy=_INSTALL)
        options, data = _options(launch)
        files = {_ARGS: b"".join(os.fsencode(option) + b"\0" for option in options), **data}
        argv = [program, "--args", str(_ARGS), "--", *launch.argv]
        # bubblewrap's own environment stays readable inside as that of process 1.
        return Kept(Command(argv, launch.env, "/", files, wrappers=2, own_users=True), launch)

    def _try(self) -> str | None:
        program = shutil.which("bwrap")
        if program is None:
            return f"bubblewrap is not installed. {_INSTALL}"
        try:
            with self._trial or _begin_trial(program) as trial:
                try:
                    _, errors = trial.communicate(timeout=10)
                finally:
                    trial.kill()
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"bubblewrap does not start: {error}."
        if not trial.returncode:
            return None
        said = errors.decode(errors="replace").strip().rpartition("\n")[2]
        return f"bubblewrap does not work here ({said}). {_remedy()}"


def _begin_trial(program: str) -> subprocess.Popen[bytes]:
    command = [program, *_WALLS, "--unshare-net", *_system(), "--", "true"]
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


_INSTALL = "Install it: 'sudo apt install bubblewrap' (Debian, Ubuntu) or 'sudo dnf install bubblewrap' (Fedora)."


def _remedy() -> str:
    if Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns").exists():
        return (
            "Ubuntu restricts user namespaces: add an AppArmor profile for bwrap "
            "('sudo apt install apparmor-profiles', then enable bwrap-userns-restrict)."
        )
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        return "In a container, use the sandlock sandbox with '--cap-add SYS_PTRACE'."
    return "Allow user namespaces ('sudo sysctl user.max_user_namespaces=10000')."


def _system() -> Iterator[str]:
    """Options for the parts that are the same for every launch."""
    for place in map(Path, SYSTEM):
        if place.is_symlink():
            yield from ("--symlink", str(place.readlink()), str(place))
        elif place.is_dir():
            yield from ("--ro-bind", str(place), str(place))
    for entry in ETC:
        yield from ("--ro-bind-try", f"/etc/{entry}", f"/etc/{entry}")
    for path in DEVICES:
        yield from ("--ro-bind-try", path, path)
    yield from ("--proc", "/proc", "--dev", "/dev")
    for path in _PROC:  # the system's own: root may write there even without any capability
        if Path(path).exists():
            yield from ("--ro-bind", path, path)
    for path in ("/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108 - private ones are made
        yield from ("--perms", "1777", "--tmpfs", path)
    yield from ("--perms", "0755", "--tmpfs", "/run")


def _options(launch: Launch) -> tuple[list[str], dict[int, bytes]]:
    """All options of bubblewrap for ``launch``, and the contents of the files that they name."""
    options = [*_WALLS, *_system()]
    if launch.limits.network:
        options += ["--ro-bind-try", "/etc/resolv.conf", "/etc/resolv.conf"]
    else:
        options.append("--unshare-net")
    data: dict[int, bytes] = {}
    for number, (path, text) in enumerate(_accounts().items(), _DATA):
        data[number] = text.encode()
        options += ["--ro-bind-data", str(number), path]
    options += ["--perms", "0700", "--tmpfs", str(Path.home())]
    for place in shown(launch):
        path = str(place.path)
        if place.access == "hidden":
            covered = ("--tmpfs",) if place.path.is_dir() else ("--ro-bind", os.devnull)
            options += [*covered, path]
        else:
            options += ["--bind" if place.access == "write" else "--ro-bind", path, path]
    # What is written beside the workspace would vanish with the sandbox: better an error than that.
    covered_home = Path.home() != launch.workspace.folder
    options += ["--remount-ro", str(Path.home())] if covered_home else []
    options += ["--remount-ro", "/", "--chdir", str(launch.workspace.folder)]
    return options, data


def _accounts() -> Mapping[str, str]:
    """Accounts and hosts as far as programs must know them: this user, and localhost."""
    user, group = os.getuid(), os.getgid()
    name = "root" if not user else "user"
    return {
        "/etc/passwd": f"{name}:x:{user}:{group}::{Path.home()}:/bin/sh\n"
        "nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin\n",
        "/etc/group": f"{name}:x:{group}:\nnogroup:x:65534:\n",
        "/etc/hosts": "127.0.0.1 localhost codeact\n::1 localhost codeact\n",
    }

"""The front's side of a keeper: one running sandboxed process tree."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import SandboxError
from . import cgroup, keeper
from .base import Death, Launch, TreeUsage
from .limits import Limits

if TYPE_CHECKING:
    import asyncio


@dataclass(frozen=True, slots=True)
class Command:
    """What the keeper is to run: a launch, translated by a sandbox kind.

    ``files`` and ``wrappers`` are those of ``keeper.Spec``.  ``own_users``
    says that it has a user namespace, so that ``RLIMIT_NPROC`` counts it alone.
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    files: Mapping[int, bytes] = field(default_factory=dict)
    wrappers: int = 0
    own_users: bool = False


class Kept:
    """A command under a keeper; a ``Sandboxed``.

    Safe to make before an event loop runs.  ``wait`` needs one.
    """

    def __init__(self, command: Command, launch: Launch) -> None:
        self._limits = launch.limits
        self._runtime = launch.runtime
        self._wrappers = command.wrappers
        self._keeper, self._commands, self._news = _ahead.pop() if _ahead else _start_keeper()
        self._death: Death | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._group = cgroup.create(str(self._keeper), launch.limits)
        keeper.send(self._commands, _spec(command, launch, self._group))

    def interrupt(self) -> None:
        """SIGINT to the main process and its foreground children; never raises if they are gone.

        When this returns the signal has been sent, so that whatever is asked
        of the process from now on comes after it.
        """
        main = keeper.first_below(self._keeper, 1 + self._wrappers) if not self._death else None
        if main is not None:
            with suppress(ProcessLookupError):
                os.killpg(os.getpgid(main), signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL the whole tree, whatever its members did to hide; returns at once."""
        if self._death is None:
            with suppress(OSError):  # when the keeper is gone, wait says so
                keeper.send(self._commands, "kill")

    async def wait(self) -> Death:
        """Return when the tree is gone (any number of callers, one event loop)."""
        import asyncio

        if self._death is None:
            if self._waiting is None:
                loop = asyncio.get_running_loop()
                self._waiting = loop.create_future()
                loop.add_reader(self._news, self._ready, loop)
            await asyncio.shield(self._waiting)
        assert self._death is not None
        return self._death

    def end(self) -> Death:
        """Kill, and return when nothing is left: no process, no control group, no runtime folder."""
        self.kill()
        return self._read()

    def usage(self) -> TreeUsage:
        """Current use: resident memory, and the sum of each process's own peak."""
        memory = peak = processes = 0
        ticks = 0
        for pid in self._processes():
            status = _fields(f"/proc/{pid}/status", ("VmRSS:", "VmHWM:"))
            memory += status.get("VmRSS:", 0) * 1024
            peak += status.get("VmHWM:", 0) * 1024
            ticks += _ticks(pid)
            processes += 1
        return TreeUsage(memory, peak, ticks / os.sysconf("SC_CLK_TCK"), processes)

    def reset_peak(self) -> None:
        """Start a new measurement of the peak (``clear_refs``, proc(5))."""
        for pid in self._processes():
            with suppress(OSError):
                Path(f"/proc/{pid}/clear_refs").write_text("5")

    def _processes(self) -> list[int]:
        return [] if self._death else keeper.descendants(self._keeper)

    def _ready(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.remove_reader(self._news)
        self._read()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def _read(self) -> Death:
        """The keeper's last message, waiting for it; what was held for it is released."""
        if self._death is None:
            try:
                ending = keeper.receive(self._news)
            except OSError:
                ending = None
            self._death = explain(ending, self._limits)
            os.close(self._commands)
            os.close(self._news)
            with suppress(ChildProcessError):  # somebody may reap every child of this process
                os.waitpid(self._keeper, 0)
            if ending is None:
                self._clean_up()
        return self._death

    def _clean_up(self) -> None:
        """Do what a keeper that was killed can no longer do."""
        if self._group is not None:
            self._group.kill()
            self._group.remove()
        shutil.rmtree(self._runtime, ignore_errors=True)


_ahead: list[tuple[int, int, int]] = []
"""Keepers that wait for their spec, each as ``_start_keeper`` returned it."""


def prepare() -> None:
    """Start the keeper of the next sandbox now: it comes up while the caller finds out what to run.

    It ends with this process if there is none to start.
    """
    with suppress(SandboxError):  # whoever needs one will be told
        _ahead.append(_start_keeper())


def _start_keeper() -> tuple[int, int, int]:
    """A keeper that waits for its spec: process id, pipe to it, pipe from it."""
    theirs_in, commands = os.pipe()
    news, theirs_out = os.pipe()
    python, script = sys.executable, _compiled()
    try:
        pid = os.posix_spawn(
            python,
            [python, "-I", "-S", "-B", script, str(theirs_in), str(theirs_out)],
            {"LC_ALL": "C.UTF-8"},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, theirs_in, theirs_in),  # inheritable in the child alone
                (os.POSIX_SPAWN_DUP2, theirs_out, theirs_out),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT],
        )
    except OSError as error:
        os.close(commands)
        os.close(news)
        raise SandboxError(
            f"The process that guards the sandbox could not be started: {error}.",
            remedy="Check the limits on processes and memory of this account.",
        ) from None
    finally:
        os.close(theirs_in)
        os.close(theirs_out)
    return pid, commands, news


def _compiled() -> str:
    """The keeper's script, compiled if it can be had: compiling takes as long as the rest."""
    source = Path(keeper.__file__)
    compiled = Path(cache_from_source(keeper.__file__))
    with suppress(OSError):
        if compiled.stat().st_mtime >= source.stat().st_mtime:
            return str(compiled)
    return str(source)


def _spec(command: Command, launch: Launch, group: cgroup.ControlGroup | None) -> keeper.Spec:
    limits = launch.limits
    folders = group.folders if group else {}
    unwatched = None if "pids" in folders else limits.processes
    rlimits = _rlimits(limits)
    if unwatched is not None and not command.own_users:
        # Counts all of this user's threads, so it is only a stop for what outruns the watchdog.
        rlimits.append((resource.RLIMIT_NPROC, _threads_of_user() + 4 * unwatched))
    return {
        "argv": list(command.argv),
        "env": dict(command.env),
        "cwd": command.cwd,
        "files": dict(command.files),
        "wrappers": command.wrappers,
        "rlimits": rlimits,
        "nproc": unwatched if command.own_users else None,
        "cpus": _cpus(limits),
        "groups": sorted({str(folder) for folder in folders.values()}),
        "oom": str(group.oom) if group and group.oom else None,
        "freeze": str(group.freeze) if group and group.freeze else None,
        "memory": None if "memory" in folders else limits.memory,
        "processes": unwatched and unwatched + command.wrappers,
        "tidy": str(launch.runtime),
    }


def _rlimits(limits: Limits) -> list[tuple[int, int]]:
    values = [(resource.RLIMIT_CORE, 0)]
    if limits.open_files is not None:
        values.append((resource.RLIMIT_NOFILE, limits.open_files))
    if limits.memory is not None:
        # Below the hard limit, so that an allocation fails with MemoryError before a kill.
        # RLIMIT_DATA counts what a process may write (Linux >= 4.7); RLIMIT_AS would also
        # count address space that is only reserved, as Java, CUDA and Arrow do.
        values.append((resource.RLIMIT_DATA, limits.memory - limits.memory // 16))
    return values


def _threads_of_user() -> int:
    """Threads that this user has now, on the whole machine."""
    found, user = 0, os.getuid()
    with os.scandir("/proc") as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.isdigit() and entry.stat().st_uid == user:
                    found += len(os.listdir(f"/proc/{entry.name}/task"))  # noqa: PTH208
    return found


def _cpus(limits: Limits) -> list[int]:
    """Processors to run on; neighbours start at different ones.  Empty: all."""
    if limits.cpus is None:
        return []
    allowed = sorted(os.sched_getaffinity(0))
    start = os.getpid() % len(allowed)
    return (allowed[start:] + allowed[:start])[: limits.cpus]


def _fields(path: str, names: Sequence[str]) -> dict[str, int]:
    """Numbers of a ``name: number unit`` file; empty when it is gone."""
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return {}
    split = (line.split() for line in lines)
    return {words[0]: int(words[1]) for words in split if words and words[0] in names}


def _ticks(pid: int) -> int:
    """Processor time of ``pid`` and of its children that it waited for (proc(5), fields 14-17)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11:15]))


_CRASHES = {
    signal.SIGSEGV: "segmentation fault",
    signal.SIGBUS: "bus error",
    signal.SIGABRT: "abort",
    signal.SIGFPE: "arithmetic fault",
    signal.SIGILL: "illegal instruction",
    signal.SIGSYS: "forbidden system call",
}


_GREETING = "--existing "
"""In the last line that ipykernel prints when it starts: then the code has said nothing."""


def explain(ending: keeper.Ending | None, limits: Limits) -> Death:
    """Say what the keeper saw (None: it died itself) to a person."""
    if ending is None:
        return Death("killed", "The process that guards the sandbox was killed.")
    code, number = ending["code"], ending["signal"]
    if ending["over"] == "memory":
        size = f" ({limits.memory / 1e9:.3g} GB)" if limits.memory else ""
        sentence = f"The code used more memory than it may{size}, so its process was killed."
        return Death("memory", sentence, code, number)
    if ending["over"] == "processes":
        sentence = f"The code started more than {limits.processes} processes, so it was killed."
        return Death("killed", sentence, code, number)
    if ending["asked"]:
        return Death("killed", "The Python process was stopped from outside.", code, number)
    if number in _CRASHES:
        sentence = f"The Python process crashed ({_CRASHES[signal.Signals(number)]})."
        return Death("crashed", sentence, code, number)
    if number is not None:
        return Death("killed", f"The Python process was killed (signal {number}).", code, number)
    last = ending["tail"].decode(errors="replace").strip().rpartition("\n")[2]
    said = f" Its last words: {last}" if code and last and _GREETING not in last else ""
    return Death("exited", f"The code ended the Python process (exit code {code}).{said}", code)

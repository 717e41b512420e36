"""The keeper: one small process per sandbox, between the front and what it started.

It exists so that nothing survives, whatever dies first.  It starts the
sandboxed command, adopts every process that loses its parent (Linux
*subreaper*), and when the command ends, when the front asks, or when the front
is gone (end of file on its pipe), it kills what is left, removes the
control groups and the runtime folder, and says how it went.

It runs as a script in an interpreter of its own (``python -I -S keeper.py IN
OUT``, two pipes by number), must be up within milliseconds, and therefore
imports next to nothing and nothing of this package.  The pipes speak
``marshal`` (the interpreter is the front's own), each message after its length
in four bytes:

front → keeper
    a ``Spec`` as a ``dict``, then ``"kill"`` if it is to end before the command does.
keeper → front
    an ``Ending`` as a ``dict``, once, when the whole tree is gone.
"""

# Pathlib takes as long to import as all the rest to start:
# ruff: noqa: PTH106, PTH123, PTH208

from __future__ import annotations

import fcntl
import marshal
import os
import resource
import sys
import time
from select import POLLIN, poll

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict

    class Spec(TypedDict):
        """What to start.

        ``files`` maps file descriptors of the command to their content.
        ``wrappers`` is how many processes of a sandbox's own stand between the
        keeper and the main process; they pass a signal on as exit code 128 and
        its number.  ``rlimits`` are ``(which, value)``, ``nproc`` one that is
        set for the main process alone, once it runs.  ``groups`` are control
        group folders to join, ``oom`` the file that counts kills for want of
        memory, ``freeze`` a file to which a 0 forbids new processes.
        ``memory`` and ``processes`` are limits to be watched here, for want of
        a control group.  ``tidy`` is a folder to remove at the end.
        """

        argv: list[str]
        env: dict[str, str]
        cwd: str
        files: dict[int, bytes]
        wrappers: int
        rlimits: list[tuple[int, int]]
        nproc: int | None
        cpus: list[int]
        groups: list[str]
        oom: str | None
        freeze: str | None
        memory: int | None
        processes: int | None
        tidy: str

    class Ending(TypedDict):
        """How it ended.

        ``code`` is the exit code or None, ``signal`` the signal or None (both
        None: it never started).  ``over`` names the limit (``memory``,
        ``processes``) that killed it, ``asked`` says that the front did.
        ``tail`` is the end of the command's own error output.
        """

        code: int | None
        signal: int | None
        over: str
        asked: bool
        tail: bytes


TAIL = 8192
"""Bytes of the command's own error output that are kept."""

PERIOD = 100
"""Milliseconds between two looks of the watchdog."""

SIGKILL, SIGSTOP = 9, 19
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h


# --- looking at processes ---------------------------------------------------------


def children(pid: int) -> list[int]:
    """Processes started by any thread of ``pid``, oldest first per thread; none if it is gone."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as listed:
                found += map(int, listed.read().split())
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def first_below(pid: int, generations: int) -> int | None:
    """The oldest child's oldest child … of ``pid``; None if there is none."""
    found: int | None = pid
    for _ in range(generations):
        below = children(found) if found else []
        found = below[0] if below else None
    return found


def descendants(root: int) -> list[int]:
    """Every process below ``root`` now, parents before their children."""
    found: list[int] = []
    fresh = [root]
    while fresh:
        fresh = [child for pid in fresh for child in children(pid)]
        found += fresh
    return found


def resident(pid: int) -> int:
    """Bytes of memory that ``pid`` has in RAM, shared pages included; 0 if it is gone."""
    try:
        with open(f"/proc/{pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()
    except (FileNotFoundError, ProcessLookupError):
        return 0


def proportional(pid: int) -> int:
    """Like ``resident``, with each shared page counted once over those that share it."""
    try:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            for line in rollup:
                if line.startswith("Pss:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        pass
    return resident(pid)


# --- the pipes ----------------------------------------------------------------------


def send(fd: int, message: Any) -> None:
    """Write one message; raises ``OSError`` when the other end is gone."""
    data = marshal.dumps(message)
    data = len(data).to_bytes(4, "little") + data
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int) -> Any:
    """Read one whole message; None at the end of the file."""
    head = _exactly(fd, 4)
    body = _exactly(fd, int.from_bytes(head, "little")) if head else b""
    return marshal.loads(body) if body else None  # noqa: S302 - both ends are ours


def _exactly(fd: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(fd, size - len(data))
        if not more:
            return b""
        data += more
    return data


# --- the keeper ------------------------------------------------------------------------


class Keeper:
    """Starts what ``spec`` says, and sees to its end."""

    def __init__(self, spec: Spec, commands: int) -> None:
        self.spec = spec
        self.commands = commands
        self.tail = b""
        self.over = ""
        self.asked = False
        self.child = 0
        self.ended: int | None = None

    def start(self) -> None:
        """Start the command; afterwards every orphan below becomes a child of this process."""
        if not self.spec["wrappers"]:
            adopt()
        errors, theirs = os.pipe()
        self.child = os.fork()
        if not self.child:
            self._become(theirs)
        os.close(theirs)
        self.errors = errors
        self.pidfd = os.pidfd_open(self.child)
        if self.spec[
            "wrappers"
        ]:  # they come first: 3 ms of ctypes that the start need not wait for
            adopt()

    def _become(self, errors: int) -> None:
        """In the child: limits, files, and the command.  Never returns."""
        try:
            os.setsid()
            null = os.open("/dev/null", os.O_RDONLY)
            for mine, theirs in ((null, 0), (errors, 1), (errors, 2)):
                os.dup2(mine, theirs)
            if not self.spec["wrappers"]:
                die_with_parent()
            for group in self.spec["groups"]:
                with open(f"{group}/cgroup.procs", "w") as members:
                    members.write("0")
            with open("/proc/self/oom_score_adj", "w") as score:
                score.write("500")  # a machine short of memory takes this before the front
            if self.spec["cpus"]:
                os.sched_setaffinity(0, self.spec["cpus"])
            for which, value in self.spec["rlimits"]:
                hard = resource.getrlimit(which)[1]
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.setrlimit(which, (value, value))
            for number, content in self.spec["files"].items():
                held = os.memfd_create("codeact", 0)
                os.write(held, content)
                os.lseek(held, 0, os.SEEK_SET)
                os.dup2(held, number)
                os.close(held)
            os.chdir(self.spec["cwd"])
            os.execve(self.spec["argv"][0], self.spec["argv"], self.spec["env"])  # noqa: S606
        except BaseException as error:
            os.write(2, f"{self.spec['argv'][0]}: {error}".encode())
        finally:
            os._exit(127)

    def main(self) -> int | None:
        """The process that the whole is for; None before it runs and after it ended."""
        return first_below(self.child, self.spec["wrappers"])

    def run(self) -> None:
        """Return when the command ended, the front asked for its end, or the front is gone."""
        events = poll()
        for fd in (self.commands, self.pidfd, self.errors):
            events.register(fd, POLLIN)
        while True:
            watched = self.spec["memory"] or self.spec["processes"] or self.spec["nproc"]
            ready = [fd for fd, _ in events.poll(PERIOD if watched else None)]
            if self.errors in ready and not self._listen():
                events.unregister(self.errors)
            if self.commands in ready:
                self.asked = True  # whatever it says: to kill, or that the front is gone
                return
            if self.pidfd in ready:
                self.ended = os.waitpid(self.child, 0)[1]
                return
            if watched and self._too_much():
                return

    def _listen(self) -> bool:
        """Keep the end of what the command says; false at the end of the file."""
        data = os.read(self.errors, 65536)
        self.tail = (self.tail + data)[-TAIL:]
        return bool(data)

    def _too_much(self) -> bool:
        """The watchdog: has the tree passed a limit that nothing else enforces?"""
        pids = descendants(os.getpid())
        nproc = self.spec["nproc"]
        main = self.main()
        if nproc is not None and main:
            resource.prlimit(main, resource.RLIMIT_NPROC, (nproc, nproc))
            self.spec["nproc"] = None
        if self.spec["processes"] and len(pids) > self.spec["processes"]:
            self.over = "processes"
        memory = self.spec["memory"]
        if memory and sum(map(resident, pids)) > memory and sum(map(proportional, pids)) > memory:
            self.over = "memory"
        return bool(self.over)

    def sweep(self) -> None:
        """Kill the whole tree, however its members hide; return when none is left."""
        if self.spec["freeze"]:
            try:
                with open(self.spec["freeze"], "w") as limit:
                    limit.write("0")
            except OSError:
                pass
        rounds = 0
        while self._reap():
            pids = descendants(os.getpid())
            for deadly in (SIGSTOP, SIGKILL) if rounds > 3 else (SIGKILL,):
                for pid in pids:
                    try:
                        os.kill(pid, deadly)
                    except OSError:  # gone, or a set-uid helper that dies with its parent
                        pass
            time.sleep(0.001 if rounds < 50 else 0.05)
            rounds += 1

    def _reap(self) -> bool:
        """Collect dead children; false when none, dead or alive, is left."""
        try:
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if not pid:
                    return True
                if pid == self.child:
                    self.ended = status
        except ChildProcessError:
            return False

    def ending(self) -> Ending:
        """What to tell the front, read before the control groups go."""
        while self._pending() and self._listen():
            pass
        code: int | None = None
        signal: int | None = None
        if self.ended is not None:
            ended = os.waitstatus_to_exitcode(self.ended)
            if ended < 0:
                signal = -ended
            elif self.spec["wrappers"] and ended > 128:
                signal = ended - 128
            else:
                code = ended
        if not self.over and signal == SIGKILL and self._starved():
            self.over = "memory"
        return {
            "code": code,
            "signal": signal,
            "over": self.over,
            "asked": self.asked,
            "tail": self.tail,
        }

    def _pending(self) -> bool:
        events = poll()
        events.register(self.errors, POLLIN)
        return bool(events.poll(0))

    def _starved(self) -> bool:
        """Did the kernel kill a member of the control group for want of memory?"""
        if not self.spec["oom"]:
            return False
        try:
            with open(self.spec["oom"]) as counters:
                counts = dict(line.split() for line in counters)
            return counts.get("oom_kill", "0") != "0"
        except OSError:
            return False

    def tidy(self) -> None:
        """Remove the control groups and the runtime folder."""
        for group in self.spec["groups"]:
            for _ in range(100):  # a group stays busy for a moment after its last member
                try:
                    os.rmdir(group)
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
        import shutil

        shutil.rmtree(self.spec["tidy"], ignore_errors=True)


def adopt() -> None:
    """Make every orphan below this process its child."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies."""
    _prctl(PR_SET_PDEATHSIG, SIGKILL)


def _prctl(option: int, value: int) -> None:
    import ctypes

    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def main(commands: int, news: int) -> None:
    """Keep one sandbox from its start to its end."""
    for fd in map(int, os.listdir("/proc/self/fd")):
        if fd > 2 and fd not in (commands, news):
            try:
                os.close(fd)
            except OSError:  # the listing's own
                pass
    for fd in (commands, news):
        os.set_inheritable(fd, False)  # else the command could speak in the keeper's name
    spec = receive(commands)
    if spec is None:
        return
    held = os.open(spec["tidy"], os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)  # in use, as anybody can see who finds it
    keeper = Keeper(spec, commands)
    try:
        keeper.start()
        keeper.run()
    finally:
        keeper.sweep()
        ending = keeper.ending()
        keeper.tidy()
        try:
            send(news, ending)
        except OSError:  # the front is gone
            pass


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

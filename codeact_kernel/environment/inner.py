"""The life of the inner kernel: started behind walls, interrupted, killed, replaced."""

from __future__ import annotations

import json
import os
import pwd
import secrets
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import EnvironmentFailed
from ..sandbox import limiting, select
from ..sandbox.base import Death, Launch, Sandboxed, TreeUsage
from ..sandbox.limits import Limits
from ..sandbox.workspace import Workspace
from .interpreter import Interpreter, find
from .runtime import new_runtime

if TYPE_CHECKING:
    import asyncio

CHANNELS = ("shell", "iopub", "stdin", "control", "hb")

PASSED = ("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "PYTHONPATH")
"""Variables of the front that the inner kernel gets; no other, for any may hold a secret."""

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "PYTHON_CPU_COUNT",
)
"""Variables by which libraries learn how many processors they may use."""


OPTIONS = ("--HistoryManager.hist_file=:memory:",)
"""History is the session's own: nothing of it is left, and none is read."""


class InnerKernel:
    """One replaceable inner kernel: the stock ``ipykernel`` of the chosen interpreter.

    ``on_death`` is called once per start, on the event loop, however the
    kernel ended.  ``start`` may be called before a loop runs; deaths are told
    from ``attach`` on.

    ``key`` signs the messages of the current inner kernel, ``endpoints`` are
    its sockets by channel; both are new with each start.  ``spool`` is a folder
    below ``state_dir`` that it can read and not write; it stays, if not empty.
    """

    def __init__(
        self,
        *,
        settings: Settings,
        workspace: Workspace,
        state_dir: Path,
        on_death: Callable[[Death], None],
    ) -> None:
        self._settings = settings
        self._workspace = workspace
        self._on_death = on_death
        self.spool = state_dir.resolve() / "spool" / secrets.token_hex(4)
        self.key = b""
        self.endpoints: Mapping[str, str] = {}
        self._interpreter: Interpreter | None = None
        self._running: Sandboxed | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._watch: asyncio.Task[None] | None = None

    @property
    def sandbox_name(self) -> str:
        """The kind in use, such as ``bubblewrap``; raises ``SandboxError`` when none works."""
        return select.choose(self._settings.sandbox).name

    @property
    def sandbox_description(self) -> str:
        """What it isolates and limits, in plain words; raises ``SandboxError`` when none works."""
        return select.choose(self._settings.sandbox).describe()

    def start(self) -> None:
        """Launch now, with a fresh runtime folder and key; what ran before is ended first.

        Raises ``SandboxError`` or ``EnvironmentFailed``, each with a remedy.
        """
        self.close()
        sandbox = select.choose(self._settings.sandbox)
        if self._interpreter is None:
            self._interpreter = find(self._settings.inner_kernel)
        self.spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        runtime = new_runtime()
        try:
            self._running = sandbox.start(self._launch(self._interpreter, runtime))
        except BaseException:
            shutil.rmtree(runtime, ignore_errors=True)
            raise
        if self._loop is not None:
            self._watch = self._loop.create_task(self._tell_death(self._running))

    def attach(self) -> None:
        """From now on tell deaths on the running event loop (that of a kernel already started too)."""
        import asyncio

        self._loop = asyncio.get_running_loop()
        if self._running is not None and self._watch is None:
            self._watch = self._loop.create_task(self._tell_death(self._running))

    def interrupt(self) -> None:
        """SIGINT, as Ctrl-C would; never raises."""
        if self._running is not None:
            self._running.interrupt()

    def kill(self) -> None:
        """SIGKILL the whole tree; returns at once, ``on_death`` follows."""
        if self._running is not None:
            self._running.kill()

    async def wait(self) -> Death:
        """How the current kernel ends; raises ``EnvironmentFailed`` before the first start."""
        if self._running is None:
            raise EnvironmentFailed("The inner kernel has not been started.")
        return await self._running.wait()

    def usage(self) -> TreeUsage:
        """What the kernel and all it started use now; zeros when there is none."""
        return self._running.usage() if self._running else TreeUsage(0, 0, 0.0, 0)

    def reset_peak(self) -> None:
        """Start a new measurement of the peak of memory."""
        if self._running is not None:
            self._running.reset_peak()

    def close(self) -> None:
        """End it; when this returns no process, control group or runtime folder is left.

        ``on_death`` is not called for a kernel ended in this way.
        """
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        if self._running is not None:
            self._running.end()
            self._running = None
        with suppress(OSError):
            self.spool.rmdir()  # stays when something was spooled

    async def _tell_death(self, running: Sandboxed) -> None:
        self._on_death(await running.wait())

    def _launch(self, interpreter: Interpreter, runtime: Path) -> Launch:
        settings = self._settings
        self.key = secrets.token_hex(32).encode()
        stem, ports = f"{runtime}/k", {channel: n for n, channel in enumerate(CHANNELS, 1)}
        self.endpoints = {channel: f"ipc://{stem}-{port}" for channel, port in ports.items()}
        connection = runtime / "connection.json"
        connection.touch(mode=0o600)
        connection.write_text(
            json.dumps(
                {f"{channel}_port": port for channel, port in ports.items()}
                | {"transport": "ipc", "ip": stem, "key": self.key.decode()}
                | {"signature_scheme": "hmac-sha256", "kernel_name": "codeact"}
            )
        )
        argv = [word.replace("{connection_file}", str(connection)) for word in interpreter.argv]
        limits = Limits(
            memory=settings.memory or limiting.default_memory(),
            cpus=settings.cpus or None,
            processes=settings.processes,
        )
        return Launch(
            argv=[*argv, *OPTIONS],
            env=_environment(interpreter, limits, runtime),
            workspace=self._workspace,
            runtime=runtime,
            spool=self.spool,
            interpreter_paths=interpreter.folders,
            limits=limits,
        )


def _environment(interpreter: Interpreter, limits: Limits, runtime: Path) -> dict[str, str]:
    """The inner kernel's whole environment."""
    programs = (str(Path(interpreter.program).parent), "/usr/local/bin", "/usr/bin", "/bin")
    private = runtime / "home"
    env = {"USER": _user(), "LOGNAME": _user()}
    env |= {name: os.environ[name] for name in PASSED if name in os.environ}
    env |= {
        "PATH": os.pathsep.join(programs),
        "HOME": str(Path.home()),
        "TMPDIR": str(runtime / "tmp"),
        "IPYTHONDIR": str(private / "ipython"),
        "XDG_CACHE_HOME": str(private / "cache"),
        "XDG_CONFIG_HOME": str(private / "config"),
        "XDG_DATA_HOME": str(private / "data"),
    }
    if limits.cpus is not None:
        env |= dict.fromkeys(THREADS, str(limits.cpus))
    _seed_fonts(private / "cache" / "matplotlib")
    return {**env, **interpreter.env}


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # some containers give their user no name
        return "user"


def _seed_fonts(folder: Path) -> None:
    """Give matplotlib the user's list of fonts, which it would else take seconds to make."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "matplotlib"
    for fonts in cache.glob("fontlist-*.json"):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(fonts, folder / fonts.name)

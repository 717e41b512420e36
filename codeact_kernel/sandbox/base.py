"""The contract of a sandbox kind: how one process is started behind walls and ended for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from .limits import Limits
from .workspace import Workspace


@dataclass(frozen=True, slots=True)
class Launch:
    """One process to start: its command, clean environment, and what it may see.

    ``runtime`` is a private folder of the front's, writable inside (the
    kernel's sockets and connection file live there); ``spool`` is another,
    shown read-only.  ``interpreter_paths`` are the folders that the inner
    interpreter needs to exist (prefixes, standard library, ``sys.path``).
    """

    argv: Sequence[str]
    env: Mapping[str, str]
    workspace: Workspace
    runtime: Path
    spool: Path
    interpreter_paths: Sequence[Path]
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Death:
    """How a sandboxed process ended.

    ``reason`` is one of ``exited``, ``killed``, ``memory``, ``crashed``;
    ``sentence`` says it to a person, e.g. "The code ended the Python process
    (exit code 3)."
    """

    reason: str
    sentence: str
    exit_code: int | None = None
    signal: int | None = None


@dataclass(frozen=True, slots=True)
class TreeUsage:
    """What the process tree uses now: bytes, seconds of CPU time, number of processes."""

    memory: int
    peak_memory: int
    cpu: float
    processes: int


class Sandboxed(Protocol):
    """A running sandboxed process tree."""

    def interrupt(self) -> None:
        """SIGINT to the main process and its foreground children; never raises if they are gone.

        The signal has been sent when this returns.
        """

    def kill(self) -> None:
        """SIGKILL the whole tree, whatever its members did to hide; returns at once."""

    async def wait(self) -> Death:
        """Return when the tree is gone and its resources are released (any number of callers)."""

    def end(self) -> Death:
        """Kill, and return when the tree is gone and its resources are released."""

    def usage(self) -> TreeUsage:
        """Current use; zeros when the tree is gone."""

    def reset_peak(self) -> None:
        """Start a new ``peak_memory`` measurement (called before each step)."""


class Sandbox(Protocol):
    """A kind of sandbox.  Instances hold no state about what they started."""

    name: str

    def check(self) -> str | None:
        """None if this kind works on this machine, else the reason and remedy in one sentence.

        It tries the real thing (starts ``true`` behind the walls) and keeps the verdict.
        """

    def describe(self) -> str:
        """What this kind isolates and which mechanism limits memory and processes, in plain words."""

    def start(self, launch: Launch) -> Sandboxed:
        """Start the process.  Raises ``SandboxError`` with a remedy if it cannot be started."""

"""No walls: the code may do whatever its user may.  An explicit choice, never ``auto``'s.

Limits hold all the same, and no process survives the front.
"""

from __future__ import annotations

from . import limiting
from .base import Launch, Sandboxed
from .kept import Command, Kept


class NoSandbox:
    """The ``Sandbox`` kind ``none``."""

    name = "none"

    def check(self) -> str | None:
        """Always None: it needs nothing."""
        return None

    def describe(self) -> str:
        """What it does not isolate, and what limits it."""
        return f"none: the code can reach everything that you can; {limiting.describe()}"

    def start(self, launch: Launch) -> Sandboxed:
        """Start the process; raises ``SandboxError`` when it cannot be started."""
        return Kept(Command(launch.argv, launch.env, str(launch.workspace.folder)), launch)

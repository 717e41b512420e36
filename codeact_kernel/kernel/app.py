"""The kernel process: starts early what takes long, and hands over to ``serve``.

The inner kernel is launched before ZMQ and the rest are imported: its own
start takes longer than ours, and both then happen at the same time.  In the
same way its keeper and the trial of the sandbox run while we import what is
needed to launch it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from jupyter_core.paths import jupyter_data_dir

from ..config import load_settings
from ..errors import CodeActError
from ..sandbox import select
from ..sandbox.base import Death
from ..sandbox.workspace import discover

STARTER = os.getppid()
"""Who started us, as early as it can be known: it may be gone when we are ready to look."""


def main(argv: list[str] | None = None) -> int:
    """Run the kernel that ``-f connection_file`` describes; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m codeact_kernel.kernel",
        description="The CodeAct kernel. Jupyter starts it; choose 'CodeAct (Python)' as the kernel.",
    )
    parser.add_argument("-f", dest="connection_file", type=Path, required=True)
    arguments, _ = parser.parse_known_args(argv)
    try:
        return run(arguments.connection_file)
    except CodeActError as error:
        sys.stderr.write(f"codeact: {error}\n")
        return 2


def run(connection_file: Path) -> int:
    """Start everything and serve until a client or the parent process ends it."""
    settings = load_settings()
    select.prepare(settings.sandbox)
    from ..environment.inner import InnerKernel

    workspace = discover(Path.cwd(), notebook_of(os.environ))
    watchers: list[Callable[[Death], None]] = []
    inner = InnerKernel(
        settings=settings,
        workspace=workspace,
        state_dir=state_dir(),
        on_death=lambda death: watchers[0](death),
    )
    problem: CodeActError | None = None
    try:
        inner.start()
    except CodeActError as error:
        problem = error  # cells will say so; the kernel itself must come up
    try:
        from .serve import serve

        return serve(connection_file, settings, workspace, inner, problem, watchers)
    finally:
        inner.close()


def state_dir() -> Path:
    """Where the front keeps what outlives it; outside every workspace."""
    return Path(jupyter_data_dir()) / "codeact"


def notebook_of(environ: Mapping[str, str]) -> Path | None:
    """The notebook that this kernel belongs to, where the server says so."""
    name = environ.get("JPY_SESSION_NAME", "")
    return Path(name) if name.endswith(".ipynb") else None

"""A front to be killed: starts an inner kernel with hidden children, says so, and waits."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from codeact_kernel.config import Settings
from codeact_kernel.environment.inner import InnerKernel
from codeact_kernel.sandbox.workspace import discover


def main(kind: str, folder: str, state: str) -> None:
    inner = InnerKernel(
        settings=Settings(sandbox=kind),
        workspace=discover(Path(folder)),
        state_dir=Path(state),
        on_death=print,
    )
    print("starting", flush=True)
    inner.start()
    print("started", flush=True)
    time.sleep(600)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Where measurements take place: folders and an environment that have nothing of the person's."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codeact_kernel.sandbox import select

FOREIGN = ("CODEACT_", "OPENAI_", "JPY_", "JUPYTER_", "IPYTHON", "PYTHON")
"""Prefixes of variables that would change what is measured.

Without ``PYTHONDONTWRITEBYTECODE``, for one, this package is compiled as an installed one is.
"""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much of everything; the bars of the issue are for the defaults."""

    burst: int = 50
    """Executions of ``pass`` in one sample."""
    steps: int = 20
    long: int = 100
    """Steps of the turn and of the long turn."""
    lines: int = 100_000
    megabytes: int = 200
    interrupts: int = 20
    """Times that each of five states is stopped."""


TINY = Sizes(burst=2, steps=2, long=3, lines=200, megabytes=3, interrupts=1)
"""Enough to see that everything runs."""


@dataclass(frozen=True, slots=True)
class Lab:
    """``workspace`` is the folder of the notebook, ``environ`` what every process is started with."""

    workspace: Path
    environ: Mapping[str, str]
    sandbox: str
    sizes: Sizes


@contextmanager
def laboratory(sizes: Sizes = Sizes()) -> Iterator[Lab]:
    """A lab in temporary folders; raises ``SandboxError`` where no sandbox works."""
    sandbox = select.choose("auto").name
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folders = {name: Path(place) / name for name in ("workspace", "config", "data", "ipython")}
        for folder in folders.values():
            folder.mkdir()
        kept = {key: value for key, value in os.environ.items() if not key.startswith(FOREIGN)}
        environ = kept | {
            "JUPYTER_CONFIG_DIR": str(folders["config"]),
            "JUPYTER_DATA_DIR": str(folders["data"]),
            "JUPYTER_RUNTIME_DIR": str(folders["data"]),
            "IPYTHONDIR": str(folders["ipython"]),
            "CODEACT_SANDBOX": sandbox,
        }
        yield Lab(folders["workspace"], environ, sandbox, sizes)

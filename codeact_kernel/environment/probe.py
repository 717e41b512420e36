"""Which folders a Python interpreter needs to exist.

Runs inside any Python (>= 3.8) with the standard library alone: imported for
the front's own interpreter, and run as a script by another one.
"""

# os.path leaves links as they are, which matters here:
# ruff: noqa: PTH100, PTH110, PTH114, PTH115, PTH118, PTH120

from __future__ import annotations

import json
import os
import sys
from importlib.util import find_spec


def folders() -> list[str]:
    """Prefixes, the folders on ``sys.path``, those of editable installs, and the interpreter's own.

    Links are followed too: each folder that the way to the interpreter passes
    through is in the list.
    """
    found = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found.update(path for path in sys.path if path and os.path.exists(path))
    for module in list(sys.modules.values()):
        # setuptools' editable installs map names to folders that are not on the path
        if getattr(module, "__name__", "").startswith("__editable__"):
            found.update(os.path.dirname(path) for path in getattr(module, "MAPPING", {}).values())
    program = sys.executable
    for _ in range(16):  # a chain of links to the real program, as uv and pyenv make
        found.add(os.path.dirname(os.path.dirname(program)))
        if not os.path.islink(program):
            break
        program = os.path.join(os.path.dirname(program), os.readlink(program))
    return sorted({os.path.abspath(path) for path in found if path})


def report() -> str:
    """What ``interpreter`` wants to know of another Python, as JSON."""
    return json.dumps({"folders": folders(), "ipykernel": find_spec("ipykernel") is not None})


if __name__ == "__main__":
    print(report())

"""The Python that runs the code: the front's own, or that of an installed kernelspec."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_path

from ..errors import EnvironmentFailed
from . import probe

PROBE_SECONDS = 30.0
"""How long another interpreter may take to say what it is (a cold disk is slow)."""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """How to start an inner kernel: ``argv`` holds ``{connection_file}``.

    ``folders`` must exist for it; ``name`` is what a person calls it.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    folders: Sequence[Path] = ()

    @property
    def program(self) -> str:
        """Absolute path of the interpreter."""
        return self.argv[0]


def find(kernelspec: str = "") -> Interpreter:
    """The interpreter of ``kernelspec``, or our own when it is empty.

    Raises ``EnvironmentFailed`` when there is no such kernelspec, it is not a
    Python one, its interpreter does not run, or has no ipykernel.
    """
    if kernelspec:
        return _installed(kernelspec)
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    script = getattr(sys.modules.get("__main__"), "__file__", None) or "/"
    beside = str(Path(script).absolute().parent)  # on the path as the running script's folder only
    return Interpreter("this Python", argv, {}, _safe(sorted({*probe.folders()} - {beside})))


def _installed(name: str) -> Interpreter:
    spec, resources = _kernelspec(name)
    argv = [word.replace("{resource_dir}", str(resources)) for word in spec.get("argv", [])]
    if spec.get("language", "").lower() != "python" or not any("ipykernel" in w for w in argv):
        raise EnvironmentFailed(
            f"The kernel {name!r} is not one of ipykernel.",
            remedy="CODEACT_INNER_KERNEL needs a Python kernel that ipykernel runs.",
        )
    if argv[0] in ("python", "python3", f"python3.{sys.version_info.minor}"):
        argv[0] = sys.executable  # as jupyter_client reads such a spec
    env = {key: str(value) for key, value in spec.get("env", {}).items()}
    return Interpreter(name, argv, env, _probed(name, argv[0], env))


def _kernelspec(name: str) -> tuple[dict[str, Any], Path]:
    """The content and the folder of an installed kernelspec.

    Looked up here rather than by ``jupyter_client``, whose import takes longer
    than the inner kernel may wait.
    """
    known: set[str] = set()
    for place in map(Path, jupyter_path("kernels")):
        try:
            text = (place / name / "kernel.json").read_text(encoding="utf-8")
            return json.loads(text), place / name
        except (FileNotFoundError, NotADirectoryError):
            known.update(found.parent.name for found in place.glob("*/kernel.json"))
        except ValueError as error:
            raise EnvironmentFailed(
                f"{place / name / 'kernel.json'} is not a kernelspec: {error}.",
                remedy="Install that kernel again.",
            ) from None
    raise EnvironmentFailed(
        f"There is no kernel {name!r}.",
        remedy=f"CODEACT_INNER_KERNEL can be one of: {', '.join(sorted(known)) or 'none installed'}.",
    )


def _probed(name: str, program: str, env: Mapping[str, str]) -> Sequence[Path]:
    """Ask ``program`` for its folders."""
    code = Path(probe.__file__).read_text(encoding="utf-8")
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
    try:
        asked = subprocess.run(
            [program, "-c", code],
            env={**kept, **env},
            cwd="/",
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
        )
        report = json.loads(asked.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise EnvironmentFailed(
            f"The Python of the kernel {name!r} ({program}) does not run: {error}.",
            remedy="Repair or remove that kernelspec, or choose another with CODEACT_INNER_KERNEL.",
        ) from None
    if not report["ipykernel"]:
        raise EnvironmentFailed(
            f"The Python of the kernel {name!r} ({program}) has no ipykernel.",
            remedy=f"Install it: {program} -m pip install ipykernel",
        )
    return _safe(report["folders"])


def _safe(folders: Sequence[str]) -> Sequence[Path]:
    """``folders`` without those that would show all of the home folder or of the machine."""
    home = Path.home()
    found = [Path(folder) for folder in folders]
    return [path for path in found if path != home and path not in home.parents]

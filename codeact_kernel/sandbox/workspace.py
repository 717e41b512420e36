"""The folder that a notebook works in, and the project around it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import SandboxError


@dataclass(frozen=True, slots=True)
class Workspace:
    """``folder`` is the notebook's folder (writable inside); ``project`` the git top level above it.

    ``notebook`` is the open notebook, if known; it is not writable inside.
    """

    folder: Path
    project: Path | None = None
    notebook: Path | None = None


def discover(cwd: Path, notebook: Path | None = None) -> Workspace:
    """The workspace of a kernel started in ``cwd``, with every link resolved.

    The project is the next folder upwards that has a ``.git``; none when that
    would be the home folder or one above it.  Raises ``SandboxError`` when the
    folder does not exist or cannot be written.
    """
    folder = cwd.resolve()
    if not folder.is_dir():
        raise SandboxError(
            f"The notebook's folder {folder} does not exist.",
            remedy="Start the kernel in a folder that does.",
        )
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SandboxError(
            f"The notebook's folder {folder} cannot be written.",
            remedy="Change its permissions, or copy the notebook to a folder of your own.",
        )
    home = Path.home().resolve()
    above = (place for place in (folder, *folder.parents) if (place / ".git").exists())
    project = next(above, None)
    if project is not None and (project == home or project in home.parents):
        project = None
    return Workspace(folder, project, notebook.resolve() if notebook else None)

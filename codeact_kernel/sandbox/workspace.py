"""The folder that a notebook works in, and which files of it changed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """``folder`` is the notebook's folder (writable inside); ``project`` the git top level above it.

    ``notebook`` is the open notebook, if known; it is not writable inside.
    """

    folder: Path
    project: Path | None = None
    notebook: Path | None = None

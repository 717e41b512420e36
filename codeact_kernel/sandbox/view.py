"""What a sandbox shows of the file system: one answer for every kind that has walls."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import SandboxError
from .base import Launch
from .workspace import Workspace

Access = Literal["read", "write", "hidden"]

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/nix/store",
    "/gnu/store",
)
"""Programs and libraries of the system; on most machines all but ``/usr`` are links into it."""

ETC = (
    "alternatives",
    "ca-certificates",
    "ca-certificates.conf",
    "crypto-policies",
    "fonts",
    "gai.conf",
    "host.conf",
    "inputrc",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "locale.alias",
    "localtime",
    "magic",
    "mime.types",
    "networks",
    "nsswitch.conf",
    "OpenCL",
    "os-release",
    "pki/ca-trust",
    "pki/tls/certs",
    "protocols",
    "R",
    "services",
    "ssl/certs",
    "ssl/openssl.cnf",
    "terminfo",
    "timezone",
)
"""Entries of ``/etc`` that programs need: the loader, fonts, certificates, names, time zone.

No keys, no accounts, nothing that may hold a password.
"""

DEVICES = ("/sys/devices/system/cpu", "/sys/devices/system/node")
"""How many processors there are, for libraries that do not ask the scheduler."""


@dataclass(frozen=True, slots=True)
class Shown:
    """``path`` as it appears inside, with the content that it has outside."""

    path: Path
    access: Access


def shown(launch: Launch) -> list[Shown]:
    """Folders and files besides the system's, parents first: a later entry overrides an earlier.

    Raises ``SandboxError`` when the workspace cannot be shown safely.
    """
    workspace = launch.workspace
    refuse_unsafe(workspace)
    found: dict[Path, Access] = {}
    for path in launch.interpreter_paths:
        found[path] = "read"
    if workspace.project is not None:
        found[workspace.project] = "read"
    found[workspace.folder] = "write"
    for path in dotted(workspace):
        found[path] = "hidden" if workspace.folder == Path.home() else "read"
    if workspace.notebook is not None and workspace.notebook.exists():
        found[workspace.notebook] = "read"
    found[launch.spool] = "read"
    found[launch.runtime] = "write"
    found = {path: access for path, access in found.items() if not _in_system(path)}
    places = []
    for path in sorted(found, key=lambda path: len(path.parts)):
        above = next((found[parent] for parent in path.parents if parent in found), None)
        if (found[path], above) != ("read", "read"):
            places.append(Shown(path, found[path]))
    return places


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in SYSTEM)


def dotted(workspace: Workspace) -> Iterator[Path]:
    """Existing dot-files and dot-folders (``.git`` among them) directly in the workspace."""
    try:
        with os.scandir(workspace.folder) as entries:
            for entry in entries:
                if entry.name.startswith(".") and not entry.is_symlink():
                    yield workspace.folder / entry.name
    except OSError:
        return


def refuse_unsafe(workspace: Workspace) -> None:
    """Raise ``SandboxError`` if showing the workspace would show the whole machine or a system folder."""
    folder = workspace.folder
    if not folder.is_dir():
        raise SandboxError(
            f"The notebook's folder {folder} does not exist.", remedy="Start in an existing folder."
        )
    system = (*SYSTEM, "/etc", "/proc", "/dev", "/sys")
    inside = any(folder.is_relative_to(place) for place in system)
    if inside or folder in Path.home().parents or folder == Path("/"):
        raise SandboxError(
            f"The notebook's folder is {folder}, which holds more than a notebook should reach.",
            remedy="Move the notebook into a folder of its own.",
        )

"""The runtime folder of an inner kernel: its sockets, its connection file, its temporary files.

Its keeper locks it, and removes it at the end.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

PREFIX = "codeact-"

SOCKET_PATH = 100
"""Bytes that the path of a Unix socket may have (``sun_path`` has 108, with its end)."""

STALE = 60.0
"""Seconds after which a folder that nobody locks is taken for forgotten."""


def new_runtime() -> Path:
    """A private folder on a local disk, with short enough paths for sockets.

    Forgotten ones beside it are removed: those whose front and keeper were
    killed together, or whose front was before it had a keeper.
    """
    place = Path(tempfile.gettempdir())
    if len(os.fsencode(place)) + len(f"/{PREFIX}12345678/k-1") > SOCKET_PATH:
        place = Path("/tmp")  # noqa: S108 - the folder made in it is private
    _forget_stale(place)
    runtime = Path(tempfile.mkdtemp(prefix=PREFIX, dir=place)).resolve()
    for folder in ("tmp", "home"):
        (runtime / folder).mkdir(mode=0o700)
    return runtime


def _forget_stale(place: Path) -> None:
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            about = folder.lstat()
            if about.st_uid != os.getuid() or about.st_mtime > time.time() - STALE:
                continue
            held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(held)

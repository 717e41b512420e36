"""Says once for each endpoint what it is and what leaves the machine."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path


class FirstUse:
    """Remembers in ``folder`` which endpoints the user has been told about."""

    def __init__(self, folder: Path, describe: Callable[[], str]) -> None:
        self._folder = folder
        self._describe = describe

    def notice(self) -> str:
        """Markdown to show before the first turn with an endpoint; empty ever after."""
        text = self._describe()
        if not text:
            return ""
        seen = self._folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            os.close(os.open(seen, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            return ""
        except OSError:
            pass  # cannot remember: better told twice than never
        return text

"""The flood limit: a cell shows the beginning and end of much output, and none of it is lost."""

from __future__ import annotations

import os
from collections import deque
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, Final

Piece = tuple[str, str]
"""Name of a stream, and text that belongs to it."""

_DISPLAYS: Final = 20
"""Displays together may have this many times the limit of text: one picture is often 0.2 MB."""

_FREE_SPACE: Final = 256 << 20
_CHECK_EVERY: Final = 16 << 20


class Flood:
    """Keeps account of the output of one cell or step, and spools it when it is too much.

    ``limit``: bytes (UTF-8) of text that are published from the beginning; a
    tenth of it more from the end.  ``spool``: an existing folder that only the
    front can write; a file ``NAME.stdout.txt`` or ``NAME.stderr.txt`` is made
    there when the limit is passed, holding that stream from its first byte.
    ``spool_limit``: bytes per file; endless output must not fill the disk.

    Not thread-safe.  Writes go to the file system; nothing else blocks.
    """

    def __init__(self, limit: int, spool: Path, name: str, *, spool_limit: int = 2 << 30) -> None:
        self._limit = limit
        self._tail_limit = limit // 10
        self._files = {
            stream: _Spool(spool / f"{name}.{stream}.txt", spool_limit)
            for stream in ("stdout", "stderr")
        }
        self._shown = 0
        self._hidden = 0
        self._tail: deque[Piece] = deque()
        self._tail_size = 0
        self._displayed = 0
        self._withheld: list[int] = []
        self.total = 0
        """Bytes of text so far, shown or not."""

    @property
    def flooded(self) -> bool:
        """Whether text is being held back now."""
        return self._hidden > 0

    def feed(self, stream: str, text: str) -> list[Piece]:
        """Take ``text`` that came on ``stream`` (stdout or stderr); what of it to publish now."""
        data = _encoded(text)
        self._files[stream].add(data)
        self.total += len(data)
        if self.total > self._limit:  # also what the streams hold since the first byte
            for file in self._files.values():
                file.start()
        room = self._limit - self._shown
        if self._hidden == 0 and len(data) <= room:
            self._shown += len(data)
            return [(stream, text)]
        if self._hidden == 0 and room > 0:
            head = data[:room].decode("utf-8", "ignore")
            self._shown = self._limit
            self._hold(stream, text[len(head) :], len(data) - room)
            return [(stream, head)] if head else []
        self._hold(stream, text, len(data))
        return []

    def admit(self, nbytes: int) -> bool:
        """Whether a display of ``nbytes`` (its data, as JSON or roughly) may still be shown."""
        if self._displayed + nbytes > self._limit * _DISPLAYS:
            self._withheld.append(nbytes)
            return False
        self._displayed += nbytes
        return True

    def cleared(self) -> None:
        """The output was cleared (``clear_output``): what is shown starts anew, the files go on."""
        self._shown = self._hidden = self._displayed = self._tail_size = 0
        self._tail.clear()
        self._withheld.clear()

    def finish(self) -> list[Piece]:
        """The end of what was held back and a notice on stderr; the files are complete then.

        Empty when nothing was held back since the last call: output that comes
        late (from threads) may be fed afterwards, and ended again.
        """
        for file in self._files.values():
            file.close()
        pieces = [*self._ending(), *(("stderr", notice) for notice in self._notices())]
        self._hidden = self._tail_size = 0
        self._tail.clear()
        self._withheld.clear()
        return pieces

    @property
    def path(self) -> str | None:
        """The file with the full text (of stdout, if both streams have one); None without any."""
        paths = [file.path for file in self._files.values() if file.started]
        return str(paths[0]) if paths else None

    def _hold(self, stream: str, text: str, size: int) -> None:
        self._hidden += size
        kept = text[-self._tail_limit :] if self._tail_limit else ""
        self._tail.append((stream, kept))
        self._tail_size += len(kept)
        while self._tail_size - len(self._tail[0][1]) >= self._tail_limit and len(self._tail) > 1:
            self._tail_size -= len(self._tail.popleft()[1])

    def _ending(self) -> list[Piece]:
        if not self._hidden:
            return []
        surplus = self._tail_size - self._tail_limit
        pieces = list(self._tail)
        if surplus > 0:
            pieces[0] = (pieces[0][0], pieces[0][1][surplus:])
        return [
            (pieces[0][0], "\n…\n"),
            *((name, "".join(text for _, text in run)) for name, run in groupby(pieces, _stream)),
        ]

    def _notices(self) -> list[str]:
        notices = []
        if self._hidden:
            where = "; ".join(file.verdict for file in self._files.values() if file.size)
            notices.append(f"\n[{_size(self.total)} of text in all; {where}]\n")
        if self._withheld:
            notices.append(
                f"\n[{len(self._withheld)} more displays ({_size(sum(self._withheld))}) not shown:"
                " together they pass the output limit]\n"
            )
        return notices


class _Spool:
    """One stream's bytes: in memory until started, then in a file of its own."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        """Bytes taken so far."""
        self.started = False
        """Whether the bytes go to the file."""
        self._limit = limit
        self._held: list[bytes] = []
        self._file: BinaryIO | None = None
        self._problem = ""
        self._written = 0
        self._unchecked = 0

    @property
    def verdict(self) -> str:
        """Where the text is, and how much of it if not all."""
        if not self._problem:
            return f"the full text is in {self.path}"
        if not self._written:
            return f"the full text is lost, {self.path} could not be written: {self._problem}"
        return f"only the first {_size(self._written)} are in {self.path}: {self._problem}"

    def add(self, data: bytes) -> None:
        self.size += len(data)
        if self.started:
            self._write(data)
        else:
            self._held.append(data)

    def start(self) -> None:
        """Write what was held and all that comes to the file; nothing without data or twice."""
        if self.started or not self.size:
            return
        self.started = True
        self._write(b"".join(self._held))
        self._held.clear()

    def close(self) -> None:
        """Bring all bytes to the file and close it until more come."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            file.close()
        except OSError as error:
            self._problem = self._problem or error.strerror or str(error)
        if self._problem:
            with suppress(OSError):  # else what was accepted is the best estimate
                self._written = self.path.stat().st_size

    def _write(self, data: bytes) -> None:
        if self._problem:
            return
        room = self._limit - self._written
        try:
            if self._file is None:
                self._file = self._open()
            self._file.write(data[:room] if len(data) > room else data)
            self._written += min(room, len(data))
            self._problem = self._shortage(len(data), room)
        except OSError as error:
            self._problem = error.strerror or str(error)
        if self._problem:
            self.close()

    def _open(self) -> BinaryIO:
        """A new file at first; later the same one again.  Never through a link."""
        again = os.O_APPEND if self._written else os.O_CREAT | os.O_EXCL
        flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC | again
        return os.fdopen(os.open(self.path, flags, 0o600), "wb", buffering=1 << 16)

    def _shortage(self, added: int, room: int) -> str:
        """Why no more may be written, or nothing."""
        if added > room:
            return f"a file of output ends at {_size(self._limit)}"
        self._unchecked += added
        if self._unchecked >= _CHECK_EVERY:
            self._unchecked = 0
            space = os.statvfs(self.path)
            if space.f_bavail * space.f_frsize < _FREE_SPACE:
                return "the disk is nearly full"
        return ""


def _stream(piece: Piece) -> str:
    return piece[0]


def _encoded(text: str) -> bytes:
    """UTF-8 of ``text``, nothing lost.

    Surrogates that stand for undecodable bytes (PEP 383) become the bytes that
    the program wrote; other lone ones, which are nobody's bytes, are encoded as
    if they were characters.
    """
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")


def _size(nbytes: int) -> str:
    for unit, factor in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if nbytes >= factor:
            return f"{nbytes / factor:.1f} {unit}"
    return f"{nbytes} bytes"

"""The record of a session: one JSON line for every event and effect, each naming the one before.

An entry holds the SHA-256 of the line before it, so that a change anywhere but
in the last line is seen.  (Who can write the file can also rewrite all of it;
only an anchor kept elsewhere shows that.)

A request repeats the conversation, so the journal writes only the messages
that are new and the hash of those before them: the cost of an entry does not
grow with the session, and every request can be read back exactly.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ..agent.events import AskModel, Effect, Event, Message
from ..agent.serial import decode, encode, from_json, to_json
from ..errors import JournalError

VERSION = 1

_EVENTS = get_args(Event)
_START = "0" * 64


def _line_hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _line(entry: Mapping[str, Any]) -> bytes:
    return json.dumps(entry, separators=(",", ":")).encode("ascii")


class _Conversation:
    """The messages that the journal has, and the hash over each first so many of them."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.hashes = [_START]

    def extend(self, messages: tuple[Message, ...], since: int) -> None:
        """Replace all after the first ``since`` messages."""
        del self.messages[since:]
        del self.hashes[since + 1 :]
        for one in messages:
            self.messages.append(one)
            self.hashes.append(_line_hash(self.hashes[-1].encode() + _line(encode(one))))

    def common(self, messages: tuple[Message, ...]) -> int:
        """How many of ``messages`` it has already, from the first."""
        if messages[: len(self.messages)] == tuple(self.messages):
            return len(self.messages)
        pairs = zip(messages, self.messages, strict=False)
        return next((count for count, (new, old) in enumerate(pairs) if new != old), len(messages))


class FileJournal:
    """Writes a new journal; fulfils the ``Journal`` port.

    The file is made here, readable by its owner alone; its folder too, if
    missing.  A file that exists is never touched.  ``header`` is what a reader
    needs beside the events, such as the settings of the loop; JSON values.
    ``fsync`` makes each entry survive a power cut, at the price of waiting for
    the disk.  Raises ``JournalError``.
    """

    def __init__(
        self,
        path: Path,
        header: Mapping[str, Any] | None = None,
        *,
        fsync: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._fsync = fsync
        self._clock = clock
        self._conversation = _Conversation()
        self._count = 0
        self._size = 0
        self._last = _START
        self._torn = False
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
            self._file = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise _cannot("made", path, error) from None
        try:
            self._write("header", {**(header or {}), "version": VERSION})
        except JournalError:
            self.close()
            raise

    def event(self, event: Event) -> None:
        """Record what happened.  Returns once the entry is written."""
        self._write("event", to_json(event))

    def effect(self, effect: Effect) -> None:
        """Record what is to be done.  Returns once the entry is written."""
        if not isinstance(effect, AskModel):
            self._write("effect", to_json(effect))
            return
        since = self._conversation.common(effect.messages)
        body = to_json(replace(effect, messages=effect.messages[since:]))
        body |= {"since": since, "prefix": self._conversation.hashes[since]}
        self._write("effect", body)
        self._conversation.extend(effect.messages[since:], since)

    def close(self) -> None:
        """Close the file; safe to call twice."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _write(self, kind: str, body: Mapping[str, Any]) -> None:
        if self._torn or self._file < 0:
            raise JournalError(f"The record {self.path} was closed after a failure or at its end.")
        line = _line(
            {"n": self._count, "at": self._clock(), "prev": self._last, "kind": kind, "is": body}
        )
        self._append(line + b"\n")
        self._count += 1
        self._last = _line_hash(line)

    def _append(self, data: bytes) -> None:
        """One ``write(2)``; what a full disk took only in part is taken back."""
        try:
            written = os.write(self._file, data)
            if written < len(data):
                raise OSError("no room for the whole entry")  # noqa: TRY301
            if self._fsync:
                os.fsync(self._file)
        except OSError as error:
            self._take_back()
            raise _cannot("written", self.path, error) from None
        self._size += len(data)

    def _take_back(self) -> None:
        try:
            os.ftruncate(self._file, self._size)
        except OSError:
            self._torn = True


def _cannot(done: str, path: Path, error: OSError) -> JournalError:
    return JournalError(
        f"The record {path} cannot be {done}: {error.strerror or error}.",
        remedy="Make room or set CODEACT_AUDIT_DIR to a folder that can be written.",
    )


# --- reading --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """One event or effect, and when it was recorded (seconds since 1970, UTC)."""

    at: float
    item: Event | Effect


@dataclass(frozen=True, slots=True)
class Record:
    """What a journal says.  ``torn`` tells that its last line was not written to the end."""

    header: Mapping[str, Any]
    entries: tuple[Entry, ...]
    torn: bool

    @property
    def events(self) -> tuple[Event, ...]:
        """The events alone: folding them gives the agent's state."""
        return tuple(entry.item for entry in self.entries if isinstance(entry.item, _EVENTS))


def read_journal(path: Path) -> Record:
    """Read a journal and check its chain.

    Raises ``JournalError`` that names the first bad entry.  A last line
    without its newline, as a crash leaves it, is dropped and reported as
    ``torn``.
    """
    try:
        *lines, tail = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"The record {path} cannot be read: {error.strerror}.") from None
    reader = _Reader()
    for number, line in enumerate(lines):
        try:
            reader.line(number, line)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise JournalError(
                f"The record {path} is damaged: entry {number} {error}.",
                remedy="What comes before that entry is intact.",
            ) from None
    if reader.header is None:
        raise JournalError(f"The record {path} is empty.")
    return Record(reader.header, tuple(reader.entries), torn=bool(tail))


class _Reader:
    """Checks the chain line by line and puts requests together again."""

    def __init__(self) -> None:
        self.header: dict[str, Any] | None = None
        self.entries: list[Entry] = []
        self._last = _START
        self._conversation = _Conversation()

    def line(self, number: int, line: bytes) -> None:
        """Raises ``ValueError``, ``KeyError`` or ``TypeError`` for a bad line."""
        try:
            entry = json.loads(line)
        except ValueError:
            raise ValueError("is not JSON") from None
        if not isinstance(entry, dict) or entry.get("n") != number:
            raise ValueError("is not the one that should be here")
        if entry["prev"] != self._last:
            raise ValueError("does not follow the one before it, which was changed or removed")
        self._last = _line_hash(line)
        kind, body = entry["kind"], entry["is"]
        if (kind == "header") != (number == 0) or not isinstance(body, dict):
            raise ValueError("is of the wrong kind")
        if kind == "header":
            self._begin(body)
        else:
            self.entries.append(Entry(entry["at"], self._item(body)))

    def _begin(self, body: dict[str, Any]) -> None:
        if body.get("version") != VERSION:
            raise ValueError(f"has version {body.get('version')!r}; this program reads {VERSION}")
        self.header = body

    def _item(self, body: dict[str, Any]) -> Event | Effect:
        if body.get("type") != AskModel.__name__:
            return from_json(body)
        since, prefix = body.pop("since"), body.pop("prefix")
        known = self._conversation
        if not 0 <= since <= len(known.messages) or known.hashes[since] != prefix:
            raise ValueError("continues a conversation that is not in the record")
        known.extend(decode(tuple[Message, ...], body["messages"]), since)
        ask = from_json(body)
        assert isinstance(ask, AskModel)
        return replace(ask, messages=tuple(known.messages))

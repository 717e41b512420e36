"""What a cell printed, returned, showed and raised, kept for the model within fixed bounds."""

from __future__ import annotations

from typing import Any

from ..agent.events import Image, StepError
from ..agent.text import plain

_TEXT_LIMIT = 200_000
"""Characters kept of each stream; far above what any model is shown, far below any memory limit."""
_IMAGE_LIMIT = 5_000_000
"""Characters of base64 kept per picture."""
_IMAGES = 8
_DISPLAYS = 32
_LINES = 10_000
"""Entries of a traceback."""
_NAME = 200
"""Characters of the name of an error."""
_IMAGE_TYPES = ("image/png", "image/jpeg", "image/gif", "image/webp")


class Tail:
    """The first and last parts of a stream, however long it is; ``bytes`` is the true UTF-8 size."""

    __slots__ = ("_head", "_room", "_tail", "_tail_size", "bytes", "characters")

    def __init__(self) -> None:
        self._head: list[str] = []
        self._room = _TEXT_LIMIT // 2
        self._tail: list[str] = []
        self._tail_size = 0
        self.bytes = 0
        self.characters = 0

    def add(self, text: str) -> None:
        self.bytes += len(text.encode("utf-8", "surrogatepass"))
        self.characters += len(text)
        if self._room:
            head, text = text[: self._room], text[self._room :]
            self._head.append(head)
            self._room -= len(head)
        if text:
            half = _TEXT_LIMIT // 2
            self._tail.append(text[-half:])
            self._tail_size += len(self._tail[-1])
            if self._tail_size > 2 * half:
                kept = "".join(self._tail)[-half:]
                self._tail, self._tail_size = [kept], len(kept)

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]

    def text(self) -> str:
        """All of it, or head and tail with a line between that says how much is missing."""
        head, tail = "".join(self._head), "".join(self._tail)[-(_TEXT_LIMIT // 2) :]
        missing = self.characters - len(head) - len(tail)
        return f"{head}\n[… {missing:,} characters left out …]\n{tail}" if missing else head + tail


class Capture:
    """Fed with the iopub messages of one execution; ``content`` is taken as the kernel sent it."""

    def __init__(self) -> None:
        self.stdout = Tail()
        self.stderr = Tail()
        self.result: str | None = None
        self.displays: list[str] = []
        self.images: list[Image] = []
        self.error: StepError | None = None
        self._clear_next = False

    def feed(self, msg_type: str, content: dict[str, Any]) -> None:
        """Take note of one message; unknown or malformed ones are ignored."""
        if msg_type == "clear_output":
            self._clear_next = bool(content.get("wait"))
            if not self._clear_next:
                self._clear()
            return
        if self._clear_next and msg_type in ("stream", "display_data", "execute_result"):
            self._clear()
            self._clear_next = False
        if msg_type == "stream":
            stream = self.stderr if content.get("name") == "stderr" else self.stdout
            stream.add(str(content.get("text", "")))
        elif msg_type in ("display_data", "execute_result"):
            self._bundle(msg_type, content.get("data"))
        elif msg_type == "error":
            self.error = step_error(content)

    def _clear(self) -> None:
        self.stdout.clear()
        self.stderr.clear()
        self.displays.clear()
        self.images.clear()

    def _bundle(self, msg_type: str, data: Any) -> None:
        if not isinstance(data, dict):
            return
        text = data.get("text/plain")
        if isinstance(text, str):
            text = text[:_TEXT_LIMIT]
            if msg_type == "execute_result":
                self.result = text
            elif len(self.displays) < _DISPLAYS:
                self.displays.append(text)
        for mime in _IMAGE_TYPES:
            picture = data.get(mime)
            if isinstance(picture, str) and len(picture) <= _IMAGE_LIMIT:
                if len(self.images) < _IMAGES:
                    self.images.append(Image(mime, picture.replace("\n", "")))
                break


def step_error(content: dict[str, Any]) -> StepError:
    """The error in the content of an ``error`` message or an ``execute_reply``, within bounds."""
    lines = content.get("traceback")
    kept = [str(line)[:_TEXT_LIMIT] for line in lines[:_LINES]] if isinstance(lines, list) else []
    return StepError(
        plain(str(content.get("ename", "Error"))[:_NAME]),
        plain(str(content.get("evalue", ""))[:_TEXT_LIMIT]),
        plain("\n".join(kept)[:_TEXT_LIMIT]),
    )

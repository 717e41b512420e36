"""Plain text of bounded size: what may go into a message."""

from __future__ import annotations

import re
from collections.abc import Sequence

_TERMINAL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor (ECMA-48 §5.4)
    r"|\x1b\][^\x07\x1b\n]*(?:\x07|\x1b\\)?"  # OSC: titles, links
    r"|\x1b[@-_]?"
)


def sendable(text: str) -> str:
    """``text`` with lone surrogates replaced, for they cannot be encoded as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def plain(text: str) -> str:
    """``text`` as a terminal would leave it on the page.

    Control sequences are removed; of a line that was overwritten after a
    carriage return (progress bars) the last state stays.
    """
    text = _TERMINAL.sub("", text).replace("\r\n", "\n")
    if "\r" not in text:
        return text
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def clip(text: str, limit: int, where: str = "") -> str:
    """Head and tail of ``text`` in about ``limit`` characters, the gap marked.

    ``where`` tells how to see what is missing, such as the file with the whole
    text.  The cut is moved to a line's end when one is near.
    """
    if len(text) <= limit:
        return text
    head = text[: (limit + 1) // 2]
    tail = text[len(text) - limit // 2 :]
    newline = head.rfind("\n")
    if newline > len(head) // 2:
        head = head[: newline + 1]
    newline = tail.find("\n")
    if 0 <= newline < len(tail) // 2:
        tail = tail[newline + 1 :]
    missing = len(text) - len(head) - len(tail)
    gap = f"[... {missing:,} characters left out{'; ' + where if where else ''} ...]"
    return f"{head.rstrip(chr(10))}\n{gap}\n{tail}"


def shares(sizes: Sequence[int], total: int) -> list[int]:
    """Divide ``total`` among parts of these sizes: small ones whole, the others equally."""
    given = [0] * len(sizes)
    left = max(total, 0)
    order = sorted(range(len(sizes)), key=sizes.__getitem__)
    for place, index in enumerate(order):
        given[index] = min(sizes[index], left // (len(order) - place))
        left -= given[index]
    return given

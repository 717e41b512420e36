"""The Jupyter wire protocol, as far as a kernel that stands between two others needs it.

A message on the wire is ``[identities…, <IDS|MSG>, signature, header, parent
header, metadata, content, buffers…]`` (Jupyter messaging protocol 5.4, "The
wire protocol").  Frames are parsed only when somebody looks at them: what is
relayed unread is signed with the other side's key and passed on as bytes.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

DELIMITER = b"<IDS|MSG>"
PROTOCOL_VERSION = "5.4"

Json = dict[str, Any]

MOST_VALUES = 1_000_000
"""Values in one frame: a Python object each, so that 100 MB of ``[[],[],…`` cannot fill our memory."""

MOST_DEPTH = 100
"""Levels of nesting in one frame; deeper ones would be read and then break whoever writes them."""


class WireError(Exception):
    """Frames that are not a message, or whose signature is wrong.  They are dropped."""


def pack(value: Any) -> bytes:
    """JSON as every Jupyter front-end can read it: no NaN, no lone surrogates.

    Raises ``ValueError`` if ``value`` has a NaN or an infinity, ``TypeError``
    if it is not JSON at all.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def unpack(frame: bytes) -> Json:
    """The object in ``frame``, of which ``pack`` accepts all.  Raises ``WireError``.

    Refused are what is no JSON object, numbers that JSON has no name for, and
    what is larger or nested deeper than ``MOST_VALUES`` and ``MOST_DEPTH``.
    Bytes that are no UTF-8 become lone surrogates (PEP 383): that is how
    ipykernel sends the bytes that a program printed and nobody could decode.
    """
    if len(frame) > MOST_VALUES and _exceeds(frame, MOST_VALUES):
        raise WireError("a frame has too many values")
    try:
        value = _DECODER.decode(frame.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError) as error:
        raise WireError(f"a frame is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise WireError("a frame is not a JSON object")
    if _brackets(frame) > MOST_DEPTH and _depth_exceeds(value, MOST_DEPTH):
        raise WireError("a frame is nested too deeply")
    return value


def _brackets(frame: bytes) -> int:
    return frame.count(b"[") + frame.count(b"{")


def _exceeds(frame: bytes, values: int) -> bool:
    """Whether there are more ``values`` than that, told by the marks outside of strings."""
    if _brackets(frame) + frame.count(b",") <= values:
        return False
    quoted = frame.replace(rb"\\", b"").replace(rb"\"", b"")
    if quoted.count(b'"') > 2 * values:
        return True
    bare = b"".join(quoted.split(b'"')[::2])
    return _brackets(bare) + bare.count(b",") > values


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"{digits[:40]} is out of range")
    return number


def _no_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constant)


def _depth_exceeds(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_depth_exceeds(part, levels - 1) for part in parts)


def new_id() -> str:
    """An id that nobody can guess, as a front-end would make one."""
    return os.urandom(16).hex()


class Signer:
    """Signs and checks the four JSON frames with HMAC-SHA256; an empty key switches both off."""

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod=hashlib.sha256) if key else None

    def sign(self, frames: Sequence[bytes]) -> bytes:
        if self._mac is None:
            return b""
        mac = self._mac.copy()
        for frame in frames:
            mac.update(frame)
        return mac.hexdigest().encode()

    def verify(self, signature: bytes, frames: Sequence[bytes]) -> bool:
        return self._mac is None or hmac.compare_digest(signature, self.sign(frames))


class Message:
    """One message; ``header`` is parsed at once, the other parts when first asked for."""

    __slots__ = ("_content", "_metadata", "_parent", "buffers", "frames", "header", "idents")

    def __init__(
        self, idents: list[bytes], frames: list[bytes], header: Json, buffers: list[bytes]
    ) -> None:
        self.idents = idents
        self.frames = frames
        """Header, parent header, metadata and content, as bytes."""
        self.header = header
        self.buffers = buffers
        self._parent: Json | None = None
        self._metadata: Json | None = None
        self._content: Json | None = None

    @classmethod
    def parse(cls, frames: list[bytes], signer: Signer) -> Message:
        """Check and split a multipart message.  Raises ``WireError``."""
        try:
            at = frames.index(DELIMITER)
        except ValueError:
            raise WireError("no delimiter") from None
        body = frames[at + 2 : at + 6]
        if len(body) < 4:
            raise WireError("too few frames")
        if not signer.verify(frames[at + 1], body):
            raise WireError("wrong signature")
        header = unpack(body[0])
        if not isinstance(header.get("msg_id"), str) or not isinstance(header.get("msg_type"), str):
            raise WireError("a header has no msg_id or msg_type")
        return cls(frames[:at], body, header, frames[at + 6 :])

    @property
    def type(self) -> str:
        return self.header["msg_type"]  # type: ignore[no-any-return]

    @property
    def id(self) -> str:
        return self.header["msg_id"]  # type: ignore[no-any-return]

    @property
    def date(self) -> str | None:
        """When it was made (ISO 8601), or None if the header does not say so sensibly."""
        try:
            return datetime.fromisoformat(self.header["date"]).isoformat()
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def parent(self) -> Json:
        if self._parent is None:
            self._parent = unpack(self.frames[1])
        return self._parent

    @property
    def parent_id(self) -> str:
        value = self.parent.get("msg_id")
        return value if isinstance(value, str) else ""

    @property
    def metadata(self) -> Json:
        if self._metadata is None:
            self._metadata = unpack(self.frames[2])
        return self._metadata

    @property
    def content(self) -> Json:
        if self._content is None:
            self._content = unpack(self.frames[3])
        return self._content

    def to_wire(self, signer: Signer, *, content: Json | None = None) -> list[bytes]:
        """The message again, under another key and with other content if given."""
        frames = self.frames if content is None else [*self.frames[:3], pack(content)]
        return [*self.idents, DELIMITER, signer.sign(frames), *frames, *self.buffers]


def make_header(msg_type: str, session: str, date: str | None = None) -> Json:
    """A new header of protocol 5.4, dated now or ``date`` (ISO 8601)."""
    return {
        "msg_id": new_id(),
        "msg_type": msg_type,
        "username": "codeact",
        "session": session,
        "date": date or datetime.now(UTC).isoformat(),
        "version": PROTOCOL_VERSION,
    }


def build(
    signer: Signer,
    header: bytes | Json,
    content: Json,
    *,
    parent: bytes = b"{}",
    metadata: Json | None = None,
    idents: Sequence[bytes] = (),
    buffers: Sequence[bytes] = (),
) -> list[bytes]:
    """Frames of a message of our own.  ``parent`` is a header's bytes."""
    frames = [
        header if isinstance(header, bytes) else pack(header),
        parent,
        pack(metadata) if metadata else b"{}",
        pack(content),
    ]
    return [*idents, DELIMITER, signer.sign(frames), *frames, *buffers]

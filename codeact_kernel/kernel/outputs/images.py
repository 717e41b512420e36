"""Pictures: raster data checked to be what it says, SVG shown where it cannot run or load."""

from __future__ import annotations

import base64
import re
from binascii import Error as BadBase64
from collections.abc import Mapping
from typing import Any, Final

_MAGIC: Final = {
    "image/png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "image/jpeg": re.compile(rb"\xff\xd8\xff"),
    "image/gif": re.compile(rb"GIF8[79]a"),
    "image/webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
}
RASTER: Final = frozenset(_MAGIC)

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*+={0,2}", re.ASCII)
_SPACE: Final = re.compile(r"\s+", re.ASCII)


def raster(mime: str, value: object) -> str | None:
    """``value`` as one line of base64 if it is a picture of type ``mime``, else None.

    Some front-ends paste the value into ``src="data:…"`` as it is, so it must be
    nothing but base64.
    """
    if not isinstance(value, str):
        return None
    line = _SPACE.sub("", value) if any(map(value.__contains__, " \n\r\t\f\v")) else value
    if len(line) % 4 or _BASE64.fullmatch(line) is None:
        return None
    try:
        head = base64.b64decode(line[:64])
    except BadBase64:
        return None
    return line if _MAGIC[mime].match(head) else None


def svg(value: object, metadata: Mapping[str, Any]) -> str | None:
    """HTML that shows the SVG source ``value`` as a picture, or None if it is not SVG.

    In ``<img>`` a browser neither runs nor loads anything (SVG 2, 2.6.1, "secure
    static mode"), while some front-ends put ``image/svg+xml`` straight into the page.
    """
    if not isinstance(value, str) or "<svg" not in value:
        return None
    data = base64.b64encode(value.encode("utf-8", "replace")).decode("ascii")
    size = "".join(
        f' {name}="{metadata[name]:g}"' for name in ("width", "height") if name in metadata
    )
    return f'<img src="data:image/svg+xml;base64,{data}"{size} style="max-width:100%">'

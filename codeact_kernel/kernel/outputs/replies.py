"""Replies of the inner kernel, reduced to the fields that front-ends need, as plain text.

A reply can do more than it looks like: an ``execute_reply`` payload writes the
next cell or opens a pager with any MIME type, ``inspect_reply`` and user
expressions carry MIME bundles, ``kernel_info_reply`` puts links into a menu.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from .text import cap_text, clean_text

Fields = dict[str, Any]
_DEPTH_LIMIT: Final = 32


class _Display(Protocol):
    def __call__(self, data: Fields, metadata: Fields, /) -> tuple[Fields, Fields]: ...


def reply(msg_type: str, content: Fields, display: _Display) -> Fields:
    """The content of a reply made safe.

    ``display`` is what makes a MIME bundle safe.  Types without rules of their
    own (history, is_complete, comm_info, subshells, …) keep their structure
    with every text in it plain.
    """
    if msg_type == "debug_reply":
        return _debug(content, display)
    rule = _RULES.get(msg_type)
    if rule is None or content.get("status") not in ("ok", None):
        rule = _execute if msg_type == "execute_reply" else plain_fields
    return rule(content)


def error_fields(content: Fields) -> Fields:
    """``ename``, ``evalue`` and ``traceback`` of an error message or reply, as plain text."""
    traceback = content.get("traceback")
    lines = traceback if isinstance(traceback, list) else []
    return {
        "ename": _string(content, "ename"),
        "evalue": _string(content, "evalue"),
        "traceback": [_text(line) for line in lines if isinstance(line, str)],
    }


def plain(value: Any, depth: int = 0) -> Any:
    """JSON ``value`` with every text in it plain; what is nested too deeply becomes null."""
    if isinstance(value, str):
        return _text(value)
    if depth >= _DEPTH_LIMIT:
        return None
    if isinstance(value, Mapping):
        return {_text(str(key)): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item, depth + 1) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else None


def plain_fields(content: Fields) -> Fields:
    """``plain`` for the content of a message."""
    return {str(key): plain(value, 1) for key, value in content.items()}


def _text(value: str) -> str:
    return cap_text(clean_text(value))


def _string(content: Mapping[str, Any], name: str) -> str:
    value = content.get(name)
    return _text(value) if isinstance(value, str) else ""


def _text_only(data: Any) -> Fields:
    """The ``text/plain`` of a MIME bundle, if it has any."""
    if not isinstance(data, Mapping) or not isinstance(data.get("text/plain"), str):
        return {}
    return {"text/plain": _text(data["text/plain"])}


def _execute(content: Fields) -> Fields:
    """Of the payloads the pager's text and ``exit`` are kept, and only text of user expressions.

    These were asked for (``df?``; ``exit`` in a console; a client's own
    ``user_expressions``), and clients rely on them; nothing interprets plain
    text, and code can end its kernel anyway.  Other payloads act on the
    front-end (``set_next_input`` writes a cell) and are dropped.
    """
    status = content.get("status")
    kept: Fields = {"status": status if status in ("ok", "error", "aborted") else "error"}
    count = content.get("execution_count")
    if isinstance(count, int):
        kept["execution_count"] = count
    if kept["status"] == "error":
        kept |= error_fields(content)
    expressions = content.get("user_expressions")
    payload = content.get("payload")
    kept["user_expressions"] = {
        _text(str(name)): _expression(value)
        for name, value in (expressions.items() if isinstance(expressions, dict) else ())
        if isinstance(value, dict)
    }
    kept["payload"] = [
        passed
        for item in (payload if isinstance(payload, list) else ())
        if isinstance(item, dict) and (passed := _payload(item))
    ]
    return kept


def _payload(item: Fields) -> Fields | None:
    match item.get("source"):
        case "page":
            return {"source": "page", "data": _text_only(item.get("data")), "start": 0}
        case "ask_exit":
            return {"source": "ask_exit", "keepkernel": item.get("keepkernel") is True}
    return None


def _expression(value: Fields) -> Fields:
    if value.get("status") != "ok":
        return {"status": "error", **error_fields(value)}
    return {"status": "ok", "data": _text_only(value.get("data")), "metadata": {}}


def _inspect(content: Fields) -> Fields:
    data = _text_only(content.get("data"))
    found = content.get("found") is True and bool(data)
    return {"status": "ok", "found": found, "data": data, "metadata": {}}


def _complete(content: Fields) -> Fields:
    matches = content.get("matches")
    metadata = content.get("metadata")
    typed = metadata.get(_TYPES) if isinstance(metadata, dict) else None
    kept: list[Fields] = []
    for item in typed if isinstance(typed, list) else ():
        if isinstance(item, dict):
            strings = {name: _string(item, name) for name in ("text", "type", "signature")}
            kept.append({"start": _int(item, "start"), "end": _int(item, "end"), **strings})
    return {
        "status": "ok",
        "matches": [_text(m) for m in matches if isinstance(m, str)]
        if isinstance(matches, list)
        else [],
        "cursor_start": _int(content, "cursor_start"),
        "cursor_end": _int(content, "cursor_end"),
        "metadata": {_TYPES: kept} if kept else {},
    }


_TYPES: Final = "_jupyter_types_experimental"


def _int(content: Mapping[str, Any], name: str) -> int:
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _kernel_info(content: Fields) -> Fields:
    names = ("protocol_version", "implementation", "implementation_version", "banner")
    language = content.get("language_info")
    features = content.get("supported_features")
    return {
        "status": "ok",
        **{name: _string(content, name) for name in names},
        "language_info": plain(language) if isinstance(language, dict) else {},
        "help_links": [],
        "debugger": content.get("debugger") is True,
        "supported_features": plain(features) if isinstance(features, list) else [],
    }


def _debug(content: Fields, display: _Display) -> Fields:
    """The debugger shows ``richInspectVariables`` as outputs; all else is plain."""
    kept = plain_fields(content)
    body = content.get("body")
    if isinstance(body, dict) and isinstance(body.get("data"), dict):
        metadata = body.get("metadata")
        data, metadata = display(body["data"], metadata if isinstance(metadata, dict) else {})
        kept["body"] = {**kept["body"], "data": data, "metadata": metadata}
    return kept


_RULES: Final[dict[str, Callable[[Fields], Fields]]] = {
    "execute_reply": _execute,
    "inspect_reply": _inspect,
    "complete_reply": _complete,
    "kernel_info_reply": _kernel_info,
}

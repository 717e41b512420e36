"""What a scripted endpoint replies, and how it goes wrong: scripts, replies and their bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Reply:
    """One answer of the endpoint, and how it goes wrong if it does."""

    text: str = ""
    reasoning: str = ""
    """Sent as ``reasoning_content`` deltas before the text."""
    tool_code: str | None = None
    """Code of a native call of the tool ``python``, its arguments in small pieces."""
    finish: str | None = "stop"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | bytes | None = None
    """The whole body, exactly, instead of a chat completion."""
    content_type: str = "application/json"
    """Of ``body``."""
    events: tuple[Any, ...] | None = None
    """JSON values sent as the stream's events instead of those made from ``text``."""
    chunk: int = 16
    """Characters in one delta."""
    split: int = 0
    """Bytes in one write to the socket (0: an event each), so that characters are cut in two."""
    delay: float = 0.0
    """Seconds between two writes."""
    hang: bool = False
    """Never answer; ends when the client goes away or the server closes."""
    stall_after: int | None = None
    """Bytes of the body after which nothing more comes."""
    drop_after: int | None = None
    """Bytes of the body after which the server closes the connection."""
    done: bool = True
    """Whether the stream ends with ``[DONE]``."""
    usage: bool = True
    """Whether ``stream_options.include_usage`` is honoured."""


Script = Iterable["str | Reply"] | Mapping[str, Any] | str | Path


def failure(
    status: int, message: str, *, code: str | None = None, retry_after: str | None = None
) -> Reply:
    """An error as OpenAI words it: ``status`` with ``{"error": {"message", "code"}}``."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return Reply(status=status, headers=headers, body=json.dumps({"error": error}))


def context_too_long(limit: int = 8192) -> Reply:
    """OpenAI's refusal of a conversation that does not fit."""
    return failure(
        400,
        f"This model's maximum context length is {limit} tokens. However, your messages resulted "
        f"in {limit + 100} tokens. Please reduce the length of the messages.",
        code="context_length_exceeded",
    )


def read_script(script: Script) -> list[Reply]:
    """The replies of ``script`` in the order in which they are given out."""
    if isinstance(script, str | Path):
        return read_script(json.loads(Path(script).read_text("utf-8")))
    if isinstance(script, Mapping):
        return [to_reply(item) for turn in script["turns"] for item in turn.get("replies", ())]
    return [to_reply(item) for item in script]


def to_reply(item: str | Reply | Mapping[str, Any]) -> Reply:
    if isinstance(item, Reply):
        return item
    if isinstance(item, str):
        return Reply(item)
    fields = dict(item)
    if fields.get("events") is not None:
        fields["events"] = tuple(fields["events"])
    return Reply(**fields)


def render(asked: Any, reply: Reply) -> tuple[list[bytes], str]:
    """The body that answers the request ``asked``, in the parts that are written one by one, and its type."""
    if reply.body is not None:
        body = reply.body.encode() if isinstance(reply.body, str) else reply.body
        return [body], reply.content_type
    if not asked.get("stream"):
        return [_encode(_completion(asked, reply))], "application/json"
    with_usage = reply.usage and (asked.get("stream_options") or {}).get("include_usage", False)
    events = reply.events if reply.events is not None else list(_events(asked, reply, with_usage))
    parts = [b"data: " + _encode(event) + b"\n\n" for event in events]
    if reply.done:
        parts.append(b"data: [DONE]\n\n")
    return parts, "text/event-stream; charset=utf-8"


def _events(asked: Mapping[str, Any], reply: Reply, with_usage: bool) -> Iterator[dict[str, Any]]:
    for number, delta in enumerate(_deltas(reply)):
        first = {"role": "assistant"} if number == 0 else {}
        yield _chunk_event(
            asked, [{"index": 0, "delta": {**first, **delta}, "finish_reason": None}]
        )
    finish = (
        "tool_calls" if reply.tool_code is not None and reply.finish == "stop" else reply.finish
    )
    yield _chunk_event(asked, [{"index": 0, "delta": {}, "finish_reason": finish}])
    if with_usage:
        yield {**_chunk_event(asked, []), "usage": _usage(asked, reply)}


def _deltas(reply: Reply) -> Iterator[dict[str, Any]]:
    size = reply.chunk
    for start in range(0, len(reply.reasoning), size):
        yield {"reasoning_content": reply.reasoning[start : start + size]}
    for start in range(0, len(reply.text), size):
        yield {"content": reply.text[start : start + size]}
    if reply.tool_code is None:
        return
    yield {"tool_calls": [{"index": 0, **_tool_call("")}]}
    arguments = json.dumps({"code": reply.tool_code})
    for start in range(0, len(arguments), size):
        piece = arguments[start : start + size]
        yield {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}


def _tool_call(arguments: str) -> dict[str, Any]:
    function = {"name": "python", "arguments": arguments}
    return {"id": "call_0", "type": "function", "function": function}


def _chunk_event(asked: Mapping[str, Any], choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": asked.get("model"),
        "choices": choices,
    }


def _completion(asked: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_code is not None:
        message["tool_calls"] = [_tool_call(json.dumps({"code": reply.tool_code}))]
    return {
        "id": "chatcmpl-scripted",
        "object": "chat.completion",
        "created": 0,
        "model": asked.get("model"),
        "choices": [{"index": 0, "message": message, "finish_reason": reply.finish}],
        "usage": _usage(asked, reply),
    }


def _usage(asked: Mapping[str, Any], reply: Reply) -> dict[str, int]:
    prompt = sum(len(json.dumps(message)) for message in asked.get("messages", ())) // 4 + 1
    completion = len(reply.text + reply.reasoning + (reply.tool_code or "")) // 4 + 1
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }


def _encode(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()

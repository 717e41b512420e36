"""One reply put together from the pieces that an endpoint streams.  Pure: JSON values in, text out.

Understands what the common servers send: text as a string or as parts,
reasoning as ``reasoning_content`` (DeepSeek, vLLM, llama.cpp) or ``reasoning``
(Ollama, OpenRouter), native tool calls, usage in the last chunk or in each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Protocol

from ..agent.events import Usage

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Cut(Protocol):
    """Says when the first code block of a reply is closed."""

    def feed(self, delta: str) -> bool:
        """Take more text; whether the block is closed now."""


class ReplyReader:
    """Collects the events of one reply.

    ``text`` ends with the line that closed the first code block, once ``cut``.
    """

    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, _ToolCall] = {}
        self._half = ""
        self.cut = False
        self.finish: str | None = None
        """The endpoint's own word for why the reply ended; None while it has not."""
        self.usage: Usage | None = None

    @property
    def text(self) -> str:
        return "".join(self._text)

    @property
    def reasoning(self) -> str:
        return _whole("".join(self._reasoning))

    @property
    def tool_code(self) -> str | None:
        """Code of the first native call of the tool ``python``."""
        calls = (call for _, call in sorted(self._calls.items()) if call.name == "python")
        return next((call.code for call in calls), None)

    @property
    def tool_names(self) -> list[str]:
        """All tools that the model called."""
        return [call.name for _, call in sorted(self._calls.items())]

    def feed(self, event: Mapping[str, Any]) -> str:
        """Take one event; the text that it adds.  Raises ``ValueError`` if it is no completion chunk."""
        choices = event.get("choices")
        if not isinstance(choices, list):
            raise ValueError("no choices")  # noqa: TRY004 - wrong data, not a wrong call
        self._take_usage(event.get("usage"))
        if not choices or self.cut:
            return ""
        choice = choices[0]
        delta = choice.get("delta") or choice.get("message") or {}
        self.finish = choice.get("finish_reason") or self.finish
        self._reasoning.append(_text(delta.get("reasoning_content") or delta.get("reasoning")))
        for number, call in enumerate(delta.get("tool_calls") or ()):
            self._take_call(number, call)
        return self._take_text(_text(delta.get("content") or delta.get("refusal")))

    def _take_text(self, delta: str) -> str:
        """Keep ``delta`` up to the line that closes the first code block."""
        delta = self._mended(delta)
        kept = []
        for line in delta.splitlines(keepends=True):
            kept.append(line)
            if self._cut.feed(line):
                self.cut = True
                break
        added = "".join(kept)
        self._text.append(added)
        return added

    def _mended(self, delta: str) -> str:
        """``delta`` without lone surrogates; half a character waits for its other half."""
        if delta.isascii() and not self._half:
            return delta
        delta, self._half = self._half + delta, ""
        if delta and "\ud800" <= delta[-1] <= "\udbff":
            delta, self._half = delta[:-1], delta[-1]
        return _whole(delta)

    def _take_call(self, number: int, call: Mapping[str, Any]) -> None:
        index = call.get("index")
        known = self._calls.setdefault(index if isinstance(index, int) else number, _ToolCall())
        known.add(call.get("function") or {})

    def _take_usage(self, usage: object) -> None:
        if not isinstance(usage, dict):
            return
        prompt, completion = usage.get("prompt_tokens"), usage.get("completion_tokens")
        if isinstance(prompt, int) and isinstance(completion, int):
            self.usage = Usage(max(0, prompt), max(0, completion))


class _ToolCall:
    """A native tool call, its arguments collected as text."""

    def __init__(self) -> None:
        self.name = ""
        self._arguments: list[str] = []

    def add(self, function: Mapping[str, Any]) -> None:
        self.name = self.name or str(function.get("name") or "")
        arguments = function.get("arguments") or ""
        self._arguments.append(arguments if isinstance(arguments, str) else json.dumps(arguments))

    @property
    def code(self) -> str:
        """The argument ``code``; some models send the code itself instead of JSON."""
        text = "".join(self._arguments)
        try:
            value = json.loads(text)
        except ValueError:
            return _whole(text)
        if isinstance(value, dict):
            value = value.get("code", next(iter(value.values()), ""))
        return _whole(value) if isinstance(value, str) else text


def _text(content: object) -> str:
    """Content as text: a string, or the text parts of a list."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    parts = (part.get("text") for part in content if isinstance(part, dict))
    return "".join(part for part in parts if isinstance(part, str))


def _whole(text: str) -> str:
    """``text`` with surrogate pairs joined and lone surrogates replaced: it can be sent and saved."""
    if text.isascii() or _LONE_SURROGATE.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

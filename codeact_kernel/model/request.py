"""The body of a chat request: plain JSON values, each message built and masked once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..agent.events import Message
from ..agent.text import sendable
from .masking import mask


class RequestBuilder:
    """Builds request bodies for one conversation after another.

    Within a turn each request is an exact extension of the one before, so the
    messages of the last one are kept: a further step costs its own two
    messages, not the whole conversation again.
    """

    def __init__(self, model: str, *, images: bool, known: tuple[str, ...]) -> None:
        self._model = model
        self._images = images
        self._known = known
        self._built: dict[Message, dict[str, Any]] = {}
        self.with_usage = True
        """Whether usage is asked for in the stream; some old servers refuse the parameter."""

    def body(self, messages: Sequence[Message]) -> dict[str, Any]:
        """The request for ``messages``, with nothing in it that a plain server does not know."""
        last = self._built
        self._built = {message: last.get(message) or self._build(message) for message in messages}
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [self._built[message] for message in messages],
            "stream": True,
        }
        if self.with_usage:
            body["stream_options"] = {"include_usage": True}
        return body

    def new_characters(self, messages: Sequence[Message]) -> int:
        """Size of the messages that the last request did not contain."""
        return sum(len(message.text) for message in messages if message not in self._built)

    def _build(self, message: Message) -> dict[str, Any]:
        text = mask(sendable(message.text), self._known)
        if not message.images or not self._images:
            return {"role": message.role, "content": text}
        pictures = [
            {"type": "image_url", "image_url": {"url": f"data:{image.mime};base64,{image.data}"}}
            for image in message.images
        ]
        return {"role": message.role, "content": [{"type": "text", "text": text}, *pictures]}

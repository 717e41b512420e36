"""Subshells outlive the inner kernel: the ids that front-ends know are mapped to living ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ..environment.request import Request, new_request
from ..environment.wire import Json, Message, new_id, pack


class Subshells:
    """Front-ends' subshell ids, and the inner kernel's ids for them.

    They differ only after the inner kernel was replaced (protocol: Jupyter
    enhancement proposal 91).
    """

    def __init__(self) -> None:
        self._inner: dict[str, str | None] = {}

    def translate(self, message: Message) -> bytes | None:
        """The header to send instead of the message's own, or None to keep that.

        Raises ``KeyError`` if there is no such subshell, or not yet again: the
        inner kernel would not answer.
        """
        outer = message.header.get("subshell_id")
        if outer is None:
            return None
        inner = self._inner.get(outer) if isinstance(outer, str) else None
        if inner is None:
            raise KeyError(outer)
        return None if inner == outer else pack({**message.header, "subshell_id": inner})

    def content(self, message: Message) -> bytes | None:
        """The content to send instead of the message's own: a deletion names its subshell there."""
        outer = str(message.content.get("subshell_id"))
        if message.type != "delete_subshell_request" or self._inner.get(outer, outer) == outer:
            return None
        return pack({**message.content, "subshell_id": self._inner[outer]})

    def replied(self, request: Message, content: Json) -> Json:
        """Take note of created and deleted subshells; returns the reply in front-ends' ids."""
        if content.get("status") != "ok":
            return content
        if request.type == "create_subshell_request":
            created = content.get("subshell_id")
            if isinstance(created, str):
                self._inner[created] = created
        elif request.type == "delete_subshell_request":
            self._inner.pop(str(request.content.get("subshell_id")), None)
        elif request.type == "list_subshell_request":
            return {**content, "subshell_id": list(self._inner)}
        return content

    def restore(self) -> Iterator[Request]:
        """Requests that make the subshells again in a fresh inner kernel."""
        for outer in self._inner:
            self._inner[outer] = None
            request = new_request(new_id(), "create_subshell_request", {}, channel="control")
            request.on_reply = self._restored(outer)
            yield request

    def _restored(self, outer: str) -> Callable[[Message], None]:
        def on_reply(reply: Message) -> None:
            inner = reply.content.get("subshell_id")
            if outer in self._inner and isinstance(inner, str):
                self._inner[outer] = inner

        return on_reply

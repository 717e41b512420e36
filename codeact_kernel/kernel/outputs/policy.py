"""What may leave the inner kernel for a front-end: the one place that decides by message and MIME type.

Executing a cell makes a front-end trust its outputs, so that a script in them
runs with the user's rights in the page.  Therefore everything the inner kernel
publishes is rewritten: an allow-list of message types, of their fields and of
MIME types, static HTML cleaned, everything else isolated or dropped.

All of it is pure and reentrant, so that heavy work (``OutputPolicy.is_heavy``)
can be done in a worker thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from . import frame, html, images, markdown
from .comms import comm
from .replies import error_fields, plain_fields, reply
from .text import cap_text, clean_text, well_formed

Mode = Literal["click", "frame", "sanitise", "trust"]

_OWN: Final = re.compile(r"application/vnd\.codeact\b")
_STATES: Final = ("busy", "idle", "starting")
_HEAVY: Final = {"text/html": 10_000, "text/markdown": 500, "text/plain": 50_000}
_HEAVY_OTHER: Final = 1_000_000
_LATEX_LIMIT: Final = 50_000

Bundle = dict[str, Any]
Metadata = Mapping[str, Any]


class OutputPolicy:
    """The output policy in one of its modes.

    ``click``
        HTML with scripts is shown in an isolated frame, after a click.
    ``frame``
        The same at once.
    ``sanitise``
        Scripts never run.
    ``trust``
        Displays pass as in stock Jupyter; message types are still checked.
    """

    def __init__(self, mode: Mode) -> None:
        self._mode = mode
        self._rules: dict[str, Callable[[Any, Metadata], Bundle]] = {
            "text/plain": self._plain,
            "text/html": self._html,
            "text/markdown": _markdown,
            "text/latex": _latex,
            "image/svg+xml": _svg,
            "application/json": lambda value, _: {"application/json": value},
            **{mime: _raster(mime) for mime in images.RASTER},
        }

    @property
    def trusts(self) -> bool:
        """Whether displays and widgets pass as they are."""
        return self._mode == "trust"

    def text(self, text: str) -> str:
        """``text`` with colours, without other control sequences; itself if it has none."""
        return clean_text(text)

    def input_prompt(self, prompt: str) -> str:
        """The prompt of an ``input()`` inside, marked so that it cannot pass for the front's own."""
        return f"[sandboxed code asks] {clean_text(prompt)}"

    def display(self, data: Bundle, metadata: Metadata) -> tuple[Bundle, Bundle]:
        """A MIME bundle and its metadata, safe to show in a trusted cell."""
        if self.trusts:  # still, only the front says what a turn was
            data = {mime: value for mime, value in data.items() if not _OWN.match(str(mime))}
            return data, {name: value for name, value in metadata.items() if name != "codeact"}
        shown: Bundle = {}
        for mime in sorted(data, key=_precedence):
            rule = self._rules.get(mime)
            if rule is not None:
                for name, value in rule(data[mime], _size(metadata, mime)).items():
                    shown.setdefault(name, value)
        if not shown and data:
            kinds = ", ".join(sorted(clean_text(str(mime))[:60] for mime in data))
            shown = {"text/plain": f"[not shown by the output policy: {cap_text(kinds, 300)}]"}
        return shown, {mime: kept for mime in shown if (kept := _size(metadata, mime))}

    def message(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
        """The content of an iopub message that may be published, or None to drop the message."""
        rule = _MESSAGES.get(msg_type)
        return rule(self, content) if rule is not None else None

    def reply(self, msg_type: str, content: dict[str, Any]) -> dict[str, Any]:
        """The content of a reply, reduced to the fields that front-ends need, as plain text."""
        return reply(msg_type, content, self.display)

    def is_heavy(self, msg_type: str, content: dict[str, Any]) -> bool:
        """Whether ``message`` may take longer than about two milliseconds for this content."""
        if msg_type not in ("display_data", "update_display_data", "execute_result"):
            return False
        data = content.get("data")
        if not isinstance(data, dict) or self.trusts:
            return False
        return any(
            isinstance(value, str) and len(value) > _HEAVY.get(mime, _HEAVY_OTHER)
            for mime, value in data.items()
        )

    def _plain(self, value: Any, _: Metadata) -> Bundle:
        return {"text/plain": cap_text(clean_text(value))} if isinstance(value, str) else {}

    def _html(self, value: Any, _: Metadata) -> Bundle:
        if not isinstance(value, str):
            return {}
        source = well_formed(value)
        large = html.too_much(source)
        if not large and not frame.needs_frame(source):
            return _cleaned(source)
        if not frame.is_active(source):
            return {"text/html": frame.frame(source, "locked")}
        if self._mode == "sanitise":
            return {} if large else _cleaned(source)
        return {"text/html": frame.frame(source, "click" if self._mode == "click" else "live")}


def _cleaned(source: str) -> Bundle:
    """Clean HTML, or nothing if cleaning left nothing to see."""
    cleaned = html.clean(source)
    return {"text/html": cleaned} if cleaned.strip() or not source.strip() else {}


def _precedence(mime: str) -> int:
    """Of several types that become HTML the first wins, in the order front-ends prefer them."""
    order = ("text/html", "text/markdown", "image/svg+xml")
    return order.index(mime) if mime in order else len(order)


def _markdown(value: Any, _: Metadata) -> Bundle:
    if not isinstance(value, str):
        return {}
    return {"text/html": markdown.render(clean_text(value), raw_html=True)}


def _latex(value: Any, _: Metadata) -> Bundle:
    if not isinstance(value, str) or len(value) > _LATEX_LIMIT or html.UNSAFE_TEX.search(value):
        return {}
    return {"text/latex": clean_text(value)}


def _svg(value: Any, metadata: Metadata) -> Bundle:
    picture = images.svg(value, metadata)
    return {"text/html": picture} if picture is not None else {}


def _raster(mime: str) -> Callable[[Any, Metadata], Bundle]:
    def rule(value: Any, _: Metadata) -> Bundle:
        checked = images.raster(mime, value)
        return {mime: checked} if checked is not None else {}

    return rule


def _size(metadata: Metadata, mime: str) -> Bundle:
    """The metadata of ``mime`` that is known to be harmless.

    ``isolated``, for one, is not: JupyterLab then runs scripts with its own origin.
    """
    given = metadata.get(mime)
    if not isinstance(given, Mapping):
        return {}
    kept: Bundle = {}
    for name in ("width", "height"):
        value = given.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 10_000:
            kept[name] = value
    if given.get("needs_background") in ("light", "dark"):
        kept["needs_background"] = given["needs_background"]
    if isinstance(given.get("expanded"), bool):
        kept["expanded"] = given["expanded"]
    return kept


# --- iopub messages: what each keeps -----------------------------------------


def _status(_: OutputPolicy, content: Bundle) -> Bundle | None:
    state = content.get("execution_state")
    return {"execution_state": state} if state in _STATES else None


def _stream(policy: OutputPolicy, content: Bundle) -> Bundle | None:
    name, text = content.get("name"), content.get("text")
    if name not in ("stdout", "stderr") or not isinstance(text, str):
        return None
    return {"name": name, "text": policy.text(text)}


def _display(policy: OutputPolicy, content: Bundle) -> Bundle | None:
    data, metadata = content.get("data"), content.get("metadata")
    if not isinstance(data, dict):
        return None
    data, metadata = policy.display(data, metadata if isinstance(metadata, dict) else {})
    kept: Bundle = {"data": data, "metadata": metadata}
    transient = content.get("transient")
    if isinstance(transient, dict):
        name = transient.get("display_id")
        kept["transient"] = {"display_id": name} if isinstance(name, str) else {}
    return kept


def _update(policy: OutputPolicy, content: Bundle) -> Bundle | None:
    kept = _display(policy, content)
    return kept if kept and kept.get("transient", {}).get("display_id") else None


def _result(policy: OutputPolicy, content: Bundle) -> Bundle | None:
    kept = _display(policy, content)
    return kept and {**kept, "execution_count": _count(content)}


def _input(policy: OutputPolicy, content: Bundle) -> Bundle | None:
    code = content.get("code")
    if not isinstance(code, str):
        return None
    return {"code": policy.text(code), "execution_count": _count(content)}


def _error(_: OutputPolicy, content: Bundle) -> Bundle:
    return error_fields(content)


def _clear(_: OutputPolicy, content: Bundle) -> Bundle:
    return {"wait": content.get("wait") is True}


def _count(content: Bundle) -> int | None:
    count = content.get("execution_count")
    return count if isinstance(count, int) else None


def _comm(msg_type: str) -> Callable[[OutputPolicy, Bundle], Bundle | None]:
    return lambda policy, content: content if policy.trusts else comm(msg_type, content)


_MESSAGES: Final[dict[str, Callable[[OutputPolicy, Bundle], Bundle | None]]] = {
    "status": _status,
    "execute_input": _input,
    "stream": _stream,
    "display_data": _display,
    "update_display_data": _update,
    "execute_result": _result,
    "error": _error,
    "clear_output": _clear,
    "debug_event": lambda _, content: plain_fields(content),
    **{name: _comm(name) for name in ("comm_open", "comm_msg", "comm_close")},
}

"""Reads produced HTML with a parser and says what in it should not be there."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser

from codeact_kernel.kernel.outputs import frame

_FORBIDDEN_TAGS = frozenset(
    """
    script svg iframe frame frameset canvas object embed applet input button select textarea form
    link math template meta base noscript title portal track dialog body html head marquee
    """.split()  # noqa: SIM905
)
_ATTRIBUTES = frozenset(
    """
    class id style title dir lang align valign width height href src alt span value start type
    reversed border cellpadding cellspacing bgcolor colspan rowspan headers scope datetime open
    color size controls loop muted rel target
    """.split()  # noqa: SIM905
)
_BAD_CSS = re.compile(
    r"url\s*\(|@|\\|expression|image-set|position\s*:|transform|z-index|animation|shadow"
    r"|filter|content\s*:|var\(--co|/\*|<|[\d.]v[wh]\b|\bcursor\b|src\s*:|:\s*-\d|calc\([^;]*margin",
    re.IGNORECASE,
)
_SCOPED = re.compile(r"#co-[0-9a-f]{12} [^{}<@\\]+(?:,#co-[0-9a-f]{12} [^{}<@\\]+)*\{[^{}]+\}")


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.problems: list[str] = []
        self._style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _FORBIDDEN_TAGS:
            self.problems.append(f"<{tag}>")
        self._style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        for name, value in given.items():
            self._attribute(tag, name, value)
        if tag == "a" and "href" in given and given.get("target") != "_blank":
            self.problems.append("link that does not open elsewhere")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name not in _ATTRIBUTES:
            self.problems.append(f"<{tag} {name}>")
        elif name == "href" and not re.match(r"(?i)https?://|mailto:", value):
            self.problems.append(f"href {value}")
        elif name == "src" and not re.match(r"(?i)data:(image|audio|video)/", value):
            self.problems.append(f"src {value}")
        elif name == "style" and _BAD_CSS.search(value):
            self.problems.append(f"style {value}")
        elif name == "id" and not re.fullmatch(r"T_[\w-]+|co-[0-9a-f]{12}", value):
            self.problems.append(f"id {value}")
        elif name == "class":
            self.problems += [f"class {c}" for c in value.split() if not _harmless_class(c)]

    def handle_endtag(self, tag: str) -> None:
        self._style = False

    def handle_data(self, data: str) -> None:
        if self._style and (
            _BAD_CSS.search(data)
            or not _SCOPED.fullmatch(data.replace("}#", "}\n#").split("\n")[0])
        ):
            self.problems.append(f"sheet {data}")

    def handle_comment(self, data: str) -> None:
        self.problems.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.problems.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.problems.append(f"instruction {data}")


def _harmless_class(name: str) -> bool:
    return name.startswith("co-") or name in {
        "dataframe", "alert", "alert-info", "alert-success", "alert-warning", "alert-danger",
        "alert-block", "tex2jax_ignore", "mathjax_ignore",
    }  # fmt: skip


def problems(html: str) -> list[str]:
    """What in ``html`` could run, load, submit or reach outside; empty for clean HTML."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.problems


class _FrameReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: dict[int, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        index = len(self.elements) - 1
        self.text[index] = self.text.get(index, "") + data


@dataclass(frozen=True, slots=True)
class Framed:
    """What a framed output consists of."""

    policy: str
    """Content security policy of the outer document."""
    asks: bool
    preview: str
    """Head of the inner document before a click; empty: none."""
    head: str
    body: str


def framed(html: str) -> Framed:
    """The parts of a framed output.

    Fails if ``html`` is anything but our frame and our script beside it.
    """
    page = _FrameReader()
    page.feed(html)
    page.close()
    (tag, attributes), (second, none) = page.elements
    assert (tag, second, none) == ("iframe", "script", {})
    assert page.text == {1: frame.PAGE_SCRIPT}
    assert attributes["sandbox"] == "allow-scripts"
    assert set(attributes) == {"class", "sandbox", "referrerpolicy", "style", "srcdoc"}
    outer = _FrameReader()
    outer.feed(attributes["srcdoc"] or "")
    outer.close()
    scripts = [index for index, (tag, _) in enumerate(outer.elements) if tag == "script"]
    assert len(scripts) == 2, "the content is data, and one script is ours"
    assert outer.elements[scripts[0]][1] == {"type": "application/json", "id": "content"}
    policies = [
        attributes["content"] or ""
        for tag, attributes in outer.elements
        if attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert len(policies) == 1
    asks = any(attributes.get("id") == "ask" for _, attributes in outer.elements)
    return Framed(policies[0], asks, **json.loads(outer.text[scripts[0]]))

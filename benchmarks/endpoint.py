"""A scripted model behind real HTTP, in a process of its own, and what it says."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parent.parent

PROMPT = "Please look at the twenty parts of the series one by one and tell me their means."
WARM_UP = "Please say hello from Python, so that everything is loaded."

_CODE = """\
values = [(({number} * 7919 + k * 104729) % 1000) / 10 for k in range(40)]
mean = sum(values) / len(values)
for k, value in enumerate(values[:6]):
    print(f"part {number:>3}  value {{k:>2}}  {{value:>8.2f}}")
round(mean, 3)"""


def codes(steps: int) -> list[str]:
    """The code of each step; its last line is an expression."""
    return [_CODE.format(number=number) for number in range(steps)]


def replies(steps: int) -> list[str]:
    """What the model says in a turn of ``steps`` steps and an answer."""
    said = [
        f"I look at part {number} of the series.\n\n```python\n{code}\n```"
        for number, code in enumerate(codes(steps))
    ]
    return [*said, "The means of all parts are above; the **largest** is that of the last part."]


@contextmanager
def endpoint(script: Sequence[str | Mapping[str, object]]) -> Iterator[str]:
    """Serve ``script`` (texts, or fields of a ``Reply``) from another process; gives the base URL."""
    with tempfile.TemporaryDirectory(prefix="bench-endpoint-") as place:
        path = Path(place) / "script.json"
        path.write_text(json.dumps({"turns": [{"prompt": PROMPT, "replies": list(script)}]}))
        argv = [sys.executable, "-m", "tests.support.scripted_server", str(path)]
        with subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdout is not None
            assert server.stdin is not None
            yield server.stdout.readline().strip()
            server.stdin.close()  # ends it


def asking(url: str) -> Mapping[str, str]:
    """The settings of a ``codeact`` kernel that asks ``url`` and has room for long turns."""
    return {
        "CODEACT_BASE_URL": url,
        "CODEACT_MODEL": "scripted",
        "CODEACT_MAX_STEPS": "1000",
        "CODEACT_CONTEXT_TOKENS": "1000000",
    }

"""The loop that one would write without this project: ``openai``, ``jupyter_client``, ipykernel.

    python -m benchmarks.bare_loop URL

Plays a turn to load everything, then the turn that is measured, and prints how
many seconds that took and how many steps it had.  No sandbox, no record, no
limits, nothing shown.
"""

from __future__ import annotations

import re
import sys
import time
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import start_new_kernel
from openai import OpenAI

from .endpoint import PROMPT, WARM_UP

SYSTEM = """\
You solve tasks by running Python in a Jupyter kernel. Reply with one ```python block to run code; \
you will be shown its output. Reply without a code block to give your final answer."""

_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class Loop:
    """A conversation whose code runs in one kernel."""

    def __init__(self, client: OpenAI, kernel: BlockingKernelClient) -> None:
        self._client = client
        self._kernel = kernel
        self._messages: list[Any] = [{"role": "system", "content": SYSTEM}]

    def turn(self, prompt: str) -> int:
        """Ask and run until the model answers without code; returns the number of steps."""
        self._say("user", prompt)
        steps = 0
        while True:
            reply = self._ask()
            self._say("assistant", reply)
            block = _BLOCK.search(reply)
            if block is None:
                return steps
            steps += 1
            self._say("user", self._run(block.group(1)))

    def _say(self, role: str, content: str) -> None:
        self._messages.append({"role": role, "content": content})

    def _ask(self) -> str:
        stream = self._client.chat.completions.create(
            model="scripted",
            messages=self._messages,
            stream=True,
            stream_options={"include_usage": True},
        )
        parts = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
        return "".join(parts)

    def _run(self, code: str) -> str:
        parts: list[str] = []

        def hook(message: dict[str, Any]) -> None:
            content = message["content"]
            if message["msg_type"] == "stream":
                parts.append(content["text"])
            elif message["msg_type"] in ("execute_result", "display_data"):
                parts.append(content["data"].get("text/plain", ""))
            elif message["msg_type"] == "error":
                parts.append(_ANSI.sub("", "\n".join(content["traceback"])))

        self._kernel.execute_interactive(code, output_hook=hook, allow_stdin=False)
        return "Output:\n" + "".join(parts)


def main(url: str) -> None:
    """Play both turns against the endpoint at ``url``."""
    manager, kernel = start_new_kernel(kernel_name="python3")
    try:
        with OpenAI(base_url=url, api_key="none") as client:
            loop = Loop(client, kernel)
            loop.turn(WARM_UP)
            started = time.perf_counter()
            steps = loop.turn(PROMPT)
            seconds = time.perf_counter() - started
        sys.stdout.write(f"{seconds} {steps}\n")
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel(now=True)


if __name__ == "__main__":
    main(sys.argv[1])

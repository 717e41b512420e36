"""How long a person waits after pressing Stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping

from codeact_kernel.environment.wire import Message

from ..endpoint import WARM_UP, asking, endpoint, replies
from ..kernel import Kernel, listening
from ..lab import Lab
from ..registry import Row, Sides, experiment

LOOP = "print('on', flush=True)\nwhile True: pass"
QUICK = "print('on', flush=True)"

STATES: Mapping[str, tuple[str, str | Mapping[str, object]]] = {
    "a step runs": ("Please run the endless loop for me now.", f"```python\n{LOOP}\n```"),
    "between steps": ("Please print a word again and again.", f"```python\n{QUICK}\n```"),
    "the model is asked": ("Please think about this for as long as you can.", {"hang": True}),
    "C-level sleep": (f"import time\n{QUICK}\ntime.sleep(600)", ""),
    "await": (f"import asyncio\n{QUICK}\nawait asyncio.sleep(600)", ""),
}
"""The cell that runs when Stop comes, and what the model says to it, whenever it is asked."""

MOST_REPLIES = 50
"""For each turn; many more than can be asked for before Stop."""


@experiment(
    "interrupt",
    Row("Stop to reply and idle, 99th percentile of all states", "ms", "codeact.p99", bar=1000),
    rounds=5,
)
def interrupt(lab: Lab) -> Iterator[Sides]:
    """A sample stops five states 20 times each and takes the slowest but one."""
    each = lab.sizes.interrupts

    def stops() -> Mapping[str, float]:
        waits: list[float] = []
        for state, (cell, said) in STATES.items():
            with (
                endpoint([*replies(1), *[said] * (MOST_REPLIES * each)]) as url,
                listening("codeact", lab, asking(url)) as kernel,
            ):
                kernel.execute(WARM_UP)
                begun = _asked if state == "the model is asked" else _printed
                waits += [_stopped(kernel, cell, begun) for _ in range(each)]
        waits.sort()
        return {"p99": 1000 * waits[math.ceil(0.99 * len(waits)) - 1]}

    yield {"codeact": stops}


def _stopped(kernel: Kernel, cell: str, begun: Callable[[Message], bool]) -> float:
    """Run ``cell``, stop it when it has begun, and take the time until it is over."""
    pressed = 0.0

    def press(message: Message) -> None:
        nonlocal pressed
        if not pressed and begun(message):
            pressed = time.perf_counter()
            kernel.interrupt()

    reply = kernel.execute(cell, press)
    if reply.content["status"] != "error":
        raise RuntimeError(f"it was not stopped: {reply.content}")
    return time.perf_counter() - pressed


def _printed(message: Message) -> bool:
    return message.type == "stream" and "on" in str(message.content["text"])


def _asked(message: Message) -> bool:
    """The progress line is shown right before the model is asked."""
    mark = message.content.get("metadata", {}).get("codeact", {})
    return message.type == "display_data" and mark.get("part") == "progress"

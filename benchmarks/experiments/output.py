"""Cells that print very much."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping

from codeact_kernel.environment.wire import Message

from ..kernel import Kernel, listening
from ..lab import Lab
from ..registry import Row, Sides, experiment


def _run(kernel: Kernel, code: str) -> tuple[float, float]:
    """Seconds to reply and idle, and megabytes of the streams as a notebook keeps them."""
    size = 0

    def note(message: Message) -> None:
        nonlocal size
        if message.type == "stream":
            size += len(json.dumps(message.content["text"]))

    started = time.perf_counter()
    kernel.execute(code, note)
    return time.perf_counter() - started, size / 1e6


def _sides(lab: Lab, sample: Callable[[Kernel], Mapping[str, float]]) -> Iterator[Sides]:
    with listening("codeact", lab) as ours, listening("python3", lab) as stock:
        yield {"codeact": lambda: sample(ours), "stock": lambda: sample(stock)}


@experiment(
    "lines",
    Row("100,000 printed lines", "s", "codeact.time", "stock.time"),
    rounds=5,
)
def lines(lab: Lab) -> Iterator[Sides]:
    """Many small writes."""
    code = f"for number in range({lab.sizes.lines}):\n    print('line', number)"

    def sample(kernel: Kernel) -> Mapping[str, float]:
        return {"time": _run(kernel, code)[0]}

    yield from _sides(lab, sample)


@experiment(
    "flood",
    Row("200 MB on stdout", "s", "codeact.time", "stock.time"),
    Row("200 MB on stdout: in the notebook", "MB", "codeact.size", "stock.size"),
    rounds=5,
)
def flood(lab: Lab) -> Iterator[Sides]:
    """A megabyte at a time; with ``codeact`` the whole text goes to a file."""
    code = (
        "import sys\n"
        "part = ('x' * 99 + '\\n') * 10_000\n"
        f"for _ in range({lab.sizes.megabytes}):\n    _ = sys.stdout.write(part)"
    )

    def sample(kernel: Kernel) -> Mapping[str, float]:
        seconds, size = _run(kernel, code)
        return {"time": seconds, "size": size}

    yield from _sides(lab, sample)

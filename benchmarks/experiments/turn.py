"""What a step costs beside the model and the code: everything that the loop does for it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Mapping

from ..endpoint import PROMPT, ROOT, WARM_UP, asking, endpoint, replies
from ..kernel import Kernel, listening
from ..lab import Lab
from ..registry import Row, Sides, experiment


@experiment(
    "turn",
    Row("a step of a 20-step turn; beside: bare loop", "ms", "codeact.step", "bare.step", bar=1.2),
    Row(
        "a step of a 100-step turn; beside: of 20", "ms", "codeact, long.step", "codeact.step", 1.5
    ),
    Row(
        "a step of a 100-step turn; beside: bare loop",
        "ms",
        "codeact, long.step",
        "bare, long.step",
    ),
    Row("the first turn of a kernel, one step", "ms", "codeact.first"),
    rounds=7,
)
def turn(lab: Lab) -> Iterator[Sides]:
    """A sample is a new kernel and a new endpoint, a turn to load everything, and a turn by the clock.

    What the code itself takes is in both figures alike (some 0.1 ms).
    """

    def ours(steps: int) -> Mapping[str, float]:
        with (
            endpoint([*replies(1), *replies(steps)]) as url,
            listening("codeact", lab, asking(url)) as kernel,
        ):
            first = _seconds(kernel, WARM_UP)
            seconds = _seconds(kernel, PROMPT)
        return {"first": 1000 * first, "step": 1000 * seconds / steps}

    def bare(steps: int) -> Mapping[str, float]:
        with endpoint([*replies(1), *replies(steps)]) as url:
            done = subprocess.run(
                [sys.executable, "-m", "benchmarks.bare_loop", url],
                cwd=ROOT,
                env=lab.environ,
                capture_output=True,  # what ipykernel warns of is shown when it fails
                text=True,
                check=False,
            )
        if done.returncode:
            raise RuntimeError(f"the bare loop failed:\n{done.stderr}")
        seconds, count = done.stdout.split()
        if int(count) != steps:
            raise RuntimeError(f"the bare loop took {count} steps, not {steps}")
        return {"step": 1000 * float(seconds) / steps}

    short, long = lab.sizes.steps, lab.sizes.long
    yield {
        "codeact": lambda: ours(short),
        "bare": lambda: bare(short),
        "codeact, long": lambda: ours(long),
        "bare, long": lambda: bare(long),
    }


def _seconds(kernel: Kernel, prompt: str) -> float:
    started = time.perf_counter()
    reply = kernel.execute(prompt)
    seconds = time.perf_counter() - started
    if reply.content["status"] != "ok":
        raise RuntimeError(f"the turn failed: {reply.content}")
    return seconds

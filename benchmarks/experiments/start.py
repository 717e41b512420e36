"""From the launch of the process to its first words."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

from ..kernel import Kernel, Name
from ..lab import Lab
from ..registry import Row, Sides, experiment


@experiment(
    "start",
    Row("launch to kernel_info_reply", "ms", "codeact.info", "stock.info", bar=1.5),
    Row("launch to the first execute_reply", "ms", "codeact.execute", "stock.execute", bar=1.5),
    rounds=9,
)
def start(lab: Lab) -> Iterator[Sides]:
    """A sample is a kernel of its own; the request waits in the socket until the kernel is there."""

    def launch(name: Name) -> Mapping[str, float]:
        with Kernel(name, lab) as kernel:
            kernel.reply("kernel_info_request")
            info = time.perf_counter() - kernel.started
            kernel.reply("execute_request", {"code": "pass", "silent": False})
            execute = time.perf_counter() - kernel.started
        return {"info": 1000 * info, "execute": 1000 * execute}

    launch("codeact"), launch("python3")  # bytecode is compiled, files are in the page cache
    yield {"codeact": lambda: launch("codeact"), "stock": lambda: launch("python3")}

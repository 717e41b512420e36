"""The round trip of the smallest cell."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping

from ..kernel import Kernel, listening
from ..lab import Lab
from ..registry import Row, Sides, experiment


@experiment(
    "pass",
    Row("execute `pass`, to reply and idle", "ms", "codeact.trip", "stock.trip", bar=1.15),
    rounds=15,
)
def execute(lab: Lab) -> Iterator[Sides]:
    """Both kernels live all the time; a sample is the median of a burst of cells."""
    with listening("codeact", lab) as ours, listening("python3", lab) as stock:

        def burst(kernel: Kernel) -> Mapping[str, float]:
            trips = []
            for _ in range(lab.sizes.burst):
                started = time.perf_counter()
                kernel.execute("pass")
                trips.append(time.perf_counter() - started)
            return {"trip": 1000 * statistics.median(trips)}

        for kernel in (ours, stock):
            burst(kernel)  # the first cells of a kernel are slower
        yield {"codeact": lambda: burst(ours), "stock": lambda: burst(stock)}

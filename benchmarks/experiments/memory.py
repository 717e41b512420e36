"""How much memory the front takes, beside that of the kernel which it starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..endpoint import PROMPT, asking, endpoint, replies
from ..kernel import listening
from ..lab import Lab
from ..registry import Row, Sides, experiment


@experiment(
    "memory",
    Row("front, PSS before the first prompt", "MB", "codeact.before", bar=60),
    Row("front, PSS after the first prompt", "MB", "codeact.after"),
    Row("stock ipykernel, PSS after its first cell", "MB", "stock.before"),
    rounds=5,
)
def memory(lab: Lab) -> Iterator[Sides]:
    """PSS: own pages, and of shared ones the share (``smaps_rollup``, proc(5))."""

    def ours() -> Mapping[str, float]:
        with (
            endpoint(replies(1)) as url,
            listening("codeact", lab, asking(url)) as kernel,
        ):
            kernel.execute("pass")
            before = pss(kernel.pid)
            kernel.execute(PROMPT)
            return {"before": before, "after": pss(kernel.pid)}

    def stock() -> Mapping[str, float]:
        with listening("python3", lab) as kernel:
            kernel.execute("pass")
            return {"before": pss(kernel.pid)}

    yield {"codeact": ours, "stock": stock}


def pss(pid: int) -> float:
    """Proportional set size of one process, in megabytes (10^6 bytes)."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"/proc/{pid}/smaps_rollup has no Pss")

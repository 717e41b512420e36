"""What an inner kernel may use.  Plain values; the sandbox kinds enforce them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one inner kernel and everything it starts.

    ``memory`` is in bytes, for the whole process tree; ``cpus`` the number of
    processors; ``processes`` counts threads where the mechanism does.
    ``None`` means no limit.
    """

    memory: int | None = None
    cpus: int | None = None
    processes: int | None = 256
    open_files: int | None = 4096
    network: bool = False


@dataclass(frozen=True, slots=True)
class StepLimits:
    """Limits of one cell or step: wall time in seconds, kept output in bytes, grace in seconds.

    ``grace`` is how long an interrupted cell may take to stop before its
    environment is killed and replaced.
    """

    seconds: float | None = 300.0
    output: int = 1_000_000
    grace: float = 5.0

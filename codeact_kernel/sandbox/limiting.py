"""Which mechanism enforces the limits on this machine, and the limits that apply by default."""

from __future__ import annotations

import os

from . import cgroup
from .limits import Limits

SHARE = 0.75
"""Part of the machine's or container's memory that the code may use by default."""


def default_memory() -> int:
    """Bytes: ``SHARE`` of what this machine has, or of what this container may use."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return int(min(machine, cgroup.memory_limit() or machine) * SHARE)


def describe() -> str:
    """In plain words, what enforces the limits on memory and processes here."""
    group = cgroup.create(f"probe-{os.getpid()}", Limits())
    if group is None:
        return "memory and processes limited per process and by a watchdog (no control group here)"
    group.remove()
    return f"memory, processors and processes limited by control groups (version {group.version})"

"""Which sandbox kind is used here, and why not another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import SandboxError
from .base import Sandbox
from .bubblewrap import Bubblewrap
from .none import NoSandbox
from .sandlock import Sandlock

KINDS: Mapping[str, Sandbox] = {kind.name: kind for kind in (Bubblewrap(), Sandlock(), NoSandbox())}
"""Every kind, best first; one instance each, so that a verdict is found once per process."""

AUTO = ("bubblewrap", "sandlock")
"""The kinds that ``auto`` may take, in order of preference."""


@dataclass(frozen=True, slots=True)
class Row:
    """What ``codeact doctor`` says of a kind."""

    kind: str
    works: bool
    why_not: str
    description: str


def prepare(name: str) -> None:
    """Begin what ``choose(name)`` will wait for, and return at once; what is wrong is said there."""
    first = KINDS.get(AUTO[0] if name == "auto" else name)
    if isinstance(first, Bubblewrap):
        first.prepare()


def choose(name: str) -> Sandbox:
    """The kind called ``name``, or for ``auto`` the first that works here.

    Raises ``SandboxError`` that says what is missing and how to get it.
    """
    if name == "auto":
        reasons = []
        for kind in AUTO:
            reason = KINDS[kind].check()
            if reason is None:
                return KINDS[kind]
            reasons.append(reason)
        raise SandboxError(
            "No sandbox works on this machine: " + " ".join(reasons),
            remedy="Or choose to run without one, approving each step: CODEACT_SANDBOX=none.",
        )
    if name not in KINDS:
        raise SandboxError(
            f"There is no sandbox {name!r}.", remedy=f"Use auto or one of {', '.join(KINDS)}."
        )
    reason = KINDS[name].check()
    if reason is not None:
        raise SandboxError(reason, remedy="'codeact doctor' shows what works here.")
    return KINDS[name]


def report() -> list[Row]:
    """A row for every kind, best first."""
    rows = []
    for kind in KINDS.values():
        reason = kind.check()
        rows.append(Row(kind.name, reason is None, reason or "", kind.describe()))
    return rows

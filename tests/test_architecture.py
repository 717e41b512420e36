"""The house of ARCHITECTURE.md: a room imports only from floors below, and the pure rooms stay pure."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "codeact_kernel"

FLOORS = {
    "cli": 6,
    "api": 6,
    "magics": 6,
    "kernel": 5,
    "replay": 5,
    "environment": 4,
    "model": 4,
    "audit": 4,
    "agent": 3,
    "config": 3,
    "policy": 2,
    "sandbox": 2,
    "errors": 1,
}
PURE = ("agent", "policy")
NOT_PURE = {
    "socket",
    "subprocess",
    "threading",
    "time",
    "os",
    "asyncio",
    "http",
    "urllib",
    "random",
}
"""Modules of the standard library with which a pure room could do I/O or read a clock."""
ONLY_TIMEOUTS = "agent/driver.py"
"""The driver performs effects through ports, concurrently: it may use asyncio."""

MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(module: str) -> str:
    """``kernel`` for ``codeact_kernel.kernel.turn``; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def name_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that ``path`` imports anywhere, lazily too, by its full name."""
    package = name_of(path).split(".")
    if path.name != "__init__.py":
        package.pop()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *(node.module or "").split(".")]).strip(".")
            # "from .. import x" may import the room x.
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_only_go_down(path: Path) -> None:
    room = room_of(name_of(path))
    for imported in imports(path):
        if not imported.startswith("codeact_kernel."):
            continue
        other = room_of(imported)
        if other == room or other not in FLOORS:
            assert other in FLOORS or other.startswith("__"), f"{imported}: which floor is it on?"
            continue
        assert room, f"the package itself imports {imported}"
        assert FLOORS[other] < FLOORS[room], f"{room} uses {other}: {imported}"


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(name_of(path)) for path in MODULES} - {""}

    assert rooms <= set(FLOORS)


@pytest.mark.parametrize(
    "path", [path for path in MODULES if room_of(name_of(path)) in PURE], ids=name_of
)
def test_pure_rooms_use_nothing_but_the_language(path: Path) -> None:
    allowed = {"asyncio"} if path.match(ONLY_TIMEOUTS) else set()
    for imported in imports(path):
        top = imported.split(".")[0]
        assert top == "codeact_kernel" or top in sys.stdlib_module_names, imported
        assert top not in NOT_PURE - allowed, f"{imported} does I/O or reads a clock"


def test_the_server_side_does_not_reach_into_the_kernel() -> None:
    for path in (PACKAGE.parent / "server_ext" / "codeact_server").rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "codeact_kernel."
            ):
                assert FLOORS[room_of(node.module or "")] < FLOORS["kernel"], node.module

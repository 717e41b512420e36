"""Fixtures shared by all tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.support.scripted_server import Script, ScriptedServer


class ServeScript:
    """``serve(script, **options)`` starts a ``ScriptedServer`` that closes with the test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def __call__(self, script: Script = (), **options: Any) -> ScriptedServer:
        return self._stack.enter_context(ScriptedServer(script, **options))


@pytest.fixture
def serve() -> Iterator[ServeScript]:
    """Scripted endpoints, e.g. ``serve(["hello"]).base_url``."""
    with ExitStack() as stack:
        yield ServeScript(stack)

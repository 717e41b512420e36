"""Wires the parts of a running kernel together, and takes them apart again."""

from __future__ import annotations

import asyncio
import gc
import itertools
import os
import signal
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, cast

from ..agent.loop import Agent
from ..agent.state import LoopSettings
from ..audit.journal import FileJournal
from ..config import Settings
from ..environment.environment import Environment
from ..environment.inner import InnerKernel
from ..environment.wire import Message, new_id
from ..errors import CodeActError
from ..model import open_model
from ..sandbox.base import Death
from ..sandbox.limits import StepLimits
from ..sandbox.workspace import Workspace
from .app import STARTER, state_dir
from .comms import Comms
from .first_use import FirstUse
from .front import Front, RequestChannel, read_connection_file
from .outputs import Flood, OutputPolicy
from .outputs.policy import Mode
from .questions import Questions
from .relay import Relay
from .routing import Routing
from .turn import Turns

_PARENT_POLL = 1.0
"""Seconds between looks at whether the process that started us still lives."""


def serve(
    connection_file: Path,
    settings: Settings,
    workspace: Workspace,
    inner: InnerKernel,
    problem: CodeActError | None,
    watchers: list[Callable[[Death], None]],
) -> int:
    """Serve until the end; returns the exit code.

    ``problem`` is why ``inner`` did not start; who wants to hear of its
    deaths is put into ``watchers``.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupts are messages here
    info = read_connection_file(connection_file)

    async def life() -> None:
        kernel = Kernel(info, settings, workspace, inner, problem)
        watchers.append(kernel.inner_died)
        gc.freeze()  # what has been loaded stays: the collector need not look at it again
        gc.enable()
        try:
            await kernel.ended()
        finally:
            await kernel.close()

    asyncio.run(life())
    return 0


class Kernel:
    """All parts of one kernel process, on one event loop."""

    def __init__(
        self,
        info: dict[str, object],
        settings: Settings,
        workspace: Workspace,
        inner: InnerKernel,
        problem: CodeActError | None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._end = asyncio.Event()
        self._settings = settings
        self._floods = itertools.count(1)
        self._inner = inner
        self._policy = OutputPolicy(cast("Mode", settings.output))
        self._environment = Environment(
            inner, grace=StepLimits().grace, problem=problem, on_lost=self._lost
        )
        self._front = Front(info, on_request=self._request, on_input=self._input)
        self._comms = Comms(self._front)
        questions = Questions(self._front, self._environment, self._policy)
        self._model = open_model(settings, os.environ)
        session = new_id()[:12]
        loop = loop_settings(settings, "none" if problem else inner.sandbox_name)
        self._turns = Turns(
            front=self._front,
            environment=self._environment,
            policy=self._policy,
            questions=questions,
            comms=self._comms,
            settings=settings,
            workspace=workspace,
            agent=Agent(loop),
            model=self._model,
            open_journal=lambda: FileJournal(
                self._audit_folder() / f"{session}.jsonl", {"settings": asdict(loop)}
            ),
            flood=self._flood,
            first_use=FirstUse(state_dir() / "endpoints", self._model.describe),
        )
        self._routing = Routing(
            self._front,
            self._environment,
            self._policy,
            questions,
            self._comms,
            self._turns,
            relay=self._relay,
            on_shutdown=lambda _restart: self._end.set(),
        )
        self._loop.add_signal_handler(signal.SIGTERM, self._end.set)
        self._front.status("starting")

    async def ended(self) -> None:
        """Return when a client asked for the end, SIGTERM came, or the parent process is gone."""
        # The variable is absent when the kernel is meant to outlive its starter.
        watched = "JPY_PARENT_PID" in os.environ
        while not self._end.is_set():
            try:
                async with asyncio.timeout(_PARENT_POLL):
                    await self._end.wait()
            except TimeoutError:
                if watched and os.getppid() != STARTER:
                    return

    def inner_died(self, death: Death) -> None:
        """The inner kernel is gone."""
        self._environment.died(death)

    async def close(self) -> None:
        """End what runs, then the inner kernel, and say goodbye."""
        await self._routing.close()
        self._environment.close()
        await self._model.aclose()
        self._front.close()

    def _request(self, channel: RequestChannel, message: Message) -> None:
        self._routing.request(channel, message)

    def _input(self, message: Message) -> None:
        self._routing.input(message)

    def _lost(self, death: Death) -> None:
        self._routing.lost(death)

    def _flood(self, name: str) -> Flood:
        assert self._settings.output_limit is not None
        name = f"{next(self._floods):04}-{name}"
        return Flood(self._settings.output_limit, self._inner.spool, name)

    def _relay(self, message: Message) -> Relay:
        flood = partial(self._flood, "output")
        relay = Relay(self._front, self._policy, message.frames[0], flood)
        relay.on_comm = self._comms.note
        return relay

    def _audit_folder(self) -> Path:
        return Path(self._settings.audit_dir) if self._settings.audit_dir else state_dir() / "audit"


def loop_settings(settings: Settings, sandbox: str) -> LoopSettings:
    """What the agent core must know of the settings."""
    return LoopSettings(
        max_steps=settings.max_steps,
        max_tokens=settings.max_tokens,
        max_cost=settings.max_cost,
        context_tokens=settings.context_tokens,
        approval=cast("Any", settings.approval or ("always" if sandbox == "none" else "never")),
        images=settings.images,
        context=cast("Any", settings.context),
    )

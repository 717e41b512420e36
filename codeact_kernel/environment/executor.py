"""Runs the steps of one turn in the environment, under the step limits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..agent.events import EnvironmentLost, FileChange, RunStep, StepError, StepFinished, StepStatus
from ..sandbox.base import Death
from ..sandbox.limits import StepLimits
from .capture import Capture, step_error
from .environment import Environment
from .files import Snapshot, changes, snapshot
from .request import Lost, Outcome, Reply, Request, new_request, watch
from .wire import Message


class StepOutput(Protocol):
    """Where a step's messages go while it runs."""

    def message(self, message: Message) -> None:
        """One iopub message of the step."""

    async def close(self) -> str | None:
        """Show what is pending; returns the file that holds the full text, if it was too long."""


@dataclass(frozen=True, slots=True)
class StepRequest:
    """How steps present themselves, and how they may ask with ``input()``."""

    idents: Sequence[bytes]
    allow_stdin: bool
    let_ask: Callable[[Request], None]
    """Called with each request before it is sent; sets its ``on_input`` if it may ask."""


class StepExecutor:
    """The ``Executor`` port over an ``Environment``; one for each turn."""

    def __init__(
        self,
        environment: Environment,
        limits: StepLimits,
        *,
        folder: Path,
        request: StepRequest,
        output: Callable[[RunStep], StepOutput],
    ) -> None:
        self._environment = environment
        self._limits = limits
        self._folder = folder
        self._files: Snapshot | None = None
        self._request = request
        self._output = output
        self._runs = False
        self.untold: Death | None = None
        """A death that no step has told of."""

    def environment_lost(self, death: Death) -> None:
        """The environment died; the step that runs tells, or the next one instead of running."""
        if not self._runs:
            self.untold = death

    async def run(self, step: RunStep) -> StepFinished | EnvironmentLost:
        """See ``ports.Executor``.

        Past the time limit the step gets SIGINT; if it has not ended after
        the grace period, its environment is killed and a fresh one started.
        A step whose environment died before it could start is not run in the
        fresh one: its author counts on variables that are gone.
        """
        await self._environment.ready()
        if self.untold is not None:
            death, self.untold = self.untold, None
            return lost(death)
        if self._files is None:
            self._files = snapshot(self._folder)
        self._environment.inner.reset_peak()
        request = self._new_request(step)
        capture = Capture()
        output = self._output(step)

        def on_iopub(message: Message) -> None:
            capture.feed(message.type, message.content)
            output.message(message)

        request.on_iopub = on_iopub
        self._request.let_ask(request)
        done = watch(request, until_idle=True)
        clock = asyncio.get_running_loop().time
        started = clock()
        self._runs = True
        self._environment.send(request)
        try:
            outcome, notice = await self._wait(done)
        except asyncio.CancelledError:
            self._environment.stop(request)
            raise
        finally:
            self._runs = False
        seconds = clock() - started
        spooled = await output.close()
        request.on_iopub = output.message  # what comes late is shown, and no observation
        return self._finished(step, capture, spooled, outcome, notice, seconds)

    def _new_request(self, step: RunStep) -> Request:
        request = new_request(
            self._environment.session,
            "execute_request",
            {
                "code": step.code,
                "silent": False,
                "store_history": True,
                "user_expressions": {},
                "allow_stdin": self._request.allow_stdin,
                "stop_on_error": False,
            },
        )
        request.idents = list(self._request.idents)
        request.counts = True
        return request

    async def _wait(self, done: asyncio.Future[Outcome]) -> tuple[Outcome, str]:
        limit = self._limits.seconds
        finished, _ = await asyncio.wait([done], timeout=limit)
        if finished:
            return done.result(), ""
        notice = f"Interrupted: the step ran longer than its limit of {limit:g} s."
        self._environment.interrupt(
            otherwise=f"The step ran longer than its limit of {limit:g} s and did not stop when "
            f"interrupted, so its environment was killed after {self._limits.grace:g} s more."
        )
        await asyncio.wait([done])
        return done.result(), notice

    def _finished(
        self,
        step: RunStep,
        capture: Capture,
        spooled: str | None,
        outcome: Outcome,
        notice: str,
        seconds: float,
    ) -> StepFinished | EnvironmentLost:
        death = outcome.death if isinstance(outcome, Lost) else None
        peak = None if death else self._environment.inner.usage().peak_memory or None
        status, error = _status(outcome, capture.error)
        finished = StepFinished(
            step=step.step,
            status=status,
            code=step.code,
            stdout=capture.stdout.text(),
            stderr=capture.stderr.text(),
            result=capture.result,
            displays=tuple(capture.displays),
            images=tuple(capture.images),
            error=error,
            seconds=seconds,
            peak_memory=peak,
            files=self._changes(),
            stdout_bytes=capture.stdout.bytes,
            spooled=spooled,
            notice=death.sentence if death else notice,
        )
        return finished if death is None else lost(death, finished)

    def _changes(self) -> tuple[FileChange, ...]:
        """What changed in the workspace since the step before ended, or the turn began."""
        before, self._files = self._files, snapshot(self._folder)
        return changes(before, self._files) if before is not None else ()


def _status(outcome: Outcome, shown: StepError | None) -> tuple[StepStatus, StepError | None]:
    if isinstance(outcome, Lost):
        return "killed", shown
    assert isinstance(outcome, Reply)
    content = outcome.message.content
    if content.get("status") == "ok":
        return "ok", None
    # Some failures (a bad magic, an error while the traceback is made) are only in the reply.
    return "error", shown or step_error(content)


def lost(death: Death, during: StepFinished | None = None) -> EnvironmentLost:
    """The event for a death, in words that model and user are told."""
    return EnvironmentLost(reason=death.sentence, during=during)

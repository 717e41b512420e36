"""Runs a notebook through the installed ``codeact`` kernel, as any headless front-end would."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import logging
import os
import re
import signal
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from jupyter_client.kernelspec import NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbclient.util import ensure_async

from ..errors import EnvironmentFailed, UsageError
from ..kernel.classify import classify_cell
from ..replay.expand import collapse, expand, turn_of
from .notebooks import KERNEL_NAME, KERNELSPEC
from .transcript import Transcript, printable

if TYPE_CHECKING:
    from jupyter_client.client import KernelClient
    from nbformat import NotebookNode

_OVERWRITTEN = re.compile(r"[^\n]*\r(?=[^\n])")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended: ``notebook`` is expanded and complete as far as the run came.

    ``failure`` is a sentence, or empty when every cell ran and every turn was answered.
    """

    notebook: NotebookNode
    failure: str = ""


def execute(
    content: NotebookNode,
    *,
    notebook: Path,
    transcript: Transcript,
    env: Mapping[str, str] | None = None,
    keep: Callable[[NotebookNode], object] | None = None,
) -> Ran:
    """Run all cells as those of the open ``notebook``, in its folder; show them on ``transcript``.

    Generated cells and answers of an earlier run are made anew.  ``env`` is
    added to the environment of the kernel.  ``keep`` is given the notebook
    as it stands after every turn, so that what was paid for is not lost.
    Ctrl-C stops the cell that runs, and a second one the whole run.

    Raises ``UsageError`` when the kernel is not installed and
    ``EnvironmentFailed`` when it does not start.
    """
    run = _Run(_fresh(content), transcript, keep)
    # Jupyter Server tells a kernel in this way which notebook it belongs to.
    full_env = {**os.environ, "JPY_SESSION_NAME": str(notebook), **(env or {})}
    with tempfile.TemporaryFile() as words:
        try:
            failure = asyncio.run(run.outcome(notebook.parent, full_env, words))
        except NoSuchKernel:
            raise UsageError(
                "The codeact kernel is not installed for this Python.",
                remedy="Install it with: python -m pip install --force-reinstall --no-deps codeact-kernel",
            ) from None
        except EnvironmentFailed as error:
            words.seek(0)
            last = words.read().decode(errors="replace").strip().rpartition("\n")[2]
            # A sentence of the kernel's own says it best.
            raise EnvironmentFailed(
                error.what, remedy=printable(last.removeprefix("codeact: "))
            ) from None
    return Ran(run.so_far(), failure)


def _fresh(notebook: NotebookNode) -> NotebookNode:
    """The notebook as it was before it was ever run."""
    import nbformat

    fresh: NotebookNode = nbformat.from_dict(collapse(notebook))
    fresh.metadata.kernelspec = nbformat.from_dict(KERNELSPEC)
    for cell in fresh.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return fresh


class _Run(NotebookClient):
    """``NotebookClient`` that shows what happens, lets a person answer, and stops when asked."""

    def __init__(
        self,
        notebook: NotebookNode,
        transcript: Transcript,
        keep: Callable[[NotebookNode], object] | None,
    ) -> None:
        super().__init__(
            notebook,
            kernel_name=KERNEL_NAME,
            timeout=None,
            startup_timeout=60,
            iopub_timeout=60,
            record_timing=False,
            log=_silent_log(),
        )
        self._transcript = transcript
        self._keep = keep
        self._interrupts = 0
        self._ready = False
        self._main: asyncio.Task[Any] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def outcome(self, folder: Path, env: Mapping[str, str], words: IO[bytes]) -> str:
        """Run everything; returns the sentence that says why it stopped early, or nothing."""
        self._main = asyncio.current_task()
        self._transcript.doing("starting the kernel")
        try:
            await self.async_execute(cwd=str(folder), env=dict(env), stderr=words, stdout=words)
        except CellExecutionError as error:
            return _failure(error)
        except (DeadKernelError, asyncio.CancelledError):
            if self._main is not None:
                self._main.uncancel()
            if self._interrupts:
                return "The run was stopped."
            return "The kernel ended unexpectedly; 'codeact doctor' checks the installation."
        except RuntimeError:
            if self._ready:
                raise
            raise EnvironmentFailed("The codeact kernel did not start.") from None
        finally:
            for task in self._tasks:
                task.cancel()
            if self.km is not None:  # stopped before nbclient had it in its care
                await self._async_cleanup_kernel()
            atexit.unregister(self._cleanup_kernel)
        return ""

    def so_far(self) -> NotebookNode:
        """The notebook as it stands now, its turns as cells."""
        import nbformat

        for cell in self.nb.cells:
            for output in cell.get("outputs", ()):
                if output.output_type == "stream":
                    output.text = _OVERWRITTEN.sub("", output.text)
        expanded: NotebookNode = nbformat.from_dict(expand(self.nb))
        return expanded

    # --- the kernel's life -----------------------------------------------------------

    async def async_start_new_kernel(self, **kwargs: Any) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError, RuntimeError):
                loop.add_signal_handler(number, self._stop)
        await super().async_start_new_kernel(**kwargs)

    async def async_start_new_kernel_client(self) -> KernelClient:
        client = await super().async_start_new_kernel_client()
        self._ready = True
        self._tasks = [asyncio.create_task(self._tick())]
        if self._transcript.can_ask:
            client.allow_stdin = True
            self._tasks.append(asyncio.create_task(self._answer_questions(client)))
        return client

    def _stop(self) -> None:
        """First time: stop the cell, keep what it did.  Second time: stop everything."""
        self._interrupts += 1
        if self._interrupts == 1 and self._ready and self.km is not None:
            self._transcript.note("Stopping … (Ctrl-C again ends the run at once)")
            self._tasks.append(asyncio.ensure_future(ensure_async(self.km.interrupt_kernel())))
        elif self._main is not None:
            self.shutdown_kernel = "immediate"
            self._main.cancel()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._transcript.tick()

    async def _answer_questions(self, client: KernelClient) -> None:
        """Pass questions of the kernel (approval, ``input()``) to the person at the terminal."""
        while True:
            message = await ensure_async(client.stdin_channel.get_msg(timeout=None))
            if message["msg_type"] == "input_request":
                content = message["content"]
                client.input(
                    await self._transcript.ask(content["prompt"], bool(content.get("password")))
                )

    # --- cells -----------------------------------------------------------------------

    async def async_execute_cell(
        self,
        cell: NotebookNode,
        cell_index: int,
        execution_count: int | None = None,
        store_history: bool = True,
    ) -> NotebookNode:
        if cell.cell_type != "code" or not cell.source.strip():
            return cell
        classified = classify_cell(cell.source, cell.metadata)
        if classified.kind == "prompt":
            self._transcript.prompt(classified.text)
            self._transcript.doing("asking the model")
        else:
            self._transcript.code(cell.source)
            self._transcript.doing("your cell runs")
        assert self.kc is not None  # nbclient starts it before the first cell
        # The kernel honours a cell's kind, and nbclient sends only the source.
        self.kc.session.metadata = {**cell.metadata, "cellId": cell.id}
        try:
            return await super().async_execute_cell(
                cell, cell_index, execution_count, store_history
            )
        finally:
            if self._keep is not None and turn_of(cell) is not None:
                self._keep(self.so_far())

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        self._transcript.message(msg)
        return super().process_message(msg, cell, cell_index)

    def output(
        self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int
    ) -> NotebookNode | None:
        shown = super().output(outs, msg, display_id, cell_index)
        if len(outs) > 1 and shown is outs[-1] and shown.output_type == "stream":
            before = outs[-2]
            if before.output_type == "stream" and before.name == shown.name:
                # A front-end joins what a cell prints bit by bit; nbclient does not.
                before.text += shown.text
                outs.pop()
                return before
        return shown


def _failure(error: CellExecutionError) -> str:
    if error.ename == "CodeActTurnError":
        return f"A turn ended without an answer ({printable(error.evalue)})."
    return (
        f"A cell failed ({error.ename}: {printable(error.evalue)}); the cells after it did not run."
    )


def _silent_log() -> logging.Logger:
    """What nbclient logs is said in our own words."""
    log = logging.getLogger("codeact_kernel.cli.nbclient")
    log.disabled = True
    return log

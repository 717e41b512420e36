"""A real inner kernel behind each kind of sandbox, and a client that talks to it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient

from codeact_kernel.config import Settings
from codeact_kernel.environment.inner import InnerKernel
from codeact_kernel.sandbox import select
from codeact_kernel.sandbox.base import Death
from codeact_kernel.sandbox.workspace import Workspace, discover

KINDS = ("none", "bubblewrap", "sandlock")
PATIENCE = 40.0
"""Seconds after which something that must happen will not."""


@dataclass
class Inner:
    """An inner kernel under test."""

    kernel: InnerKernel
    workspace: Workspace
    deaths: asyncio.Queue[Death]
    client: AsyncKernelClient | None = None
    said: list[dict[str, Any]] = field(default_factory=list)

    async def start(self) -> None:
        """Start (again), and return when it answers."""
        self.disconnect()
        self.kernel.start()
        client = AsyncKernelClient()
        connection: dict[str, Any] = {
            f"{channel}_port": int(endpoint.rpartition("-")[2])
            for channel, endpoint in self.kernel.endpoints.items()
        }
        connection |= {
            "transport": "ipc",
            "ip": self.kernel.endpoints["shell"].removeprefix("ipc://").rpartition("-")[0],
            "key": self.kernel.key.decode(),
            "signature_scheme": "hmac-sha256",
        }
        client.load_connection_info(connection)  # type: ignore[arg-type]
        client.start_channels()
        self.client = client
        await self._ready(client)

    async def _ready(self, client: AsyncKernelClient) -> None:
        """Return when the kernel answers and publishes; fail at once if it dies instead."""
        dead = asyncio.ensure_future(self.deaths.get())
        live = asyncio.ensure_future(_answers(client))
        done, _ = await asyncio.wait({dead, live}, timeout=PATIENCE, return_when="FIRST_COMPLETED")
        for task in (dead, live):
            task.cancel()
        assert live in done, f"no answer: {dead.result() if dead in done else 'timeout'}"

    async def run(self, code: str) -> str:
        """Run ``code``; what it printed, and the name of its error if it failed."""
        assert self.client is not None
        self.said.clear()
        reply = await self.client.execute_interactive(
            code,
            allow_stdin=False,
            stop_on_error=False,
            timeout=PATIENCE,
            output_hook=self.said.append,
        )
        text = "".join(
            message["content"]["text"] for message in self.said if message["msg_type"] == "stream"
        )
        return text + str(reply["content"].get("ename", ""))

    def send(self, code: str) -> str:
        """Run ``code`` without waiting; returns the id of the request."""
        assert self.client is not None
        return str(self.client.execute(code, allow_stdin=False, stop_on_error=False))

    async def reply(self, request: str) -> dict[str, Any]:
        """The content of the reply to ``request``."""
        assert self.client is not None
        while True:
            message = await self.client.get_shell_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") == request:
                content: dict[str, Any] = message["content"]
                return content

    async def printed(self, wanted: str) -> str:
        """Return when ``wanted`` was printed by whatever runs; all of that text."""
        assert self.client is not None
        text = ""
        while wanted not in text:
            message = await self.client.get_iopub_msg(timeout=PATIENCE)
            text += message["content"].get("text", "")
        return text

    async def death(self) -> Death:
        """The next death."""
        return await asyncio.wait_for(self.deaths.get(), PATIENCE)

    def disconnect(self) -> None:
        if self.client is not None:
            self.client.stop_channels()
            self.client = None


async def _answers(client: AsyncKernelClient) -> None:
    while True:
        client.kernel_info()
        try:
            await client.get_shell_msg(timeout=1)
            await client.get_iopub_msg(timeout=0.2)
        except Empty:
            continue
        return


MakeInner = Callable[..., Inner]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of sandbox that works here."""
    name: str = request.param
    why_not = select.KINDS[name].check()
    if why_not is not None:
        pytest.skip(why_not)
    return name


@pytest_asyncio.fixture
async def make(tmp_path: Path) -> AsyncIterator[MakeInner]:
    """``make(kind, memory=…)`` gives an inner kernel, not started, that closes with the test."""
    made: list[Inner] = []

    def build(kind: str, *, folder: Path | None = None, **settings: Any) -> Inner:
        workspace = discover(folder or _folder(tmp_path / "notebooks"))
        deaths: asyncio.Queue[Death] = asyncio.Queue()
        kernel = InnerKernel(
            settings=Settings(sandbox=kind, **settings),
            workspace=workspace,
            state_dir=tmp_path / "state",
            on_death=deaths.put_nowait,
        )
        kernel.attach()
        made.append(Inner(kernel, workspace, deaths))
        return made[-1]

    yield build
    for inner in made:
        inner.disconnect()
        inner.kernel.close()


def _folder(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    return path


async def until(condition: Callable[[], bool]) -> None:
    """Return when ``condition`` holds of processes and files that announce nothing."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def marked(mark: str) -> list[int]:
    """Processes that have ``mark`` in their command line, as the machine sees them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if mark.encode() in line:
                found.append(int(entry.name))
    return found

"""``kill -9`` of the front, or of any process between it and the code: nothing survives."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

import pytest

from codeact_kernel.sandbox.keeper import children

from .conftest import MakeInner, marked, until
from .test_deaths import grouped, groups_of, keeper

ROUNDS = 8
"""Moments after its start at which the front is killed, up to when its kernel is up."""


async def gone(mark: str) -> None:
    """Return when no process has ``mark`` in its command line."""
    await until(lambda: not marked(mark))


async def front(kind: str, folder: Path, state: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.integration.environment.front"),
        *(kind, str(folder), str(state)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(state)},
    )


async def said(process: asyncio.subprocess.Process, wanted: str) -> None:
    assert process.stdout is not None
    assert (await process.stdout.readline()).decode().strip() == wanted


@pytest.mark.parametrize("moment", range(ROUNDS))
async def test_nothing_survives_the_front_killed_at_any_moment(
    kind: str, moment: int, tmp_path: Path
) -> None:
    folder, state = tmp_path / "notebooks", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    process = await front(kind, folder, state)
    await said(process, "starting")
    # Sleeping is the point: the kill must fall anywhere in the start of the others.
    await asyncio.sleep(random.Random(moment).uniform(0, 0.6) if moment else 0)
    process.kill()
    await process.wait()
    await gone(str(tmp_path))


async def test_the_keeper_of_a_killed_front_removes_folder_and_control_groups(
    kind: str, tmp_path: Path
) -> None:
    folder, state = tmp_path / "notebooks", tmp_path / "state"
    folder.mkdir()
    state.mkdir()
    process = await front(kind, folder, state)
    await said(process, "starting")
    await said(process, "started")
    groups = [group for pid in children(process.pid) for group in groups_of(pid)]
    process.kill()
    await process.wait()
    await gone(str(tmp_path))
    await until(lambda: not list(state.glob("codeact-*")))
    await until(lambda: not any(group.exists() for group in groups))


@pytest.mark.parametrize("victim", ["keeper", "below the keeper"])
async def test_a_killed_keeper_or_wrapper_is_a_death_and_nothing_survives(
    kind: str, victim: str, make: MakeInner
) -> None:
    inner = make(kind)
    await inner.start()
    mark = str(inner.workspace.folder.parent)
    await inner.run(
        f"import subprocess, sys\n"
        f"subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)', {mark!r}])"
    )
    pid = keeper()
    os.kill(pid if victim == "keeper" else children(pid)[0], signal.SIGKILL)
    assert (await inner.death()).reason == "killed"
    if kind != "none" or grouped():  # else nobody is left who knows the children
        await gone(f"1000)\0{mark}")
    for left in marked(f"1000)\0{mark}"):
        os.kill(left, signal.SIGKILL)
    await inner.start()
    assert await inner.run("print(1)") == "1\n"

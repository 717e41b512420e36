"""Limits where no control group can be had: rlimits and the keeper's watchdog hold them."""

from __future__ import annotations

import os

import pytest

from codeact_kernel.sandbox import cgroup, limiting

from .conftest import MakeInner

MB = 10**6


@pytest.fixture(autouse=True)
def no_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose control groups belong to somebody else."""
    monkeypatch.setattr(cgroup, "create", lambda name, limits: None)


async def test_memory_of_the_whole_tree_is_watched(kind: str, make: MakeInner) -> None:
    inner = make(kind, memory=500 * MB)
    await inner.start()
    inner.send(
        "import subprocess, sys\n"
        "hungry = 'import time; x = b\"1\" * 200_000_000; time.sleep(100)'\n"
        "children = [subprocess.Popen([sys.executable, '-c', hungry]) for _ in range(3)]\n"
        "[child.wait() for child in children]"
    )
    death = await inner.death()
    assert death.reason == "memory"
    assert "0.5 GB" in death.sentence


async def test_pages_shared_after_a_fork_count_once(kind: str, make: MakeInner) -> None:
    inner = make(kind, memory=500 * MB)
    await inner.start()
    said = await inner.run(
        "import multiprocessing, time\n"
        "x = b'1' * 200_000_000\n"
        "children = [multiprocessing.Process(target=time.sleep, args=(1,)) for _ in range(4)]\n"
        "[child.start() for child in children]\n"
        "[child.join() for child in children]\n"
        "print([child.exitcode for child in children])"
    )
    assert said == "[0, 0, 0, 0]\n"


async def test_too_many_processes_are_a_death_or_an_error(kind: str, make: MakeInner) -> None:
    inner = make(kind, processes=32)
    await inner.start()
    request = inner.send(
        "import subprocess\nchildren = [subprocess.Popen(['sleep', '100']) for _ in range(60)]"
    )
    if kind == "sandlock" or (kind == "bubblewrap" and os.getuid() != 0):
        # refused by the library, or by RLIMIT_NPROC in the user namespace (root is exempt)
        assert (await inner.reply(request))["status"] == "error"
    else:
        death = await inner.death()
        assert "more than 32 processes" in death.sentence


def test_the_description_says_which_mechanism_holds() -> None:
    assert "watchdog" in limiting.describe()

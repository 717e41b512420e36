"""Control groups: made with their limits, removed, and forgotten ones cleared away."""

from __future__ import annotations

import os

import pytest

from codeact_kernel.sandbox import cgroup
from codeact_kernel.sandbox.limits import Limits


@pytest.fixture
def group() -> cgroup.ControlGroup:
    made = cgroup.create(f"test-{os.getpid()}", Limits(memory=10**8, cpus=1, processes=20))
    if made is None:
        pytest.skip("no control group can be had here")
    return made


def test_the_limits_are_in_force(group: cgroup.ControlGroup) -> None:
    try:
        name = "memory.max" if group.version == 2 else "memory.limit_in_bytes"
        limit = int((group.folders["memory"] / name).read_text())
        assert 0 <= 10**8 - limit < 4096  # the kernel rounds down to a page
        assert (group.folders["pids"] / "pids.max").read_text() == "20\n"
    finally:
        group.remove()
    assert not any(folder.exists() for folder in group.folders.values())


def test_a_forgotten_group_goes_when_the_next_is_made(
    group: cgroup.ControlGroup,
) -> None:
    for folder in group.folders.values():
        os.utime(folder, (0, 0))
    fresh = cgroup.create(f"test-next-{os.getpid()}", Limits())
    assert fresh is not None
    assert all(folder.exists() for folder in fresh.folders.values())
    assert not any(folder.exists() for folder in group.folders.values())
    fresh.remove()


def test_the_limit_of_the_container_is_a_number_or_none() -> None:
    limit = cgroup.memory_limit()
    assert limit is None or limit > 0

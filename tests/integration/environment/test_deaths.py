"""The six deaths, and what must be left of each: a sentence, no process, and a way to go on."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

import pytest

from codeact_kernel.sandbox import cgroup
from codeact_kernel.sandbox.keeper import children
from codeact_kernel.sandbox.limits import Limits

from .conftest import PATIENCE, MakeInner, marked, until

MB = 10**6
BOUND = 64 * 5
"""Processes that a bomb may reach under a limit of 64, where only a watchdog holds it."""


def groups_of(keeper: int) -> list[Path]:
    """Control groups of the kernel that process ``keeper`` keeps."""
    return list(Path("/sys/fs/cgroup").rglob(f"codeact-{keeper}"))


def keeper() -> int:
    """The keeper of this process's only inner kernel."""
    (found,) = (pid for pid in children(os.getpid()) if pid in marked("keeper"))
    return found


async def test_an_endless_loop_ends_when_interrupted_and_the_namespace_stays(
    kind: str, make: MakeInner
) -> None:
    inner = make(kind)
    await inner.start()
    await inner.run("kept = 41")
    request = inner.send("print('looping', flush=True)\nwhile True: pass")
    await inner.printed("looping")
    inner.kernel.interrupt()
    assert (await inner.reply(request))["ename"] == "KeyboardInterrupt"
    assert await inner.run("print(kept + 1)") == "42\n"


async def test_an_interrupt_reaches_the_foreground_child(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    seconds = f"1000.{secrets.randbelow(10**9)}"
    child = f"sleep\0{seconds}"
    request = inner.send(f"import subprocess; subprocess.run(['sleep', '{seconds}'])")
    await until(lambda: bool(marked(child)))
    inner.kernel.interrupt()
    assert (await inner.reply(request))["ename"] == "KeyboardInterrupt"
    await until(lambda: not marked(child))


async def test_code_that_ignores_interrupts_is_killed_and_can_be_replaced(
    kind: str, make: MakeInner
) -> None:
    inner = make(kind)
    await inner.start()
    inner.send(
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('deaf', flush=True)\nwhile True: pass"
    )
    await inner.printed("deaf")
    inner.kernel.interrupt()
    inner.kernel.kill()
    assert (await inner.death()).reason == "killed"
    await inner.start()
    assert await inner.run("print('kept' in dir())") == "False\n"


async def test_leaving_the_process_is_told_with_its_code(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    inner.send("import os; os._exit(3)")
    death = await inner.death()
    assert (death.reason, death.exit_code) == ("exited", 3)
    assert "exit code 3" in death.sentence
    await inner.start()
    assert await inner.run("print(1)") == "1\n"


async def test_a_segmentation_fault_is_told_as_a_crash(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    inner.send("import ctypes; ctypes.string_at(0)")
    death = await inner.death()
    assert (death.reason, death.signal) == ("crashed", 11)
    assert "segmentation fault" in death.sentence


@pytest.mark.parametrize(
    "allocation",
    [
        "bytearray(900_000_000)",
        "[bytes(1_000_000) for _ in range(900)]",
        "__import__('numpy').ones(120_000_000)",
    ],
    ids=["at once", "bit by bit", "numpy"],
)
async def test_too_much_memory_in_one_process_is_a_memory_error_first(
    kind: str, make: MakeInner, allocation: str
) -> None:
    inner = make(kind, memory=600 * MB)
    await inner.start()
    assert (await inner.run(f"x = {allocation}")).endswith("MemoryError")
    assert await inner.run("print('alive')") == "alive\n"


async def test_memory_that_no_process_limit_sees_ends_as_a_death_from_memory(
    kind: str, make: MakeInner
) -> None:
    inner = make(kind, memory=600 * MB)
    await inner.start()
    inner.send(
        "import mmap\n"
        "shared = mmap.mmap(-1, 900_000_000)\n"  # shared memory counts in no rlimit
        "for i in range(0, len(shared), 4096): shared[i] = 1"
    )
    death = await inner.death()
    assert death.reason == "memory"
    assert "memory" in death.sentence
    assert "0.6 GB" in death.sentence
    await inner.start()
    assert await inner.run("print(1)") == "1\n"


def folders_of_ours(place: Path) -> list[Path]:
    return list(place.glob("codeact-*"))


def grouped() -> bool:
    """Whether control groups can be had here."""
    group = cgroup.create(f"probe-{os.getpid()}", Limits())
    if group is not None:
        group.remove()
    return group is not None


def can_bound_processes(kind: str) -> bool:
    return grouped() or kind == "sandlock" or os.getuid() != 0


async def test_a_fork_bomb_stops_at_the_limit_and_leaves_nothing(
    kind: str, make: MakeInner
) -> None:
    if not can_bound_processes(kind):
        pytest.skip("nothing on this machine bounds the processes of this kind")
    mark = f"bomb-{secrets.token_hex(6)}"
    inner = make(kind, processes=64)
    await inner.start()
    (inner.workspace.folder / "bomb.py").write_text(
        "import os, time\n"
        "while True:\n"
        "    try:\n"
        "        os.fork()\n"
        "    except OSError:\n"
        "        pass\n"
    )
    inner.send(f"import subprocess, sys; subprocess.run([sys.executable, 'bomb.py', {mark!r}])")
    most = 0
    async with asyncio.timeout(PATIENCE):
        while most < 32 and inner.deaths.empty():
            await asyncio.sleep(0.02)
            most = max(most, len(marked(mark)))
    inner.kernel.kill()
    assert (await inner.death()).reason == "killed"
    assert most <= BOUND
    assert marked(mark) == []
    await inner.start()
    assert await inner.run("print(1)") == "1\n"


HIDING = """
import os, signal, subprocess, sys
code = '''
import os, signal, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
print("hidden", flush=True)
time.sleep(1000)
'''
child = subprocess.Popen([sys.executable, "-c", code, MARK], stdout=subprocess.PIPE)
child.wait()
print(child.stdout.readline().decode())
"""


@pytest.mark.parametrize("end", ["kill", "exit", "close", "restart"])
async def test_no_grandchild_survives_however_it_hides(
    kind: str, make: MakeInner, end: str
) -> None:
    mark = f"hide-{secrets.token_hex(6)}"
    inner = make(kind)
    await inner.start()
    assert "hidden" in await inner.run(HIDING.replace("MARK", repr(mark)))
    assert len(marked(mark)) == 1
    if end == "kill":
        inner.kernel.kill()
        await inner.death()
    elif end == "exit":
        inner.send("import os; os._exit(0)")
        await inner.death()
    elif end == "close":
        inner.kernel.close()
    else:
        await inner.start()
    assert marked(mark) == []


async def test_a_closed_kernel_leaves_no_control_group_and_no_runtime_folder(
    kind: str, make: MakeInner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    inner = make(kind)
    await inner.start()
    assert folders_of_ours(tmp_path)
    groups = groups_of(keeper())
    inner.kernel.close()
    assert folders_of_ours(tmp_path) == []
    assert not [group for group in groups if group.exists()]


async def test_peak_memory_is_that_of_the_step(kind: str, make: MakeInner) -> None:
    inner = make(kind)
    await inner.start()
    await inner.run("x = b'1' * 300_000_000; del x")
    assert inner.kernel.usage().peak_memory > 300 * MB
    inner.kernel.reset_peak()
    await inner.run("y = b'1' * 100_000_000; del y")
    assert 100 * MB < inner.kernel.usage().peak_memory < 300 * MB
    assert inner.kernel.usage().memory < 200 * MB

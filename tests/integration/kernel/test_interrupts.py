"""Stop means stop: in every state, on both channels, and nothing stays busy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ServeScript
from tests.support.kernel_client import Kernel
from tests.support.scripted_server import Reply

CHANNELS = ["control", "shell"]

CODE = {
    "python loop": "print('on', flush=True)\nwhile True: pass",
    "sleep": "import time\nprint('on', flush=True)\ntime.sleep(600)",
    "await": "import asyncio\nprint('on', flush=True)\nawait asyncio.sleep(600)",
    "C call that no signal reaches": "import ctypes, signal\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})\n"
    "print('on', flush=True)\nctypes.CDLL(None).sleep(600)",
    "deaf": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "print('on', flush=True)\nwhile True: pass",
    "child process": "import subprocess\nprint('on', flush=True)\nsubprocess.run(['sleep', '600'])",
    "input": "print('on', flush=True)\ninput()",
}


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("work")) as running:
        yield running


def interrupt(kernel: Kernel, channel: str) -> None:
    request = kernel.request("interrupt_request", {}, channel=channel)
    assert kernel.reply(request, channel)["content"]["status"] == "ok"


@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("state", CODE)
def test_a_running_cell_is_stopped_and_the_next_one_runs(
    kernel: Kernel, state: str, channel: str
) -> None:
    cell = kernel.send(CODE[state], allow_stdin=state == "input")
    kernel.until(cell, "stream", "on")
    interrupt(kernel, channel)
    stopped = kernel.wait(cell)
    assert stopped.content["status"] == "error"
    assert stopped.content["ename"] in ("KeyboardInterrupt", "CancelledError")
    assert stopped.of("error")
    assert kernel.run("6 * 7").result == "42"


def test_what_waits_behind_an_interrupted_cell_is_aborted(kernel: Kernel) -> None:
    first = kernel.send(CODE["sleep"])
    second = kernel.send("print('must not run')")
    kernel.until(first, "stream", "on")
    interrupt(kernel, "control")
    assert kernel.wait(first).content["status"] == "error"
    aborted = kernel.wait(second)
    assert aborted.content["status"] == "aborted"
    assert aborted.stdout == ""


def test_the_late_words_of_a_deaf_cell_are_hidden(kernel: Kernel) -> None:
    cell = kernel.send(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('on', flush=True)\nend = time.monotonic() + 3\n"
        "while time.monotonic() < end: pass\nprint('late')"
    )
    kernel.until(cell, "stream", "on")
    interrupt(kernel, "control")
    stopped = kernel.wait(cell)
    assert stopped.content["ename"] == "KeyboardInterrupt"
    # It ends within the grace period, so the namespace is kept.
    after = kernel.run("end > 0")
    assert after.result == "True"
    assert "late" not in stopped.stdout + after.stdout


def test_a_second_interrupt_is_by_force_and_says_what_was_lost(kernel: Kernel) -> None:
    kernel.run("x = 1")
    cell = kernel.send(CODE["deaf"])
    kernel.until(cell, "stream", "on")
    interrupt(kernel, "control")
    interrupt(kernel, "control")
    killed = kernel.wait(cell)
    assert killed.error.startswith("EnvironmentLost: It was interrupted again")
    assert kernel.run("x").content["ename"] == "NameError"


def test_an_idle_kernel_ignores_an_interrupt(kernel: Kernel) -> None:
    kernel.run("kept = 5")
    interrupt(kernel, "control")
    interrupt(kernel, "shell")
    assert kernel.run("kept").result == "5"


def test_the_count_goes_on_after_a_kill(kernel: Kernel) -> None:
    before = kernel.run("1").content["execution_count"]
    assert kernel.run("import os; os._exit(1)").content["ename"] == "EnvironmentLost"
    after = kernel.run("2").content["execution_count"]
    assert after == before + 2


# --- turns -------------------------------------------------------------------


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_turn_is_stopped_while_the_model_thinks(
    tmp_path: Path, serve: ServeScript, channel: str
) -> None:
    server = serve([Reply(hang=True)])
    with Kernel(tmp_path / "w", {"CODEACT_BASE_URL": server.base_url}) as kernel:
        turn = kernel.send("%%codeact\nDo something")
        behind = kernel.send("print('must not run')")
        server.wait_for_requests(1)
        interrupt(kernel, channel)
        stopped = kernel.wait(turn)
        assert stopped.error.startswith("CodeActTurnError: interrupted")
        assert stopped.turn["stop"] == "interrupted"
        assert kernel.wait(behind).content["status"] == "aborted"
        assert kernel.run("6 * 7").result == "42"


@pytest.mark.parametrize("state", ["python loop", "await", "deaf"])
def test_a_turn_is_stopped_while_a_step_runs(
    tmp_path: Path, serve: ServeScript, state: str
) -> None:
    server = serve([f"```python\nkept = 1\n{CODE[state]}\n```", "Done."])
    with Kernel(tmp_path / "w", {"CODEACT_BASE_URL": server.base_url}) as kernel:
        turn = kernel.send("%%codeact\nDo something")
        kernel.until(turn, "stream", "on")
        interrupt(kernel, "control")
        stopped = kernel.wait(turn)
        assert stopped.error.startswith("CodeActTurnError: interrupted")
        assert len(server.requests) == 1
        after = kernel.run("kept")
        # A deaf step costs its environment, and the next cell says so.
        assert after.result == "1" or "It did not stop" in after.stderr
        assert (state == "deaf") == (after.result is None)


def test_a_turn_is_stopped_while_it_waits_for_approval(tmp_path: Path, serve: ServeScript) -> None:
    server = serve(["```python\nprint('must not run')\n```", "Done."])
    settings = {"CODEACT_BASE_URL": server.base_url, "CODEACT_APPROVAL": "always"}
    with Kernel(tmp_path / "w", settings) as kernel:
        turn = kernel.send("%%codeact\nDo something", allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=30)
        interrupt(kernel, "control")
        stopped = kernel.wait(turn)
        assert stopped.turn["stop"] == "interrupted"
        assert "must not run" not in stopped.stdout

"""The inner kernel dies, at any moment: everyone who waits is told, and the next cell runs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.conftest import ServeScript
from tests.support.kernel_client import PATIENCE, Kernel, Result
from tests.support.scripted_server import Reply, ScriptedServer

GONE = "Lost: all variables and child processes. Kept: files."


def inner_kernels(kernel: Kernel) -> list[psutil.Process]:
    """Its inner kernels, and what stands between them and the front, as this machine sees them."""
    found = []
    for process in psutil.Process(kernel.pid).children(recursive=True):
        with suppress(psutil.Error):
            if any("ipykernel_launcher" in word for word in process.cmdline()):
                found.append(process)
    return found


def inner(kernel: Kernel) -> psutil.Process:
    """The process that runs the code."""
    return max(inner_kernels(kernel), key=lambda process: len(process.parents()))


def kill_inner(kernel: Kernel) -> None:
    """End it as the system would, and return when the front has started another."""
    before = inner_kernels(kernel)
    inner(kernel).send_signal(signal.SIGKILL)
    end = time.monotonic() + PATIENCE
    while set(inner_kernels(kernel)) <= set(before):  # nothing announces it
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path / "work") as running:
        yield running


def journal(kernel: Kernel) -> str:
    (path,) = kernel.home.rglob("*.jsonl")
    return path.read_text()


# --- cells ---------------------------------------------------------------------------------


def test_a_death_between_cells_is_told_by_the_next_one(kernel: Kernel) -> None:
    before = kernel.run("x = 1").content["execution_count"]
    kill_inner(kernel)
    after = kernel.run("'x' in dir()")
    assert after.result == "False"
    assert after.content["execution_count"] == before + 1
    assert GONE in after.stderr
    assert kernel.run("1").stderr == ""


def test_a_death_during_a_cell_ends_it_and_aborts_what_waits_behind(kernel: Kernel) -> None:
    cell = kernel.send("print('on', flush=True)\nwhile True: pass")
    behind = kernel.send("print('must not run')")
    asked = kernel.request("complete_request", {"code": "pri", "cursor_pos": 3})
    kernel.until(cell, "stream", "on")
    kill_inner(kernel)
    lost = kernel.wait(cell)
    assert lost.content["ename"] == "EnvironmentLost"
    assert lost.stdout == "on\n"
    assert GONE in "\n".join(lost.content["traceback"])
    assert kernel.wait(behind).content["status"] == "aborted"
    # It waited behind the cells, as with any kernel, so the fresh kernel answers it.
    assert kernel.reply(asked)["content"]["status"] == "ok"
    assert kernel.run("6 * 7").result == "42"


REQUESTS: list[tuple[str, dict[str, Any]]] = [
    ("complete_request", {"code": "pri", "cursor_pos": 3}),
    ("inspect_request", {"code": "print", "cursor_pos": 3, "detail_level": 0}),
    ("is_complete_request", {"code": "print("}),
    ("history_request", {"hist_access_type": "tail", "n": 1, "output": False, "raw": True}),
    ("comm_info_request", {}),
]


@pytest.mark.parametrize(("kind", "content"), REQUESTS)
def test_what_the_dead_kernel_was_asked_gets_an_answer(
    kernel: Kernel, kind: str, content: dict[str, Any]
) -> None:
    process = inner(kernel)
    process.suspend()
    asked = kernel.request(kind, content)
    controlled = kernel.request("debug_request", {"command": "x"}, channel="control")
    process.kill()
    assert kernel.reply(asked)["content"]["status"] in ("error", "ok")
    assert kernel.reply(controlled, "control")["content"] is not None
    assert kernel.run("6 * 7").result == "42"


def test_everything_that_was_shown_before_the_death_is_there(kernel: Kernel) -> None:
    done = kernel.run(
        "from IPython.display import display\n"
        "for n in range(900): display(n)\n"
        "import sys, time, os\nsys.stdout.flush()\ntime.sleep(0.2)\nos._exit(1)"
    )
    shown = [c["data"]["text/plain"] for c in done.of("display_data")]
    assert shown == [str(n) for n in range(900)]
    assert done.content["ename"] == "EnvironmentLost"


def test_a_death_while_output_is_being_made_safe_loses_none_of_it(kernel: Kernel) -> None:
    done = kernel.run(
        "from IPython.display import display, HTML\n"
        "for n in range(30): display(HTML('<table>' + '<tr><td>x</td></tr>' * 10_000 + '</table>'))\n"
        "print('end', flush=True)\n"
        "import os, time\ntime.sleep(0.3)\nos._exit(1)"
    )
    assert len(done.of("display_data")) == 30
    assert done.stdout == "end\n"
    assert [m["msg_type"] for m in done.messages][-2:] == ["error", "status"]


def test_a_death_after_the_reply_and_before_the_idle_status_leaves_nothing_busy(
    kernel: Kernel,
) -> None:
    done = kernel.run(
        "import os, threading, time\n"
        "kernel = get_ipython().kernel\n"
        "kernel._publish_status = lambda *a, **k: (time.sleep(0.3), os._exit(1))\n"
    )
    assert done.ok
    assert [c["execution_state"] for c in done.of("status")] == ["busy", "idle"]
    assert GONE in kernel.run("6 * 7").stderr


def test_a_death_during_the_grace_of_an_interrupt_is_no_second_error(kernel: Kernel) -> None:
    cell = kernel.send(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('on', flush=True)\nwhile True: pass"
    )
    kernel.until(cell, "stream", "on")
    kernel.reply(kernel.request("interrupt_request", {}, channel="control"), "control")
    assert kernel.wait(cell).content["ename"] == "KeyboardInterrupt"
    kill_inner(kernel)
    after = kernel.run("6 * 7")
    assert after.result == "42"
    assert GONE in after.stderr


def test_open_comms_are_closed_for_front_ends(kernel: Kernel) -> None:
    kernel.run(
        "from comm import create_comm\none, two = create_comm('t'), create_comm('t')\ntwo.close()"
    )
    opened = kernel.run("print(one.comm_id)").stdout.strip()
    lost = kernel.run("import os\nos._exit(0)")
    assert [c["comm_id"] for c in lost.of("comm_close")] == [opened]


def test_an_interrupt_storm_costs_one_environment_at_most(kernel: Kernel) -> None:
    cell = kernel.send(
        "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "print('on', flush=True)\nwhile True: pass"
    )
    kernel.until(cell, "stream", "on")
    for _ in range(50):
        kernel.request("interrupt_request", {}, channel="control")
    assert kernel.wait(cell).content["status"] == "error"
    for _ in range(50):
        kernel.request("interrupt_request", {}, channel="control")
    asked = kernel.request("interrupt_request", {}, channel="control")
    assert kernel.reply(asked, "control")["content"]["status"] == "ok"
    after = kernel.run("6 * 7", stop_on_error=False)
    while after.content.get("ename") == "KeyboardInterrupt":  # it was hit by what was under way
        after = kernel.run("6 * 7")
    assert after.result == "42"


def test_an_interrupt_while_the_environment_starts_stops_the_cell_and_not_the_start(
    kernel: Kernel,
) -> None:
    kernel.run("import os\nos._exit(0)")
    waiting = kernel.send("6 * 7")
    kernel.reply(kernel.request("interrupt_request", {}), "shell")
    stopped = kernel.wait(waiting)
    # Either it still waited for its environment, or it had just been sent and ended at once.
    assert stopped.ok or stopped.content["ename"] == "KeyboardInterrupt"
    assert kernel.run("6 * 7").result == "42"


# --- no environment ---------------------------------------------------------------------------


def test_without_an_inner_kernel_the_front_comes_up_and_each_cell_says_why(tmp_path: Path) -> None:
    with Kernel(tmp_path / "work", {"CODEACT_INNER_KERNEL": "nope"}) as kernel:
        info = kernel.reply(kernel.request("kernel_info_request", {}))["content"]
        assert info["status"] == "ok"
        assert info["language_info"]["name"] == "python"
        assert info["language_info"]["file_extension"] == ".py"
        for _ in range(2):
            cell = kernel.run("1 + 1")
            assert cell.content["ename"] == "EnvironmentFailed"
            assert "nope" in cell.content["evalue"]
            assert cell.of("error")
        assert kernel.ask("Hello?").content["ename"] == "EnvironmentFailed"
        assert kernel.reply(kernel.request("interrupt_request", {}))["content"]["status"] == "ok"
        asked = kernel.request("complete_request", {"code": "pri", "cursor_pos": 3})
        assert kernel.reply(asked)["content"]["status"] == "error"


def test_it_works_again_once_the_cause_is_gone(tmp_path: Path) -> None:
    spec = tmp_path / "share" / "kernels" / "late"
    settings = {"CODEACT_INNER_KERNEL": "late", "JUPYTER_PATH": str(tmp_path / "share")}
    with Kernel(tmp_path / "work", settings) as kernel:
        assert kernel.run("1 + 1").content["ename"] == "EnvironmentFailed"
        spec.mkdir(parents=True)
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        description = {"argv": argv, "display_name": "late", "language": "python"}
        (spec / "kernel.json").write_text(json.dumps(description))
        assert kernel.run("1 + 1").result == "2"
        info = kernel.reply(kernel.request("kernel_info_request", {}))["content"]
        assert info["implementation"] == "ipython"


DYING = """
import os, sys
if os.path.exists({flag!r}): os._exit(7)
from ipykernel import kernelapp
kernelapp.launch_new_instance()
"""


def test_three_quick_deaths_end_the_trying_until_somebody_asks(tmp_path: Path) -> None:
    work = tmp_path / "work"
    flag = work / "die"
    spec = tmp_path / "share" / "kernels" / "dying"
    spec.mkdir(parents=True)
    argv = [sys.executable, "-c", DYING.format(flag=str(flag)), "-f", "{connection_file}"]
    description = {"argv": argv, "display_name": "dying", "language": "python"}
    (spec / "kernel.json").write_text(json.dumps(description))
    settings = {"CODEACT_INNER_KERNEL": "dying", "JUPYTER_PATH": str(tmp_path / "share")}
    with Kernel(work, settings) as kernel:
        assert kernel.run("6 * 7").result == "42"
        flag.touch()
        assert kernel.run("import os\nos._exit(0)").content["ename"] == "EnvironmentLost"
        failed = kernel.run("6 * 7")
        assert failed.content["ename"] == "EnvironmentFailed"
        assert "exit code 7" in failed.content["evalue"]
        assert kernel.run("6 * 7").content["ename"] == "EnvironmentFailed"
        flag.unlink()
        after = kernel.run("6 * 7")
        assert after.result == "42"
        assert after.content["execution_count"] > failed.content["execution_count"]


# --- turns -----------------------------------------------------------------------------------


def turn_kernel(tmp_path: Path, server: ScriptedServer, **settings: str) -> Kernel:
    return Kernel(tmp_path / "work", {"CODEACT_BASE_URL": server.base_url, **settings})


def told(server: ScriptedServer, request: int = -1) -> str:
    """The last message of a request to the model."""
    return str(server.requests[request].body["messages"][-1]["content"])


def assert_answered(done: Result) -> None:
    assert done.ok, done.error


def test_a_step_that_kills_its_environment_is_an_observation(
    tmp_path: Path, serve: ServeScript
) -> None:
    server = serve(
        [
            "```python\nprint('so far', flush=True)\nimport os, time\ntime.sleep(0.2)\nos._exit(3)\n```",
            "```python\nprint('alive')\n```",
            "Done.",
        ]
    )
    with turn_kernel(tmp_path, server) as kernel:
        done = kernel.ask("Do it")
        assert_answered(done)
        assert [step["status"] for step in done.turn["steps"]] == ["killed", "ok"]
        assert "exit code 3" in told(server, 1)
        assert "so far" in told(server, 1)
        assert told(server, 1).count("variables") == 1
        assert "alive" in told(server, 2)
        assert journal(kernel).count("EnvironmentLost") >= 1


def test_a_death_while_the_model_thinks_is_told_to_it_and_to_the_person(
    tmp_path: Path, serve: ServeScript
) -> None:
    server = serve(
        [
            "```python\nx = 1\n```",
            Reply("```python\nprint('x' in dir())\n```", delay=0.05, chunk=1),
            "Done.",
        ]
    )
    with turn_kernel(tmp_path, server) as kernel:
        turn = kernel.send("%%codeact\nDo it")
        server.wait_for_requests(2)
        kill_inner(kernel)
        done = kernel.wait(turn)
        assert_answered(done)
        assert "False" in done.stdout
        assert GONE in done.stderr
        assert "child processes" in told(server, 2)
        assert journal(kernel).count('"EnvironmentLost"') == 1


def test_a_death_while_a_person_is_asked_is_told_too(tmp_path: Path, serve: ServeScript) -> None:
    server = serve(["```python\nprint('ran')\n```", "Done."])
    with turn_kernel(tmp_path, server, CODEACT_APPROVAL="always") as kernel:
        turn = kernel.send("%%codeact\nDo it", allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=PATIENCE)
        kill_inner(kernel)
        kernel.until(turn, "stream", GONE)
        kernel.client.input("y")
        done = kernel.wait(turn)
        assert_answered(done)
        assert done.stdout == "ran\n"
        assert "child processes" in told(server, 1)


def test_a_death_between_turns_is_told_with_the_next_prompt(
    tmp_path: Path, serve: ServeScript
) -> None:
    server = serve(["Hello.", "Hello again."])
    with turn_kernel(tmp_path, server) as kernel:
        assert_answered(kernel.ask("Hello"))
        kill_inner(kernel)
        again = kernel.ask("Hello again")
        assert_answered(again)
        assert GONE in again.stderr
        assert "child processes" in told(server)
        assert journal(kernel).count('"EnvironmentLost"') == 1


def test_a_death_while_the_namespace_is_looked_at_does_not_end_the_turn(
    tmp_path: Path, serve: ServeScript
) -> None:
    server = serve(["Hello."])
    with turn_kernel(tmp_path, server) as kernel:
        kernel.run(
            "import os\n"
            "class Namespace(dict):\n"
            "    def items(self): os._exit(5)\n"
            "get_ipython().user_ns_hidden = Namespace()\n"
            "type(get_ipython()).user_ns_hidden = property(lambda self: os._exit(5))"
        )
        done = kernel.ask("Hello")
        assert_answered(done)
        assert "exit code 5" in done.stderr
        assert "child processes" in told(server)


# --- the front -----------------------------------------------------------------------------------


def descendants(kernel: Kernel) -> list[psutil.Process]:
    return psutil.Process(kernel.pid).children(recursive=True)


@pytest.mark.parametrize("state", ["cell", "step", "interrupted", "model", "approval"])
def test_a_shutdown_in_any_state_ends_everything(
    tmp_path: Path, serve: ServeScript, state: str
) -> None:
    busy = "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('on', flush=True)\nwhile True: pass"
    server = serve([Reply(hang=True)] if state == "model" else [f"```python\n{busy}\n```"])
    approval = "always" if state == "approval" else "never"
    # Leaving the block fails if a process or a file is left, or if there is a traceback.
    with turn_kernel(tmp_path, server, CODEACT_APPROVAL=approval) as kernel:
        code = busy if state in ("cell", "interrupted") else "%%codeact\nDo it"
        request = kernel.send(code, allow_stdin=state == "approval")
        if state == "model":
            server.wait_for_requests(1)
        elif state == "approval":
            kernel.client.get_stdin_msg(timeout=PATIENCE)
        else:
            kernel.until(request, "stream", "on")
        if state == "interrupted":
            kernel.reply(kernel.request("interrupt_request", {}, channel="control"), "control")


def test_a_turn_that_a_shutdown_ends_is_recorded_as_interrupted(
    tmp_path: Path, serve: ServeScript
) -> None:
    server = serve([Reply(hang=True)])
    audit = tmp_path / "audit"
    with turn_kernel(tmp_path, server, CODEACT_AUDIT_DIR=str(audit)) as kernel:
        kernel.send("%%codeact\nDo it")
        server.wait_for_requests(1)
    (path,) = audit.glob("*.jsonl")
    assert "Interrupted" in path.read_text()
    assert '"interrupted"' in path.read_text()


@pytest.mark.parametrize("sandbox", ["bubblewrap", "none"])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_no_process_survives_the_front_whatever_ends_it(
    tmp_path: Path, sandbox: str, sent: signal.Signals
) -> None:
    kernel = Kernel(tmp_path / "work", {"CODEACT_SANDBOX": sandbox})
    kernel.start()
    try:
        kernel.client.wait_for_ready(timeout=PATIENCE)
        kernel.run("import subprocess\nsubprocess.Popen(['sleep', '600'])")
        cell = kernel.send("print('on', flush=True)\nwhile True: pass")
        kernel.until(cell, "stream", "on")
        below = descendants(kernel)
        assert below
        os.kill(kernel.pid, sent)
        _, alive = psutil.wait_procs(below, timeout=PATIENCE)
        assert alive == []
    finally:
        kernel.stop()
        shutil.rmtree(kernel.home)


PARENT = """
import os, subprocess, sys
os.environ["JPY_PARENT_PID"] = str(os.getpid())
sys.exit(subprocess.call(sys.argv[1:]))
"""


def test_a_front_whose_starter_is_gone_ends_with_all_that_it_started(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "work", through=[sys.executable, "-c", PARENT])
    kernel.start()
    try:
        kernel.client.wait_for_ready(timeout=PATIENCE)
        kernel.run("import subprocess\nsubprocess.Popen(['sleep', '600'])")
        below = descendants(kernel)
        os.kill(kernel.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(below, timeout=PATIENCE)
        assert alive == []
    finally:
        kernel.stop()
        shutil.rmtree(kernel.home)

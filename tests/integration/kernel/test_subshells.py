"""Subshells as front-ends use them, also after the inner kernel was replaced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.kernel_client import Kernel


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with Kernel(tmp_path / "work") as running:
        yield running


def control(kernel: Kernel, kind: str, **content: Any) -> dict[str, Any]:
    request = kernel.request(kind, content, channel="control")
    answer: dict[str, Any] = kernel.reply(request, "control")["content"]
    return answer


def send(kernel: Kernel, code: str, subshell: str) -> str:
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    message = kernel.client.session.msg("execute_request", content)
    message["header"]["subshell_id"] = subshell
    kernel.client.shell_channel.send(message)
    return str(message["header"]["msg_id"])


def test_a_subshell_works_while_the_main_shell_is_busy(kernel: Kernel) -> None:
    subshell = control(kernel, "create_subshell_request")["subshell_id"]
    busy = kernel.send("import time\nprint('on', flush=True)\ntime.sleep(600)")
    kernel.until(busy, "stream", "on")
    assert kernel.wait(send(kernel, "print(6 * 7)", subshell)).stdout == "42\n"
    kernel.reply(kernel.request("interrupt_request", {}, channel="control"), "control")
    assert kernel.wait(busy).content["ename"] == "KeyboardInterrupt"


def test_a_subshell_is_there_again_after_its_kernel_died(kernel: Kernel) -> None:
    first = control(kernel, "create_subshell_request")["subshell_id"]
    second = control(kernel, "create_subshell_request")["subshell_id"]
    running = send(kernel, "import time\nprint('on', flush=True)\ntime.sleep(600)", second)
    kernel.until(running, "stream", "on")
    assert kernel.run("import os\nos._exit(0)").content["ename"] == "EnvironmentLost"
    lost = kernel.reply(running)["content"]
    assert (lost["status"], lost["ename"]) == ("error", "EnvironmentLost")
    assert kernel.run("1").ok
    assert sorted(control(kernel, "list_subshell_request")["subshell_id"]) == sorted(
        [first, second]
    )
    assert kernel.wait(send(kernel, "print(6 * 7)", first)).stdout == "42\n"
    assert control(kernel, "delete_subshell_request", subshell_id=first)["status"] == "ok"
    assert control(kernel, "list_subshell_request")["subshell_id"] == [second]
    gone = kernel.reply(send(kernel, "1", first))["content"]
    assert gone["ename"] == "UnknownSubshellError"


@pytest.mark.parametrize("subshell", ["never there", "", 5, ["a"], {"a": 1}])
def test_a_subshell_that_is_none_is_said_to_be_unknown(kernel: Kernel, subshell: Any) -> None:
    answer = kernel.reply(send(kernel, "1", subshell))["content"]
    assert answer["ename"] == "UnknownSubshellError"
    assert kernel.run("6 * 7").result == "42"

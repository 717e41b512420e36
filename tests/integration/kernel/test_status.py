"""While a cell runs the newest status says busy, whoever asked for something meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import ServeScript
from tests.support.kernel_client import PATIENCE, Json, Kernel
from tests.support.scripted_server import Reply

DEBUG = {"type": "request", "seq": 1, "command": "debugInfo", "arguments": {}}
ASKED: list[tuple[str, str, Json]] = [
    ("kernel_info_request", "control", {}),
    ("debug_request", "control", DEBUG),
    ("comm_info_request", "shell", {}),
]


def statuses(kernel: Kernel, until: tuple[str, str]) -> list[tuple[str, str]]:
    """State and request of every status that comes, up to and with ``until``."""
    seen: list[tuple[str, str]] = []
    while until not in seen:
        message = kernel.client.get_iopub_msg(timeout=PATIENCE)
        if message["msg_type"] == "status":
            state = message["content"]["execution_state"]
            seen.append((state, message["parent_header"].get("msg_id", "")))
    return seen


def test_a_cell_stays_busy_when_the_server_asks_for_the_kernel(tmp_path: Path) -> None:
    with Kernel(tmp_path) as kernel:
        cell = kernel.send(
            "import pathlib, time\nprint('on', flush=True)\n"
            "while not pathlib.Path('go').exists(): time.sleep(0.01)"
        )
        kernel.until(cell, "stream", "on")
        other = kernel.request("kernel_info_request", {}, channel="control")
        statuses(kernel, ("idle", other))
        assert statuses(kernel, ("busy", cell)) == [("busy", cell)]
        (tmp_path / "go").touch()
        assert statuses(kernel, ("idle", cell))[-1] == ("idle", cell)


@pytest.mark.parametrize(("kind", "channel", "content"), ASKED)
def test_a_turn_stays_busy_while_the_model_thinks(
    tmp_path: Path, serve: ServeScript, kind: str, channel: str, content: Json
) -> None:
    server = serve([Reply(hang=True)])
    with Kernel(tmp_path, {"CODEACT_BASE_URL": server.base_url}) as kernel:
        turn = kernel.send("Think about it.", metadata={"codeact": {"v": 1, "kind": "prompt"}})
        server.wait_for_requests(1)
        other = kernel.request(kind, content, channel=channel)
        kernel.reply(other, channel)
        statuses(kernel, ("idle", other))
        assert statuses(kernel, ("busy", turn)) == [("busy", turn)]
        kernel.request("interrupt_request", {}, channel="control")
        seen = statuses(kernel, ("idle", turn))
        assert seen[-1] == ("idle", turn)
        assert kernel.run("6 * 7").result == "42"
        idle = kernel.request("comm_info_request", {})
        assert statuses(kernel, ("idle", idle)) == [("busy", idle), ("idle", idle)]

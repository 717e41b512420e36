"""Front-ends that send nonsense, come and go, or are several."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.blocking.client import BlockingKernelClient

from tests.conftest import ServeScript
from tests.integration.kernel.hostile import has_reply
from tests.support.kernel_client import PATIENCE, Kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with Kernel(tmp_path_factory.mktemp("work")) as running:
        yield running


@pytest.fixture
def kernel(shared: Kernel) -> Iterator[Kernel]:
    """A kernel that works afterwards as before."""
    yield shared
    assert shared.run("6 * 7").result == "42"


class Other:
    """A second client of the same kernel."""

    def __init__(self, kernel: Kernel) -> None:
        # Not the manager's ``client()``, which has the same session and so the same identity.
        client = BlockingKernelClient(connection_file=kernel.manager.connection_file)
        client.load_connection_file()
        self.client = client
        client.start_channels()
        client.wait_for_ready(timeout=PATIENCE)

    def __enter__(self) -> BlockingKernelClient:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.stop_channels()


def send_raw(kernel: Kernel, channel: str, frames: list[bytes]) -> None:
    getattr(kernel.client, f"{channel}_channel").socket.send_multipart(frames)


def signed(kernel: Kernel, parts: list[bytes]) -> list[bytes]:
    return [b"<IDS|MSG>", kernel.client.session.sign(parts), *parts]


HEADER = json.dumps({"msg_id": "m1", "msg_type": "execute_request", "session": "s"}).encode()

NONSENSE: list[list[bytes]] = [
    [b"[]", b"{}", b"{}", b"{}"],
    [b"{", b"{}", b"{}", b"{}"],
    [b'{"msg_id":1,"msg_type":"execute_request"}', b"{}", b"{}", b"{}"],
    [b'{"msg_id":"x","msg_type":["execute_request"]}', b"{}", b"{}", b"{}"],
    [HEADER, b"{}", b"{}"],
    [HEADER, b"{}", b"[]", b'{"code":"1"}'],
    [HEADER, b"{}", b"{}", b'["code"]'],
    [HEADER, b"{}", b"{}", b"\xff\xfe"],
    [HEADER, b"{}", b"{}", b'{"code":' + b"[" * 100_000],
    [HEADER, b"null", b"{}", b'{"code":"1"}'],
]


@pytest.mark.parametrize("channel", ["shell", "control", "stdin"])
@pytest.mark.parametrize("parts", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_is_survived(kernel: Kernel, channel: str, parts: list[bytes]) -> None:
    send_raw(kernel, channel, signed(kernel, parts))
    send_raw(kernel, channel, parts)
    send_raw(kernel, channel, [b""])


def test_what_is_not_signed_is_not_run(kernel: Kernel) -> None:
    parts = [HEADER, b"{}", b"{}", b'{"code":"unsigned = 1"}']
    send_raw(kernel, "shell", [b"<IDS|MSG>", b"", *parts])
    send_raw(kernel, "shell", [b"<IDS|MSG>", b"0" * 64, *parts])
    assert kernel.run("'unsigned' in dir()").result == "False"


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"code": None},
        {"code": 5},
        {"code": ["1"]},
        {"code": {"a": 1}},
    ],
)
def test_code_that_is_no_text_is_refused(kernel: Kernel, content: dict[str, Any]) -> None:
    refused = kernel.wait(kernel.request("execute_request", content))
    assert refused.content["status"] == "error"
    assert "must be text" in refused.content["evalue"]


@pytest.mark.parametrize("kind", ["execute_request", "complete_request", "comm_msg"])
@pytest.mark.parametrize("value", [None, 5, "x", [], {}, True])
def test_fields_of_wrong_types_stop_nothing(kernel: Kernel, kind: str, value: Any) -> None:
    fields = ("silent", "store_history", "user_expressions", "allow_stdin", "stop_on_error")
    content = {"code": "1", "cursor_pos": value, "comm_id": value, "data": value}
    kernel.request(kind, content | dict.fromkeys(fields, value), metadata={"codeact": value})


@pytest.mark.parametrize("session", [None, 5, ["s"], {"a": 1}])
def test_a_session_of_a_wrong_type_stops_nothing(kernel: Kernel, session: Any) -> None:
    for kind in ("execute_request", "kernel_info_request"):
        header = json.dumps({"msg_id": f"{session}", "msg_type": kind, "session": session})
        parts = [header.encode(), b"{}", b"{}", b'{"code":"1"}']
        send_raw(kernel, "shell", signed(kernel, parts))


@pytest.mark.parametrize("channel", ["shell", "control"])
@pytest.mark.parametrize("kind", ["nonsense_request", "execute_reply", "status", "", "_request"])
def test_unknown_messages_stop_nothing(kernel: Kernel, channel: str, kind: str) -> None:
    kernel.request(kind, {}, channel=channel)


def test_a_copy_of_a_running_request_does_not_disturb_it(kernel: Kernel) -> None:
    cell = kernel.send("import time\nprint('on', flush=True)\ntime.sleep(0.5)\nprint('end')")
    kernel.until(cell, "stream", "on")
    message = kernel.client.session.msg("complete_request", {"code": "x", "cursor_pos": 1})
    message["header"]["msg_id"] = cell
    kernel.client.shell_channel.send(message)
    assert kernel.wait(cell).stdout == "on\nend\n"


def test_a_cell_of_ten_megabytes_runs(kernel: Kernel) -> None:
    assert kernel.run("text = '" + "x" * 10_000_000 + "'\nlen(text)").result == "10000000"


def test_a_client_that_goes_in_the_middle_leaves_the_kernel_to_others(kernel: Kernel) -> None:
    with Other(kernel) as other:
        other.execute("import time\ntime.sleep(0.5)\nleft = 'done'")
    assert kernel.run("left").result == "'done'"


def test_a_client_that_goes_while_it_is_asked_can_be_interrupted_by_another(kernel: Kernel) -> None:
    with Other(kernel) as other:
        asked = other.execute("input('?')", allow_stdin=True)
        assert other.get_stdin_msg(timeout=PATIENCE)["parent_header"]["msg_id"] == asked
    behind = kernel.send("'mine'")
    kernel.reply(kernel.request("interrupt_request", {}, channel="control"), "control")
    assert kernel.wait(behind).content["status"] in ("ok", "aborted")


def test_a_question_goes_to_the_client_whose_cell_asks_and_only_its_answer_counts(
    kernel: Kernel,
) -> None:
    with Other(kernel) as other:
        asked = other.execute("answer = input('?')", allow_stdin=True)
        assert other.get_stdin_msg(timeout=PATIENCE)["parent_header"]["msg_id"] == asked
        kernel.client.input("from a stranger")
        with pytest.raises(Empty):
            kernel.client.get_stdin_msg(timeout=0.1)
        with pytest.raises(Empty):
            other.get_shell_msg(timeout=0.3)
        other.input("from its client")
        assert other.get_shell_msg(timeout=PATIENCE)["content"]["status"] == "ok"
    assert kernel.run("answer").result == "'from its client'"


def test_a_stranger_does_not_approve_a_step(tmp_path: Path, serve: ServeScript) -> None:
    server = serve(["```python\nprint('ran')\n```", "Done."])
    settings = {"CODEACT_BASE_URL": server.base_url, "CODEACT_APPROVAL": "always"}
    with Kernel(tmp_path / "w", settings) as kernel, Other(kernel) as other:
        turn = kernel.send("%%codeact\nDo it", allow_stdin=True)
        kernel.client.get_stdin_msg(timeout=PATIENCE)
        other.input("y")
        assert not has_reply(kernel, turn, within=0.5)
        kernel.client.input("n")
        assert kernel.wait(turn).turn["stop"] == "refused"


def test_two_clients_get_their_own_replies_and_the_same_outputs(kernel: Kernel) -> None:
    with Other(kernel) as other:
        mine = kernel.send("print('mine')")
        theirs = other.execute("print('theirs')")
        assert other.get_shell_msg(timeout=PATIENCE)["parent_header"]["msg_id"] == theirs
        assert kernel.wait(mine).stdout == "mine\n"
        kernel.until(theirs, "status", "idle")


def test_a_second_client_is_told_about_the_kernel_while_a_cell_runs(kernel: Kernel) -> None:
    cell = kernel.send("import time\nprint('on', flush=True)\ntime.sleep(600)")
    kernel.until(cell, "stream", "on")
    with Other(kernel) as other:
        other.kernel_info()
        assert other.get_shell_msg(timeout=PATIENCE)["content"]["status"] == "ok"
    kernel.reply(kernel.request("interrupt_request", {}, channel="control"), "control")
    assert kernel.wait(cell).content["ename"] == "KeyboardInterrupt"

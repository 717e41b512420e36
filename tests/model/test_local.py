"""Servers on this machine: found, asked when ours, left alone when another user's."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from codeact_kernel.model import local
from codeact_kernel.model.local import find_servers, is_ours, list_models, listeners, model_names
from tests.conftest import ServeScript
from tests.support.scripted_server import Reply

HEADER = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def socket_line(address: str, port: int, uid: int, state: str = "0A") -> str:
    return (
        f"   0: {address}:{port:04X} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  "
        f"{uid:4}        0 12345 1 0000000000000000 100 0 0 10 0\n"
    )


def proc(tmp_path: Path, tcp: str = "", tcp6: str = "") -> Path:
    (tmp_path / "tcp").write_text(HEADER + tcp)
    (tmp_path / "tcp6").write_text(HEADER + tcp6)
    return tmp_path


def test_the_kernel_tells_whose_sockets_listen(tmp_path: Path) -> None:
    tables = proc(
        tmp_path,
        socket_line("0100007F", 11434, 1000)
        + socket_line("00000000", 8000, 1000)
        + socket_line("00000000", 8000, 33)
        + socket_line("0100007F", 5000, 1000, state="01")
        + socket_line("0A00000A", 6000, 1000),
        socket_line("0" * 32, 8080, 999)
        + socket_line("0000000000000000FFFF00000100007F", 1234, 1000)
        + socket_line("00000000000000000000000001000000", 7000, 1000),
    )
    assert listeners(tables) == {11434: {1000}, 8000: {1000, 33}, 8080: {999}, 1234: {1000}}


def test_our_own_listening_socket_is_seen_as_ours() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert listeners()[server.getsockname()[1]] == {os.getuid()}


def test_a_port_is_ours_while_we_listen_on_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        assert is_ours(address)
    assert not is_ours(address)


def test_without_the_tables_nothing_is_known(tmp_path: Path) -> None:
    assert listeners(tmp_path) == {}


def test_our_server_is_asked_for_its_models(serve: ServeScript) -> None:
    server = serve(models=("llama3", "nomic-embed-text"))
    (found,) = find_servers({server.port: "Ollama"})
    assert (found.base_url, found.ours, found.models) == (server.base_url, True, ("llama3",))


def test_a_server_of_another_user_is_named_but_never_asked(serve: ServeScript) -> None:
    server = serve()
    (found,) = find_servers({server.port: "Ollama"}, uid=os.getuid() + 1)
    assert (found.ours, found.models) == (False, ())
    assert server.connections == 0


def test_a_port_shared_with_another_user_is_not_ours(serve: ServeScript, tmp_path: Path) -> None:
    server = serve()
    uid = os.getuid()
    lines = socket_line("0100007F", server.port, uid) + socket_line(
        "00000000", server.port, uid + 1
    )
    (found,) = find_servers({server.port: "vLLM"}, proc=proc(tmp_path, lines))
    assert not found.ours
    assert server.connections == 0


def test_a_port_where_nothing_listens_is_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert find_servers({port: "Ollama"}) == []


def test_something_else_on_the_port_is_no_server(
    serve: ServeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENCE", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert find_servers({silent.getsockname()[1]: "vLLM"}) == []


def test_a_list_that_trickles_is_given_up(
    serve: ServeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PATIENCE", 0.1)
    server = serve()
    monkeypatch.setattr(
        server,
        "answer",
        lambda request: Reply(body="x" * 400, split=1, delay=0.05, stall_after=300),
    )
    assert list_models(server.base_url) == ()


@pytest.mark.parametrize(
    "body",
    ["", "<html>", "[]", "7", '{"data": 7}', '{"data": [{"id": 7}, 3, {"id": ""}]}', b"\xff"],
)
def test_a_list_that_is_none_has_no_models(
    serve: ServeScript, body: str | bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    monkeypatch.setattr(server, "answer", lambda request: Reply(body=body))
    assert list_models(server.base_url) == ()


def test_a_key_is_sent_when_there_is_one(serve: ServeScript) -> None:
    server = serve(key="k", models=("m",))
    assert list_models(server.base_url) == ()
    assert list_models(server.base_url, "k") == ("m",)


def test_models_that_cannot_chat_are_left_out() -> None:
    names = [
        "nomic-embed-text",
        "BAAI/bge-m3",
        "bge-large",
        "whisper-1",
        "jina-reranker",
        "tts-1",
        "gemma3:4b",
        "qwen",
    ]
    assert model_names({"data": [{"id": name} for name in names]}) == ("gemma3:4b", "qwen")

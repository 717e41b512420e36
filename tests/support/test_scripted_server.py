"""The endpoint of all other tests must itself be right."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.scripted_server import (
    Reply,
    Script,
    ScriptedServer,
    context_too_long,
    failure,
    read_script,
)

ASK = {"model": "scripted", "messages": [{"role": "user", "content": "hello"}]}


def post(server: ScriptedServer, **more: Any) -> tuple[int, str, bytes]:
    link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
    try:
        link.request("POST", "/v1/chat/completions", json.dumps({**ASK, **more}))
        response = link.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        link.close()


def events(body: bytes) -> list[Any]:
    lines = [line[6:] for line in body.decode().split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def test_replies_come_in_order_and_requests_are_kept() -> None:
    with ScriptedServer(["one", "two"]) as server:
        first = json.loads(post(server)[2])
        second = json.loads(post(server)[2])
        assert first["choices"][0]["message"]["content"] == "one"
        assert second["choices"][0]["message"]["content"] == "two"
        assert [request.body["messages"] for request in server.requests] == [ASK["messages"]] * 2
        assert server.unplayed() == []


def test_a_stream_is_the_reply_in_deltas_then_usage_then_done() -> None:
    with ScriptedServer([Reply("Grüße, 世界!", reasoning="hm", chunk=3)]) as server:
        status, kind, body = post(server, stream=True, stream_options={"include_usage": True})
        assert (status, kind) == (200, "text/event-stream; charset=utf-8")
        *chunks, usage, done = events(body)
        deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        assert "".join(delta.get("content", "") for delta in deltas) == "Grüße, 世界!"
        assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "hm"
        assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
        assert usage["usage"]["prompt_tokens"] > 0
        assert done == "[DONE]"


def test_a_tool_call_comes_in_pieces() -> None:
    with ScriptedServer([Reply(tool_code="print('x')", chunk=4)]) as server:
        *chunks, last, _done = events(post(server, stream=True)[2])
        calls = [chunk["choices"][0]["delta"]["tool_calls"][0]["function"] for chunk in chunks]
        assert calls[0]["name"] == "python"
        assert json.loads("".join(c["arguments"] for c in calls)) == {"code": "print('x')"}
        assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_an_exhausted_script_is_an_error_that_says_so() -> None:
    with ScriptedServer() as server:
        status, _, body = post(server)
        assert status == 400
        assert b"no reply left" in body


@pytest.mark.parametrize(
    ("reply", "status", "word"),
    [
        (failure(503, "overloaded"), 503, b"overloaded"),
        (context_too_long(), 400, b"context_length_exceeded"),
        (Reply(body=b"\xff\xfe\x00"), 200, b"\xff\xfe\x00"),
    ],
)
def test_failures_and_raw_bodies_are_sent_as_written(
    reply: Reply, status: int, word: bytes
) -> None:
    with ScriptedServer([reply]) as server:
        got, _, body = post(server, stream=True)
        assert got == status
        assert word in body


def test_retry_after_is_a_header() -> None:
    assert failure(429, "slow down", retry_after="7").headers == {"Retry-After": "7"}


def test_a_dropped_stream_ends_after_the_given_bytes() -> None:
    with ScriptedServer([Reply("x" * 500, drop_after=300)]) as server:
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(server, stream=True)
        assert len(caught.value.partial) == 300


def test_a_client_that_leaves_is_noticed() -> None:
    with ScriptedServer([Reply(hang=True)]) as server:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        link.request("POST", "/v1/chat/completions", json.dumps(ASK))
        server.wait_for_requests(1)
        assert not server.requests[0].gone.is_set()
        link.close()
        assert server.requests[0].gone.wait(10)
        server.wait_for_connections(0)


def test_keep_alive_uses_one_connection() -> None:
    with ScriptedServer(["a", Reply("b" * 100), "c"]) as server:
        link = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for stream in (False, True, False):
            link.request("POST", "/v1/chat/completions", json.dumps({**ASK, "stream": stream}))
            link.getresponse().read()
        link.close()
        assert [request.connection for request in server.requests] == [0, 0, 0]


def test_key_and_models_are_checked_when_asked_for() -> None:
    with ScriptedServer(["x"], key="right", strict_models=True) as server:
        assert post(server)[0] == 401
        server.key = None
        assert post(server, model="other")[0] == 404
        assert len(server.unplayed()) == 1


@pytest.mark.parametrize(
    "script",
    [
        {
            "turns": [
                {"code": "x = 1"},
                {"prompt": "p", "replies": ["a", {"text": "b", "chunk": 2}]},
            ]
        },
        ["a", Reply("b", chunk=2)],
    ],
)
def test_scripts_are_lists_or_scenarios(script: Script) -> None:
    assert read_script(script) == [Reply("a"), Reply("b", chunk=2)]


def test_it_serves_from_the_command_line(tmp_path: Path) -> None:
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"turns": [{"prompt": "p", "replies": ["hello"]}]}))
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.scripted_server", str(file)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
        link = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        link.request("POST", "/v1/chat/completions", json.dumps(ASK))
        assert b"hello" in link.getresponse().read()
        link.close()
        process.communicate(timeout=10)
        assert process.returncode == 0

"""The client against a real HTTP server that does everything that endpoints do."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from codeact_kernel.agent.events import AskModel, Image, Message, ModelFailed, ModelReplied
from codeact_kernel.config import Settings
from codeact_kernel.errors import NoEndpoint
from codeact_kernel.model import stream
from codeact_kernel.model.client import LARGE, EndpointModel
from codeact_kernel.model.endpoint import Endpoint
from codeact_kernel.model.masking import MASK
from codeact_kernel.model.retry import Backoff
from tests.conftest import ServeScript
from tests.support.scripted_server import Reply, Request, ScriptedServer, context_too_long, failure

CODE = "Let me look.\n\n```python\nprint(6 * 7)\n```\n"
INVENTED = CODE + "It printed 41, so the answer is 41.\n" * 50


@dataclass
class Screen:
    """A display that keeps what it is shown."""

    shown: list[str] = field(default_factory=list)
    again: int = 0
    several: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once more than three deltas were shown."""

    def thinking(self, ask: AskModel) -> None:
        self.again += 1
        self.shown.clear()

    def delta(self, text: str) -> None:
        self.shown.append(text)
        if len(self.shown) > 3:
            self.several.set()

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the model must not call {name}")


@dataclass
class Waits:
    """Stands in for ``asyncio.sleep``: no test waits."""

    seconds: list[float] = field(default_factory=list)

    async def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


Start = Callable[..., tuple[EndpointModel, Screen, Waits]]


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """``start(server, **settings)``: a model that asks ``server``; closed with the test."""
    models: list[EndpointModel] = []

    def begin(
        server: ScriptedServer | str, *, environ: dict[str, str] | None = None, **settings: Any
    ) -> tuple[EndpointModel, Screen, Waits]:
        address = server if isinstance(server, str) else server.base_url
        waits = Waits()
        model = EndpointModel(
            Settings(**{"base_url": address, "model": "scripted", **settings}),
            environ or {},
            backoff=Backoff(tries=4),
            sleep=waits,
        )
        models.append(model)
        return model, Screen(), waits

    yield begin
    for model in models:
        await model.aclose()


def question(*texts: str, step: int = 1) -> AskModel:
    roles = ("user", "assistant")
    turns = tuple(Message(roles[n % 2], text) for n, text in enumerate(texts or ("Hello?",)))  # type: ignore[arg-type]
    return AskModel("turn", step, (Message("system", "Be brief."), *turns))


async def answered(
    model: EndpointModel, screen: Screen, ask: AskModel | None = None
) -> ModelReplied:
    reply = await model.ask(ask or question(), screen)
    assert isinstance(reply, ModelReplied), reply
    return reply


async def failed(model: EndpointModel, screen: Screen, ask: AskModel | None = None) -> ModelFailed:
    reply = await model.ask(ask or question(), screen)
    assert isinstance(reply, ModelFailed), reply
    return reply


async def in_thread(call: Callable[..., Any], *arguments: Any) -> Any:
    return await asyncio.to_thread(call, *arguments)


# --- replies ------------------------------------------------------------------------


async def test_an_answer_is_streamed_and_comes_back_whole(serve: ServeScript, start: Start) -> None:
    server = serve([Reply("Grüße aus 世界 🎉", chunk=2, split=1)])
    model, screen, _ = start(server)
    reply = await answered(model, screen)
    assert reply.text == "".join(screen.shown) == "Grüße aus 世界 🎉"
    assert reply.finish == "stop"
    assert reply.usage.prompt_tokens > 0
    assert not reply.usage.estimated
    assert reply.seconds > 0
    assert server.requests[0].body["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello?"},
    ]


async def test_the_stream_is_cut_after_the_first_block_and_the_server_notices(
    serve: ServeScript, start: Start
) -> None:
    server = serve([Reply(INVENTED, chunk=8, delay=0.01)])
    model, screen, _ = start(server, price_prompt=1.0)
    reply = await answered(model, screen)
    assert reply.text == "".join(screen.shown) == CODE
    assert reply.finish == "cut"
    assert reply.usage.estimated
    assert reply.usage.completion_tokens > 0
    assert reply.usage.cost == reply.usage.prompt_tokens / 1e6
    assert await in_thread(server.requests[0].gone.wait, 10)


async def test_a_reply_that_ends_with_its_block_keeps_connection_and_true_usage(
    serve: ServeScript, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LINGER", 10.0)
    server = serve([CODE, CODE, "Done."])
    model, screen, _ = start(server)
    replies = [await answered(model, screen) for _ in range(3)]
    assert [reply.finish for reply in replies] == ["cut", "cut", "stop"]
    assert not any(reply.usage.estimated for reply in replies)
    assert [request.connection for request in server.requests] == [0, 0, 0]


async def test_the_default_of_lingering_is_short(serve: ServeScript, start: Start) -> None:
    server = serve([Reply(INVENTED, stall_after=2500)])
    model, screen, _ = start(server)
    assert (await answered(model, screen)).finish == "cut"


async def test_reasoning_is_kept_apart_from_the_text(serve: ServeScript, start: Start) -> None:
    model, screen, _ = start(serve([Reply("Yes.", reasoning="Is it? ```python\nx\n```\n")]))
    reply = await answered(model, screen)
    assert (reply.text, reply.reasoning) == ("Yes.", "Is it? ```python\nx\n```\n")
    assert screen.shown == ["Yes."]


async def test_a_native_tool_call_becomes_code(serve: ServeScript, start: Start) -> None:
    model, screen, _ = start(serve([Reply(tool_code="print('é')", chunk=3)]))
    reply = await answered(model, screen)
    assert (reply.text, reply.tool_code, reply.finish) == ("", "print('é')", "stop")


async def test_a_reply_stopped_by_the_token_limit_says_so(serve: ServeScript, start: Start) -> None:
    model, screen, _ = start(serve([Reply("```python\nprint(", finish="length")]))
    assert (await answered(model, screen)).finish == "length"


@pytest.mark.parametrize(
    "reply",
    [
        Reply("Fine.", done=False),
        Reply("Fine.", usage=False),
        Reply("Fine.", finish=None),
        Reply(body=json.dumps({"choices": [{"message": {"content": "Fine."}, "finish_reason": "stop"}]})),
        Reply(body=b'data: {"choices":[{"delta":{"content":"Fine."},"finish_reason":"stop"}]}', content_type="text/plain"),
        Reply(events=({"choices": [], "prompt_filter_results": []},
                      {"choices": [{"delta": {"content": "Fine."}, "finish_reason": "stop"}]})),
    ],
)  # fmt: skip
async def test_dialects_of_servers_are_understood(
    serve: ServeScript, start: Start, reply: Reply
) -> None:
    model, screen, waits = start(serve([reply]))
    assert (await answered(model, screen)).text == "Fine."
    assert waits.seconds == []


async def test_usage_that_was_not_told_is_estimated_and_said_to_be(
    serve: ServeScript, start: Start
) -> None:
    model, screen, _ = start(
        serve([Reply("x" * 400, usage=False)]), price_prompt=2.0, price_completion=10.0
    )
    usage = (await answered(model, screen)).usage
    assert usage.estimated
    assert 80 <= usage.completion_tokens <= 120
    assert usage.cost == pytest.approx(
        (usage.prompt_tokens * 2 + usage.completion_tokens * 10) / 1e6
    )


async def test_without_a_price_table_there_is_no_cost(serve: ServeScript, start: Start) -> None:
    model, screen, _ = start(serve(["Hi."]))
    assert (await answered(model, screen)).usage.cost is None


async def test_a_server_that_does_not_know_stream_options_is_asked_without(
    serve: ServeScript, start: Start
) -> None:
    server = serve([failure(422, "Extra inputs are not permitted: stream_options"), "One.", "Two."])
    model, screen, waits = start(server)
    assert (await answered(model, screen)).text == "One."
    assert (await answered(model, screen)).text == "Two."
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]
    assert waits.seconds == []


# --- what is sent ---------------------------------------------------------------------


async def test_each_request_extends_the_one_before(serve: ServeScript, start: Start) -> None:
    server = serve(["a", "b", "c"])
    model, screen, _ = start(server)
    texts = ["My password='hunter2'."]
    for _ in range(3):
        reply = await answered(model, screen, question(*texts))
        texts += [reply.text, "[ok]"]
    bodies = [request.raw.split(b'],"stream"')[0] for request in server.requests]
    assert bodies[1].startswith(bodies[0])
    assert bodies[2].startswith(bodies[1])
    assert b"hunter2" not in server.requests[2].raw


async def test_secrets_of_the_environment_and_the_key_are_masked(
    serve: ServeScript, start: Start
) -> None:
    server = serve(["ok"], key="the-real-key-99")
    environ = {"CODEACT_API_KEY": "the-real-key-99", "DB_PASSWORD": "pw-from-env-1"}
    model, screen, _ = start(server, environ=environ, api_key="the-real-key-99")
    await answered(model, screen, question("the-real-key-99 and pw-from-env-1"))
    assert server.requests[0].body["messages"][1]["content"] == f"{MASK} and {MASK}"
    assert server.requests[0].headers["authorization"] == "Bearer the-real-key-99"


async def test_nothing_about_this_machine_is_sent(
    serve: ServeScript, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY", "OPENAI_API_KEY"):
        monkeypatch.setenv(name, "not-for-others")
    server = serve(["ok"])
    model, screen, _ = start(server)
    await answered(model, screen)
    headers = server.requests[0].headers
    assert "not-for-others" not in str(headers)
    assert not {"x-stainless-os", "x-stainless-arch", "x-stainless-runtime"} & headers.keys()


async def test_pictures_are_sent_when_the_model_takes_them(
    serve: ServeScript, start: Start
) -> None:
    server = serve(["ok"])
    model, screen, _ = start(server, images=True)
    ask = AskModel("t", 1, (Message("user", "See.", (Image("image/png", "QUJD"),)),))
    await answered(model, screen, ask)
    assert server.requests[0].body["messages"][0]["content"][1]["type"] == "image_url"


async def test_a_proxy_is_not_used_for_this_machine(
    serve: ServeScript, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    model, screen, _ = start(serve(["ok"]))
    assert (await answered(model, screen)).text == "ok"


async def test_a_redirect_is_not_followed(serve: ServeScript, start: Start) -> None:
    other = serve(["stolen"])
    there = f"{other.base_url}/chat/completions"
    model, screen, _ = start(serve([Reply(status=307, headers={"Location": there}, body="")]))
    reply = await failed(model, screen)
    assert there in reply.message
    assert other.connections == 0


async def test_a_very_large_prompt_is_sent_whole(serve: ServeScript, start: Start) -> None:
    server = serve(["ok"])
    model, screen, _ = start(server)
    prompt = "the quick brown fox\n" * 500_000
    assert len(prompt) > LARGE
    await answered(model, screen, question(prompt))
    assert server.requests[0].body["messages"][1]["content"] == prompt


async def test_a_very_large_reply_comes_back_whole(serve: ServeScript, start: Start) -> None:
    text = "x" * 5_000_000
    model, screen, _ = start(
        serve(
            [
                Reply(text, chunk=5_000_000),
                Reply(text, chunk=4000),
                Reply(
                    body=json.dumps(
                        {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
                    )
                ),
            ]
        )
    )
    for _ in range(3):
        assert (await answered(model, screen)).text == text


async def test_a_reply_without_end_is_refused(
    serve: ServeScript, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "LIMIT", 100_000)
    server = serve(
        [
            Reply("x" * 1_000_000, chunk=10_000),
            Reply(body=b"data: " + b"x" * 1_000_000, content_type="text/event-stream"),
        ]
    )
    model, screen, _ = start(server)
    assert (await failed(model, screen)).kind == "MalformedReply"
    assert (await failed(model, screen)).kind == "MalformedReply"


# --- retries --------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 529])
async def test_passing_failures_are_tried_again(
    serve: ServeScript, start: Start, status: int
) -> None:
    server = serve([failure(status, "Busy."), failure(status, "Busy."), "Now."])
    model, screen, waits = start(server)
    assert (await answered(model, screen)).text == "Now."
    assert len(waits.seconds) == 2
    assert 0.25 <= waits.seconds[0] <= 0.5
    assert 0.5 <= waits.seconds[1] <= 1.0
    assert screen.again == 0


async def test_retry_after_is_honoured(serve: ServeScript, start: Start) -> None:
    model, screen, waits = start(serve([failure(429, "Busy.", retry_after="7"), "Now."]))
    await answered(model, screen)
    assert 7 <= waits.seconds[0] <= 8


async def test_a_retry_after_beyond_patience_is_not_waited_for(
    serve: ServeScript, start: Start
) -> None:
    server = serve([failure(429, "Busy.", retry_after="3600"), "Now."])
    model, screen, waits = start(server)
    reply = await failed(model, screen)
    assert reply.kind == "RateLimited"
    assert "3600 s" in reply.message
    assert waits.seconds == []


async def test_tries_are_bounded(serve: ServeScript, start: Start) -> None:
    server = serve([failure(503, "Overloaded.")] * 9)
    model, screen, waits = start(server)
    reply = await failed(model, screen)
    assert reply.kind == "EndpointUnreachable"
    assert "Overloaded." in reply.message
    assert len(server.requests) == 4
    assert len(waits.seconds) == 3


@pytest.mark.parametrize(("after", "again"), [(0, 0), (1, 0), (100, 0), (450, 1)])
async def test_a_stream_that_breaks_before_its_block_is_closed_starts_over(
    serve: ServeScript, start: Start, after: int, again: int
) -> None:
    server = serve([Reply(CODE, drop_after=after), Reply(CODE + "More.")])
    model, screen, waits = start(server)
    reply = await answered(model, screen)
    assert reply.text == "".join(screen.shown) == CODE
    assert len(waits.seconds) == 1
    assert screen.again == again


async def test_a_stream_that_breaks_after_its_block_is_complete(
    serve: ServeScript, start: Start
) -> None:
    server = serve([Reply(INVENTED, drop_after=1500), "Never."])
    model, screen, waits = start(server)
    reply = await answered(model, screen)
    assert (reply.text, reply.finish) == (CODE, "cut")
    assert waits.seconds == []
    assert len(server.unplayed()) == 1


async def test_a_stream_that_ends_without_a_reason_is_broken(
    serve: ServeScript, start: Start
) -> None:
    server = serve([Reply("Half of the", finish=None, done=False), "Whole answer."])
    model, screen, _ = start(server)
    assert (await answered(model, screen)).text == "Whole answer."
    assert screen.again == 1


async def test_a_stream_that_always_breaks_fails_in_the_end(
    serve: ServeScript, start: Start
) -> None:
    model, screen, _ = start(serve([Reply("x" * 500, drop_after=400)] * 9))
    reply = await failed(model, screen)
    assert reply.kind == "EndpointUnreachable"
    assert "broke" in reply.message


async def test_a_kept_connection_that_the_server_closed_is_made_anew(
    serve: ServeScript, start: Start
) -> None:
    server = serve(["One.", "Two."])
    model, screen, _ = start(server)
    await answered(model, screen)
    server.drop_connections()
    await in_thread(server.wait_for_connections, 0)
    assert (await answered(model, screen)).text == "Two."


# --- what goes wrong ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "kind", "words"),
    [
        (failure(401, "Incorrect API key provided: sk-12345"), "BadKey", "CODEACT_API_KEY"),
        (failure(403, "Forbidden."), "BadKey", "HTTP 403"),
        (failure(404, "Not found"), "EndpointUnreachable", "/v1"),
        (failure(400, "Bad."), "MalformedReply", "Bad."),
        (failure(402, "Insufficient Balance"), "RateLimited", "credit"),
        (context_too_long(), "ContextTooLong", "8192"),
        (failure(500, "Context size has been exceeded."), "ContextTooLong", "CODEACT_CONTEXT_TOKENS"),
        (Reply(body='{"error":{"code":400,"message":"the request exceeds the available context size"}}'), "ContextTooLong", ""),
        (Reply(events=({"error": {"code": 400, "message": "prompt is too long"}},)), "ContextTooLong", ""),
        (Reply(body="<html><h1>Log in</h1></html>", content_type="text/html"), "MalformedReply", "base URL"),
        (Reply(body="Hello, this is no API."), "MalformedReply", "base URL"),
        (Reply(body=b"\x89PNG\r\n\x1a\n\x00\xff\xfe"), "MalformedReply", "not text"),
        (Reply(body=b'data: {"choices":[{"delta":{"content":"\xff\xfe"}}]}\n\n', content_type="text/event-stream"), "MalformedReply", "not text"),
        (Reply(body="data: {not json}\n\n", content_type="text/event-stream"), "MalformedReply", "{not json}"),
        (Reply(body="[" * 100_000), "MalformedReply", ""),
        (Reply(body='{"choices": 7}'), "MalformedReply", ""),
        (Reply(body="7"), "MalformedReply", ""),
        (Reply(body="null"), "MalformedReply", ""),
        (Reply(events=(7,)), "MalformedReply", ""),
        (Reply(events=({"choices": [{"delta": "text"}]},)), "MalformedReply", ""),
        (Reply(events=({"choices": []},)), "MalformedReply", "nothing that is a reply"),
        (Reply(events=()), "MalformedReply", "nothing that is a reply"),
        (Reply("I must not", finish="content_filter"), "MalformedReply", "content filter"),
        (Reply(events=({"choices": [{"delta": {"tool_calls": [{"function": {"name": "search", "arguments": "{}"}}]}, "finish_reason": "tool_calls"}]},)), "MalformedReply", "'search'"),
        (Reply(body="zip", headers={"Content-Encoding": "gzip"}), "EndpointUnreachable", ""),
    ],
)  # fmt: skip
async def test_what_an_endpoint_can_do_wrong_is_said_in_a_sentence(
    serve: ServeScript, start: Start, reply: Reply, kind: str, words: str
) -> None:
    server = serve([reply] * 4)
    model, screen, _ = start(server)
    result = await failed(model, screen)
    assert result.kind == kind
    assert words in result.message
    assert "sk-12345" not in result.message
    assert "\n" not in result.message
    assert len(result.message) < 700
    server.skip()
    server.play("Works again.")
    assert (await answered(model, screen)).text == "Works again."


async def test_an_error_whose_body_breaks_off_is_tried_again(
    serve: ServeScript, start: Start
) -> None:
    broken = Reply(status=500, body="x" * 1000, drop_after=10)
    model, screen, waits = start(serve([broken, "Now."]))
    assert (await answered(model, screen)).text == "Now."
    assert len(waits.seconds) == 1


@pytest.mark.parametrize(
    ("variable", "value"),
    [("HTTPS_PROXY", "nonsense://x"), ("SSL_CERT_FILE", "/nowhere/ca.pem")],
)
async def test_an_environment_that_no_client_can_work_with_is_said(
    start: Start, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    model, screen, _ = start("https://api.invalid/v1")
    reply = await failed(model, screen)
    assert reply.kind == "ConfigError"
    assert variable in reply.message


async def test_an_unknown_model_is_answered_with_those_there_are(
    serve: ServeScript, start: Start
) -> None:
    server = serve(models=("llama3", "qwen"), strict_models=True)
    model, screen, _ = start(server, model="gpt-big")
    reply = await failed(model, screen)
    assert reply.kind == "UnknownModel"
    assert "'gpt-big'" in reply.message
    assert "llama3, qwen" in reply.message


async def test_an_unknown_model_is_said_even_when_no_list_is_to_be_had(
    serve: ServeScript, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()

    def answer(request: Request) -> Reply:
        return (
            failure(404, "The model does not exist")
            if request.method == "POST"
            else Reply(body=b"\xff")
        )

    monkeypatch.setattr(server, "answer", answer)
    model, screen, _ = start(server)
    assert (await failed(model, screen)).kind == "UnknownModel"


async def test_no_server_is_said_at_once(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    model, screen, waits = start(f"http://127.0.0.1:{port}/v1")
    reply = await failed(model, screen)
    assert reply.kind == "EndpointUnreachable"
    assert "Nothing listens" in reply.message
    assert waits.seconds == []


async def test_a_name_that_does_not_exist_is_said(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_name(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_name)
    model, screen, _ = start("https://api.invalid/v1")
    reply = await failed(model, screen)
    assert "could not be looked up" in reply.message


async def test_tls_where_there_is_none_is_said(serve: ServeScript, start: Start) -> None:
    server = serve()
    model, screen, waits = start(server.base_url.replace("http:", "https:"))
    reply = await failed(model, screen)
    assert reply.kind == "EndpointUnreachable"
    assert "TLS" in reply.message
    assert waits.seconds == []


async def test_a_slow_reply_ends_with_the_turns_time(serve: ServeScript, start: Start) -> None:
    server = serve([Reply("x" * 10_000, split=1, delay=0.02)])
    model, screen, _ = start(server, turn_timeout=0.3)
    await model.prepare()
    reply = await failed(model, screen)
    assert "0.3 s" in reply.message
    assert await in_thread(server.requests[0].gone.wait, 10)


async def test_no_endpoint_is_said_at_each_question_until_there_is_one(serve: ServeScript) -> None:
    server, there = serve(["At last."]), False

    def find(settings: Settings, environ: Any) -> Endpoint:
        if not there:
            raise NoEndpoint("Nothing is set.", remedy="Set it.")
        return Endpoint(server.base_url, "found", local=True)

    model = EndpointModel(Settings(), {}, find=find)
    screen = Screen()
    assert model.name == ""
    reply = await failed(model, screen)
    assert (reply.kind, reply.message) == ("NoEndpoint", "Nothing is set. Set it.")
    there = True
    assert (await answered(model, screen)).text == "At last."
    assert model.name == "found"
    await model.aclose()


async def test_a_found_server_is_used_only_as_long_as_it_is_ours(
    serve: ServeScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, searches = serve(["One.", "Two.", "Never."]), 0

    def find(settings: Settings, environ: Any) -> Endpoint:
        nonlocal searches
        searches += 1
        if searches > 1:
            raise NoEndpoint("Nothing of yours is there.")
        return Endpoint(server.base_url, "m", local=True, found=True)

    model, screen = EndpointModel(Settings(), {}, find=find), Screen()
    assert (await answered(model, screen)).text == "One."
    assert (await answered(model, screen)).text == "Two."
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000)
    assert (await failed(model, screen)).kind == "NoEndpoint"
    assert len(server.requests) == 2
    await model.aclose()


async def test_a_key_that_was_corrected_is_used_at_the_next_question(serve: ServeScript) -> None:
    server, keys = serve(["Now."], key="right-key"), ["wrong-key", "right-key"]

    def find(settings: Settings, environ: Any) -> Endpoint:
        return Endpoint(server.base_url, "m", keys.pop(0), "the keyring", local=True)

    model, screen = EndpointModel(Settings(), {}, find=find), Screen()
    assert (await failed(model, screen)).kind == "BadKey"
    assert (await answered(model, screen)).text == "Now."
    await model.aclose()


# --- what is no HTTP, or old HTTP ---------------------------------------------------------------

EVENT = b'data: {"choices":[{"delta":{"content":"Hi."},"finish_reason":"stop"}]}\n\n'


@contextlib.asynccontextmanager
async def raw_server(answer: bytes, *, endless: bytes = b"") -> AsyncIterator[str]:
    """Sends ``answer`` to whoever connects and closes, or goes on with ``endless`` for ever."""
    clients: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        clients.add(asyncio.current_task())  # type: ignore[arg-type]
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(answer)
            while endless:
                await asyncio.sleep(0.01)
                writer.write(endless)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    server.close()
    for client in clients:
        client.cancel()
    await asyncio.gather(*clients, return_exceptions=True)


async def test_a_server_that_ends_its_replies_by_closing_is_understood(start: Start) -> None:
    async with raw_server(
        b"HTTP/1.0 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + EVENT
    ) as url:
        model, screen, _ = start(url)
        assert (await answered(model, screen)).text == "Hi."
        assert (await answered(model, screen)).text == "Hi."


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-OpenSSH_9.9\r\n", b"\x00\xff" * 50, b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nshort",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000,
     b"HTTP/1.1 999 Odd\r\nContent-Length: 0\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_http_is_said_after_a_few_tries(start: Start, answer: bytes) -> None:
    async with raw_server(answer) as url:
        model, screen, waits = start(url)
        assert (await failed(model, screen)).kind == "EndpointUnreachable"
        assert len(waits.seconds) == 3


@pytest.mark.parametrize(
    "beginning",
    [b"", b"HTTP/1.1 200 OK\r\nX-Header: ", b"HTTP/1.1 500 No\r\nConnection: close\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "],
)  # fmt: skip
async def test_a_server_that_trickles_for_ever_is_left(start: Start, beginning: bytes) -> None:
    async with raw_server(beginning, endless=b"x") as url:
        model, screen, _ = start(url, turn_timeout=0.2)
        await model.prepare()
        assert "0.2 s" in (await failed(model, screen)).message


# --- cancelling ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [Reply(hang=True), Reply("x" * 5000, stall_after=1000), Reply(CODE, stall_after=900, chunk=4)],
)
async def test_cancelling_closes_the_connection_at_once(
    serve: ServeScript, start: Start, reply: Reply
) -> None:
    server = serve([reply, "Next."])
    model, screen, _ = start(server)
    task = asyncio.create_task(model.ask(question(), screen))
    await in_thread(server.wait_for_requests, 1)
    if not reply.hang:
        await screen.several.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await in_thread(server.requests[0].gone.wait, 10)
    assert (await answered(model, screen)).text == "Next."


async def test_cancelling_stops_a_wait_between_tries(serve: ServeScript) -> None:
    server, waiting = serve([failure(503, "Busy."), "Never."]), asyncio.Event()

    async def wait(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    model = EndpointModel(Settings(base_url=server.base_url, model="m"), {}, sleep=wait)
    task = asyncio.create_task(model.ask(question(), Screen()))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(server.unplayed()) == 1
    await model.aclose()


async def test_fifty_cancelled_calls_leave_nothing_behind(serve: ServeScript, start: Start) -> None:
    server = serve(
        [Reply("x" * 4000, chunk=7, stall_after=1000 + 40 * n) for n in range(50)]
        + [Reply("Well.")]
    )
    model, screen, _ = start(server)
    await model.prepare()
    for _ in range(50):
        screen = Screen()
        task = asyncio.create_task(model.ask(question(), screen))
        await screen.several.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await in_thread(server.wait_for_connections, 0)
    assert (await answered(model, screen)).text == "Well."
    await model.aclose()
    await in_thread(server.wait_for_connections, 0)
    gc.collect()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


# --- the front ------------------------------------------------------------------------------


def test_opening_a_model_imports_nothing_heavy() -> None:
    code = (
        "import sys; from codeact_kernel.model import open_model; from codeact_kernel.config import Settings;"
        "open_model(Settings(), {}); heavy = {'openai', 'httpx', 'httpx2', 'pydantic', 'http.client', 'keyring'};"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


async def test_it_says_who_is_asked_once_that_is_known(serve: ServeScript, start: Start) -> None:
    model, _, _ = start(serve())
    assert model.describe() == ""
    endpoint = await model.prepare()
    assert endpoint.model == model.name == "scripted"
    assert endpoint.base_url in model.describe()


async def test_the_cost_cap_is_named_for_remote_endpoints() -> None:
    def find(settings: Settings, environ: Any) -> Endpoint:
        return Endpoint("https://api.example.org/v1", "big", "key-12345678", "OPENAI_API_KEY")

    for limit, words in ((0.0, "No cost limit"), (2.5, "may cost 2.5")):
        model = EndpointModel(Settings(max_cost=limit), {}, find=find)
        await model.prepare()
        assert words in model.describe()
        assert "key-12345678" not in model.describe()
        await model.aclose()

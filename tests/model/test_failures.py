"""Refusals in the words of many servers, and the sentence that a person gets."""

from __future__ import annotations

import socket
import ssl

import pytest

from codeact_kernel.errors import (
    BadKey,
    CodeActError,
    ContextTooLong,
    EndpointUnreachable,
    MalformedReply,
    RateLimited,
    UnknownModel,
)
from codeact_kernel.model.endpoint import Endpoint
from codeact_kernel.model.failures import from_event, from_exception, from_status, unknown_model

HERE = Endpoint("http://127.0.0.1:8000/v1", "llama", local=True)
THERE = Endpoint("https://api.example.org/v1", "big", "sk-0123456789", "OPENAI_API_KEY")


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, your messages resulted in 9000."),
        (400, "context_length_exceeded"),
        (400, "The decoder prompt (length 5000) is longer than the maximum model length of 4096."),
        (400, "the request exceeds the available context size. try increasing the context size"),
        (400, "request (4390 tokens) exceeds the available context size (4096 tokens), try increasing it"),
        (500, "Context size has been exceeded."),
        (400, "Requested tokens (2285) exceed context window of 2048"),
        (400, "Trying to keep the first 5000 tokens when context the overflows. However, the model is "
              "loaded with context length of only 4096 tokens"),
        (400, "The input (5000 tokens) is longer than the model's context length (4096 tokens)."),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576)."),
        (400, "Prompt contains 40000 tokens, too large for model with 32768 maximum context length"),
        (400, "Input is too long for requested model."),
        (413, "Payload Too Large"),
    ],
)  # fmt: skip
def test_too_long_is_recognised_in_many_wordings(status: int, words: str) -> None:
    failure = from_status(status, {}, {"error": {"message": words}}, HERE)
    assert isinstance(failure.error, ContextTooLong)
    assert not failure.transient
    assert "CODEACT_CONTEXT_TOKENS" in str(failure.error)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"error": {"message": "The model `big` does not exist", "code": "model_not_found"}}),
        (403, {"error": {"message": "Project has no access", "code": "model_not_found"}}),
        (404, {"error": {"message": 'model "big" not found, try pulling it first'}}),
        (404, {"object": "error", "message": "The model `big` does not exist.", "code": 404}),
        (400, {"error": {"message": "big is not a valid model ID"}}),
        (400, {"error": "Model Not Exist"}),
        (400, {"detail": "unknown model big"}),
        (404, "model 'big' not found"),
    ],
)
def test_unknown_models_are_recognised(status: int, body: object) -> None:
    assert isinstance(from_status(status, {}, body, THERE).error, UnknownModel)


@pytest.mark.parametrize(
    ("status", "body", "kind", "transient"),
    [
        (400, {"error": {"message": "temperature is out of range"}}, MalformedReply, False),
        (401, {"error": {"message": "Incorrect API key"}}, BadKey, False),
        (402, {"error": {"message": "Insufficient Balance"}}, RateLimited, False),
        (403, "", BadKey, False),
        (404, "<html>Not Found</html>", EndpointUnreachable, False),
        (308, "", EndpointUnreachable, False),
        (408, "", EndpointUnreachable, True),
        (418, None, MalformedReply, False),
        (429, {"error": {"message": "Rate limit reached"}}, RateLimited, True),
        (429, {"error": {"message": "Limit exceeded: maximum tokens per minute"}}, RateLimited, True),
        (502, "Post: context deadline exceeded, context canceled", EndpointUnreachable, True),
        (429, {"error": {"message": "You exceeded your quota", "code": "insufficient_quota"}}, RateLimited, False),
        (500, "Internal Server Error", EndpointUnreachable, True),
        (503, {"error": {"message": "Loading model"}}, EndpointUnreachable, True),
        (529, ["overloaded"], EndpointUnreachable, True),
    ],
)  # fmt: skip
def test_each_status_has_its_meaning(
    status: int, body: object, kind: type[CodeActError], transient: bool
) -> None:
    failure = from_status(status, {}, body, THERE)
    assert type(failure.error) is kind
    assert failure.transient is transient
    assert failure.error.remedy


def test_a_busy_endpoint_says_how_long_to_wait() -> None:
    failure = from_status(429, {"retry-after": "120"}, "", THERE)
    assert failure.retry_after == 120
    assert "wait 120 s" in str(failure.error)


def test_a_refused_key_is_never_repeated() -> None:
    body = {"error": {"message": f"Incorrect API key provided: {THERE.key}"}}
    assert THERE.key not in str(from_status(401, {}, body, THERE).error)


@pytest.mark.parametrize("status", [400, 402, 404, 429, 500])
def test_what_an_endpoint_repeats_of_a_secret_is_masked(status: int) -> None:
    error = from_status(status, {}, {"error": {"message": f"odd {THERE.key} for me"}}, THERE).error
    assert THERE.key not in str(error)
    assert "for me" in str(error)


def test_a_missing_key_is_told_from_a_wrong_one() -> None:
    without = Endpoint("https://api.example.org/v1", "big")
    assert "none is set" in str(from_status(401, {}, "", without).error)
    assert "OPENAI_API_KEY" in str(from_status(401, {}, "", THERE).error)


def test_what_the_endpoint_says_is_quoted_short_and_on_one_line() -> None:
    words = str(
        from_status(400, {}, {"error": {"message": "a\x1b[31m\n" + "b" * 9000}}, THERE).error
    )
    assert "\n" not in words
    assert "\x1b" not in words
    assert len(words) < 700


def test_errors_inside_a_stream_mean_the_same() -> None:
    assert from_event({"code": 429, "message": "slow down"}, THERE).transient
    assert from_event("overloaded", THERE).transient
    assert isinstance(from_event({"code": "context_length_exceeded"}, THERE).error, ContextTooLong)
    assert isinstance(from_event({"code": True, "message": "?"}, THERE).error, EndpointUnreachable)


def test_available_models_are_named() -> None:
    assert "a, b" in str(unknown_model(HERE, ("a", "b")))
    assert str(unknown_model(HERE, tuple(map(str, range(99))))).count(",") < 25


def wrapped(inner: BaseException) -> BaseException:
    outer = RuntimeError("Connection error.")
    outer.__cause__ = OSError("All connection attempts failed")
    outer.__cause__.__cause__ = (
        ExceptionGroup("several", [ValueError("other"), inner])
        if isinstance(inner, Exception)
        else inner
    )
    return outer


@pytest.mark.parametrize(
    ("error", "words", "transient"),
    [
        (ConnectionRefusedError(111, "refused"), "Nothing listens", True),
        (socket.gaierror(socket.EAI_NONAME, "?"), "could not be looked up", False),
        (socket.gaierror(socket.EAI_AGAIN, "?"), "could not be looked up", True),
        (ssl.SSLError(1, "WRONG_VERSION_NUMBER"), "TLS", False),
        (TimeoutError(), "did not answer in time", True),
        (ConnectionResetError(), "failed", True),
    ],
)  # fmt: skip
def test_the_innermost_cause_of_a_connection_error_is_named(
    error: BaseException, words: str, transient: bool
) -> None:
    failure = from_exception(wrapped(error), THERE)
    assert words in str(failure.error)
    assert failure.transient is transient
    assert failure.error.remedy


def test_a_certificate_that_is_not_valid_is_named() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    assert "self-signed certificate" in str(from_exception(wrapped(error), THERE).error)


def test_nothing_on_this_machine_is_not_worth_waiting_for() -> None:
    assert not from_exception(wrapped(ConnectionRefusedError()), HERE).transient

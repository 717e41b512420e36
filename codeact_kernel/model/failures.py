"""What an endpoint's refusals mean: from a status, a body or an exception to a sentence.

Endpoints word the same refusal differently, so the body's text decides before
the status does: llama.cpp says that a conversation is too long with status
400, 500 or even 200, OpenAI that a model is unknown with 403 or 404.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import (
    BadKey,
    ContextTooLong,
    EndpointUnreachable,
    MalformedReply,
    RateLimited,
    UnknownModel,
)
from .endpoint import Endpoint
from .masking import mask
from .retry import Failure, retry_after

# Wordings of OpenAI and DeepSeek, vLLM, SGLang, TGI, llama.cpp and its Python server, LM Studio,
# Ollama, Anthropic, Google, Mistral, Bedrock.
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|maximum (context|model) length"
    r"|(context (length|size|window|limit)|n_ctx).{0,80}(exceed|overflow|too (long|large))"
    r"|(exceed|longer than|greater than|overflow|must have less|larger than).{0,80}"
    r"(context[ _](length|size|window|limit)|max(imum)? (number of )?(input )?tokens|model'?s max)"
    r"|context length of only|prompt is too long|inputs? (is|are) too long|too many tokens"
    r"|reduce the length of the (messages|prompt|input)|tokens.{0,20} must be <=",
    re.IGNORECASE | re.DOTALL,
)
_NO_MODEL = re.compile(
    r"model_not_found|DeploymentNotFound|no such model|unknown model|(in|not a )valid model"
    r"|model.{0,200}?(not found|does not exist|doesn't exist|not exist|is not a valid|not available"
    r"|not supported|not loaded|no access|not have access)",
    re.IGNORECASE | re.DOTALL,
)
_NO_CREDIT = re.compile(
    r"insufficient_quota|insufficient.{0,20}(balance|credit|quota)", re.IGNORECASE
)

_QUOTED = 300
"""Characters of an endpoint's own words that an error quotes."""


def from_status(
    status: int, headers: Mapping[str, str], body: object, endpoint: Endpoint
) -> Failure:
    """The failure that an HTTP answer with ``status`` and ``body`` (JSON value or text) means."""
    known = (endpoint.key,) if endpoint.key else ()
    words, everything = mask(_message(body), known), _everything(body)
    after = retry_after(headers)
    said = f" It says: {words}" if words else ""
    if _is_too_long(status, everything):
        return Failure(
            ContextTooLong(
                f"The conversation is too long for {endpoint.model}.{said}",
                remedy="Start a new conversation, print less, or set CODEACT_CONTEXT_TOKENS to the "
                "size of the model's context.",
            )
        )
    if status in (400, 403, 404, 422) and _NO_MODEL.search(everything):
        return Failure(unknown_model(endpoint, ()))
    if status in (401, 403):
        return Failure(_bad_key(status, endpoint))
    if status in (402, 429):
        return _rate_limited(status, said, after, everything)
    if status in (408, 409, 425) or status >= 500:
        return _unreachable(
            f"{endpoint.base_url} failed with HTTP {status}.{said}",
            "Try again later, or set CODEACT_BASE_URL to another endpoint.",
            transient=True,
            retry_after=after,
        )
    if 300 <= status < 400:
        where = mask(headers.get("location", "another address"), known)
        return _unreachable(
            f"{endpoint.base_url} redirects to {where}, and prompts are not sent on.",
            "If that address is right, set CODEACT_BASE_URL to it.",
        )
    if status == 404:
        return _unreachable(
            f"{endpoint.base_url} has no chat completions (HTTP 404).{said}",
            "Check CODEACT_BASE_URL; it usually ends in /v1.",
        )
    return Failure(
        MalformedReply(
            f"{endpoint.base_url} refused the request with HTTP {status}.{said}",
            remedy="Check that it is an OpenAI-compatible chat endpoint and that the model can chat.",
        )
    )


def from_event(error: object, endpoint: Endpoint) -> Failure:
    """The failure that ``{"error": error}`` inside a stream means."""
    code = error.get("code", error.get("status")) if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return from_status(status, {}, {"error": error}, endpoint)


def unknown_model(endpoint: Endpoint, available: tuple[str, ...]) -> UnknownModel:
    """The endpoint does not have the model; ``available`` are those it lists."""
    shown = ", ".join(available[:20]) + (", …" if len(available) > 20 else "")
    return UnknownModel(
        f"{endpoint.base_url} does not serve the model {endpoint.model!r} to you.",
        remedy=f"Set CODEACT_MODEL to one of: {shown}."
        if available
        else "Set CODEACT_MODEL to a model that it serves.",
    )


def broken_stream(endpoint: Endpoint) -> Failure:
    """The stream ended before the reply did."""
    return Failure(
        EndpointUnreachable(
            f"The connection to {endpoint.base_url} broke in the middle of a reply.",
            remedy="Check the network and the endpoint, then run the cell again.",
        ),
        transient=True,
    )


def timed_out(endpoint: Endpoint, seconds: float) -> EndpointUnreachable:
    """No whole reply within the turn's time, all attempts together."""
    return EndpointUnreachable(
        f"{endpoint.base_url} did not finish a reply within {seconds:g} s.",
        remedy="Try again, use a faster model, or raise CODEACT_TURN_TIMEOUT.",
    )


def malformed(what: str, endpoint: Endpoint) -> MalformedReply:
    """``what`` came instead of a chat completion."""
    return MalformedReply(
        f"{endpoint.base_url} sent {what} instead of a chat completion.",
        remedy="Check that the base URL is an OpenAI-compatible endpoint; it usually ends in /v1.",
    )


def from_exception(error: BaseException, endpoint: Endpoint) -> Failure:
    """The failure that an exception of the HTTP stack means.

    The stack wraps the system's error several times; the innermost one that
    says something is used.
    """
    for cause in _causes(error):
        if (known := _known_cause(cause, endpoint)) is not None:
            return known
    return _unreachable(
        f"The connection to {endpoint.base_url} failed.",
        "Check the network and the endpoint, then run the cell again.",
        transient=True,
    )


def _known_cause(cause: BaseException, endpoint: Endpoint) -> Failure | None:
    where = endpoint.base_url
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _unreachable(
            f"The certificate of {where} is not valid: {getattr(cause, 'verify_message', cause)}.",
            "Use the address that the certificate is for, or install its authority and point "
            "SSL_CERT_FILE to it.",
        )
    if isinstance(cause, ssl.SSLError):
        return _unreachable(
            f"{where} does not speak TLS as expected ({cause}).",
            "Check whether the address should begin with http:// rather than https://.",
        )
    if isinstance(cause, socket.gaierror):
        return _unreachable(
            f"The name in {where} could not be looked up.",
            "Check the address and that this machine has a network.",
            transient=cause.errno == socket.EAI_AGAIN,
        )
    if isinstance(cause, ConnectionRefusedError):
        return _unreachable(
            f"Nothing listens at {where}.",
            "Start the server, or set CODEACT_BASE_URL to the right address.",
            transient=not endpoint.local,
        )
    if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
        return _unreachable(
            f"{where} did not answer in time.",
            "Check the network and the endpoint, then run the cell again.",
            transient=True,
        )
    return None


def _unreachable(
    what: str, remedy: str, *, transient: bool = False, retry_after: float | None = None
) -> Failure:
    return Failure(EndpointUnreachable(what, remedy=remedy), transient, retry_after)


def _is_too_long(status: int, everything: str) -> bool:
    # "Rate limit exceeded: maximum tokens per minute" is about time, not size.
    return status == 413 or (status != 429 and _TOO_LONG.search(everything) is not None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """``error`` and all that it was raised from, innermost first."""
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _causes(one)
    inner = error.__cause__ or error.__context__
    if inner is not None:
        yield from _causes(inner)
    yield error


def _bad_key(status: int, endpoint: Endpoint) -> BadKey:
    if not endpoint.key:
        return BadKey(
            f"{endpoint.base_url} wants a key and none is set for it (HTTP {status}).",
            remedy="Set CODEACT_API_KEY or run 'codeact config set-key'. OPENAI_API_KEY is sent "
            "only to OPENAI_BASE_URL.",
        )
    # The endpoint's own words may repeat part of the key.
    return BadKey(
        f"{endpoint.base_url} refused the key from {endpoint.key_source} (HTTP {status}).",
        remedy="Check that the key is whole, not revoked, and for this endpoint.",
    )


def _rate_limited(status: int, said: str, after: float | None, everything: str) -> Failure:
    if status == 402 or _NO_CREDIT.search(everything):
        return Failure(
            RateLimited(
                f"The account has no credit left (HTTP {status}).{said}",
                remedy="Add credit, or use another endpoint.",
            )
        )
    wait = f" It asks to wait {after:.0f} s." if after else ""
    return Failure(
        RateLimited(
            f"The endpoint limits the rate of requests (HTTP {status}).{wait}{said}",
            remedy="Run the cell again later.",
        ),
        transient=True,
        retry_after=after,
    )


def _message(body: object) -> str:
    """The endpoint's own words in ``body``, on one line, short."""
    found: Any = body
    if isinstance(found, dict):
        found = found.get("error", found)
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail") or ""
    if not isinstance(found, str):
        found = json.dumps(found)
    if found.lstrip().startswith("<"):
        return ""  # a web page
    line = " ".join("".join(c if c.isprintable() else " " for c in found[:2000]).split())
    return line if len(line) <= _QUOTED else line[: _QUOTED - 1] + "…"


def _everything(body: object) -> str:
    return body[:20_000] if isinstance(body, str) else json.dumps(body)[:20_000]

"""A model behind an OpenAI-compatible endpoint.

The ``openai`` package carries the request (headers, TLS, proxies, connection
pool); the body is handed to it ready, because its own handling of parameters
costs time that grows with the conversation, and the response is read as bytes,
because its objects cost time for each token.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..agent.budget import estimate, message_tokens
from ..agent.events import AskModel, Message, ModelFailed, ModelReplied, Usage
from ..agent.ports import Display
from ..config import Settings
from ..errors import BadKey, CodeActError, ConfigError, EndpointUnreachable, UnknownModel
from .endpoint import Endpoint, resolve
from .failures import from_exception, from_status, malformed, timed_out, unknown_model
from .local import is_ours, model_names
from .masking import secret_values
from .reply import ReplyReader
from .request import RequestBuilder
from .retry import DEFAULT_BACKOFF, AttemptFailed, Backoff, Failure
from .stream import read_reply

if TYPE_CHECKING:
    from openai import APIStatusError, AsyncOpenAI

CONNECT_TIMEOUT = 10.0
"""Seconds to make a connection."""

READ_TIMEOUT = 600.0
"""Seconds without a byte; a local server may first have to load the model."""

LARGE = 200_000
"""Characters of new messages from which masking them would hold up the event loop (> 5 ms)."""

LISTING_TIMEOUT = 5.0
"""Seconds to ask which models there are, after the one asked for was refused."""


@dataclass(frozen=True)
class _Link:
    """An endpoint that was found, and what is needed to ask it."""

    endpoint: Endpoint
    client: AsyncOpenAI
    requests: RequestBuilder


class EndpointModel:
    """Asks an endpoint.  Implements ``agent.ports.Model``; belongs to one event loop.

    The endpoint is looked for at the first question, not before, and again
    after it could not be used: a server may have been started, a key corrected.
    One question at a time.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        *,
        find: Callable[[Settings, Mapping[str, str]], Endpoint] = resolve,
        backoff: Backoff = DEFAULT_BACKOFF,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._settings = settings
        self._environ = environ
        self._find = find
        self._backoff = backoff
        self._sleep = sleep
        self._link: _Link | None = None
        self._opening = asyncio.Lock()

    @property
    def name(self) -> str:
        """The model's name; empty while none is set or found."""
        return self._link.endpoint.model if self._link else self._settings.model

    def describe(self) -> str:
        """Who is asked and what leaves the machine; empty until ``prepare`` or a question found it."""
        if self._link is None:
            return ""
        limit = self._settings.max_cost
        cap = f" A turn may cost {limit:g}." if limit else " No cost limit is set."
        return self._link.endpoint.describe() + ("" if self._link.endpoint.local else cap)

    async def prepare(self) -> Endpoint:
        """Find the endpoint and load what asking it needs, off the event loop.

        Raises a ``CodeActError`` (``NoEndpoint``, ``ConfigError``, ``BadKey``).
        """
        return (await self._open()).endpoint

    async def ask(self, ask: AskModel, display: Display) -> ModelReplied | ModelFailed:
        """Answer ``ask``.  Never raises for what an endpoint does; cancelling closes the connection.

        When a stream broke and is asked for again, ``display.thinking`` is
        called once more: the deltas shown before are void.
        """
        start = time.monotonic()
        seconds = self._settings.turn_timeout
        try:
            link = await self._open()
            try:
                async with asyncio.timeout(seconds):
                    reply = await self._ask(link, ask, display)
            except TimeoutError:
                raise timed_out(link.endpoint, seconds) from None
        except CodeActError as error:
            if isinstance(error, BadKey | EndpointUnreachable | UnknownModel):
                await self.aclose()
            return ModelFailed(type(error).__name__, str(error), time.monotonic() - start)
        return replace(reply, seconds=time.monotonic() - start)

    async def aclose(self) -> None:
        """Close all connections."""
        link, self._link = self._link, None
        if link is not None:
            await link.client.close()

    # --- the endpoint ---------------------------------------------------------------

    async def _open(self) -> _Link:
        async with self._opening:
            if (
                self._link
                and self._link.endpoint.found
                and not is_ours(self._link.endpoint.base_url)
            ):
                await self.aclose()
            if self._link is None:
                self._link = await asyncio.to_thread(self._connect)
            return self._link

    def _connect(self) -> _Link:
        """Find the endpoint and import the client: up to seconds, so in a thread."""
        endpoint = self._find(self._settings, self._environ)
        try:
            client = _client(endpoint)
        except Exception as error:  # a proxy or certificate file from the environment, for example
            raise ConfigError(
                f"The HTTP client cannot be set up: {error}.",
                remedy="Check HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and SSL_CERT_FILE, and that the "
                "package openai is installed.",
            ) from None
        secrets = secret_values(self._environ, endpoint.key)
        images = self._settings.images
        return _Link(endpoint, client, RequestBuilder(endpoint.model, images=images, known=secrets))

    # --- one question -----------------------------------------------------------------

    async def _ask(self, link: _Link, ask: AskModel, display: Display) -> ModelReplied:
        for failures in range(1, self._backoff.tries + 1):
            shown = _Shown(display)
            try:
                return await self._attempt(link, ask, shown)
            except AttemptFailed as failed:
                failure = failed.failure
            wait = self._backoff.wait(failures, failure, random.random())  # noqa: S311
            if wait is None:
                break
            if shown.anything:
                display.thinking(ask)
            await self._sleep(wait)
        if isinstance(failure.error, UnknownModel):
            raise unknown_model(link.endpoint, await _available(link.client))
        raise failure.error

    async def _attempt(self, link: _Link, ask: AskModel, shown: _Shown) -> ModelReplied:
        response = await self._post(link, ask.messages)
        try:
            reader = await read_reply(response, link.endpoint, shown.delta)
        finally:
            await response.aclose()
        return _replied(link.endpoint, reader, self._usage(reader, ask.messages))

    async def _post(self, link: _Link, messages: tuple[Message, ...]) -> Any:
        """Send the request; the open HTTP response."""
        import openai

        build = link.requests.body
        large = link.requests.new_characters(messages) > LARGE
        body = await asyncio.to_thread(build, messages) if large else build(messages)
        try:
            stream = await link.client.post(
                "/chat/completions",
                body=body,
                cast_to=object,
                options={"follow_redirects": False},
                stream=True,
                stream_cls=openai.AsyncStream[object],
            )
        except openai.APIStatusError as error:
            if link.requests.with_usage and _refuses_usage(error):
                link.requests.with_usage = False
                return await self._post(link, messages)
            headers = error.response.headers
            raise AttemptFailed(
                from_status(error.status_code, headers, error.body, link.endpoint)
            ) from None
        except Exception as error:  # what of the HTTP stack comes through differs by release
            raise AttemptFailed(from_exception(error, link.endpoint)) from None
        return stream.response

    def _usage(self, reader: ReplyReader, messages: tuple[Message, ...]) -> Usage:
        """What the call used: as the endpoint says, else estimated."""
        written = reader.text + reader.reasoning + (reader.tool_code or "")
        usage = reader.usage or Usage(
            sum(map(message_tokens, messages)), estimate(written), estimated=True
        )
        prices = self._settings.price_prompt, self._settings.price_completion
        if not any(prices):
            return usage
        spent = usage.prompt_tokens * prices[0] + usage.completion_tokens * prices[1]
        return replace(usage, cost=spent / 1_000_000)


class _Shown:
    """Passes deltas on and remembers whether there were any."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self.anything = False

    def delta(self, text: str) -> None:
        self.anything = True
        self._display.delta(text)


def _client(endpoint: Endpoint) -> AsyncOpenAI:
    import openai

    timeout = openai.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    return openai.AsyncOpenAI(
        api_key=endpoint.key or "none",
        base_url=endpoint.base_url,
        timeout=timeout,
        max_retries=0,
        default_headers=dict.fromkeys(_withheld(endpoint), openai.Omit()),  # type: ignore[arg-type]
        # A proxy cannot reach this machine's loopback.
        http_client=openai.DefaultAsyncHttpxClient(timeout=timeout, trust_env=False)
        if endpoint.local
        else None,
    )


def _withheld(endpoint: Endpoint) -> tuple[str, ...]:
    """Headers that the package would add and that are nobody's business.

    They tell about this machine; those of OpenAI's organisation and project,
    taken from the environment, belong to the key beside them.
    """
    machine = ("Lang", "Package-Version", "OS", "Arch", "Runtime", "Runtime-Version", "Async")
    account = ("OpenAI-Organization", "OpenAI-Project")
    theirs = () if endpoint.key_source == "OPENAI_API_KEY" else account
    return (*(f"X-Stainless-{name}" for name in machine), *theirs)


def _replied(endpoint: Endpoint, reader: ReplyReader, usage: Usage) -> ModelReplied:
    """What a reply that was read means.  Raises ``AttemptFailed`` if it is none."""
    finish: Literal["stop", "cut", "length"] = "stop"
    if reader.cut:
        finish = "cut"
    elif reader.finish in ("length", "max_tokens"):
        finish = "length"
    elif reader.finish == "content_filter":
        raise AttemptFailed(Failure(malformed("a reply stopped by its content filter", endpoint)))
    elif not reader.text and reader.tool_names and reader.tool_code is None:
        called = ", ".join(repr(name[:40]) for name in reader.tool_names[:5])
        raise AttemptFailed(Failure(malformed(f"a call of unknown tools ({called})", endpoint)))
    return ModelReplied(
        reader.text, finish, usage, reasoning=reader.reasoning, tool_code=reader.tool_code
    )


def _refuses_usage(error: APIStatusError) -> bool:
    return error.status_code in (400, 422) and "stream_options" in json.dumps(error.body)


async def _available(client: AsyncOpenAI) -> tuple[str, ...]:
    """The models that the endpoint lists; empty if it does not say."""
    import openai

    try:
        listing = await client.get("/models", cast_to=object, options={"timeout": LISTING_TIMEOUT})
    except (openai.OpenAIError, ValueError):
        return ()
    return model_names(listing)

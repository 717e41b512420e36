"""An OpenAI-compatible endpoint that answers from a script and misbehaves on demand.

A real HTTP/1.1 server on 127.0.0.1, in a thread of its own, on the standard
library alone::

    with ScriptedServer(["```python\\nprint(6*7)\\n```", "It is 42."]) as server:
        ...  # ask server.base_url, e.g. with OPENAI_BASE_URL
        assert server.requests[1].body["messages"][-1]["content"] ...
        assert server.unplayed() == []

A script is a list of replies, a scenario or a cassette (``{"turns": [{"prompt",
"replies"} | {"code"}]}``) or the path of one.  Replies are given out in order,
one per request to ``/v1/chat/completions``; when there is none left the server
answers 400 and says so.  A reply is text or a ``Reply``; in JSON, text or an
object with the fields of ``Reply``.

From a shell, for benchmarks: ``python -m tests.support.scripted_server
SCENARIO.json`` prints the base URL and serves until its standard input closes.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from tests.support.script import (
    Reply,
    Script,
    context_too_long,
    failure,
    read_script,
    render,
    to_reply,
)

PATIENCE = 30.0
"""Seconds that ``wait_for_*`` and ``close`` wait before they raise ``TimeoutError``."""


_TLS_HANDSHAKE = b"\x16"


@dataclass(eq=False)
class Request:
    """One request as it came; ``body`` is the parsed JSON, or None when there was none."""

    method: str
    path: str
    headers: dict[str, str]
    """Names are in lower case."""
    raw: bytes
    connection: int
    """Which connection it came on, from 0: equal numbers mean keep-alive."""
    gone: threading.Event = field(default_factory=threading.Event)
    """Set when the client closed the connection before the reply was complete."""

    @property
    def body(self) -> Any:
        return json.loads(self.raw) if self.raw else None


class ScriptedServer:
    """Serves a script; a context manager, usable from synchronous and asynchronous tests.

    ``models`` are what ``/v1/models`` lists.  With ``key``, any other key gets
    401; with ``strict_models``, any other model gets 404, as OpenAI words it.
    Neither of these refusals uses up a reply.
    """

    def __init__(
        self,
        script: Script = (),
        *,
        models: tuple[str, ...] = ("scripted",),
        key: str | None = None,
        strict_models: bool = False,
        port: int = 0,
    ) -> None:
        self.requests: list[Request] = []
        """Every request to ``/v1/chat/completions``, refused ones included."""
        self.other_requests: list[Request] = []
        """Every other request, such as ``/v1/models``."""
        self.models = models
        self.key = key
        self.strict_models = strict_models
        self._script = deque(read_script(script))
        self._port = port
        self._connections: set[_Connection] = set()
        self._connected = 0
        self._changed = threading.Condition()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, name="scripted-server", daemon=True)
        self._failure: BaseException | None = None

    # --- for tests ---------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """What to set as ``OPENAI_BASE_URL``."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def port(self) -> int:
        return self._port

    @property
    def open_connections(self) -> int:
        """Connections that neither side has closed."""
        return len(self._connections)

    @property
    def connections(self) -> int:
        """Connections ever made."""
        return self._connected

    def play(self, *replies: str | Reply) -> None:
        """Add replies at the end of the script."""
        self._script.extend(to_reply(reply) for reply in replies)

    def unplayed(self) -> list[Reply]:
        """Replies that nobody has asked for yet."""
        return list(self._script)

    def skip(self) -> None:
        """Take what is left of the script away."""
        self._script.clear()

    def drop_connections(self) -> None:
        """Break every connection there is."""
        for connection in list(self._connections):
            self._loop.call_soon_threadsafe(connection.abort)

    def wait_for_requests(self, count: int) -> None:
        """Return when ``count`` chat requests have come.  Blocks: in async code use a thread."""
        self._wait(lambda: len(self.requests) >= count, f"{count} requests")

    def wait_for_connections(self, count: int) -> None:
        """Return when exactly ``count`` connections are open."""
        self._wait(lambda: len(self._connections) == count, f"{count} open connections")

    def _wait(self, condition: Any, what: str) -> None:
        with self._changed:
            if not self._changed.wait_for(condition, PATIENCE):
                raise TimeoutError(
                    f"waited for {what}; there are {len(self.requests)} requests "
                    f"and {len(self._connections)} connections"
                )

    # --- life ----------------------------------------------------------------------

    def __enter__(self) -> ScriptedServer:
        self._thread.start()
        if not self._started.wait(PATIENCE):
            raise TimeoutError("the scripted server did not start")
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Break every connection and stop; may be called twice."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE)
            if self._thread.is_alive():
                raise TimeoutError("the scripted server did not stop")

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._failure = error
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        server = await self._loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, backlog=256
        )
        self._port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        for connection in list(self._connections):
            connection.abort()
        await asyncio.gather(*(c.task for c in list(self._connections)), return_exceptions=True)

    # --- called by connections --------------------------------------------------------

    def opened(self, connection: _Connection) -> int:
        with self._changed:
            self._connections.add(connection)
            self._connected += 1
            self._changed.notify_all()
            return self._connected - 1

    def closed(self, connection: _Connection) -> None:
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def answer(self, request: Request) -> Reply:
        """What ``request`` gets; records it."""
        chat = request.path == "/v1/chat/completions"
        with self._changed:
            (self.requests if chat else self.other_requests).append(request)
            self._changed.notify_all()
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            return failure(401, "Incorrect API key provided.", code="invalid_api_key")
        if request.path == "/v1/models" and request.method == "GET":
            listed = [{"id": name, "object": "model", "owned_by": "script"} for name in self.models]
            return Reply(body=json.dumps({"object": "list", "data": listed}))
        if not chat or request.method != "POST":
            return failure(404, f"There is no {request.method} {request.path} here.")
        return self._next_reply(request)

    def _next_reply(self, request: Request) -> Reply:
        model = request.body.get("model")
        if self.strict_models and model not in self.models:
            return failure(404, f"The model `{model}` does not exist.", code="model_not_found")
        if not self._script:
            return failure(400, "The script has no reply left.", code="script_exhausted")
        return self._script.popleft()


class _Connection(asyncio.StreamReaderProtocol):
    """One client: reads requests, writes replies, and notices when the client goes away."""

    def __init__(self, server: ScriptedServer) -> None:
        self._reader = asyncio.StreamReader()
        super().__init__(self._reader)
        self._server = server
        self._gone = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._pipe = transport
        self._number = self._server.opened(self)
        loop = asyncio.get_running_loop()
        self._writer = asyncio.StreamWriter(transport, self, self._reader, loop)
        self.task = loop.create_task(self._talk())

    def eof_received(self) -> bool:
        super().eof_received()
        self._gone.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._gone.set()
        self._server.closed(self)

    def abort(self) -> None:
        self._pipe.abort()

    async def _talk(self) -> None:
        try:
            while (request := await self._read()) is not None:
                reply = self._server.answer(request)
                if not await self._write(request, reply):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            self._pipe.close()

    async def _read(self) -> Request | None:
        first = await self._reader.read(1)
        if first in (b"", _TLS_HANDSHAKE):
            return None
        start = first + await self._reader.readline()
        method, path, _ = start.decode("latin-1").split(" ", 2)
        headers: dict[str, str] = {}
        while (line := (await self._reader.readline()).decode("latin-1").strip()) != "":
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        raw = await self._reader.readexactly(int(headers.get("content-length", 0)))
        return Request(method, path, headers, raw, self._number)

    async def _write(self, request: Request, reply: Reply) -> bool:
        """Send ``reply``; False when the connection is of no use afterwards."""
        if reply.hang:
            await self._gone.wait()
            request.gone.set()
            return False
        parts, content_type = render(request.body, reply)
        headers = {"Content-Type": content_type, **reply.headers}
        whole = len(parts) == 1 and reply.drop_after is None and reply.stall_after is None
        headers |= (
            {"Content-Length": str(len(parts[0]))} if whole else {"Transfer-Encoding": "chunked"}
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self._pipe.write(f"HTTP/1.1 {reply.status} Scripted\r\n{lines}\r\n".encode())
        if whole:
            self._pipe.write(parts[0])
            await self._writer.drain()
        elif not await self._stream(request, reply, parts):
            return False
        return not self._gone.is_set()

    async def _stream(self, request: Request, reply: Reply, parts: list[bytes]) -> bool:
        sent = 0
        for part in parts:
            for piece in _pieces(part, reply.split):
                end = min(
                    (n for n in (reply.drop_after, reply.stall_after) if n is not None),
                    default=None,
                )
                if end is not None and sent + len(piece) >= end:
                    self._chunk(piece[: end - sent])
                    await self._break(request, drop=reply.drop_after == end)
                    return False
                self._chunk(piece)
                sent += len(piece)
                await self._writer.drain()
                if await self._left_within(reply.delay):
                    request.gone.set()
                    return False
        self._pipe.write(b"0\r\n\r\n")
        await self._writer.drain()
        return True

    async def _break(self, request: Request, *, drop: bool) -> None:
        if drop:
            await self._writer.drain()
            self._pipe.close()
        else:
            await self._gone.wait()
            request.gone.set()

    async def _left_within(self, seconds: float) -> bool:
        """Wait ``seconds``, or less when the client goes away; whether it did."""
        if seconds and not self._gone.is_set():
            try:
                await asyncio.wait_for(self._gone.wait(), seconds)
            except TimeoutError:
                return False
        else:
            await asyncio.sleep(0)
        return self._gone.is_set()

    def _chunk(self, data: bytes) -> None:
        if data:
            self._pipe.write(b"%x\r\n%b\r\n" % (len(data), data))


def _pieces(part: bytes, size: int) -> Iterator[bytes]:
    if not size:
        yield part
        return
    for start in range(0, len(part), size):
        yield part[start : start + size]


def main(arguments: list[str]) -> None:
    """Serve the script in the file named on the command line until standard input closes."""
    if len(arguments) != 1:
        raise SystemExit("usage: python -m tests.support.scripted_server SCENARIO.json")
    with ScriptedServer(arguments[0]) as server:
        sys.stdout.write(server.base_url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])


__all__ = [
    "Reply",
    "Request",
    "Script",
    "ScriptedServer",
    "context_too_long",
    "failure",
    "read_script",
]

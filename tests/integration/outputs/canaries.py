"""Listeners that know what reached them: the judge of every network attack."""

from __future__ import annotations

import json
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

HOST = "127.0.0.1"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    canary: Canary

    def handle_error(self, request: object, client_address: object) -> None:
        """A browser hangs up when a page closes; that is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.canary.arrived(self.path)
        body, kind = self.server.canary.answer(self.path)
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Set-Cookie", "session=secret")
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Silent."""


class Canary:
    """An HTTP server on the loopback: remembers the paths, answers with a fixed page."""

    def __init__(self, page: bytes = b"") -> None:
        self._page = page
        self._hits: set[str] = set()
        self._changed = threading.Condition()
        self._server = _Server((HOST, 0), _Handler)
        self._server.canary = self
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.address = f"http://{HOST}:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def arrived(self, path: str) -> None:
        with self._changed:
            self._hits.add(path.partition("?")[0])
            self._changed.notify_all()

    def answer(self, path: str) -> tuple[bytes, str]:
        if path.startswith("/api/"):
            return json.dumps({"secret": True}).encode(), "application/json"
        if path.startswith("/hit/"):
            return b"/* hit */", "text/plain"
        return self._page, "text/html"

    def hits(self) -> set[str]:
        """Names of the attacks that reached this server."""
        return {path.removeprefix("/hit/") for path in self.paths() if path.startswith("/hit/")}

    def paths(self) -> set[str]:
        """All that was asked for, without queries."""
        with self._changed:
            return set(self._hits)

    def wait_for_any(self, seconds: float) -> bool:
        """Whether anything at all hits within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: bool(self._hits), seconds)

    def wait_for(self, name: str, seconds: float) -> bool:
        """Whether ``name`` hits within ``seconds``."""
        with self._changed:
            return self._changed.wait_for(lambda: f"/hit/{name}" in self._hits, seconds)


class Datagrams:
    """A UDP socket that counts what arrives (STUN requests, in our case)."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((HOST, 0))
        self.port: int = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def any(self, seconds: float) -> bool:
        """Whether a datagram came, or comes within ``seconds``."""
        self._socket.settimeout(seconds)
        try:
            self._socket.recv(2048)
        except (TimeoutError, BlockingIOError):
            return False
        return True

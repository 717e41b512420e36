"""The front-end side of the kernel: its five sockets, and nothing that knows what messages mean."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import zmq

from ..environment.sockets import Channel
from ..environment.wire import Json, Message, Signer, WireError, build, make_header, new_id
from ..errors import UsageError

RequestChannel = Literal["shell", "control"]

_PORTS = ("shell", "control", "stdin", "iopub", "hb")


def read_connection_file(path: Path) -> Json:
    """The connection information that a kernel manager wrote.  Raises ``UsageError``."""
    try:
        info = json.loads(path.read_text())
        if info.get("signature_scheme", "hmac-sha256") != "hmac-sha256":
            raise UsageError(f"{path}: only the signature scheme hmac-sha256 is supported.")
        _ = [info["ip"], info["key"], *(info[f"{name}_port"] for name in _PORTS)]
    except (OSError, ValueError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path} is not a connection file ({error!r}).",
            remedy="The kernel is started by Jupyter: choose 'CodeAct (Python)' as the kernel.",
        ) from None
    return info  # type: ignore[no-any-return]


class Front:
    """Binds the sockets, checks and signs, and hands requests to ``on_request`` in order.

    ``on_request(channel, message)`` gets everything from shell and control,
    ``on_input(message)`` every ``input_reply``.  Raises ``UsageError`` if the
    addresses cannot be had.
    """

    def __init__(
        self,
        info: Mapping[str, Any],
        *,
        on_request: Callable[[RequestChannel, Message], None],
        on_input: Callable[[Message], None],
    ) -> None:
        self.session = new_id()
        self.turn: bytes | None = None
        """Header of the prompt whose turn runs.

        Front-ends and servers show the newest status, whatever its parent, and
        a reloaded page asks much while a turn runs: after another request's
        idle status they are told again that we are busy.  Not for cells of
        code, where clients count on the statuses of a stock kernel.
        """
        self._info = info
        self._signer = Signer(str(info["key"]).encode())
        self._on_request = on_request
        self._on_input = on_input
        self._context: zmq.Context[Any] = zmq.Context()
        loop = asyncio.get_running_loop()
        self._channels = {
            "shell": Channel(loop, self._bind(zmq.ROUTER, "shell"), self._receiver("shell")),
            "control": Channel(loop, self._bind(zmq.ROUTER, "control"), self._receiver("control")),
            "stdin": Channel(loop, self._bind(zmq.ROUTER, "stdin"), self._on_stdin),
            "iopub": Channel(loop, self._bind(zmq.XPUB, "iopub"), self._on_subscription),
        }
        self._start_heartbeat()

    # --- sending --------------------------------------------------------------

    def publish(
        self,
        msg_type: str,
        content: Json,
        *,
        parent: bytes = b"{}",
        metadata: Json | None = None,
        buffers: list[bytes] | None = None,
    ) -> None:
        """Send on iopub; ``parent`` is the header of the request it belongs to, as bytes."""
        self._channels["iopub"].send(
            build(
                self._signer,
                make_header(msg_type, self.session),
                content,
                parent=parent,
                metadata=metadata,
                idents=[f"codeact.{msg_type}".encode()],
                buffers=buffers or (),
            )
        )
        if self.turn not in (None, parent) and content.get("execution_state") == "idle":
            self.status("busy", self.turn)

    def status(self, state: Literal["busy", "idle", "starting"], parent: bytes = b"{}") -> None:
        """Publish an execution state."""
        self.publish("status", {"execution_state": state}, parent=parent)

    def reply(
        self,
        channel: RequestChannel,
        request: Message,
        content: Json,
        *,
        metadata: Json | None = None,
        date: str | None = None,
    ) -> None:
        """Answer ``request`` on the channel that it came by; ``date`` is when it was answered."""
        msg_type = request.type.removesuffix("_request") + "_reply"
        self._channels[channel].send(
            build(
                self._signer,
                make_header(msg_type, self.session, date),
                content,
                parent=request.frames[0],
                metadata=metadata,
                idents=request.idents,
            )
        )

    def ask_input(self, request: Message, prompt: str, *, password: bool = False) -> str:
        """Ask the client that sent ``request`` for a line of text; returns the question's id."""
        header = make_header("input_request", self.session)
        self._channels["stdin"].send(
            build(
                self._signer,
                header,
                {"prompt": prompt, "password": password},
                parent=request.frames[0],
                idents=request.idents,
            )
        )
        return str(header["msg_id"])

    def drain_shell(self) -> None:
        """Handle now every shell request that has already arrived."""
        self._channels["shell"].drain()

    def close(self) -> None:
        """Close the sockets after what was sent has had a second to leave."""
        for channel in self._channels.values():
            channel.close(linger=1000)
        self._context.term()

    # --- receiving -------------------------------------------------------------

    def _receiver(self, channel: RequestChannel) -> Callable[[list[bytes]], None]:
        def receive(frames: list[bytes]) -> None:
            try:
                message = Message.parse(frames, self._signer)
            except WireError:
                return
            self._on_request(channel, message)

        return receive

    def _on_stdin(self, frames: list[bytes]) -> None:
        try:
            message = Message.parse(frames, self._signer)
        except WireError:
            return
        if message.type == "input_reply":
            self._on_input(message)

    def _on_subscription(self, frames: list[bytes]) -> None:
        # An XPUB socket receives b"\x01topic" for a new subscription; the
        # welcome tells the subscriber that nothing it asks for now is missed
        # (Jupyter enhancement proposal 65).
        frame = frames[0]
        if frame[:1] != b"\x01":
            return
        topic = frame[1:].decode("utf-8", "replace")
        self._channels["iopub"].send(
            build(
                self._signer,
                make_header("iopub_welcome", self.session),
                {"subscription": topic},
                idents=[frame[1:]] if topic else (),
            )
        )

    # --- sockets -----------------------------------------------------------------

    def _endpoint(self, name: str) -> str:
        transport, ip, port = (
            self._info.get("transport", "tcp"),
            self._info["ip"],
            self._info[f"{name}_port"],
        )
        return f"{transport}://{ip}{'-' if transport == 'ipc' else ':'}{port}"

    def _bind(self, kind: int, name: str) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        if kind == zmq.ROUTER:
            # A reconnecting client with the same identity takes over (libzmq #2892).
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if kind == zmq.XPUB:
            socket.setsockopt(zmq.XPUB_VERBOSE, 1)
        # What a cell may publish is bounded by its output limit; dropping
        # messages at a high-water mark would lose output silently.
        socket.setsockopt(zmq.SNDHWM, 0)
        secret = self._info.get("curve_secretkey")
        if secret:
            socket.setsockopt(zmq.CURVE_SERVER, 1)
            socket.setsockopt(zmq.CURVE_SECRETKEY, str(secret).encode())
            socket.setsockopt(zmq.CURVE_PUBLICKEY, str(self._info["curve_publickey"]).encode())
        try:
            socket.bind(self._endpoint(name))
        except zmq.ZMQError as error:
            raise UsageError(
                f"{self._endpoint(name)} cannot be opened: {error}.",
                remedy="Start the kernel again: it then gets other addresses.",
            ) from None
        return socket

    def _start_heartbeat(self) -> None:
        """Echo in a thread of its own: a busy loop must not look like a dead kernel."""
        socket = self._bind(zmq.ROUTER, "hb")

        def echo() -> None:
            try:
                zmq.proxy(socket, socket)
            except zmq.ContextTerminated:
                socket.close(linger=0)

        threading.Thread(target=echo, name="heartbeat", daemon=True).start()

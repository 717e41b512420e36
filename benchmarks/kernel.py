"""A kernel process and a client that adds as little as possible to what is measured.

``jupyter_client`` looks every second whether a kernel has come up, and ZMQ
tries to connect every 100 ms: both would hide what is to be seen.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, TypeVar

import zmq
from jupyter_client.connect import write_connection_file
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

from codeact_kernel.environment.wire import Json, Message, Signer, build, make_header, new_id

from .lab import Lab

Name = Literal["codeact", "python3"]

_T = TypeVar("_T")

PATIENCE = 60
"""Seconds without any message after which a kernel is taken for hung."""


class Hung(Exception):
    """A kernel said nothing for ``PATIENCE`` seconds, or ended."""


class Kernel:
    """A running kernel of an installed kernelspec, started by ``__enter__``."""

    def __init__(self, name: Name, lab: Lab, environ: Mapping[str, str] | None = None) -> None:
        self._lab = lab
        self._environ = {**lab.environ, **(environ or {}), "JPY_PARENT_PID": str(os.getpid())}
        runtime = Path(lab.environ["JUPYTER_RUNTIME_DIR"])
        self._file, info = write_connection_file(str(runtime / f"{new_id()}.json"))
        self._info: Mapping[str, Any] = dict(info)
        self._argv = _argv(name, self._file)
        self._session = new_id()
        self._signer = Signer(self._info["key"])
        self._context: zmq.Context[Any] = zmq.Context()

    def __enter__(self) -> Kernel:
        with Path(f"{self._file}.log").open("wb") as log:
            self.started = time.perf_counter()
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._lab.workspace,
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._shell = self._connect(zmq.DEALER, "shell")
        self._control = self._connect(zmq.DEALER, "control")
        self._iopub = self._connect(zmq.SUB, "iopub")
        self._poller = zmq.Poller()
        self._poller.register(self._shell, zmq.POLLIN)
        self._poller.register(self._iopub, zmq.POLLIN)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._send(self._control, "shutdown_request", {"restart": False})
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._context.destroy(linger=0)
        Path(self._file).unlink(missing_ok=True)

    @property
    def pid(self) -> int:
        """The process that was started: of ``codeact``, the front."""
        return self._process.pid

    def reply(self, msg_type: str, content: Json | None = None) -> Message:
        """Ask on the shell channel; returns with the reply, whatever else has or has not come."""
        sent = self._send(self._shell, msg_type, content or {})
        while True:
            message = self._receive(self._shell)
            if message.parent_id == sent:
                return message

    def listen(self) -> None:
        """Return when the subscription to iopub has reached the kernel."""
        while not self._iopub.poll(0):
            self.reply("kernel_info_request")

    def execute(self, code: str, on_output: Callable[[Message], None] | None = None) -> Message:
        """Run ``code``; returns the reply when the idle status has come too.

        ``on_output`` gets everything that is published for it.
        """
        sent = self._send(self._shell, "execute_request", _execution(code))
        reply: Message | None = None
        idle = False
        while reply is None or not idle:
            for socket in self._ready():
                message = self._read(socket)
                if message.parent_id != sent:
                    continue
                if socket is self._shell:
                    reply = message
                elif message.type == "status" and message.content.get("execution_state") == "idle":
                    idle = True
                elif on_output is not None:
                    on_output(message)
        return reply

    def interrupt(self) -> None:
        """Press Stop."""
        self._send(self._control, "interrupt_request", {})

    # --- sockets ----------------------------------------------------------------

    def _connect(self, kind: int, channel: str) -> zmq.Socket[bytes]:
        socket: zmq.Socket[bytes] = self._context.socket(kind)
        socket.setsockopt(zmq.RECONNECT_IVL, 2)
        socket.setsockopt(zmq.RCVHWM, 0)
        if kind == zmq.SUB:
            socket.setsockopt(zmq.SUBSCRIBE, b"")
        socket.connect(f"tcp://{self._info['ip']}:{self._info[f'{channel}_port']}")
        return socket

    def _send(self, socket: zmq.Socket[bytes], msg_type: str, content: Json) -> str:
        header = make_header(msg_type, self._session)
        socket.send_multipart(build(self._signer, header, content))
        return str(header["msg_id"])

    def _ready(self) -> list[zmq.Socket[bytes]]:
        return [socket for socket, _ in self._wait(self._poller.poll)]

    def _receive(self, socket: zmq.Socket[bytes]) -> Message:
        self._wait(socket.poll)
        return self._read(socket)

    def _wait(self, poll: Callable[[int], _T]) -> _T:
        for _ in range(PATIENCE):
            found = poll(1000)
            if found:
                return found
            if self._process.poll() is not None:
                break
        log = Path(f"{self._file}.log").read_text(errors="replace")
        raise Hung(f"{self._argv} ended or said nothing for {PATIENCE} s.\n{log}")

    def _read(self, socket: zmq.Socket[bytes]) -> Message:
        return Message.parse(socket.recv_multipart(), self._signer)


def _argv(name: Name, connection_file: str) -> list[str]:
    """The command of the installed kernelspec, as ``jupyter_client`` reads it."""
    manager = KernelManager(kernel_name=name, kernel_spec_manager=KernelSpecManager())
    manager.connection_file = connection_file
    return manager.format_kernel_cmd()


def _execution(code: str) -> Json:
    return {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }


@contextmanager
def listening(name: Name, lab: Lab, environ: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """A kernel that has come up, and whose every output will be seen."""
    with Kernel(name, lab, environ) as kernel:
        kernel.listen()
        yield kernel

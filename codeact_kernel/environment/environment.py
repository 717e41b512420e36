"""The environment: a namespace that lives in one inner kernel at a time.

This is the only place that talks to an inner kernel.  What comes out of it is
hostile: a message counts only if it is signed, of a known type, and belongs to
a request that we sent; replies count once.  When the inner kernel dies, for
whatever reason, everyone who waits is told and a fresh one is started.
"""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import zmq

from ..errors import CodeActError, EnvironmentFailed
from ..sandbox.base import Death
from .inner import InnerKernel
from .request import Outcome, Request, new_request, watch
from .sockets import Channel
from .threads import inherit
from .wire import Message, Signer, WireError, build, make_header, new_id

IOPUB_TYPES = frozenset(
    {
        "status",
        "execute_input",
        "stream",
        "display_data",
        "update_display_data",
        "execute_result",
        "error",
        "clear_output",
        "comm_open",
        "comm_msg",
        "comm_close",
        "debug_event",
    }
)
"""What an inner kernel may publish; all else is dropped."""

_REMEMBERED = 4096
"""Finished requests whose late outputs (threads, timers, widgets) still find their cell."""

_MAX_MESSAGE = 256 * 1024 * 1024
"""Bytes; a larger frame closes the connection (``ZMQ_MAXMSGSIZE``) instead of filling our memory."""

_MAX_BACKLOG = 1024 * 1024 * 1024
"""Bytes that we may have in memory while messages wait: with a high-water mark the inner kernel
would drop output silently, and without one it could fill all memory there is."""

_MAX_QUICK_DEATHS = 3
"""Deaths in a row before the first sign of life, after which starting again makes no sense."""

MOST_CELLS = 1_000_000
"""A count beyond this is a lie."""

_PROBES = (0.0, 0.1, 0.4, 1.0)
"""Seconds after an interrupt at which the inner kernel is asked whether it answers again."""

_CUT = 0.3
"""Seconds from losing the connection, which a death causes too, to taking the kernel for cut off."""

_LAST_WORDS = 0.02
"""Seconds to let what a dying kernel had already sent arrive."""

_IDLE_PATIENCE = 2.0
"""Seconds of silence after a reply, after which we say ourselves that the request is done.

Front-ends, and our own steps, wait for the idle status; code can keep it from being sent."""

_UNSIGNED = Signer(b"")


class Environment:
    """Sends requests to the inner kernel and hands back what it may hand back.

    ``problem`` is why ``inner`` could not be started, if it could not.
    ``on_lost`` is called after every death with its ``Death``, when all
    waiting requests have been told and a fresh inner kernel is starting.
    All methods must be called on the loop's thread.
    """

    def __init__(
        self,
        inner: InnerKernel,
        *,
        grace: float,
        problem: CodeActError | None,
        on_lost: Callable[[Death], None],
    ) -> None:
        self.inner = inner
        self.generation = 0
        """How many inner kernels there were before this one."""
        self.count = 0
        """The highest execution count so far; it goes on when the inner kernel is replaced."""
        self._loop = asyncio.get_running_loop()
        self.session = new_id()
        """Of our own requests and of generated steps."""
        self._identity = new_id().encode()
        self._context: zmq.Context[Any] = zmq.Context()
        self._context.setsockopt(zmq.LINGER, 0)
        self._grace = grace
        self._on_lost = on_lost
        self._requests: OrderedDict[str, Request] = OrderedDict()
        self._channels: dict[str, Channel] = {}
        self._signer = Signer(b"")
        self._quick_deaths = 0
        self._failed: EnvironmentFailed | None = None
        self._killed_because: str | None = None
        self._settling: asyncio.TimerHandle | None = None
        self._interrupts = 0
        self._ready = asyncio.Event()
        self._closed = False
        self._kernel_info: asyncio.Future[Message] = self._loop.create_future()
        inner.attach()
        if problem is None:
            self._connect()
        else:
            self._fail(problem.what, problem.remedy)

    # --- asking -------------------------------------------------------------

    def send(self, request: Request) -> None:
        """Send ``request``; its callbacks are called as things come back.

        Raises ``EnvironmentFailed`` if no inner kernel can be started here.
        """
        if self._failed is not None:
            self._retry()
        request.outstanding = request.type.endswith("_request")  # comm messages have no reply
        self._requests[request.id] = request
        self._trim()
        self._channels[request.channel].send(request.to_wire(self._signer))

    async def run(
        self, request: Request, *, patience: float | None = None, until_idle: bool = False
    ) -> Outcome | None:
        """Send ``request``; what comes of it, or None if that takes more than ``patience`` seconds.

        Then, and when cancelled, what runs is stopped.  Raises ``EnvironmentFailed``.
        """
        done = watch(request, until_idle=until_idle)
        self.send(request)
        try:
            await asyncio.wait([done], timeout=patience)
        finally:
            if not done.done():
                self.stop(request)
        return done.result() if done.done() else None

    def knows(self, request_id: str) -> bool:
        """Whether a request of this id waits for its reply."""
        request = self._requests.get(request_id)
        return request is not None and request.outstanding

    def send_input(self, message: Message) -> None:
        """Pass a client's answer to ``input()`` on."""
        if "stdin" in self._channels:
            self._channels["stdin"].send(message.to_wire(self._signer))

    async def kernel_info(self) -> Message:
        """The first ``kernel_info_reply`` of the newest inner kernel.  Raises ``EnvironmentFailed``."""
        while self._failed is None:
            future = self._kernel_info
            await asyncio.wait([future])
            if not future.cancelled():
                return future.result()
        raise self._failed

    @property
    def is_ready(self) -> bool:
        """Whether a request sent now is worked on at once."""
        return self._ready.is_set() and self._failed is None

    @property
    def has_failed(self) -> bool:
        """Whether there is no inner kernel, and none starts until somebody asks for something."""
        return self._failed is not None

    @property
    def is_stopping(self) -> bool:
        """Whether it was interrupted and does not answer yet."""
        return self._settling is not None

    async def ready(self) -> None:
        """Return when the inner kernel is there and idle.  Raises ``EnvironmentFailed``."""
        if self._failed is not None:
            self._retry()
        while not self._ready.is_set():
            await self._ready.wait()
        if self._failed is not None:
            raise self._failed

    # --- stopping -----------------------------------------------------------

    def interrupt(self, otherwise: str = "") -> None:
        """SIGINT, and the grace period to answer again; then kill, with the sentence ``otherwise``.

        ``ready()`` does not return before a message that was sent after the
        signal has been answered.  So the signal cannot hit what is sent next
        (ipykernel would drop that without a reply), and ipykernel's event loop
        wakes up, which a signal alone does not do to a cell in ``await``.
        """
        self.inner.interrupt()
        self._ready.clear()
        self._interrupts += 1
        for delay in _PROBES:
            self._loop.call_later(delay, self._probe, self._interrupts)
        if self._settling is None:
            sentence = f"It did not stop within {self._grace:g} s of being interrupted."
            self._settling = self._loop.call_later(self._grace, self.kill, otherwise or sentence)

    def _probe(self, interrupt: int) -> None:
        if interrupt != self._interrupts or self._ready.is_set() or not self._channels:
            return
        probe = new_request(self.session, "kernel_info_request", {})
        probe.on_reply = lambda _: self._answers_again(interrupt)
        self.send(probe)

    def _answers_again(self, interrupt: int) -> None:
        if interrupt == self._interrupts:
            self._settled()

    def stop(self, request: Request) -> None:
        """Interrupt ``request``, for which nobody waits any more."""
        request.abandon()
        self.interrupt()

    def kill(self, because: str) -> None:
        """Kill the inner kernel; ``because`` is the sentence that everyone is told."""
        self._killed_because = because
        self._ready.clear()
        self.inner.kill()

    def died(self, death: Death) -> None:
        """The inner kernel is gone (called by ``InnerKernel``)."""
        if not self._closed:
            self._ready.clear()
            self._loop.call_later(_LAST_WORDS, self._replace, death)

    def close(self) -> None:
        """End the inner kernel and everything in it."""
        self._closed = True
        self._requests.clear()
        self._disconnect()
        self.inner.close()
        self._context.destroy(linger=0)

    # --- one inner kernel after another -----------------------------------------

    def _connect(self) -> None:
        self._killed_because = None
        self._signer = Signer(self.inner.key)
        for name, kind, handler in (
            ("shell", zmq.DEALER, self._on_shell),
            ("control", zmq.DEALER, self._on_control),
            ("stdin", zmq.DEALER, self._on_stdin),
            ("iopub", zmq.SUB, self._on_iopub),
        ):
            socket = self._context.socket(kind)
            # ipykernel addresses an input_request to the identity that sent the
            # execute_request, so shell and stdin must share it.
            socket.setsockopt(zmq.IDENTITY, self._identity)
            socket.setsockopt(zmq.SNDHWM, 0)
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.MAXMSGSIZE, _MAX_MESSAGE)
            # The kernel binds a while after we connect; the default of 100 ms
            # between attempts would be added to every start.
            socket.setsockopt(zmq.RECONNECT_IVL, 2)
            if kind == zmq.SUB:
                socket.setsockopt(zmq.SUBSCRIBE, b"")
            socket.connect(self.inner.endpoints[name])
            self._channels[name] = Channel(self._loop, socket, handler, self._on_backlog)
            if kind == zmq.SUB:
                monitor = socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
                self._channels["monitor"] = Channel(self._loop, monitor, self._on_disconnected)
        hello = new_request(self.session, "kernel_info_request", {})
        hello.on_reply = self._on_hello
        self.send(hello)
        code = inherit(self.session)
        if self.count:
            code += f"\nget_ipython().execution_count = {self.count + 1}"
        content = {"code": code, "silent": True, "store_history": False}
        self.send(new_request(self.session, "execute_request", content))

    def _on_disconnected(self, _: list[bytes]) -> None:
        self._loop.call_later(_CUT, self._check_cut, self.generation)

    def _check_cut(self, generation: int) -> None:
        """A living kernel was cut off, and what it says is lost: it sent too much in one message."""
        if generation == self.generation and self._channels and self.inner.usage().processes:
            self.kill(
                "Its output connection broke, because it sent more than "
                f"{_MAX_MESSAGE >> 20} MiB in one message or closed it. "
                "Write that much to a file instead of printing it."
            )

    def _on_hello(self, message: Message) -> None:
        self._quick_deaths = 0
        if not self._kernel_info.done():
            self._kernel_info.set_result(message)
        self._settled()

    def _disconnect(self) -> None:
        for channel in self._channels.values():
            channel.close()
        self._channels.clear()

    def _replace(self, death: Death) -> None:
        if not all(channel.is_quiet for channel in self._channels.values()):
            self._loop.call_later(_LAST_WORDS, self._replace, death)
            return
        self._disconnect()
        if self._closed:
            return
        if self._killed_because is not None:
            death = Death("killed", self._killed_because, death.exit_code, death.signal)
            self._killed_because = None
        self._interrupts += 1  # what answers now is another kernel
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._quick_deaths += 1
        self.generation += 1
        if self._kernel_info.done():
            self._kernel_info = self._loop.create_future()
        requests = list(self._requests.values())
        self._requests.clear()
        self.count += sum(request.counts and request.outstanding for request in requests)
        if self._quick_deaths >= _MAX_QUICK_DEATHS:
            self._fail(death.sentence)
        else:
            self._start()
        for request in requests:
            if request.is_open:
                request.end()
                if request.on_lost is not None:
                    request.on_lost(death)
            elif request.state == "busy":
                self._idle(request)
        self._on_lost(death)

    def _start(self) -> None:
        try:
            self.inner.start()
        except CodeActError as error:
            self._fail(error.what, error.remedy)
            return
        self._connect()

    def _retry(self) -> None:
        """Start again after a failure, because somebody asked."""
        failed, self._failed = self._failed, None
        self._ready.clear()
        self._quick_deaths = _MAX_QUICK_DEATHS - 1
        self._start()
        if self._failed is not None:
            raise self._failed from failed

    def _fail(self, reason: str, remedy: str = "") -> None:
        self._failed = EnvironmentFailed(
            f"The inner kernel does not start: {reason}",
            remedy=remedy
            or "Run 'codeact doctor' to see what is wrong; the next cell tries again.",
        )
        self._kernel_info.cancel()
        self._kernel_info = self._loop.create_future()
        self._ready.set()

    def _settled(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        self._ready.set()

    # --- what comes back ------------------------------------------------------

    def _on_backlog(self) -> None:
        if resident_memory() > _MAX_BACKLOG:
            self.kill("It sent more output than could be taken in.")

    def _parse(self, frames: list[bytes]) -> tuple[Message, Request] | None:
        """The message and the request it belongs to, or None if it must be dropped."""
        try:
            message = Message.parse(frames, self._signer)
            _ = message.content, message.metadata  # what cannot be read is dropped here
            request = self._requests.get(message.parent_id)
        except WireError:
            return None
        if request is None:
            return None
        self._requests.move_to_end(request.id)
        return message, request

    def _on_shell(self, frames: list[bytes]) -> None:
        self._on_answer(frames, "shell")

    def _on_control(self, frames: list[bytes]) -> None:
        self._on_answer(frames, "control")

    def _on_answer(self, frames: list[bytes], channel: str) -> None:
        parsed = self._parse(frames)
        if parsed is None:
            return
        message, request = parsed
        if (
            not request.outstanding
            or request.channel != channel
            or message.type != request.reply_type
        ):
            return
        request.end()
        if request.on_reply is not None:
            request.on_reply(message)
        request.release()
        if request.state != "idle" and request.on_iopub is not None:
            self._loop.call_later(_IDLE_PATIENCE, self._expect_idle, request, request.heard)

    def _on_iopub(self, frames: list[bytes]) -> None:
        # The first frame is a topic, which Message.parse takes for an identity.
        parsed = self._parse(frames)
        if parsed is None:
            return
        message, request = parsed
        if message.type == "execute_input":
            if request.started or request.state == "idle":
                return
            request.started, request.counts = True, False
            self._note_count(message)
        if message.type not in IOPUB_TYPES or request.on_iopub is None:
            return
        if message.type == "status" and not request.becomes(message.content.get("execution_state")):
            return
        request.heard += 1
        request.on_iopub(message)
        request.release()

    def _on_stdin(self, frames: list[bytes]) -> None:
        parsed = self._parse(frames)
        if parsed is None:
            return
        message, request = parsed
        if message.type == "input_request" and request.on_input is not None:
            request.on_input(message)

    def _expect_idle(self, request: Request, heard: int) -> None:
        """End ``request``, which was answered, if nothing more is published for it."""
        if request.id not in self._requests or request.state == "idle":
            return
        if request.heard == heard and self._channels["iopub"].is_quiet:
            self._idle(request)
        else:
            self._loop.call_later(_IDLE_PATIENCE, self._expect_idle, request, request.heard)

    def _idle(self, request: Request) -> None:
        """Say that ``request`` is done, because the inner kernel does not."""
        if request.becomes("idle") and request.on_iopub is not None:
            header = make_header("status", self.session)
            frames = build(_UNSIGNED, header, {"execution_state": "idle"}, parent=request.header)
            request.on_iopub(Message.parse(frames, _UNSIGNED))
            request.release()

    def _note_count(self, message: Message) -> None:
        count = message.content.get("execution_count")
        if type(count) is int and count <= MOST_CELLS:
            self.count = max(self.count, count)

    def _trim(self) -> None:
        while len(self._requests) > _REMEMBERED:
            oldest = next(iter(self._requests))
            if self._requests[oldest].outstanding:
                self._requests.move_to_end(oldest)
                return
            del self._requests[oldest]


def resident_memory() -> int:
    """Bytes of memory that this process has now; 0 where the system does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")

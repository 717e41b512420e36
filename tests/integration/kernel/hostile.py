"""What sandboxed code can do to the protocol: its kernel's own sockets, session and identities."""

from __future__ import annotations

from queue import Empty
from typing import Any

from tests.support.kernel_client import Kernel

RAW = r'''
import inspect, json, os, threading, time
kernel = get_ipython().kernel
session = kernel.session

def parent():
    return get_ipython().get_parent()

def publish(kind, content, of=None, **more):
    """As the kernel would, with whatever parent."""
    session.send(kernel.iopub_socket, kind, content, parent=of or parent(), ident=b"x", **more)

def publish_raw(kind, content, of=None, metadata=b"{}", sign=True):
    """``content`` and ``of`` as bytes that need not be JSON."""
    header = json.dumps(session.msg_header(kind), default=str).encode()
    of = json.dumps(parent()["header"], default=str).encode() if of is None else of
    frames = [header, of, metadata, content]
    signature = session.sign(frames) if sign else b"0" * 64
    kernel.iopub_socket.send_multipart([b"x", b"<IDS|MSG>", signature, *frames])

def stream_and_ident():
    """Where the reply of the running request will go."""
    for frame in inspect.stack():
        names = frame.frame.f_locals
        if "ident" in names and "stream" in names:
            return names["stream"], names["ident"]

def reply(kind, content, of=None, to=None):
    stream, ident = to or stream_and_ident()
    session.send(stream, kind, content, parent=of or parent(), ident=ident)

def execute_reply(**content):
    ok = {"status": "ok", "execution_count": 1, "payload": [], "user_expressions": {}}
    reply("execute_reply", ok | content)

def ask(prompt, of=None, to=None):
    ident = (to or stream_and_ident())[1]
    content = {"prompt": prompt, "password": False}
    session.send(kernel.stdin_socket, "input_request", content, parent=of or parent(), ident=ident)
'''
"""Python that defines what attacks need; run it in a cell or a step first."""


def strays(kernel: Kernel) -> list[Any]:
    """What was published, as far as it has been read, for no request of the client's."""
    ours = kernel.client.session.session
    published = kernel._published.items()
    return [one for parent, found in published if not parent.startswith(ours) for one in found]


def late(kernel: Kernel, request: str) -> list[Any]:
    """What was published for ``request`` after it was over."""
    return kernel._published[request]


def has_reply(kernel: Kernel, request: str, *, within: float) -> bool:
    """Whether the reply to ``request`` comes ``within`` seconds; ``Kernel.wait`` finds it then."""
    while request not in kernel._replies:
        try:
            message = kernel.client.get_shell_msg(timeout=within)
        except Empty:
            return False
        kernel._replies[message["parent_header"]["msg_id"]] = message
    return True

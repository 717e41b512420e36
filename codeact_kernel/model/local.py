"""Model servers on this machine, and whose they are.

Any user of a machine can listen on a loopback port.  A server that was not
named by a person is asked only when the listening socket belongs to our own
user, as Linux tells in ``/proc/net/tcp``; elsewhere the owner is unknown.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from http.client import HTTPResponse

KNOWN_PORTS: Mapping[int, str] = MappingProxyType(
    {11434: "Ollama", 8080: "llama.cpp", 8000: "vLLM", 1234: "LM Studio"}
)
"""Default ports of local servers, in the order in which they are tried."""

PATIENCE = 1.0
"""Seconds in which a local server must list its models."""

_LISTEN = "0A"
# Hexadecimal, each group of four bytes in host order: what a connection to 127.0.0.1 can reach.
_REACHABLE = frozenset(
    {
        "0100007F",
        "00000000",
        "0" * 32,
        "0000000000000000FFFF00000100007F",
        "0000000000000000FFFF000000000000",
    }
)
_NO_CHAT = re.compile(r"embed|rerank|whisper|(^|[-/])(bge|e5|gte|tts|clip)-", re.IGNORECASE)
_ANSWER_LIMIT = 4_000_000


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that listens on a known port; ``models`` is empty unless ``ours``."""

    name: str
    base_url: str
    ours: bool
    models: tuple[str, ...] = ()


def find_servers(
    ports: Mapping[int, str] = KNOWN_PORTS,
    *,
    uid: int | None = None,
    proc: Path = Path("/proc/net"),
) -> list[LocalServer]:
    """Servers on ``ports`` of 127.0.0.1 that list models, and those of other users, not asked."""
    uid = os.getuid() if uid is None else uid
    owners = listeners(proc)
    found = []
    for port, name in ports.items():
        base_url = f"http://127.0.0.1:{port}/v1"
        if owners.get(port) == {uid}:
            if models := list_models(base_url):
                found.append(LocalServer(name, base_url, ours=True, models=models))
        elif port in owners:
            found.append(LocalServer(name, base_url, ours=False))
    return found


def is_ours(base_url: str) -> bool:
    """Whether our own user listens, and nobody else, where a server was found before."""
    port = int(base_url.rpartition(":")[2].partition("/")[0])
    return listeners().get(port) == {os.getuid()}


def listeners(proc: Path = Path("/proc/net")) -> dict[int, set[int]]:
    """User ids of the sockets that a connection to 127.0.0.1 can reach, by port."""
    owners: dict[int, set[int]] = {}
    for table in ("tcp", "tcp6"):
        try:
            lines = (proc / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            address, _, port = fields[1].partition(":")
            if fields[3] == _LISTEN and address in _REACHABLE:
                owners.setdefault(int(port, 16), set()).add(int(fields[7]))
    return owners


def list_models(base_url: str, key: str = "") -> tuple[str, ...]:
    """The chat models that the plain-HTTP server at ``base_url`` lists; empty if it does not answer.

    Follows no redirect and uses no proxy.  Takes at most about ``PATIENCE`` seconds.
    """
    import http.client

    address, _, path = base_url.removeprefix("http://").partition("/")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    link = http.client.HTTPConnection(address, timeout=PATIENCE)
    try:
        link.request("GET", f"/{path}/models".replace("//", "/"), headers=headers)
        response = link.getresponse()
        if response.status != 200:
            return ()
        return model_names(json.loads(_read(response)))
    except (OSError, http.client.HTTPException, ValueError):
        return ()
    finally:
        link.close()


def model_names(listing: object) -> tuple[str, ...]:
    """Names in the JSON of ``/v1/models``, those of models that cannot chat left out."""
    data = listing.get("data") if isinstance(listing, dict) else None
    items = data if isinstance(data, list) else []
    names = [item.get("id") for item in items if isinstance(item, dict)]
    return tuple(n for n in names if isinstance(n, str) and n and not _NO_CHAT.search(n))


def _read(response: HTTPResponse) -> bytes:
    end = time.monotonic() + PATIENCE
    body = b""
    while piece := response.read1(65_536):
        body += piece
        if len(body) > _ANSWER_LIMIT or time.monotonic() > end:
            raise ValueError("too slow or too long")
    return body

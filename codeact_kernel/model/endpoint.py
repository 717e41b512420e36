"""Which endpoint is asked, with which model and key, and what is sent there.

Sources, strongest first: the settings (``CODEACT_*`` and the configuration
file), ``OPENAI_API_KEY`` and ``OPENAI_BASE_URL``, the keyring, and when nothing
is set a model server of the same user on this machine.  Never the workspace:
generated code could have written it.

A key goes only where it was meant to go: ``OPENAI_API_KEY`` to
``OPENAI_BASE_URL`` (or api.openai.com), a key of the keyring to the address it
was stored for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from ..config import Settings
from ..errors import BadKey, ConfigError, NoEndpoint
from . import credentials
from .local import KNOWN_PORTS, LocalServer, find_servers, list_models

OPENAI = "https://api.openai.com/v1"

KeySource = Literal["the settings", "OPENAI_API_KEY", "the keyring", "nowhere"]

_DEMO = "To see it work without a model, run 'codeact demo' (or 'make demo' in a checkout)."


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where prompts go.  ``repr`` does not show the key."""

    base_url: str
    model: str
    key: str = field(default="", repr=False)
    key_source: KeySource = "nowhere"
    local: bool = False
    """Whether the address is on this machine."""
    found: bool = False
    """Whether it is a server of ours that nobody named; it is used only as long as it is ours."""
    sends: str = "prompts, generated code and its output"
    """What the requests contain, in words."""

    def describe(self) -> str:
        """Who is asked, and what leaves the machine."""
        if self.local:
            return (
                f"{self.model} at {self.base_url}, a server on this machine. "
                f"It is sent {self.sends}; what it passes on is up to it."
            )
        plain = " UNENCRYPTED" if self.base_url.startswith("http:") else ""
        key = f", key from {self.key_source}" if self.key else ", no key"
        return (
            f"{self.model} at {self.base_url}{key}. What leaves this machine{plain}: "
            f"{self.sends}; what looks like a key or password is masked."
        )


def resolve(
    settings: Settings,
    environ: Mapping[str, str],
    *,
    servers: Callable[[], Sequence[LocalServer]] = find_servers,
) -> Endpoint:
    """The endpoint to ask.  May look for local servers, so it can take a few seconds: use a thread.

    Raises ``NoEndpoint`` when nothing says what to ask, ``ConfigError`` for an
    address that is none or a key file that others can read, ``BadKey`` for a
    key that cannot be sent.
    """
    address = settings.base_url or environ.get("OPENAI_BASE_URL", "")
    address = checked_address(address) if address else ""
    key, source = _key(settings, environ, address)
    if not address and not key:
        return _local(settings, servers())
    address = address or OPENAI
    local = is_local(address)
    model = settings.model or (_first_model(address, key) if local else "")
    if not model:
        raise NoEndpoint(
            f"No model is named for {address}.",
            remedy="Set CODEACT_MODEL, or run 'codeact config set model NAME'.",
        )
    return Endpoint(address, model, key, source, local, sends=_sends(settings))


def checked_address(address: str) -> str:
    """``address`` without a slash at its end.  Raises ``ConfigError`` if it is no base URL."""
    try:
        parts = urlsplit(address.strip())
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or any(c.isspace() for c in address.strip()):
        raise ConfigError(
            "The address of the endpoint is not an http or https URL.",
            remedy="Write something like http://127.0.0.1:11434/v1.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "The address of the endpoint contains a user name, a query or a fragment.",
            remedy="Put the key into CODEACT_API_KEY and write only scheme, host and path.",
        )
    return address.strip().rstrip("/")


def is_local(address: str) -> bool:
    """Whether the host of ``address`` is this machine's loopback."""
    host = urlsplit(address).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _key(settings: Settings, environ: Mapping[str, str], address: str) -> tuple[str, KeySource]:
    if settings.api_key:
        if not environ.get("CODEACT_API_KEY"):
            credentials.check_private()
        return _clean(settings.api_key, "the settings"), "the settings"
    theirs = environ.get("OPENAI_API_KEY", "").strip()
    if theirs and address in ("", environ.get("OPENAI_BASE_URL", OPENAI).strip().rstrip("/")):
        return _clean(theirs, "OPENAI_API_KEY"), "OPENAI_API_KEY"
    stored = credentials.get_key(address or OPENAI)
    return (_clean(stored, "the keyring"), "the keyring") if stored else ("", "nowhere")


def _clean(key: str, source: KeySource) -> str:
    key = key.strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise BadKey(
            f"The key from {source} contains characters that no key has.",
            remedy="Copy it again, without quotes, spaces or line ends.",
        )
    return key


def _first_model(address: str, key: str) -> str:
    plain = address.startswith("http:")
    return next(iter(list_models(address, key)), "") if plain else ""


def _local(settings: Settings, found: Sequence[LocalServer]) -> Endpoint:
    ours = [server for server in found if server.ours]
    for server in ours:
        model = settings.model or server.models[0]
        if model in server.models:
            return Endpoint(server.base_url, model, local=True, found=True, sends=_sends(settings))
    raise NoEndpoint(_nothing_found(settings, ours), remedy=_what_to_do(found))


def _nothing_found(settings: Settings, ours: Sequence[LocalServer]) -> str:
    if ours:
        listed = "; ".join(f"{s.name} has {', '.join(s.models[:10])}" for s in ours)
        return (
            f"No endpoint is set, and no local server has the model {settings.model!r}: {listed}."
        )
    ports = ", ".join(f"{name} {port}" for port, name in KNOWN_PORTS.items())
    return f"No endpoint is set, and no model server of yours runs on this machine ({ports})."


def _what_to_do(found: Sequence[LocalServer]) -> str:
    steps = [
        f"Something that is not yours listens at {server.base_url} ({server.name}'s port); if you "
        f"trust it, run 'codeact config set base_url {server.base_url}'."
        for server in found
        if not server.ours
    ]
    return " ".join(
        [
            *steps,
            "Set CODEACT_MODEL and OPENAI_API_KEY, or CODEACT_BASE_URL for any other "
            "OpenAI-compatible endpoint, or start a local server such as Ollama.",
            _DEMO,
        ]
    )


def _sends(settings: Settings) -> str:
    parts = ["prompts", "generated code and its output"]
    if settings.images:
        parts.append("plots")
    parts += {
        "none": [],
        "names": ["names, types and shapes of variables"],
        "values": ["your cells and their output", "names, types and shapes of variables"],
    }[settings.context]
    return ", ".join(parts)

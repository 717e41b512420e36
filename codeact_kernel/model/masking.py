"""Secrets are replaced before anything is sent to a model.

A pure function of the text, so that the same message is always sent as the
same text and each request stays an exact extension of the one before.
Masking twice changes nothing.  It is a net, not a wall: it knows the shapes of
common keys, values that are called a password or key where they stand, and the
secrets of the front's own environment; it leaves hashes, UUIDs, base64 data
and ordinary code alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

MASK = "[masked secret]"
"""What stands for a secret.  Says what it is, so that a model does not take it for the value."""

_SHORTEST_KNOWN = 8
"""Characters below which a known value would hit ordinary text."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """``pattern`` is tried only in texts that contain one of ``hints``: finding those is fast."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    replacement: str | Callable[[re.Match[str]], str] = MASK


def _token(prefix: str, body: str) -> _Rule:
    """Keys that begin with ``prefix``, not inside a longer word or base64 text.

    The prefix comes first and the look-behind repeats it, because ``re``
    searches for a literal start much faster than for a look-behind.
    """
    start = re.escape(prefix)
    return _Rule((prefix,), re.compile(rf"{start}(?<![\w+/=.-]{start}){body}"))


# Shapes as the issuers document them.
_TOKENS = (
    _token("sk-", r"(?=[\w-]{0,200}\d)[A-Za-z0-9][\w-]{18,}"),  # OpenAI, Anthropic, OpenRouter
    *(_token(p, r"[A-Za-z0-9]{36,}") for p in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _token("github_pat_", r"\w{22,}"),
    _token("glpat-", r"[\w-]{20,}"),
    _token("AKIA", r"[0-9A-Z]{16}(?![0-9A-Za-z+/=])"),
    _token("ASIA", r"[0-9A-Z]{16}(?![0-9A-Za-z+/=])"),
    _token("AIza", r"[\w-]{35}(?![\w-])"),
    *(_token(p, r"[A-Za-z0-9-]{10,}") for p in ("xoxb-", "xoxp-", "xoxa-", "xoxr-", "xoxs-")),
    _token("hf_", r"[A-Za-z0-9]{30,}"),
    _token("gsk_", r"[A-Za-z0-9]{30,}"),
    _token("npm_", r"[A-Za-z0-9]{36}"),
    _token("pypi-", r"[\w-]{50,}"),
    _token("sk_live_", r"[A-Za-z0-9]{16,}"),
    _token("rk_live_", r"[A-Za-z0-9]{16,}"),
    _token("eyJ", r"[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),  # JSON Web Token, RFC 7519
)

# In a file, in a repr (with \n written out) or as string literals one under the other.
_GAP = r"(?:\\[rn]|[\s\"'+,])"
_PEM = _Rule(
    ("PRIVATE KEY-----",),
    re.compile(
        r"-----BEGIN [A-Z0-9 ]{0,20}PRIVATE KEY-----"
        rf"(?:{_GAP}++[A-Z][A-Za-z-]{{1,20}}: [^\n\\]{{1,100}})*+"
        rf"(?:{_GAP}++[A-Za-z0-9+/=]{{20,}}+)++"
        rf"(?:{_GAP}++[A-Za-z0-9+/=]{{1,19}}+(?=\W))?+"
        rf"(?:{_GAP}*+-----END [A-Z0-9 ]{{0,20}}PRIVATE KEY-----)?+"
    ),
)

_URL = _Rule(
    ("://",),
    re.compile(r"(://[^\s:/@\"'<>]{0,100}:)(?![{$<])([^\s/@\"'<>]{1,200})(?=@)"),
    rf"\1{MASK}",
)

_BEARER = _Rule(
    ("earer ", "EARER ", "uthorization", "UTHORIZATION"),
    re.compile(
        r"(\b(?:Bearer|bearer|BEARER) |\b[Aa]uthorization[\"']?\s{0,3}[:=]\s{0,3}[\"']?(?:Basic|basic|Token|token) )"
        r"(?=[\w.~+/-]{0,200}\d)[\w.~+/-]{16,}={0,2}"
    ),
    rf"\1{MASK}",
)


def _any_case(word: str) -> str:
    return rf"(?:{word}|{word.upper()}|{word.title()})"


# A name that says that its value is secret, and names that often do not ("token" of a language).
_SURE = ("password", "passwd", "passphrase", "secret", "credentials")
_KEYS = (r"api[_-]?key", r"access[_-]?key", r"secret[_-]?key", r"private[_-]?key")
_MORE = (r"auth[_-]?token", r"access[_-]?token", r"refresh[_-]?token", r"account[_-]?key")
_HINTS = tuple(
    form
    for stem in ("passw", "passp", "secret", "redential", "key", "token")
    for form in (stem, stem.upper(), stem.title())
)
_NAME = "(?:" + "|".join(_any_case(w) for w in _SURE) + "|(?i:" + "|".join((*_KEYS, *_MORE)) + "))"
_ASSIGN = r"[\"']?\]?\s{0,20}(?::\s{0,3}str\s{0,3})?[:=]\s{0,20}"
_NOT_A_VALUE = r"(?![<{$%*]|\[masked|your|YOUR|\.\.\.|[xX]+[\"'])"

_QUOTED = _Rule(
    _HINTS,
    re.compile(rf"({_NAME}{_ASSIGN})(?:[rbf]?)([\"'])(?!\2){_NOT_A_VALUE}([^\"'\n]{{4,500}})\2"),
    rf"\1\2{MASK}\2",
)
# Without quotes (.env files, connection strings, YAML) only what no expression looks like.
_BARE = _Rule(
    _HINTS,
    re.compile(
        rf"({_NAME}(?:=|:[ ]))(?=[^\s\"']{{0,100}}\d)(?=[^\s\"']{{0,100}}[A-Za-z])"
        rf"{_NOT_A_VALUE}([^\s\"'`()\[\]{{}},;&<>]{{8,500}})(?![(\[])"
    ),
    rf"\1{MASK}",
)
_WEAK = _Rule(
    ("token", "TOKEN", "Token", "key", "KEY", "Key", "pwd", "PWD"),
    re.compile(
        r"((?:token|TOKEN|Token|key|KEY|Key|pwd|PWD)[\"']?\]?\s{0,3}[:=]\s{0,3})([\"'])"
        r"(?=[^\"'\n]{0,200}\d)(?=[^\"'\n]{0,200}[A-Z])(?=[^\"'\n]{0,200}[a-z])"
        r"([A-Za-z0-9_+/=.-]{20,200})\2"
    ),
    rf"\1\2{MASK}\2",
)

_RULES = (_PEM, *_TOKENS, _URL, _BEARER, _QUOTED, _BARE, _WEAK)


def mask(text: str, known: tuple[str, ...] = ()) -> str:
    """``text`` with secrets replaced by ``MASK``.  ``known`` are values to replace wherever they stand.

    Takes time in proportion to the text's length.
    """
    for value in known:
        text = text.replace(value, MASK)
    for rule in _RULES:
        if any(hint in text for hint in rule.hints):
            text = rule.pattern.sub(rule.replacement, text)
    return text


_SECRET_WORDS = frozenset(
    {"KEY", "APIKEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS", "PAT"}
)


def secret_values(environ: Mapping[str, str], *more: str) -> tuple[str, ...]:
    """Values of variables whose names call them secret, and ``more``; longest first.

    Values that are short, a path, or a plain word are left out: replacing them
    would damage ordinary text.
    """
    named = [v for name, v in environ.items() if _SECRET_WORDS & set(name.upper().split("_"))]
    found = {
        value
        for value in (*(v.strip() for v in named if _is_secret(v.strip())), *more)
        if len(value) >= _SHORTEST_KNOWN and value not in MASK
    }
    return tuple(sorted(found, key=lambda value: (-len(value), value)))


def _is_secret(value: str) -> bool:
    path = value.startswith(("/", "~", "./"))
    return not path and not (value.isalpha() and (value.islower() or value.isupper()))

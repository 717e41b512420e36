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
from functools import cached_property

MASK = "[masked secret]"
"""What stands for a secret.  Says what it is, so that a model does not take it for the value."""

_SHORTEST_KNOWN = 8
"""Characters below which a known value would hit ordinary text."""


@dataclass(frozen=True)
class _Rule:
    """A regular expression that begins with ``literal``.

    Finding the literal is what makes masking fast, and only rules whose literal
    ever occurs are compiled: all of them take 15 ms.
    """

    literal: str
    source: str
    replacement: str | Callable[[re.Match[str]], str] = MASK

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.source)


def _rule(literal: str, rest: str, replacement: str = MASK) -> _Rule:
    return _Rule(literal, re.escape(literal) + rest, replacement)


def _key(prefix: str, body: str) -> _Rule:
    """Keys that begin with ``prefix``, unless inside a longer word or base64 text."""
    start = re.escape(prefix)
    # An n before it may be the end of a newline that is written out.
    return _rule(prefix, rf"(?:(?<![\w+/-]{start})|(?<=\\[nrt]{start})){body}")


# Shapes as the issuers document them.
_KEYS = (
    _key("sk-", r"(?=[\w-]{0,200}\d)[A-Za-z0-9][\w-]{18,}"),  # OpenAI, Anthropic, OpenRouter
    *(_key(prefix, r"[A-Za-z0-9]{36,}") for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_")),
    _key("github_pat_", r"\w{22,}"),
    _key("glpat-", r"[\w-]{20,}"),
    _key("AKIA", r"[0-9A-Z]{16}(?![0-9A-Za-z+/=])"),
    _key("ASIA", r"[0-9A-Z]{16}(?![0-9A-Za-z+/=])"),
    _key("AIza", r"[\w-]{35}(?![\w-])"),
    *(_key(f"xox{kind}-", r"[A-Za-z0-9-]{10,}") for kind in "bpars"),
    _key("hf_", r"[A-Za-z0-9]{30,}"),
    _key("gsk_", r"[A-Za-z0-9]{30,}"),
    _key("npm_", r"[A-Za-z0-9]{36}"),
    _key("pypi-", r"[\w-]{50,}"),
    _key("sk_live_", r"[A-Za-z0-9]{16,}"),
    _key("rk_live_", r"[A-Za-z0-9]{16,}"),
    _key("eyJ", r"[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),  # JSON Web Token, RFC 7519
)

# Atomic groups, for a possessive repeat of a group can go wrong before Python 3.11.5
# (cpython issue 106052).
# In a file, in a repr (with \n written out) or as string literals one under the other.
_GAP = r"(?:\\[rn]|[\s\"'+,])"
_PEM = _rule(
    "-----BEGIN ",
    r"[A-Z0-9 ]{0,20}PRIVATE KEY-----"
    rf"(?>(?:{_GAP}+[A-Z][A-Za-z-]{{1,20}}: [^\n\\]{{1,100}})*)"
    rf"(?>(?:{_GAP}+[A-Za-z0-9+/=]{{20,}}+)+)"
    rf"(?>(?:{_GAP}+[A-Za-z0-9+/=]{{1,19}}+(?=\W|\Z))?)"
    rf"(?>(?:{_GAP}*-----END [A-Z0-9 ]{{0,20}}PRIVATE KEY-----)?)",
)

_URL = _rule("://", r"([^\s:/@\"'<>]{0,100}:)(?![{$<])[^\s/@\"'<>]{1,200}(?=@)", rf"://\1{MASK}")

_OPAQUE = r"(?=[\w.~+/-]{0,200}\d)[\w.~+/-]{16,}={0,2}"
_HEADERS = (
    _rule("earer ", rf"(?<=\b[Bb]earer ){_OPAQUE}", f"earer {MASK}"),
    _rule(
        "uthorization",
        rf"([\"']?\s{{0,3}}[:=]\s{{0,3}}[\"']?(?i:basic|token) ){_OPAQUE}",
        rf"uthorization\1{MASK}",
    ),
)

_ASSIGN = r"\\?[\"']?\]?\s{0,20}(?::\s{0,3}str\s{0,3})?[:=]\s{0,20}[rbf]?(?=\\?[\"'])"
_NOT_A_VALUE = r"(?!\\?[\"']?(?:[<{$%*]|\[masked|(?i:your)|\.\.\.|[xX]+\\?[\"']))"
_QUOTED = r"\"(?:[^\"\\\n]|\\.){4,500}\"|'(?:[^'\\\n]|\\.){4,500}'|\\[\"'][^\"'\\\n]{4,500}\\[\"']"
_LETTERS_AND_DIGITS = r"(?=[^\s\"']{0,100}\d)(?=[^\s\"']{0,100}[A-Za-z])"
_WORD = r"[^\s\"'`()\[\]{},;&<>]{6,500}(?![(\[])"
_RANDOM = (
    r"(?=[\w+/=-]{0,200}\d)(?=[\w+/=-]{0,200}[A-Z])(?=[\w+/=-]{0,200}[a-z])"
    r"[\w+/=-]{20,200}(?![\w+/=.(\[-])"
)


def _hide(match: re.Match[str]) -> str:
    """The match with its value replaced, the quotes around it kept."""
    value = match["value"]
    quote = value[: 2 if value[0] == "\\" else 1] if value[0] in "\\\"'" else ""
    return f"{match['name']}{quote}{MASK}{quote}"


def _forms(stem: str) -> tuple[str, ...]:
    return stem, stem.upper(), stem.title()


def _secret(stem: str, rest: str = "") -> list[_Rule]:
    """Values whose name, ``stem`` and ``rest``, says that they are secret.

    Quoted ones whatever they are.  Others only where no expression is likely:
    right after ``NAME=``, letters with digits after ``name=`` or ``name: ``,
    and what looks random after ``name = ``.
    """
    return [
        _Rule(
            form,
            rf"(?P<name>{form}{rest}(?:{_ASSIGN}|=|:[ ]|[ ]=[ ])){_NOT_A_VALUE}"
            rf"(?P<value>{_QUOTED}"
            rf"|(?<=[^ ]=){'' if form.isupper() else _LETTERS_AND_DIGITS}{_WORD}"
            rf"|(?<=:[ ]){_LETTERS_AND_DIGITS}{_WORD}|(?<=[ ]=[ ]){_RANDOM})",
            _hide,
        )
        for form in _forms(stem)
    ]


def _perhaps(stem: str) -> list[_Rule]:
    """Values whose name may mean anything ("token" of a language): only what looks random."""
    return [
        _Rule(
            form,
            rf"(?P<name>{form}{_ASSIGN})"
            rf"(?P<value>\"{_RANDOM}\"|'{_RANDOM}'|\\[\"']{_RANDOM}\\[\"'])",
            _hide,
        )
        for form in _forms(stem)
    ]


def _after(stem: str, *words: str) -> str:
    """That one of ``words``, with or without a hyphen or underscore, stands before ``stem``."""
    width = len(stem)
    behind = [rf"(?<=(?i:{word}{gap}).{{{width}}})" for word in words for gap in ("[_-]", "")]
    return f"(?:{'|'.join(behind)})"


_NAMED = (
    *_secret("passw", "(?i:(?:or)?d)"),
    *_secret("passp", "(?i:hrase)"),
    *_secret("secret"),
    *_secret("credentials"),
    *_secret("key", _after("key", "api", "access", "secret", "private", "account")),
    *_secret("token", _after("token", "auth", "access", "refresh", "bearer")),
    *(rule for stem in ("key", "token", "pwd") for rule in _perhaps(stem)),
)

_RULES = (_PEM, *_KEYS, _URL, *_HEADERS, *_NAMED)


def mask(text: str, known: tuple[str, ...] = ()) -> str:
    """``text`` with secrets replaced by ``MASK``.  ``known`` are values to replace wherever they stand.

    Takes time in proportion to the text's length.
    """
    for value in known:
        text = text.replace(value, MASK)
    for rule in _RULES:
        if rule.literal in text:
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

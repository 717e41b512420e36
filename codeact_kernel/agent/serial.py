"""Events and effects as JSON values, and back, without loss.

The form follows from the dataclasses: an object of the fields, with the class
named in ``type`` at the top.  A new field needs a default to read old records.
"""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from .events import Effect, Event

TYPES: dict[str, type[Any]] = {one.__name__: one for one in (*get_args(Event), *get_args(Effect))}


def to_json(value: Event | Effect) -> dict[str, Any]:
    """``value`` as JSON types; ``from_json`` gives an equal value."""
    return {"type": type(value).__name__, **_fields_of(value)}


def from_json(value: Any) -> Event | Effect:
    """Read what ``to_json`` wrote.  Raises ``ValueError`` for anything else."""
    name = value.get("type") if isinstance(value, dict) else None
    if not isinstance(name, str) or name not in TYPES:
        raise ValueError("not an event or effect")
    rest = {field: item for field, item in value.items() if field != "type"}
    read: Event | Effect = decode(TYPES[name], rest)
    return read


def encode(value: Any) -> Any:
    """A dataclass of the core, or what its fields hold, as JSON types."""
    if is_dataclass(value):
        return _fields_of(value)
    if isinstance(value, tuple):
        return [encode(item) for item in value]
    return value


def _fields_of(value: Any) -> dict[str, Any]:
    return {one.name: encode(getattr(value, one.name)) for one in fields(value)}


def decode(kind: Any, value: Any) -> Any:
    """``value``, JSON types, as the annotation ``kind`` says.  Raises ``ValueError`` if it is not."""
    if is_dataclass(kind) and isinstance(value, dict):
        return _dataclass(kind, value)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return tuple(decode(arguments[0], item) for item in value)
    if origin in (Union, types.UnionType):
        if value is None and type(None) in arguments:
            return None
        return decode(next(one for one in arguments if one is not type(None)), value)
    if kind is float and type(value) is int:
        return float(value)
    if isinstance(kind, type) and type(value) is kind:
        return value
    raise ValueError(f"{value!r:.80} is not {kind}")


def _dataclass(kind: Any, value: dict[str, Any]) -> Any:
    hints = _hints(kind)
    unknown = value.keys() - hints.keys()
    missing = {
        one.name
        for one in fields(kind)
        if one.name not in value and one.default is MISSING and one.default_factory is MISSING
    }
    if unknown or missing:
        raise ValueError(f"{kind.__name__}: wrong fields {sorted(unknown | missing)}")
    return kind(**{name: decode(hints[name], item) for name, item in value.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)

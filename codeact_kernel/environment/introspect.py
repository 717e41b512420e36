"""The names in the user's namespace, asked of the inner kernel and trusted as data only."""

from __future__ import annotations

import ast
import json
from typing import Any

from ..agent.events import Variable
from .environment import Environment
from .request import Reply, new_request
from .wire import new_id

_PATIENCE = 1.0
"""Seconds; a namespace that takes longer to list (it is being changed by a thread) is left out."""
_MOST = 60
_DETAIL = 100
"""Variables listed, and characters of each detail."""
_MOST_TEXT = 1_000_000
"""Characters looked at of the list: what is longer is none of ours, and reading it would cost much."""

# Runs in the inner kernel, in a namespace of its own.  It looks at types and
# never calls what the user's objects define: no repr, no len of foreign types.
_SOURCE = f"""
import types
def look(value):
    kind = type(value)
    module = (kind.__module__ or "").split(".")[0]
    name = kind.__name__ if kind.__module__ == "builtins" else module + "." + kind.__name__
    if kind in (int, float, bool, complex, type(None)):
        return name, repr(value)[:{_DETAIL}]
    if kind in (str, bytes):
        text = repr(value[:{_DETAIL}])
        return name, text if len(value) <= 60 else "length %d: %s…" % (len(value), text[:60])
    if kind in (list, tuple, dict, set, frozenset):
        detail = "length %d" % len(value)
        if kind is dict:
            keys = [k for k in list(value)[:8] if type(k) in (str, int)]
            detail += ", keys %r" % keys if keys else ""
        elif kind in (list, tuple) and value:
            detail += " of %s" % type(value[0]).__name__
        return name, detail[:{_DETAIL}]
    if isinstance(value, types.FunctionType):
        import inspect
        try:
            return "function", str(inspect.signature(value))[:{_DETAIL}]
        except Exception:
            return "function", ""
    if module in ("numpy", "pandas", "polars", "torch", "tensorflow", "jax", "xarray", "scipy"):
        detail = "shape %s" % (tuple(value.shape),) if hasattr(value, "shape") else ""
        if module in ("pandas", "polars") and hasattr(value, "columns"):
            detail += ", columns " + ", ".join(map(str, list(value.columns)[:20]))
        elif hasattr(value, "dtype"):
            detail += " %s" % value.dtype
        return name, detail[:4 * {_DETAIL}]
    return name, ""
found = []
for name, value in list(user.items()):
    if name.startswith("_") or name in hidden or isinstance(value, types.ModuleType):
        continue
    try:
        found.append((name, *look(value)))
    except Exception:
        found.append((name, type(value).__name__, ""))
import json
result = json.dumps(found[-{_MOST}:])
"""

_EXPRESSION = (
    "(lambda shell, space: (space.update(user=shell.user_ns, hidden=shell.user_ns_hidden), "
    f"exec({_SOURCE!r}, space), space['result'])[-1])(get_ipython(), {{}})"
)


async def variables(environment: Environment) -> tuple[Variable, ...]:
    """The newest variables of the namespace with type and shape; empty if it cannot be asked."""
    request = new_request(
        new_id(),
        "execute_request",
        {
            "code": "",
            "silent": True,
            "store_history": False,
            "user_expressions": {"names": _EXPRESSION},
            "allow_stdin": False,
            "stop_on_error": False,
        },
    )
    outcome = await environment.run(request, patience=_PATIENCE)
    return _read(outcome.message.content) if isinstance(outcome, Reply) else ()


def _read(content: dict[str, Any]) -> tuple[Variable, ...]:
    try:
        text = content["user_expressions"]["names"]["data"]["text/plain"]
        rows = json.loads(ast.literal_eval(text[:_MOST_TEXT]))
        return tuple(
            Variable(_line(name, _DETAIL), _line(kind, _DETAIL), _line(detail, 4 * _DETAIL))
            for name, kind, detail in rows[:_MOST]
        )
    except (KeyError, TypeError, ValueError, SyntaxError, RecursionError, MemoryError):
        return ()


def _line(value: object, limit: int) -> str:
    """``value`` in one line: the list of variables has a line for each."""
    return " ".join(str(value)[:limit].splitlines())

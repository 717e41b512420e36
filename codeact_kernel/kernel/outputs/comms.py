"""The seam for comms, which carry widgets: one function that sees each comm message.

Every ``comm_open``, ``comm_msg`` and ``comm_close`` that the inner kernel
publishes passes through here; the widget rules of the output policy belong
here and nowhere else.

What is here keeps code out of the page: a model of a foreign module (anywidget
is the best known) may bring its own JavaScript in its state and have it run as
soon as the model exists, shown or not.  Models of the standard modules do
nothing until a view of them is shown, and views are not among the MIME types
that pass (``policy``).
"""

from __future__ import annotations

from typing import Any, Final

_WIDGET: Final = "jupyter.widget"
_MODULES: Final = (
    "@jupyter-widgets/base",
    "@jupyter-widgets/controls",
    "@jupyter-widgets/output",
)


def comm(msg_type: str, content: dict[str, Any]) -> dict[str, Any] | None:
    """The content to publish for a comm message, or None to drop it."""
    return None if msg_type == "comm_open" and not _may_open(content) else content


def _may_open(content: dict[str, Any]) -> bool:
    """Whether a comm is no widget, or one whose model and view are of the standard modules.

    ``target_module`` would make old front-ends load a module by name.
    """
    if content.get("target_module") is not None:
        return False
    if content.get("target_name") != _WIDGET:
        return True
    data = content.get("data")
    state = data.get("state") if isinstance(data, dict) else None
    if not isinstance(state, dict):
        return False
    return state.get("_model_module") in _MODULES and state.get("_view_module") in (None, *_MODULES)

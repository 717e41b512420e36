"""The seam for comms, which carry widgets: one function that sees each comm message.

Every ``comm_open``, ``comm_msg`` and ``comm_close`` that the inner kernel
publishes passes through here; the widget rules of the output policy belong
here and nowhere else.
"""

from __future__ import annotations

from typing import Any


def comm(msg_type: str, content: dict[str, Any]) -> dict[str, Any] | None:  # noqa: ARG001
    """The content to publish for a comm message, or None to drop it."""
    return content

"""Which comms are open."""

from __future__ import annotations

from typing import Any

import pytest

from codeact_kernel.kernel.comms import Comms


class Front:
    def __init__(self) -> None:
        self.closed: list[str] = []

    def publish(self, kind: str, content: dict[str, Any], **_: Any) -> None:
        assert kind == "comm_close"
        self.closed.append(content["comm_id"])


def test_what_is_open_when_the_kernel_dies_is_closed_once() -> None:
    front = Front()
    comms = Comms(front)  # type: ignore[arg-type]
    for name in "abc":
        assert comms.note("comm_open", {"comm_id": name})
    assert comms.note("comm_close", {"comm_id": "b"})
    assert comms.note("comm_close", {"comm_id": "never open"})
    comms.lost(b"{}")
    comms.lost(b"{}")
    assert sorted(front.closed) == ["a", "c"]


@pytest.mark.parametrize("name", [None, 5, [], {}, "x" * 201])
@pytest.mark.parametrize("kind", ["comm_open", "comm_msg", "comm_close"])
def test_a_name_that_is_none_is_not_passed_on(kind: str, name: object) -> None:
    assert not Comms(Front()).note(kind, {"comm_id": name})  # type: ignore[arg-type]

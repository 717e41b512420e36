"""Subshell ids across the replacement of the inner kernel."""

from __future__ import annotations

import json

import pytest

from codeact_kernel.environment.wire import Message, Signer, build, make_header
from codeact_kernel.kernel.subshells import Subshells

NOBODY = Signer(b"")


def message(
    msg_type: str, content: dict[str, object] | None = None, subshell: str | None = None
) -> Message:
    header = {**make_header(msg_type, "s"), "subshell_id": subshell}
    return Message.parse(build(NOBODY, header, content or {}), NOBODY)


def created(subshells: Subshells, name: str) -> None:
    subshells.replied(message("create_subshell_request"), {"status": "ok", "subshell_id": name})


def test_ids_are_untouched_while_the_kernel_that_gave_them_lives() -> None:
    subshells = Subshells()
    created(subshells, "a")
    assert subshells.translate(message("execute_request", subshell="a")) is None
    assert subshells.translate(message("execute_request")) is None


def test_a_restored_subshell_is_reached_by_its_old_id() -> None:
    subshells = Subshells()
    created(subshells, "a")
    [request] = list(subshells.restore())
    with pytest.raises(KeyError):
        subshells.translate(message("execute_request", subshell="a"))
    assert request.on_reply is not None
    request.on_reply(message("create_subshell_reply", {"status": "ok", "subshell_id": "b"}))
    header = subshells.translate(message("execute_request", subshell="a"))
    assert header is not None
    assert json.loads(header)["subshell_id"] == "b"
    listed = subshells.replied(
        message("list_subshell_request"), {"status": "ok", "subshell_id": ["b"]}
    )
    assert listed["subshell_id"] == ["a"]


def test_a_restored_subshell_is_deleted_under_its_new_id() -> None:
    subshells = Subshells()
    created(subshells, "a")
    deletion = message("delete_subshell_request", {"subshell_id": "a"})
    assert subshells.content(deletion) is None
    [request] = list(subshells.restore())
    assert request.on_reply is not None
    request.on_reply(message("create_subshell_reply", {"status": "ok", "subshell_id": "b"}))
    content = subshells.content(deletion)
    assert content is not None
    assert json.loads(content) == {"subshell_id": "b"}


def test_a_deleted_subshell_is_not_restored() -> None:
    subshells = Subshells()
    created(subshells, "a")
    subshells.replied(message("delete_subshell_request", {"subshell_id": "a"}), {"status": "ok"})
    assert list(subshells.restore()) == []


@pytest.mark.parametrize("subshell", ["unknown", "", 5, ["a"]])
def test_a_subshell_that_nobody_made_is_unknown(subshell: object) -> None:
    with pytest.raises(KeyError):
        Subshells().translate(message("execute_request", subshell=subshell))  # type: ignore[arg-type]


def test_a_subshell_that_could_not_be_made_again_is_unknown() -> None:
    subshells = Subshells()
    created(subshells, "a")
    [request] = list(subshells.restore())
    assert request.on_reply is not None
    request.on_reply(message("create_subshell_reply", {"status": "error"}))
    with pytest.raises(KeyError):
        subshells.translate(message("execute_request", subshell="a"))

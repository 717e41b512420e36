"""What one request publishes: in order, bounded, and whatever the policy does."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from codeact_kernel.environment.wire import Json, Message, Signer, build, make_header
from codeact_kernel.kernel.outputs import Flood
from codeact_kernel.kernel.relay import Relay

UNSIGNED = Signer(b"")
LIMIT = 1_000


class Front:
    def __init__(self) -> None:
        self.published: list[tuple[str, Json]] = []

    def publish(self, kind: str, content: Json, **_: Any) -> None:
        self.published.append((kind, content))

    @property
    def text(self) -> str:
        return "".join(c["text"] for kind, c in self.published if kind == "stream")

    @property
    def shown(self) -> list[str]:
        """The displays and texts, in order."""
        return [
            content["text"] if kind == "stream" else content["data"]["text/plain"]
            for kind, content in self.published
            if kind in ("stream", "display_data")
        ]


class Policy:
    """Takes text for what it is; what is marked ``heavy`` waits until it is let through."""

    def __init__(self) -> None:
        self.gate = threading.Event()

    def is_heavy(self, kind: str, content: Json) -> bool:
        return "heavy" in str(content.get("data", ""))

    def text(self, text: str) -> str:
        return text

    def message(self, kind: str, content: Json) -> Json | None:
        if "broken" in str(content.get("data", "")):
            raise RecursionError
        if self.is_heavy(kind, content):
            assert self.gate.wait(30)
        return content


def made(tmp_path: Path) -> tuple[Relay, Front, Policy]:
    front, policy = Front(), Policy()
    names = iter(range(100))
    relay = Relay(
        front,  # type: ignore[arg-type]
        policy,  # type: ignore[arg-type]
        b"{}",
        lambda: Flood(LIMIT, tmp_path, str(next(names))),
    )
    return relay, front, policy


def message(kind: str, content: Json) -> Message:
    return Message.parse(build(UNSIGNED, make_header(kind, "s"), content), UNSIGNED)


def display(text: str) -> Message:
    return message("display_data", {"data": {"text/plain": text}, "metadata": {}})


def stream(text: str) -> Message:
    return message("stream", {"name": "stdout", "text": text})


def status(state: str) -> Message:
    return message("status", {"execution_state": state})


async def test_what_comes_while_something_is_made_safe_waits_behind_it(tmp_path: Path) -> None:
    relay, front, policy = made(tmp_path)
    for one in (stream("a"), display("heavy"), stream("b"), display("c"), status("idle")):
        relay.message(one)
    assert front.shown == ["a"]
    policy.gate.set()
    await relay.close()
    assert front.shown == ["a", "heavy", "b", "c"]
    assert front.published[-1][0] == "status"


@pytest.mark.parametrize("text", ["broken", "heavy broken"])
async def test_what_the_policy_breaks_on_is_left_out_and_all_else_goes_on(
    tmp_path: Path, text: str
) -> None:
    relay, front, _ = made(tmp_path)
    for one in (display(text), stream("after"), status("idle")):
        relay.message(one)
    await relay.close()
    assert front.shown == ["after"]
    assert [kind for kind, _ in front.published] == ["stream", "status"]


async def test_a_person_who_stops_it_does_not_wait_for_what_is_made_safe(tmp_path: Path) -> None:
    relay, front, policy = made(tmp_path)
    for one in (display("heavy"), stream("b"), display("c")):
        relay.message(one)
    await asyncio.sleep(0)
    relay.stop()
    policy.gate.set()
    await relay.close()
    assert front.shown == []


async def test_what_waits_is_bounded_and_the_end_is_told_all_the_same(tmp_path: Path) -> None:
    relay, front, policy = made(tmp_path)
    relay.message(display("heavy"))
    update = {"data": {"text/plain": "u" * 1_000_000}, "metadata": {}, "transient": {}}
    for _ in range(200):
        relay.message(message("update_display_data", update))
    relay.message(status("idle"))
    policy.gate.set()
    await relay.close()
    kinds = [kind for kind, _ in front.published]
    assert 50 < kinds.count("update_display_data") < 65
    assert kinds[-1] == "status"


async def test_an_animation_faster_than_it_can_be_shown_ends_with_its_last_picture(
    tmp_path: Path,
) -> None:
    relay, front, policy = made(tmp_path)
    relay.message(display("heavy"))
    for number in range(500):
        relay.message(message("clear_output", {"wait": True}))
        relay.message(display(f"picture {number:04} " + "x" * 500))
    policy.gate.set()
    await relay.close()
    assert front.shown[-1].startswith("picture 0499 ")
    assert len(front.shown) < 5


async def test_output_after_the_end_is_counted_anew_and_what_came_before_is_not_kept(
    tmp_path: Path,
) -> None:
    relay, front, _ = made(tmp_path)
    relay.message(stream("x" * 900))
    relay.message(status("idle"))
    relay.message(stream("y" * 900))
    assert front.text == "x" * 900 + "y" * 900
    assert await relay.close() is None


async def test_the_file_with_the_whole_text_is_known_after_the_end(tmp_path: Path) -> None:
    relay, _, _ = made(tmp_path)
    relay.message(stream("x" * 5_000))
    relay.message(status("idle"))
    path = await relay.close()
    assert path == str(tmp_path / "0.stdout.txt")


async def test_errors_are_bounded(tmp_path: Path) -> None:
    relay, front, _ = made(tmp_path)
    for _ in range(150):
        error = {"ename": "E", "evalue": "", "traceback": ["line" * 1_000] * 2_000}
        relay.message(message("error", error))
    errors = [content for kind, content in front.published if kind == "error"]
    assert len(errors) == 100
    assert sum(map(len, errors[0]["traceback"])) < 2_010_000


async def test_a_comm_that_may_not_be_is_not_passed_on(tmp_path: Path) -> None:
    relay, front, _ = made(tmp_path)
    relay.on_comm = lambda kind, content: content["comm_id"] == "good"
    for name in ("good", "bad"):
        relay.message(message("comm_msg", {"comm_id": name, "data": {}}))
    assert [content["comm_id"] for _, content in front.published] == ["good"]

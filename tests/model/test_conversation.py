"""The agent, its driver and the client together, over real HTTP, with the recorded scenarios."""

from __future__ import annotations

import json
import secrets
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import pytest

from codeact_kernel.agent.driver import Driver
from codeact_kernel.agent.events import PromptGiven, RunStep, StepFinished
from codeact_kernel.agent.loop import Agent
from codeact_kernel.agent.ports import Approver, Display, Journal
from codeact_kernel.agent.state import LoopSettings
from codeact_kernel.config import Settings
from codeact_kernel.model import open_model
from codeact_kernel.model.masking import MASK
from tests.conftest import ServeScript
from tests.support.scripted_server import Request

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))


class Silent:
    """A display and journal that keep nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


class Printing:
    """An executor whose every step prints a token that nobody can guess, and a password."""

    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def run(self, step: RunStep) -> StepFinished:
        self.tokens.append(secrets.token_hex(8))
        out = f"{self.tokens[-1]}\npassword='hunter2'\n"
        return StepFinished(step.step, "ok", step.code, stdout=out)


def messages(request: Request) -> bytes:
    """The request as it was sent, up to the end of its messages."""
    return request.raw.rpartition(b'],"stream"')[0]


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_each_request_extends_the_last_and_holds_what_the_step_printed(
    path: Path, serve: ServeScript
) -> None:
    server = serve(path)
    async with aclosing(open_model(Settings(base_url=server.base_url, model="m"), {})) as model:
        executor = Printing()
        silent = Silent()
        driver = Driver(
            Agent(LoopSettings()),
            model,
            executor,
            cast("Approver", silent),
            cast("Journal", silent),
            cast("Display", silent),
        )
        prompts = [turn["prompt"] for turn in read(path)["turns"] if "prompt" in turn]
        for number, prompt in enumerate(prompts):
            first, steps = len(server.requests), len(executor.tokens)
            finish = await driver.run_turn(PromptGiven(f"turn-{number}", prompt))
            assert finish.stop == "answered"
            asked = server.requests[first:]
            printed = executor.tokens[steps:]
            for before, after, token in zip(asked[:-1], asked[1:], printed, strict=True):
                assert messages(after).startswith(messages(before))
                assert token not in before.raw.decode()
                assert token in after.body["messages"][-1]["content"]
                assert MASK in after.body["messages"][-1]["content"]
    assert server.unplayed() == []
    assert server.connections == 1
    assert not any(b"hunter2" in request.raw for request in server.requests)

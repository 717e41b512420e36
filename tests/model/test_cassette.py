"""A recording answers as the model did, and says so when it cannot."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.events import (
    AskModel,
    CellSeen,
    Context,
    Message,
    ModelFailed,
    ModelReplied,
    Variable,
)
from codeact_kernel.agent.prompt import opening
from codeact_kernel.config import Settings
from codeact_kernel.errors import UsageError
from codeact_kernel.model import open_model
from codeact_kernel.model.cassette import CassetteModel, CassetteRecorder, normal, prompt_of
from codeact_kernel.model.client import EndpointModel
from tests.conftest import ServeScript
from tests.support.scripted_server import Reply

SCENARIOS = sorted((Path(__file__).parents[1] / "scenarios").glob("*.json"))
CODE = "I look.\n```python\nprint(1)\n```\n"
NOTHING = Context()
NOTEBOOK = Context((CellSeen("x = 1", "1"),), (Variable("x", "int", "1"),), "Use pandas.")


class Screen:
    def __init__(self) -> None:
        self.shown: list[str] = []

    def delta(self, text: str) -> None:
        self.shown.append(text)

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the model must not call {name}")


class Chat:
    """A conversation as the agent has it, with ``model``."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.messages: list[Message] = [Message("system", "Be brief.")]
        self.turn = 0
        self.screen = Screen()

    async def prompt(
        self, text: str, context: Context = NOTHING, notices: tuple[str, ...] = ()
    ) -> ModelReplied | ModelFailed:
        self.turn += 1
        first = opening(text, context, level="values", tokens=1000, steps_left=20, notices=notices)
        return await self.say(first)

    async def observe(self, output: str = "[ok]") -> ModelReplied | ModelFailed:
        return await self.say(f"{output}\n\n[19 steps left]")

    async def say(self, text: str) -> ModelReplied | ModelFailed:
        self.messages.append(Message("user", text))
        ask = AskModel(f"turn-{id(self)}-{self.turn}", 1, tuple(self.messages))
        reply: ModelReplied | ModelFailed = await self.model.ask(ask, self.screen)
        if isinstance(reply, ModelReplied):
            self.messages.append(Message("assistant", reply.text))
        return reply


def cassette(tmp_path: Path, *turns: Any, **more: Any) -> CassetteModel:
    file = tmp_path / "session.json"
    file.write_text(json.dumps({"v": 1, "model": "big", "turns": turns, **more}))
    return CassetteModel(file)


def turn(prompt: str, *replies: Any) -> dict[str, Any]:
    return {"prompt": prompt, "replies": replies}


def text(reply: ModelReplied | ModelFailed) -> str:
    assert isinstance(reply, ModelReplied), reply
    return reply.text


async def test_replies_come_by_prompt_and_position(tmp_path: Path) -> None:
    model = cassette(
        tmp_path, turn("Load it.", CODE, "Loaded."), {"code": "x = 1"}, turn("Plot it.", "Plotted.")
    )
    chat = Chat(model)
    first = await chat.prompt("Load it.", NOTEBOOK, ("A notice.",))
    assert isinstance(first, ModelReplied)
    assert (first.text, first.finish) == (CODE, "cut")
    assert "".join(chat.screen.shown) == CODE
    assert len(chat.screen.shown) > 1
    assert text(await chat.observe()) == "Loaded."
    assert model.unplayed() == [("Plot it.", 1)]
    assert text(await chat.prompt("  Plot it.\n")) == "Plotted."
    assert model.unplayed() == []


async def test_a_recording_costs_nothing(tmp_path: Path) -> None:
    reply = await Chat(cassette(tmp_path, turn("Hi.", "Hello."))).prompt("Hi.")
    assert isinstance(reply, ModelReplied)
    assert reply.usage.cost == 0
    assert reply.usage.estimated
    assert reply.usage.prompt_tokens > 0


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_notebook_can_be_run_again(tmp_path: Path, fresh: bool) -> None:
    turns = [turn("Go on.", "One."), turn("Load.", CODE, "Two."), turn("Go on.", "Three.")]
    model = cassette(tmp_path, *turns)
    for _ in range(3):
        chat = Chat(CassetteModel(tmp_path / "session.json") if fresh else model)
        assert text(await chat.prompt("Go on.")) == "One."
        assert text(await chat.prompt("Load.")) == CODE
        assert text(await chat.observe("Traceback")) == "Two."
        assert text(await chat.prompt("Go on.")) == "Three."


async def test_the_same_question_asked_again_has_the_same_answer(tmp_path: Path) -> None:
    chat = Chat(cassette(tmp_path, turn("Load.", CODE, "Two.")))
    await chat.prompt("Load.")
    ask = AskModel(f"turn-{id(chat)}-1", 1, tuple(chat.messages[:-1]))
    assert text(await chat.model.ask(ask, chat.screen)) == CODE


async def test_the_longest_prompt_that_fits_is_taken(tmp_path: Path) -> None:
    chat = Chat(cassette(tmp_path, turn("Plot it.", "short"), turn("Now: Plot it.", "long")))
    assert text(await chat.prompt("Now: Plot it.")) == "long"
    assert text(await chat.prompt("Plot it.")) == "short"


async def test_output_that_repeats_a_prompt_starts_no_turn(tmp_path: Path) -> None:
    chat = Chat(cassette(tmp_path, turn("Load.", CODE, "Two."), turn("Plot it.", "Plotted.")))
    await chat.prompt("Load.")
    assert text(await chat.observe("Plot it.")) == "Two."


@pytest.mark.parametrize("asked", ["Something else.", "load it.", "Load it. Then plot.", "", "it."])
async def test_another_prompt_is_a_mismatch(tmp_path: Path, asked: str) -> None:
    chat = Chat(cassette(tmp_path, turn("Load it.", "ok")))
    reply = await chat.prompt(asked)
    assert isinstance(reply, ModelFailed)
    assert reply.kind == "CassetteMismatch"
    assert "CODEACT_MODEL" in reply.message
    assert text(await chat.prompt("Load it.")) == "ok"


async def test_more_steps_than_recorded_is_a_mismatch(tmp_path: Path) -> None:
    chat = Chat(cassette(tmp_path, turn("Load it.", CODE)))
    await chat.prompt("Load it.")
    reply = await chat.observe()
    assert isinstance(reply, ModelFailed)
    assert reply.kind == "CassetteMismatch"
    assert "only 1 replies" in reply.message


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", "7", "{}", '{"turns": []}', '{"turns": [{"code": "x"}]}', '{"v": 2, "turns": [{"prompt": "a", "replies": ["b"]}]}',
     '{"turns": [{"prompt": "a"}]}', '{"turns": [{"prompt": "a", "replies": [7]}]}', '{"turns": [{"prompt": 7, "replies": []}]}',
     '{"turns": [{"prompt": "a", "replies": [{"finish": "odd"}]}]}'],
)  # fmt: skip
async def test_a_file_that_is_no_recording_is_said_when_asked(tmp_path: Path, content: str) -> None:
    file = tmp_path / "other.json"
    file.write_text(content)
    reply = await Chat(CassetteModel(file)).prompt("a")
    assert isinstance(reply, ModelFailed)
    assert reply.kind == "UsageError"
    assert "CODEACT_CASSETTE" in reply.message


async def test_a_missing_file_is_said_when_asked(tmp_path: Path) -> None:
    model = open_model(Settings(cassette=str(tmp_path / "none.json")), {})
    reply = await Chat(model).prompt("a")
    assert isinstance(reply, ModelFailed)
    assert "No such file" in reply.message
    with pytest.raises(UsageError):
        await model.prepare()
    await model.aclose()


async def test_it_says_that_it_is_a_recording(tmp_path: Path) -> None:
    model = cassette(tmp_path, turn("a", "b"))
    assert model.name == "session (recording)"
    await model.prepare()
    assert model.name == "big (recording)"
    assert "recording" in model.describe()
    assert "nothing leaves this machine" in model.describe()


def test_a_cassette_wins_over_a_model(tmp_path: Path) -> None:
    cassette(tmp_path, turn("a", "b"))
    settings = Settings(
        cassette=str(tmp_path / "session.json"), model="m", base_url="http://127.0.0.1:1/v1"
    )
    assert isinstance(open_model(settings, {}), CassetteModel)
    assert isinstance(open_model(Settings(), {}), EndpointModel)
    assert isinstance(
        open_model(Settings(cassette="~nobody-of-that-name/a.json"), {}), CassetteModel
    )


def read(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
async def test_every_scenario_is_a_cassette(path: Path) -> None:
    model = CassetteModel(path)
    chat = Chat(model)
    for one in read(path)["turns"]:
        if "prompt" not in one:
            continue
        replies = [await chat.prompt(one["prompt"], NOTEBOOK)]
        replies += [await chat.observe() for _ in one["replies"][1:]]
        for got, recorded in zip(replies, one["replies"], strict=True):
            assert recorded.startswith(text(got))
    assert model.unplayed() == []


async def test_what_was_recorded_plays_back(tmp_path: Path, serve: ServeScript) -> None:
    recorded: list[str | Reply] = [
        Reply(CODE + "invented"),
        Reply("```python\nx(", finish="length"),
        Reply(tool_code="y = 2"),
        Reply("Done.", reasoning="Hm."),
        "Bye.",
    ]
    server = serve(recorded)
    asked = EndpointModel(Settings(base_url=server.base_url, model="m"), {})
    file = tmp_path / "new.json"
    live, replies = Chat(CassetteRecorder(asked, file, name="m")), []
    replies.append(await live.prompt("Load.\n\nWith password='hunter2'.", NOTEBOOK, ("A notice.",)))
    replies += [await live.observe() for _ in range(3)]
    replies.append(await live.prompt("Plot.", NOTEBOOK))
    failure = await live.prompt("Once more.")
    assert isinstance(failure, ModelFailed)
    await asked.aclose()
    assert "hunter2" not in file.read_text()

    model = CassetteModel(file)
    again, played = Chat(model), []
    played.append(await again.prompt("Load.\n\nWith password='hunter2'."))
    played += [await again.observe() for _ in range(3)]
    played.append(await again.prompt("Plot."))
    assert [told(reply) for reply in played] == [told(reply) for reply in replies]
    assert model.unplayed() == []


def told(reply: ModelReplied | ModelFailed) -> tuple[str, str, str, str | None]:
    assert isinstance(reply, ModelReplied), reply
    return reply.text, reply.finish, reply.reasoning, reply.tool_code


@given(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(lambda t: t.strip() != "")
)
def test_a_prompt_is_found_again_in_the_message_that_opens_its_turn(prompt: str) -> None:
    for context, notices in ((Context(), ()), (NOTEBOOK, ("A notice.",))):
        message = opening(
            prompt, context, level="values", tokens=1000, steps_left=3, notices=notices
        )
        assert f" {normal(prompt)}".endswith(f" {normal(prompt_of(message))}")

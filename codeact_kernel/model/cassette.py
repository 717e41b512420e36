"""A recorded session that answers instead of a model, and the recorder that makes one.

The words are a recording and are said to be; the code in them is really
executed.  A cassette is JSON, and a scenario of the tests is one too::

    {"v": 1, "model": "name", "turns": [{"prompt": "…", "replies": ["…", …]}, {"code": "…"}]}

A reply is text, or ``{"text", "reasoning", "tool_code", "finish"}``.  Turns
with ``code`` are what the user ran in between; they need no model.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_args

from ..agent.budget import estimate, message_tokens
from ..agent.events import AskModel, ModelFailed, ModelReplied, Usage
from ..agent.parse import StreamCut
from ..agent.ports import Display, Model
from ..errors import CassetteMismatch, CodeActError, UsageError
from .masking import mask
from .reply import ReplyReader

_PIECE = 24
"""Characters that are shown at once: a few tokens, as an endpoint sends them."""

Finish = Literal["stop", "cut", "length"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One recorded reply."""

    text: str
    reasoning: str = ""
    tool_code: str | None = None
    finish: Finish = "stop"


@dataclass(frozen=True, slots=True)
class Turn:
    """A prompt, as ``normal`` leaves it, and what was replied to it one after the other."""

    prompt: str
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class Cassette:
    """A recorded session."""

    model: str
    turns: tuple[Turn, ...]


def read_cassette(path: Path) -> Cassette:
    """Read a cassette or scenario.  Raises ``UsageError`` if it is none."""
    try:
        content = json.loads(path.read_text("utf-8"))
        turns = tuple(
            Turn(normal(turn["prompt"]), tuple(map(_reply, turn["replies"])))
            for turn in content["turns"]
            if "prompt" in turn
        )
        version, model = content.get("v", 1), str(content.get("model", ""))
    except OSError as error:
        raise UsageError(
            f"The recording {path} cannot be read: {error.strerror}.",
            remedy="Check CODEACT_CASSETTE, or unset it to ask a model.",
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        version = None
    if version != 1 or not turns:
        raise UsageError(
            f"{path} is not a recording of version 1.",
            remedy="Check CODEACT_CASSETTE, or unset it to ask a model.",
        )
    return Cassette(model, turns)


def normal(prompt: str) -> str:
    """``prompt`` as prompts are compared: secrets masked, white space made even."""
    return " ".join(mask(prompt).split())


class CassetteModel:
    """Answers from a recorded session.  Implements ``agent.ports.Model``.

    A turn is found by its prompt; of equal prompts the next one after the turn
    played last is taken, from the start again after the last, so that a
    notebook can be run as often as one likes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cassette: Cassette | None = None
        self._last = -1
        self._playing: tuple[str, int] = ("", -1)
        self._played: set[tuple[int, int]] = set()

    @property
    def name(self) -> str:
        """The recorded model's name, marked as a recording."""
        recorded = self._cassette.model if self._cassette else ""
        return f"{recorded or self._path.stem} (recording)"

    def describe(self) -> str:
        """That nobody is asked."""
        return (
            f"The replies are a recording ({self._path.name}): no model is asked and nothing "
            "leaves this machine. The code in them is really executed. "
            "'codeact config' sets up a model of your own."
        )

    async def prepare(self) -> None:
        """Read the recording.  Raises ``UsageError`` if there is none."""
        self._open()

    async def ask(self, ask: AskModel, display: Display) -> ModelReplied | ModelFailed:
        """Answer ``ask`` from the recording, or fail as ``CassetteMismatch``."""
        start = time.monotonic()
        try:
            turn, position = self._find(self._open(), ask)
            reply = self._take(turn, position)
        except CodeActError as error:
            return ModelFailed(type(error).__name__, str(error), time.monotonic() - start)
        reader = ReplyReader(StreamCut())
        for at in range(0, len(reply.text), _PIECE):
            if reader.cut:
                break
            delta = {"content": reply.text[at : at + _PIECE]}
            display.delta(reader.feed({"choices": [{"delta": delta}]}))
            await asyncio.sleep(0)
        return ModelReplied(
            reader.text,
            "cut" if reader.cut else reply.finish,
            # A recording costs nothing, whatever the real model did.
            Usage(sum(map(message_tokens, ask.messages)), estimate(reader.text), 0.0, True),
            seconds=time.monotonic() - start,
            reasoning=reply.reasoning,
            tool_code=reply.tool_code,
        )

    async def aclose(self) -> None:
        """Nothing to close."""

    def unplayed(self) -> list[tuple[str, int]]:
        """Replies that were never given: prompt, and position from 1.  Raises ``UsageError``."""
        return [
            (turn.prompt, position + 1)
            for number, turn in enumerate(self._open().turns)
            for position in range(len(turn.replies))
            if (number, position) not in self._played
        ]

    def _open(self) -> Cassette:
        if self._cassette is None:
            self._cassette = read_cassette(self._path)
        return self._cassette

    def _find(self, cassette: Cassette, ask: AskModel) -> tuple[int, int]:
        """Which turn is asked for, and which of its replies."""
        if ask.turn == self._playing[0]:
            opening = self._playing[1]
        else:
            opening = len(ask.messages) - 1
            self._last = self._match(cassette, ask.messages[opening].text)
            self._playing = ask.turn, opening
        roles = [message.role for message in ask.messages[opening:]]
        return self._last, roles.count("assistant")

    def _match(self, cassette: Cassette, opening: str) -> int:
        asked = normal(prompt_of(opening))
        turns = cassette.turns
        order = [(self._last + 1 + n) % len(turns) for n in range(len(turns))]
        fitting = [n for n in order if f" {asked}".endswith(f" {turns[n].prompt}")]
        if not fitting:
            raise CassetteMismatch(
                f"The recording {self._path.name} has no prompt {_short(asked)}.",
                remedy="Prompts of a recording must stay as they are; to ask anything else, unset "
                "CODEACT_CASSETTE and set CODEACT_MODEL.",
            )
        return max(fitting, key=lambda n: len(turns[n].prompt))

    def _take(self, number: int, position: int) -> Reply:
        turn = self._open().turns[number]
        if position >= len(turn.replies):
            raise CassetteMismatch(
                f"The recording {self._path.name} has only {len(turn.replies)} replies to "
                f"{_short(turn.prompt)}: a step ended otherwise than when it was recorded.",
                remedy="Look at the last step; the recording cannot react to it.",
            )
        self._played.add((number, position))
        return turn.replies[position]


class CassetteRecorder:
    """Passes questions on to ``model`` and keeps the replies in a cassette at ``path``.

    The file is written after each reply; secrets in prompts are masked.
    """

    def __init__(self, model: Model, path: Path, *, name: str = "") -> None:
        self._model = model
        self._path = path
        self._name = name
        self._turns: dict[str, dict[str, Any]] = {}

    async def ask(self, ask: AskModel, display: Display) -> ModelReplied | ModelFailed:
        """Ask the model.  Raises ``OSError`` if the cassette cannot be written."""
        reply = await self._model.ask(ask, display)
        if isinstance(reply, ModelReplied):
            prompt = mask(prompt_of(ask.messages[-1].text))
            turn = self._turns.setdefault(ask.turn, {"prompt": prompt, "replies": []})
            turn["replies"].append(_recorded(reply))
            content = {"v": 1, "model": self._name, "turns": list(self._turns.values())}
            text = json.dumps(content, ensure_ascii=False, indent=1) + "\n"
            self._path.write_text(text, "utf-8")
        return reply


_STEPS_LEFT = re.compile(r"\n\n\[[^\n\]]*\]\s*\Z")
_NOTICES = re.compile(r"(?:\([^\n]*\)\n\n)+")


def prompt_of(opening: str) -> str:
    """What the user typed, in the message that starts a turn (``agent.prompt.opening``)."""
    text = _STEPS_LEFT.sub("", opening)
    text = text[notices.end() :] if (notices := _NOTICES.match(text)) else text
    if text.startswith("<notebook>\n"):
        text = text.rpartition("\n</notebook>\n\n")[2]
    return text


def _reply(recorded: str | Mapping[str, Any]) -> Reply:
    if isinstance(recorded, str):
        return Reply(recorded)
    finish = recorded.get("finish", "stop")
    if finish not in get_args(Finish):
        raise ValueError(finish)
    code = recorded.get("tool_code")
    return Reply(
        str(recorded.get("text", "")),
        str(recorded.get("reasoning", "")),
        None if code is None else str(code),
        cast("Finish", finish),
    )


def _recorded(reply: ModelReplied) -> str | dict[str, str]:
    fields = {
        "text": reply.text,
        "reasoning": reply.reasoning,
        "tool_code": reply.tool_code,
        "finish": reply.finish if reply.finish == "length" else "",
    }
    kept = {name: value for name, value in fields.items() if value}
    return reply.text if kept.keys() <= {"text"} else kept


def _short(prompt: str) -> str:
    return repr(prompt if len(prompt) <= 80 else prompt[:79] + "…")

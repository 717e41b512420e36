"""The recorded tasks, with a random mark in each step's output.

A mark shows that an observation is what the code printed just now, and not a
copy from anywhere: it is nowhere in the code (there it is written backwards),
and the recorded output is what remains when it is taken away.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.support.kernel_client import by_step, printed, turn_in

FOLDER = Path(__file__).parent.parent / "scenarios"
SCENARIOS = sorted(FOLDER.glob("*.json"))

Json = dict[str, Any]
_FENCE = "```python\n"


@dataclass(frozen=True)
class Step:
    """One step: the code as sent, the mark that it prints first, and what was recorded of it."""

    code: str
    mark: str
    observed: Json

    @property
    def stdout(self) -> str:
        """What it must print: the mark, then what was recorded."""
        return f"{self.mark}\n{self.observed['stdout']}"

    @property
    def error(self) -> Json | None:
        found = self.observed["error"]
        return dict(found) if found else None


@dataclass(frozen=True)
class Turn:
    """A prompt, the replies to it, and the steps in them."""

    prompt: str
    replies: tuple[str, ...]
    steps: tuple[Step, ...]

    @property
    def answer(self) -> str:
        return self.replies[-1]


@dataclass(frozen=True)
class CodeCell:
    """A cell of the user's own."""

    code: str
    observed: Json


@dataclass(frozen=True)
class Scenario:
    """One task with fresh marks."""

    name: str
    cells: tuple[Turn | CodeCell, ...]
    files: dict[str, str]
    checks: Json

    @property
    def turns(self) -> list[Turn]:
        return [cell for cell in self.cells if isinstance(cell, Turn)]

    @property
    def replies(self) -> list[str]:
        """What the endpoint is to answer, in order."""
        return [reply for turn in self.turns for reply in turn.replies]

    @property
    def sources(self) -> list[str]:
        """The cells as the user typed them."""
        return [cell.prompt if isinstance(cell, Turn) else cell.code for cell in self.cells]

    def lay_out(self, folder: Path) -> Path:
        """Write the scenario's files into ``folder``, which is made if it is missing."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        return folder


def load(path: Path) -> Scenario:
    """Read a scenario and put a new mark into each of its steps."""
    recorded = json.loads(path.read_text("utf-8"))
    return Scenario(
        recorded["name"],
        tuple(map(_cell, recorded["turns"])),
        recorded["files"],
        recorded["checks"],
    )


def _cell(recorded: Json) -> Turn | CodeCell:
    if "code" in recorded:
        return CodeCell(recorded["code"], recorded["observed"])
    *replies, answer = recorded["replies"]
    pairs = [_mark(reply, seen) for reply, seen in zip(replies, recorded["observed"], strict=True)]
    return Turn(
        recorded["prompt"],
        (*(reply for reply, _ in pairs), answer),
        tuple(step for _, step in pairs),
    )


def _mark(reply: str, observed: Json) -> tuple[str, Step]:
    mark = uuid4().hex
    marked = reply.replace(_FENCE, f'{_FENCE}print("{mark[::-1]}"[::-1])\n', 1)
    code = marked.partition(_FENCE)[2].partition("\n```")[0]
    assert mark not in marked
    return marked, Step(code, mark, observed)


def assert_played(outputs: list[Any], turn: Turn) -> None:
    """The outputs of a prompt cell show ``turn`` as it was recorded: every step, and the answer."""
    data = turn_in(outputs)
    assert (data["stop"], data["answer"]) == ("answered", turn.answer.strip())
    assert [step["code"] for step in data["steps"]] == [step.code for step in turn.steps]
    shown = by_step(outputs)
    for number, (kept, step) in enumerate(zip(data["steps"], turn.steps, strict=True), 1):
        assert kept["status"] == ("ok" if step.observed["ok"] else "error")
        assert kept["error"] == step.error
        _assert_step(shown[number], step)


def _assert_step(outputs: list[Any], step: Step) -> None:
    assert printed(outputs, "stdout") == step.stdout
    bundles = [output["data"] for output in outputs if output["output_type"] == "display_data"]
    rich = {mime for data in bundles for mime in data} - {"text/plain"}
    assert sorted(rich) == sorted(step.observed["mime"])
    if step.observed["result"] is not None:
        assert step.observed["result"] in [data["text/plain"] for data in bundles]
    # Separate, because escape sequences stand between them in a coloured traceback.
    for words in (step.error or {}).values():
        assert words in printed(outputs, "stderr")

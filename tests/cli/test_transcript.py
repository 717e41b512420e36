"""The transcript shows what happens, in words, and nothing can use it against the terminal."""

from __future__ import annotations

import io
import os
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from codeact_kernel.cli.transcript import QUIET, Transcript, open_console, printable
from codeact_kernel.replay.expand import TURN_MIME


class Reader:
    """A transcript and the text that came out of it."""

    def __init__(
        self, *, terminal: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.stream = io.StringIO()
        console = Console(file=self.stream, force_terminal=terminal, width=80)
        self.transcript = Transcript(console, clock)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def message(kind: str, **content: Any) -> dict[str, Any]:
    return {"msg_type": kind, "content": content}


def marked(part: str, data: dict[str, Any], step: int | None = None) -> dict[str, Any]:
    mark = {"turn": "t", "part": part} | ({"step": step} if step else {})
    return message("display_data", data=data, metadata={"codeact": mark})


def test_a_turn_reads_from_prompt_to_answer() -> None:
    reader = Reader()
    show = reader.transcript
    show.prompt("What is six times seven?")
    show.doing("asking the model")
    show.message(marked("progress", {"text/plain": "CodeAct · thinking"}))
    show.message(marked("text", {"text/plain": "I multiply."}, 1))
    show.message(marked("code", {"text/plain": "x = '```'\n6*7"}, 1))
    show.message(message("stream", name="stdout", text="multi"))
    show.message(message("stream", name="stdout", text="plied\n"))
    show.message(message("display_data", data={"text/plain": "42"}, metadata={}))
    turn = {"answer": "**42**", "stop": "answered", "steps": [{}], "model": "m", "usage": {}}
    show.message(marked("answer", {"text/plain": "42", TURN_MIME: turn}))

    assert reader.text == (
        "\n❯ What is six times seven?\n"
        "\nI multiply.\n"
        "\nstep 1\n│ x = '```'\n│ 6*7\n"
        "  multiplied\n  42\n"
        "\n**42**\nanswered · 1 step · m\n"
    )


@pytest.mark.parametrize("pieces", [1, 1000])
def test_of_long_outputs_the_beginning_and_the_end_are_shown(pieces: int) -> None:
    reader = Reader()
    lines = [f"line {number}\n" for number in range(1000)]
    for at in range(pieces):
        text = "".join(lines[at * 1000 // pieces : (at + 1) * 1000 // pieces])
        reader.transcript.message(message("stream", name="stdout", text=text))
    reader.transcript.note("done")
    shown = reader.text.splitlines()

    assert shown[0] == "  line 0"
    assert shown[-6:] == ["  … 980 lines more", *(f"  line {n}" for n in range(996, 1000)), "done"]


def test_an_output_that_just_fits_is_shown_whole() -> None:
    reader = Reader()
    reader.transcript.message(message("stream", name="stdout", text="line\n" * 20))
    reader.transcript.note("done")

    assert reader.text == "  line\n" * 20 + "done\n"


def test_a_very_long_line_is_cut() -> None:
    reader = Reader()
    reader.transcript.message(message("stream", name="stdout", text="x" * 1_000_000 + "\n"))

    assert len(reader.text) < 1_000


def test_a_progress_bar_shows_its_last_state() -> None:
    reader = Reader()
    for percent in (10, 50, 100):
        reader.transcript.message(message("stream", name="stderr", text=f"\r{percent} %"))
    reader.transcript.note("done")

    assert reader.text == "  100 %\ndone\n"


def test_line_ends_of_windows_are_line_ends() -> None:
    reader = Reader()
    reader.transcript.message(message("stream", name="stdout", text="a\r\nb\r\n"))

    assert reader.text == "  a\n  b\n"


def test_streams_do_not_run_into_each_other() -> None:
    reader = Reader()
    reader.transcript.message(message("stream", name="stdout", text="out"))
    reader.transcript.message(message("stream", name="stderr", text="err\n"))

    assert reader.text == "  out\n  err\n"


def test_pictures_and_unknown_outputs_are_named() -> None:
    reader = Reader()
    picture = {"image/png": "…", "text/plain": "<Figure>"}
    reader.transcript.message(message("display_data", data=picture, metadata={}))
    reader.transcript.message(message("display_data", data={"text/html": "<b>"}, metadata={}))

    assert reader.text == "  [a picture: image/png]\n  [an output of type text/html]\n"


def test_an_error_shows_its_traceback() -> None:
    reader = Reader()
    error = {"ename": "ValueError", "evalue": "no", "traceback": ["Traceback", "ValueError: no"]}
    reader.transcript.message(message("error", **error))

    assert reader.text == "  Traceback\n  ValueError: no\n"


def test_a_turn_without_an_answer_says_why_once() -> None:
    reader = Reader()
    turn = {"answer": "", "reason": "20 were not enough.", "stop": "steps", "steps": []}
    reader.transcript.message(marked("answer", {"text/plain": "…", TURN_MIME: turn}))
    reader.transcript.message(
        message(
            "error", ename="CodeActTurnError", evalue="steps: 20 were not enough.", traceback=[]
        )
    )

    assert reader.text == "\n20 were not enough.\nsteps · 0 steps\n"


def test_rich_markup_in_outputs_is_plain_text() -> None:
    reader = Reader(terminal=True)
    reader.transcript.message(message("stream", name="stdout", text="[link=http://x]a[/] [/b]\n"))

    assert "[link=http://x]a[/] [/b]" in reader.text


def test_a_quiet_run_in_a_pipe_says_that_it_lives() -> None:
    now = 1000.0
    reader = Reader(clock=lambda: now)
    reader.transcript.doing("step 3 runs")
    reader.transcript.note("x")
    now += QUIET - 1
    reader.transcript.tick()
    assert reader.text == "x\n"

    now += 1
    reader.transcript.tick()
    assert reader.text == "x\n… step 3 runs, 30 s so far\n"


def test_a_reader_that_went_away_does_not_end_the_run() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as file:
        console = open_console()
        console.file = file
        transcript = Transcript(console)
        transcript.note("nobody")
        transcript.note("reads this")


@pytest.mark.parametrize(
    "attack",
    [
        "\x1b]0;title\x07",
        "\x1b]52;c;aGVsbG8=\x1b\\",
        "\x1b]8;;http://x\x1b\\",
        "\x1b[2J",
        "\x1b[?1049h",
        "\x1bc",
        "\x1bP1;q\x1b\\",
        "\x9b2J",
        "\x07",
        "\x08\x08",
        "\x1b]0;never closed",
        "\x1b",
        "\x1b[",
    ],
)
def test_terminal_commands_are_removed(attack: str) -> None:
    kept = printable(f"a{attack}")

    assert kept.startswith("a")
    assert not set(kept) & {"\x07", "\x08", "\x9b", "\x1b"}


def test_colours_stay() -> None:
    assert printable("\x1b[1;31mred\x1b[0m") == "\x1b[1;31mred\x1b[0m"


@given(st.text(alphabet=st.sampled_from("\x1b[]mP;?0c\x07\\\x9ba\n\r"), max_size=30))
def test_nothing_but_colour_survives_whatever_is_printed(text: str) -> None:
    reader = Reader(terminal=True)
    reader.transcript.message(message("stream", name="stdout", text=text + "\n"))
    reader.transcript.note("done")
    rest = re.sub(r"\x1b\[[0-9;:]*m", "", reader.text)

    assert not set(rest) & {"\x1b", "\x07", "\x9b", "\r"}

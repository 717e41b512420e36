"""What a person sees while a notebook runs: prompts, code, outputs, answers, and that work goes on.

On a terminal the last line moves (what is going on, for how long); in a pipe
the same lines come as plain text, and a quiet half minute gets a line of its own.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any

from ..replay.expand import TURN_MIME, mark_of

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID
    from rich.text import Text

QUIET = 30.0
"""Seconds without a line after which a plain transcript says that work goes on."""

_FIRST_LINES, _LAST_LINES = 16, 4
_SHOWN_COLUMNS = 400
_TERMINAL = re.compile(
    r"(\x1b\[[0-9;:]*m)"  # colour, which is kept
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\|$)?"  # OSC: titles, links, clipboard
    r"|\x1b[PX^_].*?(?:\x1b\\|$)"  # other strings
    r"|\x1b\[[0-?]*[ -/]*[@-~]?"  # other CSI: cursor, screen, modes
    r"|\x1b[^\x1b\n]?"  # two-character sequences
    r"|[\x00-\x08\x0b-\x1f\x7f-\x9f]",  # control characters but tab and newline
    re.DOTALL,
)


def printable(text: str) -> str:
    """``text`` without anything that could make a terminal do more than show it in colour."""
    return _TERMINAL.sub(r"\1", text)


def open_console() -> Console:
    """Standard output, for a ``Transcript``."""
    from rich.console import Console

    class StandardOutput(Console):
        def on_broken_pipe(self) -> None:
            # The reader has gone (``codeact run … | head``): the run still ends, and is saved.
            self.quiet = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.file.fileno())
            os.close(nowhere)

    return StandardOutput(highlight=False)


class Transcript:
    """Prints one run on ``console``; ``clock`` gives seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._live: Progress | None = None
        self._task: TaskID | None = None
        self._doing = ""
        self._started = self._last_line = self._clock()
        self._held, self._held_style = "", ""
        self._shown = 0
        self._latest: deque[Text] = deque()
        self._hidden = 0

    def __enter__(self) -> Transcript:
        if self._console.is_terminal:
            from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

            self._live = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}", style="dim", markup=False),
                TimeElapsedColumn(),
                console=self._console,
                transient=True,
                refresh_per_second=8,
            )
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    # --- what the runner calls -----------------------------------------------------

    def doing(self, what: str) -> None:
        """Say what is going on, until the next call; the clock starts anew."""
        self._doing, self._started = what, self._clock()
        if self._live is not None:
            if self._task is not None:
                self._live.remove_task(self._task)
            self._task = self._live.add_task(what, total=None)

    def tick(self) -> None:
        """Called every second or so: a plain transcript that was quiet for long says that it lives."""
        now = self._clock()
        if self._live is None and now - self._last_line >= QUIET:
            self.note(f"… {self._doing}, {now - self._started:.0f} s so far")

    def note(self, text: str, style: str = "dim") -> None:
        """A sentence of ours."""
        self._finish_output()
        self._line(self._text(text, style))

    def prompt(self, text: str) -> None:
        """A prompt, before its turn."""
        self._finish_output()
        self._line("")
        for number, line in enumerate(printable(text).splitlines()):
            self._line(self._text(f"{'❯' if number == 0 else ' '} {line}", "bold cyan"))

    def code(self, source: str, title: str = "") -> None:
        """The code of a cell or of a step, which is titled."""
        from rich.syntax import Syntax

        self._finish_output()
        self._line("")
        if title:
            self._line(self._text(title, "bold"))
        code = Syntax("", "python", theme="ansi_dark").highlight(printable(source).rstrip())
        for line in code.split("\n"):
            self._line(self._text("│ ", "green").append_text(line))

    def message(self, message: Mapping[str, Any]) -> None:
        """One message that the kernel published while the cell runs."""
        kind, content = message["msg_type"], message["content"]
        mark = mark_of(content)
        if mark and (kind == "display_data" or mark.get("part") == "progress"):
            self._marked(mark, content)
        elif kind == "stream":
            self._output(content["text"], "red" if content["name"] == "stderr" else "")
        elif kind == "error":
            self._error(content)
        elif kind in {"display_data", "execute_result"}:
            self._shows(content["data"])

    @property
    def can_ask(self) -> bool:
        """Whether a person is there to answer."""
        return (
            sys.platform != "win32"
            and self._console.is_terminal
            and sys.stdin is not None
            and sys.stdin.isatty()
        )

    async def ask(self, question: str, hidden: bool) -> str:
        """A line from the person; end of file (Ctrl-D) is ``\\x04``, as Jupyter's consoles send it."""
        self._finish_output()
        if self._live is not None:
            self._live.stop()
        self._console.print(self._text(printable(question)), end="")
        try:
            return await _read_line(hidden)
        finally:
            if hidden:
                self._console.print()
            if self._live is not None:
                self._live.start()

    # --- how it looks -----------------------------------------------------------------

    def _marked(self, mark: Mapping[str, Any], content: Mapping[str, Any]) -> None:
        data = content.get("data", {})
        if mark.get("part") == "progress":
            line = printable(str(data.get("text/plain", ""))).partition("\n")[0]
            if line:
                self._progress(line)
        elif mark.get("part") == "code":
            self.code(str(data.get("text/plain", "")), f"step {mark.get('step')}")
            self.doing(f"step {mark.get('step')} runs")
        elif mark.get("part") in {"text", "notice"}:
            self._words(str(data.get("text/plain", "")), "dim" if mark["part"] == "notice" else "")
        elif mark.get("part") == "answer":
            turn = data.get(TURN_MIME, {})
            self._answer(str(turn.get("answer") or turn.get("reason") or ""), turn)

    def _progress(self, line: str) -> None:
        if self._live is not None and self._task is not None:
            self._live.update(self._task, description=line)
        self._doing = line

    def _words(self, words: str, style: str) -> None:
        self._finish_output()
        self._line("")
        for line in printable(words).splitlines():
            self._line(self._text(line, style))

    def _answer(self, answer: str, turn: Mapping[str, Any]) -> None:
        self._finish_output()
        self._line("")
        if self._console.is_terminal:
            from rich.markdown import Markdown

            self._line(Markdown(printable(answer)))
        else:
            for line in printable(answer).splitlines():
                self._line(self._text(line))
        self._line(self._text(_summary(turn), "dim"))

    def _error(self, content: Mapping[str, Any]) -> None:
        # Why a turn ended without an answer stands where the answer would.
        if content["ename"] != "CodeActTurnError":
            traceback = "\n".join(content["traceback"])
            self._output((traceback or f"{content['ename']}: {content['evalue']}") + "\n", "red")

    def _shows(self, data: Mapping[str, Any]) -> None:
        picture = next((mime for mime in data if mime.startswith("image/")), None)
        if picture:
            self._output(f"[a picture: {picture}]\n", "dim")
        elif "text/plain" in data:
            self._output(str(data["text/plain"]) + "\n", "")
        else:
            self._output(f"[an output of type {', '.join(data)}]\n", "dim")

    def _output(self, text: str, style: str) -> None:
        """Print whole lines of an output; hold the rest until it is a line or something else comes."""
        if style != self._held_style:
            self._print_held()
        lines = (self._held + text).split("\n")
        self._held, self._held_style = lines.pop(), style
        self._print_output(lines, style)

    def _print_output(self, lines: list[str], style: str) -> None:
        """Print the first lines of an output; of the others keep the last, to show them at its end."""
        for number, line in enumerate(lines):
            if self._shown < _FIRST_LINES:
                self._shown += 1
                self._line(self._output_line(line, style))
            elif number >= len(lines) - _LAST_LINES:
                self._latest.append(self._output_line(line, style))
            else:
                self._hidden += 1
        while len(self._latest) > _LAST_LINES:
            self._latest.popleft()
            self._hidden += 1

    def _output_line(self, line: str, style: str) -> Text:
        from rich.text import Text

        # What a carriage return overwrote was an earlier state, of a progress bar for example.
        latest = line.rstrip("\r").rpartition("\r")[2][:_SHOWN_COLUMNS]
        return self._text("  ", style).append_text(Text.from_ansi(printable(latest)))

    def _print_held(self) -> None:
        if self._held:
            self._print_output([self._held], self._held_style)
        self._held = ""

    def _finish_output(self) -> None:
        self._print_held()
        if self._hidden:
            self._line(self._text(f"  … {self._hidden} lines more", "dim"))
        for line in self._latest:
            self._line(line)
        self._latest.clear()
        self._shown = self._hidden = 0

    def _text(self, text: str, style: str = "") -> Text:
        from rich.text import Text

        return Text(text, style)

    def _line(self, what: Any) -> None:
        self._last_line = self._clock()
        self._console.print(what, soft_wrap=not _wraps(what), highlight=False)


async def _read_line(hidden: bool) -> str:
    """A line from the terminal, without a thread that could not be stopped."""
    import termios

    descriptor = sys.stdin.fileno()
    loop = asyncio.get_running_loop()
    line: asyncio.Future[str] = loop.create_future()
    before = termios.tcgetattr(descriptor)
    if hidden:
        silent = [*before]
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(descriptor, termios.TCSADRAIN, silent)

    def arrived() -> None:
        if not line.done():
            line.set_result(sys.stdin.readline())

    loop.add_reader(descriptor, arrived)
    try:
        return (await line).rstrip("\n") or ("" if line.result() else "\x04")
    finally:
        loop.remove_reader(descriptor)
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _wraps(what: Any) -> bool:
    """Markdown is laid out for the terminal's width; all else is printed as it is."""
    return type(what).__name__ == "Markdown"


def _summary(turn: Mapping[str, Any]) -> str:
    """Such as ``answered · 3 steps · 1,204 tokens · 0.0123 · 8.1 s · example-model``."""
    usage = turn.get("usage") or {}
    steps = len(turn.get("steps", ()))
    tokens = usage.get("prompt_tokens", 0) + usage.get("completion_tokens", 0)
    parts = [str(turn.get("stop", "")), f"{steps} step{'' if steps == 1 else 's'}"]
    if tokens:
        parts.append(f"{tokens:,} tokens")
    if usage.get("cost"):
        parts.append(f"cost {usage['cost']:.4f}")
    if usage.get("seconds") is not None:
        parts.append(f"{usage['seconds']:.1f} s")
    if turn.get("model"):
        parts.append(str(turn["model"]))
    return printable(" · ".join(part for part in parts if part))

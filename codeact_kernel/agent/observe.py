"""What the model is told about a step: an observation, in plain text of bounded size."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .events import EnvironmentLost, FileChange, Image, StepError, StepFinished
from .text import clip, plain, sendable, shares

CHARACTERS_PER_TOKEN = 4
_FILES_SHOWN = 20
_FRAME = re.compile(r"(?:File |Cell In|Input In|[~/.\w-]+\.py\b).*")
_LIBRARY_FRAME = re.compile(
    r"(?:File )?.*(?:site-packages|dist-packages|/lib(?:64)?/python\d|\.py[xi]:|\.pxi:).*"
)
_SOURCE_LINE = re.compile(r"\s*(?:\d+|\(\.\.\.\))(?:\s|$)")
_NO_SOURCE = "'Could not get source, probably due dynamically evaluated source code.'"
_SAME_FRAME = 3
"""How often a frame is shown that recursion repeats."""

_RULE = re.compile(r"-{20,}\s*")


@dataclass(frozen=True, slots=True)
class Observation:
    """One message to the model: ``text``, and the pictures that go with it."""

    text: str
    images: tuple[Image, ...] = ()


def observe(
    outcome: StepFinished,
    *,
    steps_left: int,
    tokens: int,
    images: bool,
    proposed: str | None = None,
    full: bool = False,
) -> Observation:
    """Describe a step that ended.

    ``tokens`` bounds the text (about); what exceeds it is cut in the middle
    with a mark that names the file with the whole text, if there is one.
    ``images`` says whether the model takes pictures.  ``proposed`` is the code
    as the model wrote it: when a person edited it, what really ran is shown.
    ``full`` warns that the conversation has little room left.
    """
    sections = [
        *_edited(outcome, proposed),
        ("", plain(outcome.stdout)),
        ("stderr:\n", plain(outcome.stderr)),
        *(("", plain(shown)) for shown in outcome.displays),
        ("Out: ", plain(outcome.result) if outcome.result is not None else ""),
        ("", _error(outcome.error) if outcome.error else ""),
        ("", "" if images else _not_sent(outcome.images)),
        ("Files: ", _files(outcome.files)),
        ("", plain(outcome.notice)),
    ]
    filled = [(label, text.strip("\n")) for label, text in sections if text.strip()]
    body = _fit(filled, tokens * CHARACTERS_PER_TOKEN, _where(outcome))
    if not filled and not outcome.images:
        body = ["(no output)"]
    head = _head(outcome, steps_left, full)
    return Observation(sendable("\n".join([head, *body])), outcome.images if images else ())


def loss(event: EnvironmentLost) -> str:
    """What a replaced environment means, in one line."""
    return (
        f"{event.reason.strip()} The environment was replaced."
        f" Lost: {', '.join(event.lost)}. Kept: {', '.join(event.kept)}."
    )


def steps_phrase(steps_left: int) -> str:
    """How many steps are left, and what to do when there is none."""
    if steps_left <= 0:
        return "no steps left: answer now, without code"
    return f"{steps_left} step{'s' if steps_left > 1 else ''} left"


def repair(reason: str, *, steps_left: int) -> str:
    """Tell the model that its reply could not be used, and why."""
    return sendable(f"[not run, {steps_phrase(steps_left)}]\n{reason}")


def invalid(problem: object) -> str:
    """Tell the model that its code cannot be parsed; ``problem`` says where and why."""
    return f"The code is not valid Python, so nothing ran: {problem}\nSend the corrected code."


def _head(outcome: StepFinished, steps_left: int, full: bool) -> str:
    facts: list[str] = [outcome.status]
    seconds = round(outcome.seconds, 1)
    if seconds:  # else it tells nothing, and each fact costs four tokens in every later request
        facts.append(f"{seconds:g} s")
    if outcome.peak_memory is not None:
        facts.append(size(outcome.peak_memory))
    facts.append(steps_phrase(steps_left))
    if full and steps_left > 0:
        facts.append("the conversation is nearly full: answer soon, print little")
    return f"[{', '.join(facts)}]"


def size(count: int) -> str:
    """``count`` bytes in powers of 1000, short: ``81 MB``."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.2g} {unit}" if value < 9.95 else f"{value:.0f} {unit}"
        value /= 1000
    return f"{value:.0f} TB"


def _edited(outcome: StepFinished, proposed: str | None) -> Iterator[tuple[str, str]]:
    if proposed is not None and outcome.code != proposed:
        yield "A person changed the code before it ran. What ran:\n", outcome.code


def _fit(sections: list[tuple[str, str]], limit: int, where: str) -> list[str]:
    """Each section within its share of ``limit`` characters; the small ones are kept whole."""
    granted = shares([len(text) for _, text in sections], limit)
    return [
        label + clip(text, allowed, where)
        for (label, text), allowed in zip(sections, granted, strict=True)
    ]


def _where(outcome: StepFinished) -> str:
    if outcome.spooled:
        return f"full text ({size(outcome.stdout_bytes)}) in {outcome.spooled}"
    return "print the part that you need"


def _error(error: StepError) -> str:
    lines = _trimmed(plain(error.traceback).strip("\n").split("\n"))
    kept = "\n".join(_without_repeats(lines)).strip("\n")
    named = re.search(rf"^{re.escape(error.name)}(?::|$)", kept, re.MULTILINE)
    last = plain(f"{error.name}: {error.value}" if error.value else error.name)
    return kept if named else f"{kept}\n{last}".strip("\n")


def _trimmed(lines: list[str]) -> Iterator[str]:
    """Every frame stays; of a library's frames only the line that raised, for space."""
    library = False
    for number, line in enumerate(lines):
        if _RULE.fullmatch(line) or (number <= 1 and "Traceback (most recent call last)" in line):
            continue
        if _FRAME.match(line):
            library = _LIBRARY_FRAME.match(line) is not None
        elif library and (_SOURCE_LINE.match(line) or _NO_SOURCE in line or not line.strip()):
            continue
        yield line


def _without_repeats(lines: Iterable[str]) -> Iterator[str]:
    """Frames that recursion repeats are shown a few times, then counted."""
    seen: Counter[str] = Counter()
    left_out = 0
    for frame in _frames(lines):
        text = "\n".join(frame).rstrip()
        seen[text] += 1
        if _FRAME.match(frame[0]) and seen[text] > _SAME_FRAME:
            left_out += 1
            continue
        if left_out:
            yield f"[... {left_out:,} repeated frames left out ...]"
            left_out = 0
        yield from frame
    if left_out:
        yield f"[... {left_out:,} repeated frames left out ...]"


def _frames(lines: Iterable[str]) -> Iterator[list[str]]:
    """Runs of lines that begin with a frame's first, or after a blank line."""
    frame: list[str] = []
    for line in lines:
        if frame and (_FRAME.match(line) or (line and not frame[-1].strip())):
            yield frame
            frame = []
        frame.append(line)
    if frame:
        yield frame


def _not_sent(images: tuple[Image, ...]) -> str:
    if not images:
        return ""
    kinds = ", ".join(image.mime for image in images)
    return f"(shown to the person, not visible to you: {len(images)} picture(s), {kinds})"


def _files(files: tuple[FileChange, ...]) -> str:
    named = [
        f"{file.change} {file.path}"
        + (f" ({size(file.bytes)})" if file.change != "deleted" else "")
        + (" [runs later]" if file.executes else "")
        for file in files[:_FILES_SHOWN]
    ]
    if len(files) > _FILES_SHOWN:
        named.append(f"and {len(files) - _FILES_SHOWN} more")
    return ", ".join(named)

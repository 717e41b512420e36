"""The record: complete, chained, small, and never half written."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.driver import Driver
from codeact_kernel.agent.events import (
    AskModel,
    Effect,
    Event,
    Interrupted,
    Message,
    PromptGiven,
    StepFinished,
)
from codeact_kernel.agent.loop import Agent, LoopSettings
from codeact_kernel.audit.journal import FileJournal, read_journal
from codeact_kernel.errors import JournalError
from tests.agent.scripted import (
    SCENARIOS,
    ListDisplay,
    ScriptedApprover,
    ScriptedExecutor,
    ScriptedModel,
    recorded,
    scenario_turns,
)
from tests.agent.strategies import ANY_ITEM, PLAUSIBLE_EVENTS


def write(path: Path, *items: Event | Effect) -> Path:
    journal = FileJournal(path, clock=lambda: 1.0)
    for item in items:
        note(journal, item)
    journal.close()
    return path


def note(journal: FileJournal, item: Event | Effect) -> None:
    (journal.effect if type(item).__name__ in EFFECTS else journal.event)(item)  # type: ignore[arg-type]


EFFECTS = {"AskModel", "RunStep", "AskApproval", "Finish"}


def ask(*texts: str) -> AskModel:
    return AskModel("t", 1, tuple(Message("user", text) for text in texts))


@given(st.lists(ANY_ITEM))
def test_what_was_written_is_read_back(items: list[Event | Effect]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record = read_journal(write(Path(folder, "j"), *items))
    assert [entry.item for entry in record.entries] == items
    assert not record.torn


@given(st.lists(PLAUSIBLE_EVENTS))
def test_folding_the_journal_of_any_run_gives_the_same_state(events: list[Event]) -> None:
    settings = LoopSettings(max_steps=4, context_tokens=4_096)
    agent = Agent(settings)
    with tempfile.TemporaryDirectory() as folder:
        journal = FileJournal(Path(folder, "j"), {"settings": asdict(settings)})
        effects: list[Effect] = []
        for event in events:
            journal.event(event)
            effects += agent.receive(event)
            for effect in effects[-1:]:
                journal.effect(effect)
        journal.close()
        record = read_journal(journal.path)
    again = Agent(LoopSettings(**record.header["settings"]))
    replayed = [effect for event in record.events for effect in again.receive(event)]
    assert again.state == agent.state
    assert replayed == effects


def outcome(executor: ScriptedExecutor, observed: dict[str, Any]) -> StepFinished:
    return recorded(executor.ran[-1], observed)


async def test_a_recorded_task_is_replayed_from_its_journal(tmp_path: Path) -> None:
    settings = LoopSettings()
    journal = FileJournal(tmp_path / "j", {"settings": asdict(settings)})
    executor = ScriptedExecutor()
    driver = Driver(
        Agent(settings), ScriptedModel(), executor, ScriptedApprover(), journal, ListDisplay()
    )
    for number, played in enumerate(scenario_turns(SCENARIOS[4])):
        driver.model = ScriptedModel(*played.replies)
        for observed in played.observed:
            executor.outcomes.append(partial(outcome, executor, observed))
        await driver.run_turn(PromptGiven(f"t{number}", played.prompt))
    journal.close()
    record = read_journal(journal.path)
    again = Agent(LoopSettings(**record.header["settings"]))
    assert [effect for event in record.events for effect in again.receive(event)] == [
        entry.item for entry in record.entries if entry.item not in record.events
    ]
    assert again.state == driver.agent.state


def test_each_entry_says_when_it_was_written(tmp_path: Path) -> None:
    assert [entry.at for entry in read_journal(write(tmp_path / "j", Interrupted())).entries] == [
        1.0
    ]


def test_the_header_comes_back(tmp_path: Path) -> None:
    FileJournal(tmp_path / "j", {"session": "s", "version": "mine"}).close()
    assert read_journal(tmp_path / "j").header == {"session": "s", "version": 1}


# --- size ------------------------------------------------------------------------------------


def test_an_entry_costs_the_same_however_long_the_conversation_is(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j", clock=lambda: 1.0)
    texts: list[str] = []
    sizes = []
    for _ in range(300):
        texts.append("x" * 1_000)
        before = journal.path.stat().st_size
        journal.effect(ask(*texts))
        sizes.append(journal.path.stat().st_size - before)
    journal.close()
    assert max(sizes) - min(sizes) < 10
    requests = [entry.item for entry in read_journal(journal.path).entries]
    assert requests[-1] == ask(*texts)


def test_a_compacted_conversation_is_read_back_too(tmp_path: Path) -> None:
    requests = [ask("a", "b", "c"), ask("a", "B"), ask("a", "B", "d"), ask(), ask("e"), ask("e")]
    record = read_journal(write(tmp_path / "j", *requests))
    assert [entry.item for entry in record.entries] == requests


# --- the file --------------------------------------------------------------------------------


def test_only_the_owner_can_read_it(tmp_path: Path) -> None:
    write(tmp_path / "new" / "j")
    assert stat.S_IMODE((tmp_path / "new" / "j").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "make", [lambda path: path.write_text("mine"), lambda path: path.symlink_to("x")]
)
def test_what_is_there_is_never_touched(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "j")
    with pytest.raises(JournalError, match="cannot be made"):
        FileJournal(tmp_path / "j")
    assert not (tmp_path / "x").exists()
    assert (tmp_path / "j").is_symlink() or (tmp_path / "j").read_text() == "mine"


def test_one_entry_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[bytes] = []
    real = os.write

    def counted(file: int, data: bytes) -> int:
        written.append(data)
        return real(file, data)

    monkeypatch.setattr(os, "write", counted)
    write(tmp_path / "j", Interrupted(), ask("a"))
    assert len(written) == 3
    assert all(data.count(b"\n") == 1 and data.endswith(b"\n") for data in written)


@pytest.mark.parametrize("wanted", [True, False])
def test_fsync_is_a_choice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: bool) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    FileJournal(tmp_path / "j", fsync=wanted).close()
    assert bool(synced) is wanted


def test_a_closed_journal_refuses(tmp_path: Path) -> None:
    journal = FileJournal(tmp_path / "j")
    journal.close()
    journal.close()
    with pytest.raises(JournalError):
        journal.event(Interrupted())


# --- a full disk -----------------------------------------------------------------------------

FULL_DISK = """
import resource, sys
from pathlib import Path
from codeact_kernel.agent.events import Interrupted, PromptGiven
from codeact_kernel.audit.journal import FileJournal
from codeact_kernel.errors import JournalError

journal = FileJournal(Path(sys.argv[1]))
journal.event(Interrupted())
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, resource.RLIM_INFINITY))
try:
    journal.event(PromptGiven("t", "x" * 1000))
except JournalError as error:
    print(error)
assert Path(sys.argv[1]).stat().st_size == size
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.event(PromptGiven("t", "room again"))
"""


def test_a_full_disk_is_an_error_and_leaves_a_whole_record(tmp_path: Path) -> None:
    """A limit on the file's size makes the kernel write a part of the entry, as a full disk does."""
    path = tmp_path / "j"
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True, check=True
    )
    assert "cannot be written" in done.stdout
    assert "Make room" in done.stdout
    assert read_journal(path).events == (Interrupted(), PromptGiven("t", "room again"))


def test_what_cannot_be_taken_back_stays_the_torn_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FileJournal(tmp_path / "j")
    journal.event(Interrupted())
    real = os.write

    def refuse(*args: object) -> None:
        raise OSError

    monkeypatch.setattr(os, "write", lambda file, data: real(file, data[:10]))
    monkeypatch.setattr(os, "ftruncate", refuse)
    with pytest.raises(JournalError):
        journal.event(Interrupted())
    monkeypatch.setattr(os, "write", real)
    with pytest.raises(JournalError):
        journal.event(Interrupted())
    record = read_journal(journal.path)
    assert record.torn
    assert record.events == (Interrupted(),)


# --- reading what was damaged ----------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "j", PromptGiven("t", "one"), ask("a"), ask("a", "b"), Interrupted())


def test_a_torn_last_line_is_dropped_wherever_it_was_torn(path: Path) -> None:
    whole = path.read_bytes()
    last = whole.rindex(b"\n", 0, -1) + 1
    for end in range(last + 1, len(whole)):
        path.write_bytes(whole[:end])
        record = read_journal(path)
        assert record.torn
        assert len(record.entries) == 3


@pytest.mark.parametrize("number", range(4))
def test_a_changed_entry_is_found_by_the_one_after_it(path: Path, number: int) -> None:
    lines = path.read_bytes().split(b"\n")
    lines[number] = lines[number].replace(b'"at":1.0', b'"at":2.0')
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=f"entry {number + 1} does not follow"):
        read_journal(path)


@pytest.mark.parametrize("number", range(4))
def test_a_missing_entry_is_found(path: Path, number: int) -> None:
    lines = path.read_bytes().split(b"\n")
    del lines[number]
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(JournalError, match=f"entry {number} "):
        read_journal(path)


@given(st.binary(max_size=80), st.integers(0, 10_000), st.integers(0, 200))
def test_damage_of_any_kind_is_an_error_or_harmless_but_never_a_crash(
    noise: bytes, place: int, length: int
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder, "j"), PromptGiven("t", "one"), ask("a"), ask("a", "b"))
        whole = path.read_bytes()
        at = place % len(whole)
        path.write_bytes(whole[:at] + noise + whole[at + length :])
        with suppress(JournalError):
            read_journal(path)


def test_a_request_that_continues_nothing_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "j", ask("a"))
    head, entry, _ = path.read_text().split("\n")
    broken = json.loads(entry)
    broken["is"]["since"] = 1
    path.write_text(f"{head}\n{json.dumps(broken)}\n")
    with pytest.raises(JournalError, match="entry 1 continues a conversation"):
        read_journal(path)


def test_another_version_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "j")
    path.write_text(path.read_text().replace('"version":1', '"version":2'))
    with pytest.raises(JournalError, match="version 2; this program reads 1"):
        read_journal(path)


@pytest.mark.parametrize("content", [b"", b"\n", b"not a journal\n", b"[]\n", b"\xff\xfe\n"])
def test_a_file_that_is_no_journal_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "j").write_bytes(content)
    with pytest.raises(JournalError):
        read_journal(tmp_path / "j")


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be read"):
        read_journal(tmp_path / "j")

"""Much output: a beginning, an end, a file with all of it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.kernel.outputs import Flood
from codeact_kernel.kernel.outputs import flood as module

Pieces = list[tuple[str, str]]


def _run(flood: Flood, pieces: Pieces) -> tuple[Pieces, Pieces]:
    now = [piece for stream, text in pieces for piece in flood.feed(stream, text)]
    return now, flood.finish()


def _of(pieces: Pieces, stream: str) -> str:
    return "".join(text for name, text in pieces if name == stream)


def test_little_output_passes_as_it_is_and_leaves_no_file(tmp_path: Path) -> None:
    text = "hello"
    flood = Flood(100, tmp_path, "cell")
    assert flood.feed("stdout", text)[0][1] is text
    assert flood.finish() == []
    assert flood.path is None
    assert list(tmp_path.iterdir()) == []


def test_much_output_shows_its_head_and_tail_and_names_the_file(tmp_path: Path) -> None:
    lines = [("stdout", f"line {n}\n") for n in range(1000)]
    flood = Flood(100, tmp_path, "cell")
    now, end = _run(flood, lines)
    path = tmp_path / "cell.stdout.txt"
    full = _of(lines, "stdout")
    assert path.read_text() == full
    assert flood.path == str(path)
    assert _of(now, "stdout") == full[:100]
    assert _of(end, "stdout") == f"\n…\n{full[-10:]}"
    assert _of(end, "stderr") == f"\n[8.9 kB of text in all; the full text is in {path}]\n"
    assert path.stat().st_mode & 0o777 == 0o600


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr"]),
            st.text(st.characters(codec="utf-8"), max_size=20),
        ),
        max_size=30,
    ),
    st.integers(0, 60),
)
def test_each_stream_is_kept_byte_for_byte(
    tmp_path_factory: pytest.TempPathFactory, pieces: Pieces, limit: int
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    now, _ = _run(Flood(limit, folder, "x"), pieces)
    shown = sum(len(text.encode()) for _, text in now)
    total = sum(len(text.encode()) for _, text in pieces)
    assert shown <= limit
    for stream in ("stdout", "stderr"):
        full = _of(pieces, stream)
        assert full.startswith(_of(now, stream))
        file = folder / f"x.{stream}.txt"
        if total > limit and full:
            assert file.read_bytes() == full.encode()
        else:
            assert not file.exists()


def test_bytes_that_are_no_text_come_back_as_they_were(tmp_path: Path) -> None:
    raw = b"\xff\xfe caf\xe9\n"
    flood = Flood(0, tmp_path, "cell")
    flood.feed("stdout", raw.decode("utf-8", "surrogateescape"))
    flood.feed("stderr", "\ud800 lone")
    flood.finish()
    assert (tmp_path / "cell.stdout.txt").read_bytes() == raw
    back = (tmp_path / "cell.stderr.txt").read_bytes().decode("utf-8", "surrogatepass")
    assert back == "\ud800 lone"


def test_a_character_at_the_limit_is_not_cut_in_two(tmp_path: Path) -> None:
    now, end = _run(Flood(5, tmp_path, "cell"), [("stdout", "€€€€")])
    assert _of(now, "stdout") == "€"
    assert (tmp_path / "cell.stdout.txt").read_text() == "€€€€"
    assert "12 bytes of text in all" in _of(end, "stderr")


def test_late_output_is_appended_and_ended_again(tmp_path: Path) -> None:
    flood = Flood(10, tmp_path, "cell")
    _run(flood, [("stdout", "a" * 30)])
    assert flood.finish() == []
    assert flood.feed("stdout", "late") == []
    end = flood.finish()
    assert "34 bytes of text in all" in _of(end, "stderr")
    assert (tmp_path / "cell.stdout.txt").read_text() == "a" * 30 + "late"
    assert _of(end, "stdout") == "\n…\ne"


def test_clearing_the_output_shows_new_text_again(tmp_path: Path) -> None:
    flood = Flood(10, tmp_path, "cell")
    flood.feed("stdout", "a" * 30)
    flood.cleared()
    assert flood.feed("stdout", "fresh") == [("stdout", "fresh")]
    assert flood.finish() == []
    assert (tmp_path / "cell.stdout.txt").read_text() == "a" * 30 + "fresh"


def test_a_prepared_link_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "precious"
    victim.write_text("keep")
    spool = tmp_path / "spool"
    spool.mkdir()
    (spool / "cell.stdout.txt").symlink_to(victim)
    _, end = _run(Flood(10, spool, "cell"), [("stdout", "a" * 30)])
    assert victim.read_text() == "keep"
    assert "the full text is lost" in _of(end, "stderr")
    assert _of(end, "stdout") == "\n…\na"


def test_a_full_disk_ends_the_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flood = Flood(10, tmp_path, "cell")
    opened = os.fdopen

    class Full:
        def __init__(self, fd: int) -> None:
            self._file = opened(fd, "wb", buffering=0)
            self._room = 100_000

        def write(self, data: bytes) -> int:
            if len(data) > self._room:
                self._file.write(data[: self._room])
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._room -= len(data)
            return self._file.write(data) or 0

        def close(self) -> None:
            self._file.close()

    monkeypatch.setattr(os, "fdopen", lambda fd, *_, **__: Full(fd))
    pieces = [("stdout", "x" * 60_000)] * 5
    _, end = _run(flood, pieces)
    path = tmp_path / "cell.stdout.txt"
    assert path.stat().st_size == 100_000
    assert f"only the first 100.0 kB are in {path}: No space left on device" in _of(end, "stderr")
    assert "300.0 kB of text in all" in _of(end, "stderr")


def test_endless_output_does_not_fill_the_disk(tmp_path: Path) -> None:
    flood = Flood(10, tmp_path, "cell", spool_limit=1_000)
    _, end = _run(flood, [("stdout", "x" * 300)] * 100)
    assert (tmp_path / "cell.stdout.txt").stat().st_size == 1_000
    assert "a file of output ends at 1.0 kB" in _of(end, "stderr")


def test_a_disk_that_is_nearly_full_is_left_some_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CHECK_EVERY", 100)
    monkeypatch.setattr(module, "_FREE_SPACE", 1 << 80)
    _, end = _run(Flood(10, tmp_path, "cell"), [("stdout", "x" * 300)] * 3)
    assert "the disk is nearly full" in _of(end, "stderr")
    assert (tmp_path / "cell.stdout.txt").stat().st_size == 300


def test_displays_have_a_budget_of_their_own(tmp_path: Path) -> None:
    flood = Flood(1_000, tmp_path, "cell")
    admitted = [flood.admit(6_000) for _ in range(5)]
    assert admitted == [True, True, True, False, False]
    assert flood.finish() == [
        (
            "stderr",
            "\n[2 more displays (12.0 kB) not shown: together they pass the output limit]\n",
        )
    ]

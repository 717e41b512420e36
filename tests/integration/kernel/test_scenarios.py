"""The eight recorded tasks: a model over real HTTP, its code in each kind of sandbox."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import ServeScript
from tests.support.kernel_client import Kernel, Result
from tests.support.scenarios import SCENARIOS, CodeCell, Scenario, Turn, assert_played, load
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.timeout(300)  # sandlock adds to the opening of each of a library's files


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_a_recorded_task_plays_as_recorded(
    path: Path, walls: str, tmp_path: Path, serve: ServeScript
) -> None:
    scenario = load(path)
    server = serve(scenario.replies)
    folder = scenario.lay_out(tmp_path / "work")
    settings = {"CODEACT_BASE_URL": server.base_url, "CODEACT_SANDBOX": walls}
    with Kernel(folder, settings) as kernel:
        for cell in scenario.cells:
            if isinstance(cell, CodeCell):
                matches_a_cell(kernel.run(cell.code), cell)
                continue
            asked = len(server.requests)
            shown = kernel.run(cell.prompt)
            assert shown.ok, shown.error
            assert_played(shown.outputs, cell)
            tells_the_model(server, asked, cell)
        assert server.unplayed() == []
        holds_what_was_checked(kernel, scenario)
    tells_of_the_users_cells(server, scenario)


def matches_a_cell(shown: Result, cell: CodeCell) -> None:
    assert shown.ok == cell.observed["ok"]
    assert shown.stdout == cell.observed["stdout"]
    assert shown.result == cell.observed["result"]


def tells_the_model(server: ScriptedServer, asked: int, turn: Turn) -> None:
    """Each request of the turn extends the one before by a reply and what it really did."""
    sent = [request.body["messages"] for request in server.requests[asked:]]
    assert len(sent) == len(turn.replies)
    assert turn.prompt.strip() in sent[0][-1]["content"]
    for number, (before, after) in enumerate(pairwise(sent)):
        step = turn.steps[number]
        assert after[: len(before)] == before
        reply, observation = after[len(before) :]
        assert (reply["role"], observation["role"]) == ("assistant", "user")
        assert step.code in reply["content"]
        told = observation["content"]
        assert step.mark in told
        assert step.stdout.strip("\n") in told
        assert (step.observed["result"] or "") in told
        for word in (step.error or {}).values():
            assert word in told


def tells_of_the_users_cells(server: ScriptedServer, scenario: Scenario) -> None:
    told = json.dumps(server.requests[0].body["messages"])
    for cell in scenario.cells:
        if isinstance(cell, CodeCell):
            assert all(json.dumps(line)[1:-1] in told for line in cell.code.split("\n"))


def holds_what_was_checked(kernel: Kernel, scenario: Scenario) -> None:
    checks = scenario.checks
    names = ", ".join(f"{name!r}: {name}" for name in checks["variables"])
    code = f"import json\nprint(json.dumps({{{names}}}, default=lambda value: value.item()))"
    assert json.loads(kernel.run(code).stdout) == checks["variables"]
    for name in checks["files"]:
        assert (kernel.folder / name).is_file(), name
    for words in checks["final_contains"]:
        assert words in scenario.turns[-1].answer


# Looks for a secret where code could find it, without ever having it in one piece.
LOOK = """
import glob, os, re
def holds(data, first, second):
    return any(data[at.end():at.end() + len(second)] == second for at in re.finditer(first, data))
def look(first, second):
    found = []
    for path in ["/proc/self/mem", *glob.glob("/proc/[0-9]*/environ"), *glob.glob("/proc/[0-9]*/cmdline")]:
        try:
            if path.endswith("mem"):
                with open("/proc/self/maps") as maps, open(path, "rb", 0) as memory:
                    for line in maps.read().splitlines():
                        ends, rights, *_ = line.split()
                        start, end = (int(end, 16) for end in ends.split("-"))
                        if rights.startswith("rw"):
                            try:
                                memory.seek(start)
                                if holds(memory.read(end - start), first, second):
                                    found.append(path)
                            except (OSError, OverflowError):
                                continue
            elif holds(open(path, "rb").read(), first, second):
                found.append(path)
        except OSError:
            continue
    for top in {tops!r}:
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                try:
                    if os.path.isfile(path) and holds(open(path, "rb").read(), first, second):
                        found.append(path)
                except OSError:
                    continue
    return sorted(set(found))
"""


def test_the_key_is_nowhere_in_the_inner_kernel(
    walls: str, tmp_path: Path, serve: ServeScript
) -> None:
    """And the same search finds what is there, so that finding nothing says something."""
    key, canary = f"sk-{uuid4().hex}", f"canary{uuid4().hex}"
    server = serve(["```python\nprint('with', 'key')\n```", "Done."], key=key)
    settings = {
        "CODEACT_BASE_URL": server.base_url,
        "CODEACT_SANDBOX": walls,
        "CODEACT_API_KEY": key,
        "OPENAI_API_KEY": key,
    }
    with Kernel(tmp_path / "work", settings) as kernel:
        assert kernel.ask("Print two words.").ok, "the key works, so the front has it"
        # The front's own folders, and the test's, are where a leak would lie.
        places = (kernel.folder, tmp_path, kernel.home, Path.home(), "/tmp", "/run")
        tops = [str(place) for place in places]
        kernel.run(LOOK.replace("{tops!r}", repr(tops)))
        planted = (
            f"canary = {canary[:16]!r} + {canary[16:]!r}\n"
            "print(canary, file=open('planted', 'w'))\n"
        )
        kernel.run(planted)
        there = kernel.run(f"look({canary[:16].encode()!r}, {canary[16:].encode()!r})")
        assert "/proc/self/mem" in (there.result or "")
        assert "work/planted" in (there.result or "")
        found = kernel.run(f"look({key[:16].encode()!r}, {key[16:].encode()!r})")
        assert (found.result, found.error) == ("[]", "")
        assert server.requests[-1].headers["authorization"] == f"Bearer {key}"

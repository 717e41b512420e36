"""Inline turns become cells that nbformat accepts and a person can re-run."""

from __future__ import annotations

import copy
import hashlib
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.replay.expand import TURN_MIME, collapse, expand, turn_of

Json = dict[str, Any]


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def step(number: int, code: str = "x = 1", status: str = "ok") -> Json:
    return {"step": number, "code": code, "sha256": sha(code), "status": status}


def turn(steps: list[Json], stop: str = "answered", **more: Any) -> Json:
    return {
        "v": 1,
        "turn": "t1",
        "stop": stop,
        "reason": "",
        "answer": "**42**",
        "steps": steps,
    } | more


def display(part: str, number: int | None = None, data: Json | None = None) -> Json:
    mark: Json = {"turn": "t1", "part": part}
    if number is not None:
        mark["step"] = number
    return {"output_type": "display_data", "data": data or {}, "metadata": {"codeact": mark}}


def stream(text: str, name: str = "stdout") -> Json:
    return {"output_type": "stream", "name": name, "text": text}


def value(text: str, count: int) -> Json:
    return {
        "output_type": "execute_result",
        "data": {"text/plain": text},
        "metadata": {},
        "execution_count": count,
    }


def code_cell(
    source: str, outputs: list[Json] | None = None, count: int | None = None, **more: Any
) -> Json:
    return {
        "cell_type": "code",
        "id": sha(source)[:8],
        "metadata": {},
        "source": source,
        "outputs": outputs or [],
        "execution_count": count,
    } | more


def notebook(*cells: Json, minor: int = 5) -> Json:
    return {"nbformat": 4, "nbformat_minor": minor, "metadata": {}, "cells": list(cells)}


def two_step_prompt(stop: str = "answered", **more: Any) -> Json:
    steps = [step(1, "1/0", "error"), step(2, "6*7")]
    outputs = [
        display("progress", data={"text/plain": "2 steps"}),
        display("code", 1, {"text/markdown": "```python\n1/0\n```"}),
        stream("Traceback ... ZeroDivisionError", "stderr"),
        display("code", 2, {"text/markdown": "```python\n6*7\n```"}),
        stream("thinking\n"),
        value("42", 3),
        display("answer", data={"text/plain": "42", TURN_MIME: turn(steps, stop, **more)}),
    ]
    return code_cell("What is six times seven?", outputs, 1)


def test_a_turn_becomes_prompt_steps_and_answer() -> None:
    before = notebook(two_step_prompt())
    prompt, failed, good, answer = expand(before)["cells"]

    assert prompt["outputs"] == []
    assert prompt["metadata"]["codeact"] == {"v": 1, "kind": "prompt"}
    assert [failed["source"], good["source"]] == ["1/0", "6*7"]
    assert failed["outputs"] == [stream("Traceback ... ZeroDivisionError", "stderr")]
    assert [output["output_type"] for output in good["outputs"]] == ["stream", "execute_result"]
    assert good["metadata"] == {
        "codeact": {
            "v": 1,
            "kind": "generated",
            "prompt": prompt["id"],
            "turn": "t1",
            "step": 2,
            "status": "ok",
            "sha256": sha("6*7"),
        }
    }
    assert answer["cell_type"] == "markdown"
    assert answer["source"] == "**42**"
    assert answer["metadata"]["codeact"]["stop"] == "answered"


def test_a_failed_step_of_an_answered_turn_is_marked_so_that_it_replays() -> None:
    _, failed, good, _ = expand(notebook(two_step_prompt()))["cells"]

    assert failed["metadata"]["tags"] == ["raises-exception"]
    assert "tags" not in good["metadata"]


def test_a_turn_without_an_answer_says_why_and_its_failed_steps_still_fail() -> None:
    prompt = two_step_prompt("steps", answer="", reason="20 steps were not enough.")
    prompt["outputs"].append(
        {
            "output_type": "error",
            "ename": "CodeActTurnError",
            "evalue": "steps: 20 steps were not enough.",
            "traceback": [],
        }
    )
    prompt, failed, _, answer = expand(notebook(prompt))["cells"]

    assert prompt["outputs"] == []
    assert "tags" not in failed["metadata"]
    assert answer["source"] == (
        "**The turn ended without an answer (steps).** 20 steps were not enough."
    )


def test_cells_that_ran_in_order_are_numbered_on_in_order() -> None:
    before = notebook(two_step_prompt(), code_cell("x", [value("1", 4)], 4))
    cells = expand(before)["cells"]

    counts = [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]
    assert counts == [1, 2, 3, 4]
    assert cells[2]["outputs"][1]["execution_count"] == 3
    assert cells[4]["outputs"][0]["execution_count"] == 4


def test_cells_that_a_person_ran_out_of_order_keep_their_numbers() -> None:
    before = notebook(code_cell("x", [value("1", 9)], 9), two_step_prompt())
    counts = [cell.get("execution_count") for cell in expand(before)["cells"]]

    assert counts == [9, 1, 1, 3, None]


def test_a_skipped_step_has_no_number() -> None:
    steps = [step(1, "rm()", "skipped")]
    prompt = code_cell("Delete it", [display("answer", data={TURN_MIME: turn(steps)})], 1)

    assert expand(notebook(prompt))["cells"][1]["execution_count"] is None


def test_a_turn_that_did_not_reach_its_end_stays_as_it_is() -> None:
    prompt = two_step_prompt()
    del prompt["outputs"][-1]

    assert expand(notebook(prompt)) == notebook(prompt)


@pytest.mark.parametrize(
    "damage",
    [
        {"steps": None},
        {"steps": [{"step": 1}]},
        {"steps": ["x"]},
        {"v": 2},
        {"turn": 7},
        {"answer": None},
    ],
)
def test_turn_data_that_is_not_turn_data_is_left_alone(damage: Json) -> None:
    data = turn([step(1)]) | damage
    prompt = code_cell("Hello?", [display("answer", data={TURN_MIME: data})])

    assert turn_of(prompt) is None
    assert expand(notebook(prompt)) == notebook(prompt)


def test_expanding_twice_changes_nothing_and_the_argument_stays() -> None:
    before = notebook(code_cell("a = 1", count=1), two_step_prompt() | {"execution_count": 2})
    original = copy.deepcopy(before)
    once = expand(before)

    assert expand(once) == once
    assert before == original


def test_a_notebook_without_ids_gets_the_same_ids_each_time() -> None:
    prompt = two_step_prompt()
    del prompt["id"]
    before = notebook(prompt, {"cell_type": "markdown", "metadata": {}, "source": ""}, minor=4)
    after = expand(before)

    nbformat.validate(after)
    assert after == expand(before)
    assert len({cell["id"] for cell in after["cells"]}) == 5


def test_collapse_takes_back_what_expand_added() -> None:
    expanded = expand(notebook(two_step_prompt(), code_cell("x = 2", count=4)))
    sources = [cell["source"] for cell in collapse(expanded)["cells"]]

    assert sources == ["What is six times seven?", "x = 2"]


def test_collapse_keeps_what_a_person_edited() -> None:
    expanded = expand(notebook(two_step_prompt()))
    expanded["cells"][2]["source"] = "6*8"
    kept = collapse(expanded)["cells"][1]

    assert kept["source"] == "6*8"
    assert "codeact" not in kept["metadata"]


def test_collapse_keeps_generated_cells_whose_prompt_is_gone() -> None:
    expanded = expand(notebook(two_step_prompt()))
    del expanded["cells"][0]

    assert collapse(expanded) == expanded


outputs = st.lists(
    st.one_of(
        st.text(max_size=5).map(stream),
        st.integers(1, 9).map(lambda count: value("v", count)),
        st.integers(0, 4).map(lambda number: display("code", number)),
        st.just(display("progress")),
    ),
    max_size=8,
)
turns = st.builds(
    turn,
    st.lists(
        st.builds(
            step,
            st.integers(1, 4),
            st.text(max_size=8),
            st.sampled_from(["ok", "error", "killed", "skipped"]),
        ),
        max_size=4,
        unique_by=lambda one: one["step"],
    ),
    st.sampled_from(["answered", "steps", "interrupted"]),
)
cells = st.lists(
    st.tuples(outputs, st.none() | turns, st.none() | st.integers(1, 20)), max_size=4
).map(
    lambda rows: [
        code_cell(
            f"cell {place}",
            shown + ([display("answer", data={TURN_MIME: data})] if data else []),
            count,
        )
        for place, (shown, data, count) in enumerate(rows)
    ]
)


@given(cells)
def test_whatever_was_shown_the_result_is_valid_and_stable(cells: list[Json]) -> None:
    after = expand(notebook(*cells))

    nbformat.validate(after)
    assert expand(after) == after

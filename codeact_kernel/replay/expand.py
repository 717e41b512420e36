"""From a prompt cell that holds its whole turn to real cells, one per step, and an answer.

Without the JupyterLab extension a turn is rendered inside its prompt cell: the
code of each step as a marked display, that step's outputs after it, and last a
display that carries the turn as data (design §7).  ``expand`` turns that into
what the extension would have made: the prompt, a code cell for every step with
the outputs it had, and the answer as markdown, with the metadata of design §9.
``collapse`` takes such cells away again, so that a prompt can be asked anew.

Both are pure: the notebook that comes in stays as it is.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

TURN_MIME = "application/vnd.codeact.turn.v1+json"

Cell = dict[str, Any]
Output = dict[str, Any]
Notebook = dict[str, Any]


def expand(notebook: Notebook) -> Notebook:
    """The same notebook with every inline turn as cells of its own.

    Prompt cells whose turn did not reach its last display (the kernel died,
    or the notebook was saved half-way) stay as they are.  Expanding twice
    gives the same notebook as expanding once.  The result is valid nbformat
    4.5 if ``notebook`` is a valid nbformat 4 notebook: new cells get ids made
    from turn and step, old cells without one get ids made from their place.
    """
    result = copy.deepcopy(notebook)
    in_order = _counts_rise(result["cells"])
    cells: list[Cell] = []
    expanded = False
    for place, cell in enumerate(result["cells"]):
        cell.setdefault("id", _identifier("cell", str(place), cell_source(cell)))
        turn = turn_of(cell)
        if turn is None:
            cells.append(cell)
        else:
            cells.extend(_turn_cells(cell, turn))
            expanded = True
    if expanded and in_order:
        _number(cells)
    result["cells"] = cells
    result["nbformat_minor"] = max(5, result.get("nbformat_minor", 0))
    return result


def collapse(notebook: Notebook) -> Notebook:
    """The same notebook without the generated cells and answers of the prompts it holds.

    A generated cell that a person edited (its source no longer has the hash
    that was recorded) stays, without its metadata: it is theirs now.
    """
    result = copy.deepcopy(notebook)
    prompts = {cell.get("id") for cell in result["cells"]}
    cells = []
    for cell in result["cells"]:
        mark = mark_of(cell)
        if mark.get("kind") not in {"generated", "answer"} or mark.get("prompt") not in prompts:
            cells.append(cell)
        elif mark["kind"] == "generated" and mark.get("sha256") != _sha256(cell_source(cell)):
            del cell["metadata"]["codeact"]
            cells.append(cell)
    result["cells"] = cells
    return result


def turn_of(cell: Cell) -> dict[str, Any] | None:
    """The turn that a prompt cell carries as data in its outputs, or None if there is none to trust."""
    for output in cell.get("outputs", []):
        turn = output.get("data", {}).get(TURN_MIME)
        if _is_turn(turn) and mark_of(output).get("part") == "answer":
            return dict(turn)
    return None


def mark_of(holder: Mapping[str, Any]) -> dict[str, Any]:
    """The ``codeact`` metadata of a cell or an output; empty if it has none."""
    mark = holder.get("metadata", {}).get("codeact")
    return mark if isinstance(mark, dict) else {}


def cell_source(cell: Cell) -> str:
    """The source of a cell as one string (nbformat also allows a list of lines)."""
    source = cell.get("source", "")
    return source if isinstance(source, str) else "".join(source)


def _is_turn(turn: Any) -> bool:
    """Whether this is turn data of version 1 with all that ``expand`` reads (it comes from a file)."""
    return (
        isinstance(turn, dict)
        and turn.get("v") == 1
        and all(isinstance(turn.get(key), str) for key in ("turn", "stop", "answer", "reason"))
        and isinstance(turn.get("steps"), list)
        and all(
            isinstance(step, dict)
            and isinstance(step.get("step"), int)
            and all(isinstance(step.get(key), str) for key in ("code", "sha256", "status"))
            for step in turn["steps"]
        )
    )


def _turn_cells(prompt: Cell, turn: dict[str, Any]) -> list[Cell]:
    """The prompt without its outputs, its steps, its answer."""
    outputs = _outputs_by_step(prompt["outputs"])
    count = prompt.get("execution_count")
    prompt["outputs"] = []
    prompt["metadata"]["codeact"] = {"v": 1, "kind": "prompt"}
    steps = [
        _step_cell(prompt["id"], turn, step, outputs.get(step["step"], []), count)
        for step in turn["steps"]
    ]
    return [prompt, *steps, _answer_cell(prompt["id"], turn)]


def _outputs_by_step(outputs: Iterable[Output]) -> dict[Any, list[Output]]:
    """What each step showed: all that stands between its code and the next marked display."""
    steps: dict[Any, list[Output]] = {}
    current: list[Output] | None = None
    for output in outputs:
        mark = mark_of(output)
        if mark:
            current = steps.setdefault(mark.get("step"), []) if mark.get("part") == "code" else None
        elif current is not None:
            current.append(output)
    return steps


def _step_cell(
    prompt: str,
    turn: dict[str, Any],
    step: dict[str, Any],
    outputs: list[Output],
    count: int | None,
) -> Cell:
    failed = step["status"] in {"error", "killed"}
    metadata: dict[str, Any] = {
        "codeact": {
            "v": 1,
            "kind": "generated",
            "prompt": prompt,
            "turn": turn["turn"],
            "step": step["step"],
            "status": step["status"],
            "sha256": step["sha256"],
        }
    }
    if failed and turn["stop"] == "answered":
        metadata["tags"] = ["raises-exception"]
    counts = [output["execution_count"] for output in outputs if "execution_count" in output]
    return {
        "cell_type": "code",
        "id": _identifier(prompt, turn["turn"], str(step["step"])),
        "metadata": metadata,
        "source": step["code"],
        "outputs": outputs,
        "execution_count": None if step["status"] == "skipped" else next(iter(counts), count),
    }


def _answer_cell(prompt: str, turn: dict[str, Any]) -> Cell:
    """The answer; a turn that ended otherwise says so in the same place."""
    text = turn["answer"]
    if turn["stop"] != "answered":
        ending = f"**The turn ended without an answer ({turn['stop']}).** {turn['reason']}"
        text = f"{text}\n\n{ending.strip()}".strip()
    return {
        "cell_type": "markdown",
        "id": _identifier(prompt, turn["turn"], "answer"),
        "metadata": {
            "codeact": {
                "v": 1,
                "kind": "answer",
                "prompt": prompt,
                "turn": turn["turn"],
                "stop": turn["stop"],
            }
        },
        "source": text,
    }


def _counts_rise(cells: Iterable[Cell]) -> bool:
    """Whether the notebook was run once, from top to bottom."""
    counts = [cell["execution_count"] for cell in cells if cell.get("execution_count")]
    return all(one < after for one, after in pairwise(counts))


def _number(cells: Iterable[Cell]) -> None:
    """Number the executed cells of a notebook that ran from top to bottom, new ones included."""
    count = 0
    for cell in cells:
        if cell.get("execution_count") is None:
            continue
        count += 1
        cell["execution_count"] = count
        for output in cell["outputs"]:
            if "execution_count" in output:
                output["execution_count"] = count


def _identifier(*parts: str) -> str:
    """A cell id that is always the same for the same parts (nbformat: 1-64 of ``[a-zA-Z0-9-_]``)."""
    return _sha256("\0".join(parts))[:16]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

"""Draw the agent's transition table as ``docs/transitions.md``.

Run it after a change of ``codeact_kernel.agent.loop.TABLE``; a test compares.
"""

from __future__ import annotations

from pathlib import Path

from codeact_kernel.agent.events import Event
from codeact_kernel.agent.loop import TABLE, Phase

PAGE = Path("docs/transitions.md")

_HEAD = """\
# Transitions of the agent

Drawn from `codeact_kernel/agent/loop.py` by `scripts/transition_diagram.py`; do not edit.

The agent waits in one of four phases. An event leads along an arrow, or is ignored for the reason
in the table. The effect that goes with a phase: *asking* `AskModel`, *confirming* `AskApproval`,
*running* `RunStep`; a turn that ends gives `Finish`.
"""


def diagram() -> str:
    """The arrows as a Mermaid state diagram, events with the same ends on one arrow."""
    events: dict[tuple[Phase, Phase], list[str]] = {}
    for (phase, event), transition in TABLE.items():
        for target in transition.to:
            events.setdefault((phase, target), []).append(event.__name__)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {Phase.IDLE.value}"]
    lines += [
        f"    {start.value} --> {end.value}: {', '.join(names)}"
        for (start, end), names in sorted(events.items(), key=lambda item: _order(*item[0]))
    ]
    return "\n".join([*lines, "```"])


def _order(start: Phase, end: Phase) -> tuple[int, int]:
    phases = list(Phase)
    return phases.index(start), phases.index(end)


def table() -> str:
    """Every event in every phase: where it leads, or why it is ignored."""
    events: list[type[Event]] = list(dict.fromkeys(event for _, event in TABLE))
    rows = ["| event | " + " | ".join(phase.value for phase in Phase) + " |", "|---" * 5 + "|"]
    for event in events:
        cells = [
            f"→ {', '.join(target.value for target in transition.to)}"
            if transition.to
            else f"ignored: {transition.why}"
            for transition in (TABLE[phase, event] for phase in Phase)
        ]
        rows.append(f"| `{event.__name__}` | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def page() -> str:
    """The whole page."""
    return f"{_HEAD}\n{diagram()}\n\n{table()}\n"


if __name__ == "__main__":
    (Path(__file__).parent.parent / PAGE).write_text(page(), encoding="utf-8")

"""Events and effects survive JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given

from codeact_kernel.agent.events import Effect, Event
from codeact_kernel.agent.serial import from_json, to_json
from tests.agent.strategies import ANY_ITEM


@given(ANY_ITEM)
def test_every_event_and_effect_survives_json(item: Event | Effect) -> None:
    assert from_json(json.loads(json.dumps(to_json(item)))) == item


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"type": "Nothing"},
        {"type": []},
        {"type": "Approved"},
        {"type": "Approved", "step": "1"},
        {"type": "Approved", "step": True},
        {"type": "Approved", "step": 1, "more": 2},
        {"type": "PromptGiven", "turn": "t", "text": "x", "context": []},
        {"type": "BudgetSpent", "budget": "steps"},
        {"type": "EnvironmentLost", "reason": "x", "lost": "all"},
    ],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(value)


def test_a_field_that_is_missing_takes_its_default() -> None:
    assert to_json(from_json({"type": "Rejected", "step": 1})) == {
        "type": "Rejected",
        "step": 1,
        "reason": "",
        "skip": False,
    }

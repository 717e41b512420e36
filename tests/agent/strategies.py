"""Hypothesis strategies for events and effects."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from codeact_kernel.agent.events import (
    Approved,
    AskApproval,
    AskModel,
    BudgetSpent,
    ConversationReset,
    Effect,
    EnvironmentLost,
    Event,
    Image,
    Interrupted,
    ModelFailed,
    ModelReplied,
    PortFailed,
    PromptGiven,
    Rejected,
    RunStep,
    StepFinished,
    Usage,
)

TEXTS = st.text(max_size=20)
st.register_type_strategy(float, st.floats(allow_nan=False))
st.register_type_strategy(str, TEXTS)

ANY_ITEM: st.SearchStrategy[Any] = st.one_of(
    [st.from_type(kind) for kind in (*get_args(Event), *get_args(Effect))]
)
"""Any event or effect, with any values its types allow."""

_STEPS = st.integers(1, 4)
_CODES = st.sampled_from(["x = 1", "x = (", "%%bash\nls"])
_REPLIES = st.one_of(
    _CODES.map("```python\n{}\n```".format),
    st.sampled_from(["It is 42.", "UNABLE: no.", "", "```bash\nls\n```", "```python\nx = ("]),
)
_USAGES = st.builds(
    Usage, st.integers(0, 3_000), st.integers(0, 500), st.none() | st.floats(0, 1, allow_nan=False)
)
_OUTCOMES = st.builds(
    StepFinished,
    _STEPS,
    st.sampled_from(["ok", "error", "killed", "skipped"]),
    _CODES,
    stdout=st.sampled_from(["", "out\n", "word " * 2_000]),
    images=st.sampled_from([(), (Image("image/png", "aGk="),)]),
)

ANSWERS: dict[type[Effect], st.SearchStrategy[Event]] = {
    AskModel: st.one_of(
        st.builds(
            ModelReplied,
            _REPLIES,
            st.sampled_from(["stop", "cut", "length"]),
            _USAGES,
            st.just(1.0),
        ),
        st.builds(ModelFailed, st.sampled_from(["ContextTooLong", "BadKey"]), TEXTS),
    ),
    RunStep: st.one_of(_OUTCOMES, st.builds(EnvironmentLost, TEXTS, during=st.none() | _OUTCOMES)),
    AskApproval: st.one_of(
        st.builds(Approved, _STEPS, st.none() | _CODES, st.booleans()),
        st.builds(Rejected, _STEPS, TEXTS, st.booleans()),
    ),
}
"""What a port may answer to each effect."""

PLAUSIBLE_EVENTS: st.SearchStrategy[Event] = st.one_of(
    st.builds(PromptGiven, TEXTS, st.sampled_from(["Do it.", "", "data " * 500])),
    *ANSWERS.values(),
    *ANSWERS.values(),
    st.just(Interrupted()),
    st.just(BudgetSpent("time")),
    st.just(PortFailed("executor", "It broke.")),
    st.just(ConversationReset()),
)
"""Events such as a turn really has, so that random sequences get far into it."""

"""One request: which statuses it may have, and whom it holds."""

from __future__ import annotations

import gc
import weakref

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.environment.request import Lost, Reply, Request, new_request, watch
from codeact_kernel.environment.wire import Json, Message, Signer, build, make_header
from codeact_kernel.sandbox.base import Death

UNSIGNED = Signer(b"")


def message(kind: str, content: Json | None = None) -> Message:
    return Message.parse(build(UNSIGNED, make_header(kind, "s"), content or {}), UNSIGNED)


def idle() -> Message:
    return message("status", {"execution_state": "idle"})


def request() -> Request:
    asked = new_request("s", "execute_request", {"code": "1"})
    asked.outstanding = True
    return asked


STATES = st.sampled_from(["busy", "idle", "starting", "restarting", "dead", None, 5]) | st.lists(
    st.text()
)


@given(st.lists(STATES, max_size=30))
def test_of_any_statuses_at_most_one_busy_and_then_one_idle_pass(states: list[object]) -> None:
    asked = request()
    passed = [state for state in states if asked.becomes(state)]
    assert passed in ([], ["busy"], ["idle"], ["busy", "idle"])


def test_what_was_sent_is_let_go() -> None:
    asked = request()
    first = asked.to_wire(UNSIGNED)
    assert b'"code"' in first[-1]
    assert asked.frames == []
    assert asked.buffers == []


def test_whoever_waited_is_let_go_when_the_reply_has_come() -> None:
    class Waiter:
        def reply(self, _: Message) -> None: ...
        def lost(self, _: Death) -> None: ...

    waiter = Waiter()
    asked = request()
    asked.on_reply, asked.on_lost = waiter.reply, waiter.lost
    asked.release()
    assert asked.on_reply is not None, "nothing has come yet"
    asked.end()
    asked.release()
    seen = weakref.ref(waiter)
    del waiter
    gc.collect()
    assert seen() is None


def test_the_end_is_told_once_whatever_ends_it() -> None:
    ends: list[int] = []
    asked = request()
    asked.on_end = lambda: ends.append(1)
    asked.on_input = lambda _: None
    asked.end()
    asked.abandon()
    asked.end()
    assert ends == [1]
    assert asked.on_input is None


async def test_waiting_until_idle_needs_both_in_any_order() -> None:
    for order in (("reply", "idle"), ("idle", "reply")):
        asked = request()
        done = watch(asked, until_idle=True)
        assert asked.on_reply is not None
        assert asked.on_iopub is not None
        for what in order:
            assert not done.done()
            if what == "reply":
                asked.on_reply(message("execute_reply"))
            else:
                asked.on_iopub(idle())
        assert isinstance(done.result(), Reply)


async def test_a_death_between_reply_and_idle_is_a_loss_to_those_who_need_all_output() -> None:
    asked = request()
    done = watch(asked, until_idle=True)
    assert asked.on_reply is not None
    asked.on_reply(message("execute_reply"))
    asked.end()
    assert asked.is_open
    asked.release()
    assert asked.on_lost is not None
    asked.on_lost(Death("killed", "It was killed."))
    assert isinstance(done.result(), Lost)

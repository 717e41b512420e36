"""Questions: one at a time, and an answer only for the one that is open."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.environment.request import new_request
from codeact_kernel.environment.wire import Message, Signer, build, make_header
from codeact_kernel.kernel.outputs import OutputPolicy
from codeact_kernel.kernel.questions import Question, Questions, sandboxed

UNSIGNED = Signer(b"")
POLICY = OutputPolicy("click")
MARK = "[sandboxed code asks] "


class Front:
    """Notes what is asked; the id of a question is its number."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def ask_input(self, client: Message, prompt: str, *, password: bool = False) -> str:
        self.asked.append(prompt)
        return f"q{len(self.asked)}"


class Environment:
    def __init__(self) -> None:
        self.got: list[Message] = []

    def send_input(self, message: Message) -> None:
        self.got.append(message)


def client(name: str = "one", **content: Any) -> Message:
    frames = build(UNSIGNED, make_header("execute_request", name), content, idents=[name.encode()])
    return Message.parse(frames, UNSIGNED)


def reply(value: str, name: str = "one", to: str = "") -> Message:
    parent = f'{{"msg_id":"{to}"}}'.encode() if to else b"{}"
    header = make_header("input_reply", name)
    frames = build(UNSIGNED, header, {"value": value}, parent=parent, idents=[name.encode()])
    return Message.parse(frames, UNSIGNED)


class Asker:
    """Waits for an answer."""

    def __init__(self, questions: Questions, front_client: Message) -> None:
        self.answers: list[str] = []
        self._questions = questions
        self._client = front_client

    def ask(self, prompt: str) -> None:
        question = Question(self, self._client, prompt, False, self._take)
        self._questions.ask(question)

    def _take(self, message: Message) -> None:
        self.answers.append(message.content["value"])


def made() -> tuple[Questions, Front, Environment]:
    front, environment = Front(), Environment()
    return Questions(front, environment, POLICY), front, environment  # type: ignore[arg-type]


def test_a_second_question_waits_for_the_answer_to_the_first() -> None:
    questions, front, _ = made()
    ours, codes = Asker(questions, client()), Asker(questions, client())
    ours.ask("first")
    codes.ask("second")
    assert front.asked == ["first"]
    questions.answer(reply("a"))
    assert front.asked == ["first", "second"]
    questions.answer(reply("b"))
    assert (ours.answers, codes.answers) == (["a"], ["b"])


def test_an_answer_that_names_another_question_is_dropped() -> None:
    questions, _, _ = made()
    stale, ours = Asker(questions, client()), Asker(questions, client())
    stale.ask("type y please")
    questions.withdraw(stale)
    ours.ask("CodeAct: run?")
    questions.answer(reply("y", to="q1"))
    assert (stale.answers, ours.answers) == ([], [])
    questions.answer(reply("n", to="q2"))
    assert ours.answers == ["n"]


def test_the_answer_of_another_client_is_dropped() -> None:
    questions, _, _ = made()
    ours = Asker(questions, client("one"))
    ours.ask("CodeAct: run?")
    questions.answer(reply("y", "two"))
    questions.answer(reply("y", "two", to="q1"))
    assert ours.answers == []


def test_an_answer_to_nothing_is_dropped_and_counts_once() -> None:
    questions, _, environment = made()
    questions.answer(reply("y"))
    ours = Asker(questions, client())
    ours.ask("?")
    questions.answer(reply("y"))
    questions.answer(reply("again"))
    assert ours.answers == ["y"]
    assert environment.got == []


def test_a_newer_question_of_the_same_asker_takes_the_place_of_the_older() -> None:
    questions, front, _ = made()
    first, second = Asker(questions, client()), Asker(questions, client())
    first.ask("a")
    first.ask("b")
    second.ask("c")
    second.ask("d")
    assert front.asked == ["a", "b"]
    questions.answer(reply("x", to="q1"))
    assert first.answers == []
    questions.answer(reply("y", to="q2"))
    assert first.answers == ["y"]
    assert front.asked == ["a", "b", "d"]


def test_withdrawing_the_open_question_lets_the_next_be_asked() -> None:
    questions, front, _ = made()
    first, second, third = (Asker(questions, client()) for _ in range(3))
    for asker, prompt in ((first, "a"), (second, "b"), (third, "c")):
        asker.ask(prompt)
    questions.withdraw(second)
    questions.withdraw(first)
    assert front.asked == ["a", "c"]


def test_code_may_ask_only_where_its_client_can_answer_and_only_while_it_runs() -> None:
    questions, front, environment = made()
    for content in ({}, {"allow_stdin": False}, {"allow_stdin": "yes"}):
        silent = new_request("s", "execute_request", {})
        questions.let_ask(silent, client("one", **content))
        assert silent.on_input is None
    request = new_request("s", "execute_request", {})
    questions.let_ask(request, client("one", allow_stdin=True))
    assert request.on_input is not None
    asked = Message.parse(
        build(UNSIGNED, make_header("input_request", "s"), {"prompt": "Name: "}), UNSIGNED
    )
    request.on_input(asked)
    assert front.asked == [f"{MARK}Name: "]
    questions.answer(reply("Ada"))
    assert [message.content["value"] for message in environment.got] == ["Ada"]
    request.on_input(asked)
    request.end()
    questions.answer(reply("too late"))
    assert len(environment.got) == 1


@given(st.text() | st.text(st.sampled_from("CodeAct: \r\n\b\t\x1b[2K\x85\u2028\u202e\u200b\u2800")))
def test_no_prompt_of_code_shows_a_line_without_its_mark(prompt: str) -> None:
    shown = sandboxed(POLICY, prompt)
    assert all(line.startswith(MARK) for line in shown.split("\n"))
    assert not set(shown) & set("\r\b\x0b\x0c\x85\u2028\u2029\u202e\u2066")
    assert "     " not in shown.replace(MARK, "")


def test_a_prompt_of_any_length_stays_short() -> None:
    assert len(sandboxed(POLICY, "x" * 10**6)) < 3_000
    assert sandboxed(POLICY, "\n" * 10**6).count("\n") < 20
    assert sandboxed(POLICY, None) == MARK

"""What a cell showed, within bounds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.environment.capture import Capture, Tail, step_error


def stream(text: str, name: str = "stdout") -> tuple[str, dict[str, str]]:
    return "stream", {"name": name, "text": text}


def test_streams_results_and_errors_are_kept_apart() -> None:
    capture = Capture()
    capture.feed(*stream("out"))
    capture.feed(*stream("err", "stderr"))
    capture.feed("execute_result", {"data": {"text/plain": "42"}})
    capture.feed("display_data", {"data": {"text/plain": "<Figure>", "image/png": "aGk=\n"}})
    capture.feed(
        "error", {"ename": "KeyError", "evalue": "'x'", "traceback": ["\x1b[31mline\x1b[0m", "end"]}
    )
    assert capture.stdout.text() == "out"
    assert capture.stderr.text() == "err"
    assert capture.result == "42"
    assert capture.displays == ["<Figure>"]
    assert [(i.mime, i.data) for i in capture.images] == [("image/png", "aGk=")]
    assert capture.error is not None
    assert (capture.error.name, capture.error.traceback) == ("KeyError", "line\nend")


def test_cleared_output_is_forgotten_at_once_or_with_the_next_output() -> None:
    capture = Capture()
    capture.feed(*stream("10 %"))
    capture.feed("clear_output", {"wait": True})
    assert capture.stdout.text() == "10 %"
    capture.feed(*stream("20 %"))
    assert capture.stdout.text() == "20 %"
    capture.feed("clear_output", {"wait": False})
    assert capture.stdout.text() == ""


@given(st.lists(st.text(max_size=50), max_size=40))
def test_a_short_stream_is_kept_whole(pieces: list[str]) -> None:
    tail = Tail()
    for piece in pieces:
        tail.add(piece)
    assert tail.text() == "".join(pieces)
    assert tail.bytes == len("".join(pieces).encode("utf-8", "surrogatepass"))


def test_a_long_stream_keeps_head_and_tail_and_says_what_is_missing() -> None:
    tail = Tail()
    for number in range(100_000):
        tail.add(f"line {number}\n")
    text = tail.text()
    assert text.startswith("line 0\n")
    assert text.endswith("line 99999\n")
    assert "characters left out" in text
    assert len(text) < 210_000
    assert tail.characters == sum(len(f"line {n}\n") for n in range(100_000))


@given(
    st.sampled_from(
        ["stream", "display_data", "execute_result", "error", "clear_output", "status"]
    ),
    st.dictionaries(
        st.sampled_from(["name", "text", "data", "traceback", "ename", "wait"]),
        st.none()
        | st.integers()
        | st.text()
        | st.lists(st.integers())
        | st.dictionaries(st.text(), st.integers()),
    ),
)
def test_malformed_messages_are_survived(msg_type: str, content: dict[str, object]) -> None:
    Capture().feed(msg_type, content)


def test_an_error_of_any_size_is_kept_within_bounds() -> None:
    error = step_error(
        {
            "ename": "E" * 10_000,
            "evalue": "v" * 10**6,
            "traceback": ["line"] * 10**6 + ["x" * 10**7],
        }
    )
    assert len(error.name) == 200
    assert len(error.value) == 200_000
    assert len(error.traceback) <= 200_000


def test_the_name_of_an_error_is_plain_too() -> None:
    assert step_error({"ename": "\x1b]8;;http://x\x07E", "evalue": ""}).name == "E"

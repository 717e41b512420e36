"""What the model is told about a step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codeact_kernel.agent.budget import estimate
from codeact_kernel.agent.events import EnvironmentLost, FileChange, Image, StepError, StepFinished
from codeact_kernel.agent.observe import Observation, invalid, loss, observe, repair
from codeact_kernel.agent.syntax import syntax_problem

PICTURE = Image("image/png", "aGk=")


def seen(
    outcome: StepFinished, *, tokens: int = 2_000, images: bool = False, **more: object
) -> Observation:
    return observe(outcome, steps_left=19, tokens=tokens, images=images, **more)  # type: ignore[arg-type]


def ok(**fields: object) -> StepFinished:
    return StepFinished(1, "ok", "f()", **fields)  # type: ignore[arg-type]


def test_the_plain_case_is_short_and_complete() -> None:
    outcome = ok(stdout="a\nb\n", result="455.0", seconds=0.0213, peak_memory=81_400_000)
    assert seen(outcome).text == "[ok, 81 MB, 19 steps left]\na\nb\nOut: 455.0"


def test_the_plain_case_costs_at_most_20_tokens_beside_the_output() -> None:
    outcome = ok(
        stdout="1234567\n" * 50, result="12345678", seconds=12.3456, peak_memory=1_234_567_890
    )
    beside = estimate(seen(outcome).text) - estimate("1234567\n" * 50) - estimate("12345678")
    assert beside <= 20


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.04, "[ok, 19 steps left]"), (2.345, "[ok, 2.3 s, "), (1234.0, "[ok, 1234 s, ")],
)
def test_the_run_time_is_told_when_it_is_worth_its_tokens(seconds: float, told: str) -> None:
    assert seen(ok(seconds=seconds)).text.startswith(told)


def test_silence_is_named() -> None:
    assert seen(ok()).text == "[ok, 19 steps left]\n(no output)"


def test_everything_a_step_did_is_told() -> None:
    outcome = ok(
        stdout="out",
        stderr="warn",
        result="last",
        displays=("shown one", "shown two"),
        notice="A limit was reached.",
        files=(
            FileChange("a.csv", "created", 1_234),
            FileChange("b/Makefile", "changed", 10, executes=True),
            FileChange("c", "deleted"),
        ),
    )
    text = seen(outcome).text
    for part in (
        "out",
        "stderr:\nwarn",
        "Out: last",
        "shown one",
        "shown two",
        "A limit was reached.",
    ):
        assert part in text
    assert (
        "Files: created a.csv (1.2 kB), changed b/Makefile (10 B) [runs later], deleted c" in text
    )


def test_many_files_are_counted() -> None:
    files = tuple(FileChange(f"f{n}", "created") for n in range(500))
    text = seen(ok(files=files)).text
    assert "and 480 more" in text
    assert "f20" not in text


TRACEBACK = """\
\x1b[0;31m---------------------------------------------------------------------------\x1b[0m
KeyError                                  Traceback (most recent call last)
File /env/lib/python3.11/site-packages/pandas/core/indexes/base.py:3641, in Index.get_loc(self, key)
   3640 try:
-> 3641     return self._engine.get_loc(casted_key)
   3642 except KeyError as err:

File pandas/_libs/index.pyx:168, in pandas._libs.index.IndexEngine.get_loc()

KeyError: 'region'

The above exception was the direct cause of the following exception:

KeyError                                  Traceback (most recent call last)
Cell In[3], line 2
      1 df = load()
----> 2 df["region"]

KeyError: 'region'"""


def failed(error: StepError, **fields: object) -> StepFinished:
    return StepFinished(2, "error", "f()", error=error, **fields)  # type: ignore[arg-type]


def test_an_error_keeps_what_was_printed_and_every_frame() -> None:
    text = seen(failed(StepError("KeyError", "'region'", TRACEBACK), stdout="before\n")).text
    for part in (
        "before",
        "base.py:3641, in Index.get_loc",
        "-> 3641     return self._engine",
        "direct cause of the following",
        "Cell In[3], line 2",
        "      1 df = load()",
        '----> 2 df["region"]',
        "KeyError: 'region'",
    ):
        assert part in text
    for noise in ("\x1b", "-----------", "3642"):
        assert noise not in text


def test_compiled_frames_are_named_without_their_missing_source() -> None:
    missing = "--> 168 'Could not get source, probably due dynamically evaluated source code.'\n"
    traceback = TRACEBACK.replace("get_loc()\n", f"get_loc()\n{missing}")
    text = seen(failed(StepError("KeyError", "'region'", traceback))).text
    assert "index.pyx:168" in text
    assert "Could not get source" not in text


@pytest.mark.parametrize("period", [1, 2, 3])
def test_repeated_frames_of_a_recursion_are_counted(period: int) -> None:
    frames = [
        f"Cell In[2], line {n}, in f{n}(x)\n----> {n}     return g(x)\n" for n in range(period)
    ]
    traceback = "\n".join(
        ["Cell In[2], line 9\n----> 9 f(1)\n", *frames * 900, "RecursionError: maximum depth"]
    )
    text = seen(failed(StepError("RecursionError", "maximum depth", traceback))).text
    assert (
        f"[... {897 * period:,} repeated frames left out ...]\nRecursionError: maximum depth"
        in text
    )
    assert "line 9" in text
    assert len(text) < 1_000


def test_an_error_is_named_once() -> None:
    shown = "  Cell In[6], line 1\n    x = (\n         ^\nSyntaxError: incomplete input\n"
    text = seen(failed(StepError("SyntaxError", "incomplete input (304.py, line 1)", shown))).text
    assert text.count("SyntaxError") == 1


@pytest.mark.parametrize("traceback", ["", "something else went wrong"])
def test_an_error_without_a_useful_traceback_is_still_named(traceback: str) -> None:
    assert "ValueError: bad" in seen(failed(StepError("ValueError", "bad", traceback))).text


def test_too_much_output_keeps_head_and_tail_and_names_the_file() -> None:
    lines = [f"line {n}" for n in range(100_000)]
    outcome = ok(
        stdout="\n".join(lines), spooled="/spool/1.txt", stdout_bytes=1_088_889, result="the end"
    )
    text = seen(outcome, tokens=500).text
    assert "line 0\nline 1\n" in text
    assert "line 99999" in text
    assert "full text (1.1 MB) in /spool/1.txt" in text
    assert "Out: the end" in text
    assert estimate(text) < 600


def test_a_long_output_does_not_hide_the_error() -> None:
    outcome = failed(StepError("KeyError", "'region'", TRACEBACK), stdout="x" * 1_000_000)
    assert "KeyError: 'region'" in seen(outcome, tokens=400).text


def test_terminal_sequences_and_overwritten_progress_are_removed() -> None:
    text = seen(
        ok(stdout="\x1b[1mbold\x1b[0m\r\n 10%\r 50%\r100%\n\x1b]8;;http://x\x07link\x1b]8;;\x07\n")
    ).text
    assert text.endswith("\nbold\n100%\nlink")


def test_pictures_go_along_only_if_the_model_takes_them() -> None:
    outcome = ok(images=(PICTURE,))
    assert seen(outcome, images=True).images == (PICTURE,)
    assert "(no output)" not in seen(outcome, images=True).text
    blind = seen(outcome)
    assert blind.images == ()
    assert "1 picture(s), image/png" in blind.text


def test_code_that_a_person_changed_is_shown() -> None:
    text = seen(ok(), proposed="g()").text
    assert "A person changed the code before it ran. What ran:\nf()" in text
    assert "changed" not in seen(ok(), proposed="f()").text


def test_the_last_steps_are_announced() -> None:
    def head(left: int) -> str:
        return observe(ok(), steps_left=left, tokens=100, images=False).text.split("\n")[0]

    assert "1 step left" in head(1)
    assert "no steps left: answer now, without code" in head(0)
    assert "nearly full" in observe(ok(), steps_left=3, tokens=9, images=False, full=True).text


def test_a_loss_says_what_is_gone_and_what_is_kept() -> None:
    assert loss(EnvironmentLost("It ran out of memory.")) == (
        "It ran out of memory. The environment was replaced."
        " Lost: all variables, child processes. Kept: files."
    )


def test_a_repair_message_is_precise() -> None:
    message = repair(invalid(syntax_problem("x = (")), steps_left=3)
    assert message.startswith(
        "[not run, 3 steps left]\nThe code is not valid Python, so nothing ran: line 1"
    )
    assert "\n    x = (\n" in message


@given(
    st.builds(StepFinished, st.integers(), st.sampled_from(["ok", "error", "killed"]), st.text())
)
def test_any_outcome_can_be_described(outcome: StepFinished) -> None:
    seen(outcome).text.encode("utf-8")


@given(st.text(), st.text(), st.text(), st.integers(0, 200))
def test_a_description_is_bounded_and_can_be_sent(
    out: str, err: str, result: str, tokens: int
) -> None:
    text = seen(ok(stdout=out * 50, stderr=err * 50, result=result * 50), tokens=tokens).text
    text.encode("utf-8")
    assert len(text) <= 4 * tokens + 500


@given(st.text(alphabet=st.characters(categories=["L", "N", "P"]), min_size=1))
def test_what_fits_is_contained_as_it_is(out: str) -> None:
    assert out in seen(ok(stdout=out)).text

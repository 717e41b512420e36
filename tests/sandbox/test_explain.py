"""What a person is told of a death."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from codeact_kernel.sandbox.kept import explain
from codeact_kernel.sandbox.limits import Limits

if TYPE_CHECKING:
    from codeact_kernel.sandbox.keeper import Ending


def ended(tail: bytes, code: int = 3) -> Ending:
    return {"code": code, "signal": None, "over": "", "asked": False, "tail": tail}


@pytest.mark.parametrize(
    ("ending", "sentence"),
    [
        (ended(b""), "The code ended the Python process (exit code 3)."),
        (
            ended(b"Traceback\nMemoryError\n"),
            "The code ended the Python process (exit code 3). Its last words: MemoryError",
        ),
        (
            ended(b"To connect another client to this kernel, use:\n    --existing /x/y.json\n"),
            "The code ended the Python process (exit code 3).",
        ),
        (ended(b"bye", code=0), "The code ended the Python process (exit code 0)."),
    ],
)
def test_an_exit_quotes_what_the_code_said_and_nothing_else(ending: Ending, sentence: str) -> None:
    assert explain(ending, Limits()).sentence == sentence

"""What the model is sent beside the task, the code and its output.

Counted without a tokenizer, whose tables would have to be downloaded: a text
is split as GPT tokenizers split it before they merge (words with the space in
front, up to three digits, runs of punctuation, runs of white space), and a
piece counts as one token for each six letters or two signs begun.  Compared
with the rule of four characters a token, the larger is taken.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from itertools import pairwise

from codeact_kernel.agent.budget import MESSAGE_TOKENS, estimate
from tests.support.scripted_server import ScriptedServer

from ..endpoint import PROMPT, asking, codes, replies
from ..kernel import listening
from ..lab import Lab
from ..registry import Row, Sides, experiment

_PIECE = re.compile(r" ?[^\W\d_]+|\d{1,3}| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")


def count(text: str) -> int:
    """Tokens of ``text``, rather too many than too few."""
    return max(estimate(text), sum(map(_size, _PIECE.findall(text))))


def _size(piece: str) -> int:
    bare = piece.strip()
    if not bare or bare[0].isdigit():
        return 1
    return math.ceil(len(bare) / (6 if bare[0].isalpha() else 2))


@experiment(
    "tokens",
    Row("instructions, with nothing of the notebook", "tokens", "codeact.fixed", bar=600),
    Row("a step, beside its code and output", "tokens", "codeact.step", bar=20),
    Row("requests that do not extend the one before", "%", "codeact.broken", bar=0),
    rounds=1,
)
def tokens(lab: Lab) -> Iterator[Sides]:
    """Reads what the endpoint was sent in a turn with all it may be told of an empty notebook."""

    def sent() -> Mapping[str, float]:
        script = replies(lab.sizes.steps)
        with ScriptedServer(script) as server:
            with listening("codeact", lab, asking(server.base_url)) as kernel:
                kernel.execute(PROMPT)
            requests = [request.body for request in server.requests]
        conversations = [request["messages"] for request in requests]
        broken = sum(new[: len(old)] != old for old, new in pairwise(conversations))
        others = [{k: v for k, v in request.items() if k != "messages"} for request in requests]
        broken += sum(one != other for one, other in pairwise(others))
        return {
            "fixed": _fixed(conversations[0]),
            "step": max(_overheads(conversations[-1], codes(lab.sizes.steps))),
            "broken": 100 * broken / len(requests),
        }

    yield {"codeact": sent}


def _shown(code: str) -> list[str]:
    """The lines that ``code`` prints and returns, found out here."""
    *statements, expression = code.split("\n")
    space: dict[str, object] = {}
    with redirect_stdout(io.StringIO()) as printed:
        exec("\n".join(statements), space)  # noqa: S102 - the script is ours
    return [*printed.getvalue().splitlines(), repr(eval(expression, space))]  # noqa: S307


def _fixed(conversation: Sequence[Mapping[str, str]]) -> float:
    """All that is sent first but the prompt."""
    texts = [message["content"].replace(PROMPT, "") for message in conversation]
    return sum(count(text) + MESSAGE_TOKENS for text in texts)


def _overheads(conversation: Sequence[Mapping[str, str]], steps: Sequence[str]) -> Iterator[float]:
    """Of each observation what is neither printed nor returned.

    Raises ``RuntimeError`` when the model was not told what its code did.
    """
    observations = [message["content"] for message in conversation[3::2]]
    for observation, code in zip(observations, steps, strict=True):
        for line in _shown(code):
            if line not in observation:
                raise RuntimeError(f"the model was not shown {line!r}: {observation}")
            observation = observation.replace(line, "", 1)
        yield count(observation.strip()) + MESSAGE_TOKENS

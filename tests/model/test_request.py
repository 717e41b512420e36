"""The body that is sent."""

from __future__ import annotations

import json

from codeact_kernel.agent.events import Image, Message
from codeact_kernel.model.masking import MASK
from codeact_kernel.model.request import RequestBuilder

SYSTEM = Message("system", "Be brief.")
PICTURE = Message("user", "See this.", (Image("image/png", "QUJD"),))


def builder(*, images: bool = False, known: tuple[str, ...] = ()) -> RequestBuilder:
    return RequestBuilder("m", images=images, known=known)


def test_a_request_has_nothing_that_a_plain_server_does_not_know() -> None:
    requests = builder()
    assert requests.body([SYSTEM]) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}],
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    requests.with_usage = False
    assert requests.body([SYSTEM]).keys() == {"model", "messages", "stream"}


def test_each_request_extends_the_one_before_and_builds_only_what_is_new() -> None:
    requests, messages = builder(known=("topsecret",)), [SYSTEM]
    previous = requests.body(messages)["messages"]
    for step in range(30):
        messages.append(Message("user", f"step {step}: topsecret password='hunter2'"))
        assert requests.new_characters(messages) == len(messages[-1].text)
        built = requests.body(messages)["messages"]
        assert built[:-1] == previous
        assert all(one is other for one, other in zip(built, previous, strict=False))
        assert built[-1]["content"] == f"step {step}: {MASK} password='{MASK}'"
        previous = built


def test_what_is_no_longer_sent_is_not_kept() -> None:
    requests = builder()
    requests.body([SYSTEM, PICTURE])
    requests.body([SYSTEM])
    assert requests.new_characters([SYSTEM, PICTURE]) == len(PICTURE.text)


def test_pictures_go_only_to_models_that_take_them() -> None:
    assert builder().body([PICTURE])["messages"][0]["content"] == "See this."
    assert builder(images=True).body([PICTURE])["messages"][0]["content"] == [
        {"type": "text", "text": "See this."},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}},
    ]


def test_text_that_cannot_be_encoded_is_mended() -> None:
    body = builder().body([Message("user", "half \ud83d a character")])
    assert json.dumps(body, ensure_ascii=False).encode("utf-8")

"""Isolated frames in a real browser: what waits, what runs, what it can and cannot do."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Frame, Page

from codeact_kernel.kernel.outputs import OutputPolicy
from codeact_kernel.kernel.outputs.frame import SENTENCE, frame
from tests.kernel.outputs.attacks import WEBRTC

from .canaries import Canary, Datagrams
from .conftest import show

Open = Callable[[], Page]

SCRIPT = {
    "text/html": "<p id=p style='height:600px;margin:0'>before</p>"
    "<script>document.getElementById('p').textContent='it ran'</script>"
}


def _shown(page: Page, policy: OutputPolicy, data: dict[str, str], name: str = "output") -> None:
    show(page, name, policy.display(data, {})[0])


def _inner(page: Page) -> Frame:
    """The frame that holds the content of the only output."""
    page.frame_locator("iframe").frame_locator("iframe").locator("body").wait_for()
    (outer,) = page.main_frame.child_frames
    (inner,) = outer.child_frames
    return inner


def test_before_the_click_there_is_a_sentence_and_a_lifeless_preview(open_notebook: Open) -> None:
    page = open_notebook()
    _shown(page, OutputPolicy("click"), SCRIPT)
    assert SENTENCE in page.frame_locator("iframe").locator("#ask").inner_text()
    assert _inner(page).inner_text("#p") == "before"
    page.wait_for_function("document.querySelector('iframe').offsetHeight >= 620")


def test_what_could_load_without_a_script_has_no_preview(open_notebook: Open) -> None:
    page = open_notebook()
    _shown(page, OutputPolicy("click"), {"text/html": "<link rel=preconnect href=x><p>x</p>"})
    page.frame_locator("iframe").locator("#ask").wait_for()
    (outer,) = page.main_frame.child_frames
    assert outer.child_frames == []
    assert outer.query_selector_all("p, link, iframe") == []


def test_after_the_click_the_script_runs_and_the_frame_has_its_height(
    open_notebook: Open,
) -> None:
    page = open_notebook()
    _shown(page, OutputPolicy("click"), SCRIPT)
    page.frame_locator("iframe").locator("button").click()
    page.wait_for_function("document.querySelector('iframe').offsetHeight === 600")
    assert _inner(page).inner_text("#p") == "it ran"
    assert page.frame_locator("iframe").locator("#ask").count() == 0


def test_a_page_extension_opens_a_frame_with_a_message(open_notebook: Open) -> None:
    page = open_notebook()
    _shown(page, OutputPolicy("click"), SCRIPT)
    page.frame_locator("iframe").locator("#ask").wait_for()
    page.evaluate("document.querySelector('iframe').contentWindow.postMessage('codeact_show','*')")
    page.wait_for_function("document.querySelector('iframe').offsetHeight === 600")
    assert _inner(page).inner_text("#p") == "it ran"


def test_in_frame_mode_the_script_runs_at_once(open_notebook: Open) -> None:
    page = open_notebook()
    _shown(page, OutputPolicy("frame"), SCRIPT)
    page.wait_for_function("document.querySelector('iframe').offsetHeight >= 600")
    assert _inner(page).inner_text("#p") == "it ran"


def test_a_locked_frame_shows_drawings_and_forms_at_once_but_runs_no_handler(
    open_notebook: Open,
) -> None:
    page = open_notebook()
    _shown(
        page,
        OutputPolicy("click"),
        {
            "text/html": "<style>#c:checked~p{height:500px}</style><input type=checkbox id=c checked>"
            "<p>x</p><svg width=50 height=50><circle r=20 /></svg>"
        },
    )
    page.wait_for_function("document.querySelector('iframe').offsetHeight >= 500")
    inner = _inner(page)
    assert inner.locator("circle").count() == 1
    inner.locator("#c").uncheck()
    page.wait_for_function("document.querySelector('iframe').offsetHeight < 300")


def test_a_locked_frame_runs_no_script_even_if_one_is_smuggled_in(
    open_notebook: Open, listener: Canary
) -> None:
    """The second wall: what recognises scripts could be wrong, the policy of the frame is not."""
    page = open_notebook()
    hit = f"{listener.address}/hit/smuggled"
    source = (
        f"<p id=p>still</p><script>document.getElementById('p').textContent='ran';"
        f"new Image().src='{hit}'</script>"
        f"<img src=data:, onerror=\"document.getElementById('p').textContent='ran'\">"
        f"<img src='{hit}'><iframe src='{hit}'></iframe><iframe srcdoc=\"<img src='{hit}'>\"></iframe>"
        f"<base href='{hit}'>"
        f"<link rel=stylesheet href='{hit}'><form action='{hit}'><button>go</button></form>"
        f"<a href='{hit}'>link</a>"
    )
    show(page, "output", {"text/html": frame(source, "locked")})
    inner = _inner(page)
    inner.locator("button").dispatch_event("click")
    assert inner.inner_text("#p") == "still"
    inner.locator("a").dispatch_event("click")
    refresh = f"<meta http-equiv=refresh content='0;url={hit}'>"
    show(page, "second", {"text/html": frame(refresh, "locked")})
    assert not listener.wait_for_any(1.0)


def test_the_frame_has_no_cookies_no_storage_and_another_origin(open_notebook: Open) -> None:
    page = open_notebook()
    assert "session" in page.evaluate("document.cookie")
    _shown(page, OutputPolicy("frame"), SCRIPT)
    inner = _inner(page)
    assert inner.evaluate("origin") == "null"
    tries = "() => { try { return String(%s) } catch (e) { return e.name } }"
    for reach in (
        "document.cookie",
        "localStorage",
        "parent.document",
        "parent.parent.document",
        "top.pwned",
        "top.frameElement",
    ):
        assert inner.evaluate(tries % reach) == "SecurityError", reach


def test_content_as_tall_as_its_window_does_not_grow(open_notebook: Open) -> None:
    page = open_notebook()
    data = {"text/html": "<style>html,body{height:100%}p{width:5000px}</style><p>x</p><svg></svg>"}
    _shown(page, OutputPolicy("frame"), data)
    inner = _inner(page)
    for _ in range(10):
        inner.evaluate("new Promise((done) => requestAnimationFrame(() => done()))")
    assert page.evaluate("document.querySelector('iframe').offsetHeight") == 300


def test_a_lying_frame_gets_no_more_than_2000_pixels(open_notebook: Open) -> None:
    page = open_notebook()
    _shown(
        page,
        OutputPolicy("frame"),
        {
            "text/html": "<script>setInterval(()=>{for(const w of [parent,parent.parent])"
            "w.postMessage({codeact_height:1e9},'*')},20)</script>"
        },
    )
    page.wait_for_function("document.querySelector('iframe').offsetHeight === 2000")


def test_webrtc_reaches_the_network_only_after_the_click(
    open_notebook: Open, datagrams: Datagrams
) -> None:
    """The known residue, and the reason for the click."""
    page = open_notebook()
    _shown(page, OutputPolicy("click"), WEBRTC.filled("", datagrams.port))
    button = page.frame_locator("iframe").locator("button")
    button.wait_for()
    assert not datagrams.any(1.0)
    button.click()
    assert datagrams.any(10.0)

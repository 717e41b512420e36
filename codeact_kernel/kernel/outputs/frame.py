"""HTML that a page must not hold itself, in two nested sandboxed frames.

The outer frame is ours and holds the content in an inner one.  Both have an
origin of their own (no cookies, no Jupyter API, no reach to the page) and a
content security policy without network.  One frame alone would leak by
navigating itself; the inner one cannot, because its navigations are subject
to the outer one's ``frame-src 'none'``.

Three kinds:

``locked``
    Only our two scripts run, named by their hashes; the content's own cannot.
    Loaded at once.
``live``
    The content's scripts run.  They could still reach the network through
    WebRTC, which no policy stops.
``click``
    Live after a person clicked.  Until then locked, or, if the content has
    elements that could load something without any script, not there at all.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Final, Literal

Kind = Literal["locked", "live", "click"]

SENTENCE: Final = (
    "This output contains a script. It runs isolated from your notebook, "
    "but could reach the network."
)

# Elements that cannot live in the page, harmless or not (an HTML parser makes
# an element only of "<" directly followed by its name).
_FRAMED: Final = re.compile(
    r"<(?:script|svg|iframe|frame|canvas|object|embed|applet|input|button|select|textarea|form"
    r"|link|math|template|meta|base)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
# What could load by itself even where no script runs and a policy forbids all
# (rel=preconnect and dns-prefetch, for instance).
_LOADING: Final = re.compile(
    r"<(?:iframe|frame|object|embed|applet|link|meta|base|template|portal|fencedframe)(?![\w-])",
    re.IGNORECASE | re.ASCII,
)
_SCRIPTED: Final = re.compile(
    r"<script(?![\w-])|[\s\"'/]on[a-z]{3,30}\s{0,9}=|javascript:", re.IGNORECASE | re.ASCII
)


def needs_frame(source: str) -> bool:
    """Whether ``source`` has elements that cleaning would lose."""
    return _FRAMED.search(source) is not None


def is_active(source: str) -> bool:
    """Whether ``source`` may have scripts, or elements that load something by themselves.

    Never false for HTML that does: such an element's name stands in the source.
    """
    return _SCRIPTED.search(source) is not None or _LOADING.search(source) is not None


# Inside the content: say how tall it is, with its scroll bar.  Not a pixel more,
# or content as tall as its window would make it grow without end.
_MEASURE: Final = (
    "(()=>{const tell=()=>{const r=document.documentElement,b=document.body;if(!b)return;"
    "const h=Math.max(r.getBoundingClientRect().height,b.scrollHeight)"
    "+innerHeight-r.clientHeight;parent.postMessage({codeact_height:h},'*')};"
    "const o=new ResizeObserver(tell);o.observe(document.documentElement);"
    "addEventListener('DOMContentLoaded',()=>{o.observe(document.body);tell()});"
    "addEventListener('load',tell)})()"
)

# In the outer frame: load the content, or its preview until a person asks for
# more, and pass its height on.  A page extension may ask too, by posting 'codeact_show'.
_OUTER: Final = (
    "(()=>{const {preview,head,body}=JSON.parse(document.getElementById('content').textContent);"
    "let ask=document.getElementById('ask'),inner=null,shown=false;"
    "const tell=(h)=>parent.postMessage({codeact_height:h+(ask?ask.offsetHeight:0)},'*');"
    "const load=(h)=>{const f=document.createElement('iframe');"
    "f.setAttribute('sandbox','allow-scripts');f.srcdoc=h+body;"
    "if(inner)inner.replaceWith(f);else document.body.append(f);inner=f};"
    "const show=()=>{if(shown)return;shown=true;if(ask)ask.remove();ask=null;load(head);tell(300)};"
    "addEventListener('message',(e)=>{"
    "if(inner&&e.source===inner.contentWindow){"
    "const h=Math.ceil(Number(e.data&&e.data.codeact_height));"
    "if(h>0)tell(Math.min(2000,Math.max(20,h)))}"
    "else if(e.source===parent&&e.data==='codeact_show')show()});"
    "if(!ask)return show();ask.querySelector('button').addEventListener('click',show);"
    "tell(0);if(preview)load(preview)})()"
)

# In the page: give each of our frames the height it tells, and nothing else.
PAGE_SCRIPT: Final = (
    "if(!window.codeactFrames){window.codeactFrames=true;"
    "addEventListener('message',(e)=>{const h=Number(e.data&&e.data.codeact_height);"
    "if(!(h>0))return;"
    "for(const f of document.querySelectorAll('iframe.codeact-frame'))"
    "if(f.contentWindow===e.source)f.style.height=Math.min(2000,Math.max(20,h))+'px'})}"
)


def _source_hash(script: str) -> str:
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"


def _policy(script_sources: str) -> str:
    return (
        f"default-src 'none'; script-src {script_sources}; style-src 'unsafe-inline' data:; "
        "img-src data: blob:; font-src data:; media-src data: blob:; worker-src blob:; "
        "connect-src data: blob:; frame-src 'none'; object-src 'none'; form-action 'none'; "
        "base-uri 'none'"
    )


_LIVE: Final = _policy("'unsafe-inline' 'unsafe-eval' blob: data:")
_LOCKED: Final = _policy(_source_hash(_MEASURE))
_LOCKED_OUTER: Final = _policy(f"{_source_hash(_MEASURE)} {_source_hash(_OUTER)}")

_ASK: Final = (
    '<div id="ask" style="font:13px sans-serif;color:#767676;padding:4px">'
    f"{SENTENCE} <button>Show</button></div>"
)


def frame(source: str, kind: Kind) -> str:
    """HTML that shows ``source`` isolated; see the module for the kinds.

    The result contains one script, ours, that only sets the frame's height (20
    to 2000 pixels).  ``source`` must be encodable as UTF-8.
    """
    locked, live = _inner_head(_LOCKED), _inner_head(_LIVE)
    preview = locked if kind == "click" and not _LOADING.search(source) else ""
    content = json.dumps(
        {"preview": preview, "head": locked if kind == "locked" else live, "body": source},
        ensure_ascii=False,
    )
    # Without "</" and "<!--" nothing in a script element ends it or changes how it ends.
    content = content.replace("</", "<\\/").replace("<!--", "\\u003c!--")
    outer = (
        f"{_head(_LOCKED_OUTER if kind == 'locked' else _LIVE)}"
        "<style>html,body{margin:0;height:100%;overflow:hidden}"
        "body{display:flex;flex-direction:column}iframe{flex:1;width:100%;border:0}</style>"
        f"<body>{_ASK if kind == 'click' else ''}"
        f'<script type="application/json" id="content">{content}</script>'
        f"<script>{_OUTER}</script>"
    )
    attribute = outer.replace("&", "&amp;").replace("'", "&#39;")
    height = 40 if kind == "click" else 300
    return (
        '<iframe class="codeact-frame" sandbox="allow-scripts" referrerpolicy="no-referrer" '
        f'style="width:100%;height:{height}px;border:0;resize:vertical" '
        f"srcdoc='{attribute}'></iframe><script>{PAGE_SCRIPT}</script>"
    )


def _head(policy: str) -> str:
    return (
        '<!doctype html><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta http-equiv="x-dns-prefetch-control" content="off">'
    )


def _inner_head(policy: str) -> str:
    return (
        f"{_head(policy)}<style>html{{background:#fff}}body{{margin:0}}</style>"
        f"<script>{_MEASURE}</script>"
    )

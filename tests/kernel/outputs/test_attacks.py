"""The attack table against the structure of what the policy produces (a browser does the rest)."""

from __future__ import annotations

from typing import Any

import pytest

from codeact_kernel.kernel.outputs import OutputPolicy

from .attacks import SCRIPTED, STATIC, WEBRTC, Attack
from .structure import framed, problems

NET = "http://198.51.100.7"
KNOWN = {"text/html", "text/plain", "text/latex", "image/png"}


def _check(shown: dict[str, Any], *, may_run: bool) -> None:
    assert set(shown) <= KNOWN
    html = shown.get("text/html")
    if html is None:
        return
    if not html.startswith('<iframe class="codeact-frame"'):
        assert problems(html) == []
        return
    parts = framed(html)
    for policy in filter(None, (parts.policy, parts.preview, parts.head)):
        assert "default-src 'none'" in policy
        assert "frame-src 'none'" in policy
        assert NET not in policy
    locked = [parts.preview] if parts.asks else [] if may_run else [parts.policy, parts.head]
    for policy in filter(None, locked):
        assert "script-src 'sha256-" in policy
        assert "'unsafe-inline'; style" not in policy


@pytest.mark.parametrize("attack", STATIC + SCRIPTED + [WEBRTC], ids=lambda attack: attack.name)
def test_nothing_of_an_attack_is_left_in_the_page(attack: Attack) -> None:
    for mode in ("click", "frame", "sanitise"):
        shown, metadata = OutputPolicy(mode).display(attack.filled(NET), {})
        assert metadata == {}
        _check(shown, may_run=mode != "sanitise")


@pytest.mark.parametrize("attack", [*SCRIPTED, WEBRTC], ids=lambda attack: attack.name)
def test_in_sanitise_mode_scripts_are_not_even_framed(attack: Attack) -> None:
    shown, _ = OutputPolicy("sanitise").display(attack.filled(NET), {})
    assert problems(shown.get("text/html", "")) == []


@pytest.mark.parametrize("attack", STATIC + SCRIPTED, ids=lambda attack: attack.name)
def test_trust_passes_displays_unchanged(attack: Attack) -> None:
    data = attack.filled(NET)
    assert OutputPolicy("trust").display(data, {"isolated": True}) == (data, {"isolated": True})

"""Which sandbox is taken, and what is said when none can be."""

from __future__ import annotations

import pytest

from codeact_kernel.errors import SandboxError
from codeact_kernel.sandbox import select


@pytest.fixture
def verdicts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str | None]:
    """What the checks of the kinds say; all is well until a test says otherwise."""
    said: dict[str, str | None] = dict.fromkeys(select.KINDS)
    for name, kind in select.KINDS.items():
        monkeypatch.setattr(kind, "check", lambda name=name: said[name])
    return said


def test_auto_takes_bubblewrap_when_it_works(verdicts: dict[str, str | None]) -> None:
    assert select.choose("auto").name == "bubblewrap"


def test_auto_takes_sandlock_when_bubblewrap_does_not_work(
    verdicts: dict[str, str | None],
) -> None:
    verdicts["bubblewrap"] = "not here."
    assert select.choose("auto").name == "sandlock"


def test_auto_never_takes_none_and_says_all_reasons(verdicts: dict[str, str | None]) -> None:
    verdicts |= {"bubblewrap": "Install A.", "sandlock": "Install B."}
    with pytest.raises(SandboxError, match=r"Install A\. Install B\..*CODEACT_SANDBOX=none"):
        select.choose("auto")


def test_a_kind_asked_for_by_name_is_not_replaced_by_another(
    verdicts: dict[str, str | None],
) -> None:
    verdicts["bubblewrap"] = "Install A."
    with pytest.raises(SandboxError, match="Install A"):
        select.choose("bubblewrap")


def test_an_unknown_kind_is_answered_with_those_there_are() -> None:
    with pytest.raises(SandboxError, match="auto or one of bubblewrap, sandlock, none"):
        select.choose("walls")


def test_the_report_has_a_row_for_every_kind(verdicts: dict[str, str | None]) -> None:
    verdicts["sandlock"] = "Install B."
    rows = {row.kind: row for row in select.report()}
    assert list(rows) == ["bubblewrap", "sandlock", "none"]
    assert not rows["sandlock"].works
    assert rows["sandlock"].why_not == "Install B."
    assert "no network" in rows["bubblewrap"].description

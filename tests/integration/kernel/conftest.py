"""Which sandboxes there are to run in."""

from __future__ import annotations

import pytest

from codeact_kernel.sandbox import select


@pytest.fixture(params=["bubblewrap", "sandlock"])
def walls(request: pytest.FixtureRequest) -> str:
    """Each kind of sandbox with walls that works here."""
    name: str = request.param
    why_not = select.KINDS[name].check()
    if why_not is not None:
        pytest.skip(why_not)
    return name

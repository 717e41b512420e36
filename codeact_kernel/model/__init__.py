"""The model: an OpenAI-compatible endpoint, or a recording of one."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from ..agent.ports import Model
from ..config import Settings


class OpenModel(Model, Protocol):
    """A model that can be asked, and what a front says about it."""

    @property
    def name(self) -> str:
        """Its name, for people; empty while it is not known."""

    def describe(self) -> str:
        """Who is asked and what leaves the machine, in sentences; empty until it is known."""

    async def prepare(self) -> object:
        """Do ahead what the first question needs; raises a ``CodeActError`` if it cannot be asked."""

    async def aclose(self) -> None:
        """Close connections."""


def open_model(settings: Settings, environ: Mapping[str, str]) -> OpenModel:
    """The model that ``settings`` name: a recording if there is one, else an endpoint.

    Costs nothing and cannot fail: whatever is wrong is said when the model is
    asked, so that a kernel without a model still runs code.
    """
    if settings.cassette:
        from .cassette import CassetteModel

        return CassetteModel(Path(os.path.expanduser(settings.cassette)))  # noqa: PTH111 - never raises
    from .client import EndpointModel

    return EndpointModel(settings, environ)

"""``codeact doctor``: what works here, what does not, and one remedy for each problem."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import click

from ..config import Settings, load_settings
from ..errors import CodeActError
from .notebooks import KERNEL_NAME
from .platforms import Facts, advise, gather


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report.  ``remedy`` belongs to problems and warnings."""

    level: Literal["good", "note", "problem"]
    about: str
    text: str
    remedy: str = ""


_SIGNS = {"good": ("✓", "green"), "note": ("·", "dim"), "problem": ("✗", "red")}


@click.command("doctor")
def doctor_command() -> None:
    """Say what works on this machine, and what to do about what does not.

    Exit code 0: everything works; 1: something does not.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    problems = 0
    for finding in examine(gather()):
        sign, style = _SIGNS[finding.level]
        line = Text.assemble((f"{sign} ", style), (f"{finding.about}: ", "bold"), finding.text)
        console.print(line, soft_wrap=True)
        if finding.remedy:
            console.print(Text(f"    → {finding.remedy}"), soft_wrap=True)
        problems += finding.level == "problem"
    console.print()
    console.print(f"{problems} problem(s) found." if problems else "Everything works.")
    sys.exit(1 if problems else 0)


def examine(facts: Facts) -> Iterator[Finding]:
    """All findings, in the order in which things are needed; each part is tried for real."""
    yield Finding("good", "Python", f"{sys.version.split()[0]} at {sys.executable}")
    yield kernelspec()
    yield Finding("note", "Platform", f"{advise(facts).name}. {advise(facts).applies}")
    settings = _settings()
    if isinstance(settings, Finding):
        yield settings
        return
    yield from sandbox(settings, facts)
    yield endpoint(settings)


def kernelspec() -> Finding:
    """Whether Jupyter finds the kernel, and with this Python's packages."""
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    about = "Kernel"
    try:
        spec = KernelSpecManager().get_kernel_spec(KERNEL_NAME)
    except NoSuchKernel:
        return Finding(
            "problem",
            about,
            f"Jupyter does not know the kernel '{KERNEL_NAME}'.",
            "Install it: python -m pip install --force-reinstall --no-deps codeact-kernel",
        )
    return Finding("good", about, f"'{spec.display_name}' is installed in {spec.resource_dir}")


def sandbox(settings: Settings, facts: Facts) -> Iterator[Finding]:
    """Which sandbox is used, and why not the others."""
    from ..sandbox import select

    about = "Sandbox"
    if settings.sandbox == "none":
        yield Finding(
            "note",
            about,
            "none, by your choice: generated code can do all that you can, and every step is asked "
            "first unless CODEACT_APPROVAL says otherwise.",
        )
        return
    try:
        chosen = select.choose(settings.sandbox)
    except CodeActError as error:
        yield Finding("problem", about, error.what, advise(facts).remedy)
        return
    yield Finding("good", about, chosen.describe())
    for row in select.report():
        if row.kind not in {chosen.name, "none"}:
            text = "works here too" if row.works else f"not used here: {row.why_not}"
            yield Finding("note", f"Sandbox {row.kind}", text)


def endpoint(settings: Settings) -> Finding:
    """Which model would be asked."""
    from ..model.endpoint import resolve

    about = "Model"
    if settings.cassette:
        return Finding("good", about, f"a recording answers: {settings.cassette}")
    try:
        return Finding("good", about, resolve(settings, os.environ).describe())
    except CodeActError as error:
        return Finding("problem", about, error.what, error.remedy)


def _settings() -> Settings | Finding:
    try:
        return load_settings()
    except CodeActError as error:
        return Finding("problem", "Settings", error.what, error.remedy)

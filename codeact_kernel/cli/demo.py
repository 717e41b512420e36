"""The demo: a bundled notebook whose model is a recording and whose code is really executed."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from pathlib import Path
from typing import NoReturn

from ..config import Settings
from ..errors import UsageError

_SOURCE = Path(__file__).parent.parent / "demo"
CASSETTE = _SOURCE / "cassette.json"
NOTEBOOK = "sales.ipynb"
DATA = "sales.csv"
_NEEDS = ("pandas", "matplotlib")

INTRODUCTION = """\
This is a demo without a model: what the model says is a recording.
Its code is really executed, in the sandbox of this machine, on real files."""

CLOSING = """
The model's words above were a recording. To ask your own questions, connect a model
(codeact config --help); to see the results follow the data, change {data} and run this again.
The page is {page}"""


def prepare(folder: Path) -> Path:
    """Copy the notebook and its data into ``folder``, keeping what a person changed there.

    Returns the notebook.  Raises ``UsageError`` when the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in (NOTEBOOK, DATA):
            if not (folder / name).exists():
                shutil.copyfile(_SOURCE / name, folder / name)
    except OSError as error:
        raise UsageError(
            f"The demo cannot write its files to {folder}: {error.strerror}.",
            remedy="Name another folder: codeact demo FOLDER.",
        ) from None
    return folder / NOTEBOOK


def check_packages(settings: Settings) -> None:
    """Raise ``UsageError`` if the demo's code would miss a package."""
    missing = [name for name in _NEEDS if importlib.util.find_spec(name) is None]
    if missing and not settings.inner_kernel:
        raise UsageError(
            f"The demo analyses data with {' and '.join(missing)}, not installed here.",
            remedy='Install the demo\'s packages: python -m pip install "codeact-kernel[demo]"',
        )


def recording_env() -> dict[str, str]:
    """Environment of a kernel that answers from the recording."""
    return {"CODEACT_CASSETTE": str(CASSETTE)}


def open_lab(notebook: Path, settings: Settings) -> NoReturn:
    """Become JupyterLab with the notebook; the recording answers if no model is configured."""
    if not (settings.base_url or settings.model or settings.cassette):
        os.environ.update(recording_env())
        sys.stderr.write(
            "No model is configured, so the demo's prompts are answered from a recording; its code is "
            "really executed.\nTo use a model of your own: codeact config --help\n"
        )
        sys.stderr.flush()
    # Lab refuses to start as root unless told to; in a container there is often no one else.
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    place = [
        f"--ServerApp.root_dir={notebook.parent.absolute()}",
        f"--LabApp.default_url=/lab/tree/{notebook.name}",
    ]
    command = [sys.executable, "-P", "-m", "jupyterlab", *root, *place]
    os.execv(sys.executable, command)  # noqa: S606  # our own interpreter, no shell

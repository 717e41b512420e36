"""Prepare the demo on Binder: lay out its files and say, in the notebook itself, what the isolation is.

Prints the shell commands that set the environment of the server.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_markdown_cell

from codeact_kernel.cli.demo import prepare, recording_env
from codeact_kernel.errors import SandboxError
from codeact_kernel.sandbox.select import choose

_SANDBOXED = "**Isolation here:** {}"
_BARE = (
    "**Isolation here:** Binder's own throw-away container, and nothing more: no sandbox of CodeAct works in it "
    "({}). That is enough for this demo, whose code is a recording. On a machine of your own, CodeAct runs code "
    "in a sandbox, or asks you before each step."
)


def isolation() -> tuple[str, dict[str, str]]:
    """What isolates the code here, as markdown, and the settings that go with it."""
    try:
        return _SANDBOXED.format(choose("auto").describe()), {}
    except SandboxError as error:
        # The container holds nothing of anyone's, and every step is in the recording.
        return _BARE.format(error.what), {"CODEACT_SANDBOX": "none", "CODEACT_APPROVAL": "never"}


def main() -> None:
    folder = Path(sys.argv[1])
    notebook = prepare(folder)
    text, settings = isolation()
    content = nbformat.read(notebook, as_version=4)
    cells = [cell for cell in content.cells if cell.id != "isolation"]
    content.cells = [cells[0], new_markdown_cell(text, id="isolation"), *cells[1:]]
    nbformat.write(content, notebook)
    for name, value in {**recording_env(), **settings}.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")


if __name__ == "__main__":
    main()

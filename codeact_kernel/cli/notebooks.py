"""Notebook files: reading one with a sentence for whatever is wrong, and writing one safely."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError

if TYPE_CHECKING:
    from nbformat import NotebookNode

KERNEL_NAME = "codeact"
KERNELSPEC = {"name": KERNEL_NAME, "display_name": "CodeAct (Python)", "language": "python"}


def read_notebook(path: Path) -> NotebookNode:
    """The notebook in ``path``, valid, with cell ids, in format 4.5.

    Raises ``UsageError`` for a file that is missing, unreadable, no notebook,
    in an older format, or without anything to run.
    """
    import nbformat
    from nbformat.v4 import upgrade
    from nbformat.v4.rwbase import rejoin_lines
    from nbformat.validator import normalize

    content = _read_json(path)
    version = content.get("nbformat")
    if not isinstance(version, int):
        raise UsageError(
            f"{path} is not a Jupyter notebook.", remedy="Give the path of an .ipynb file."
        )
    if version < 4:
        raise UsageError(
            f"{path} is in the old notebook format {version}.",
            remedy=f"Convert it with: jupyter nbconvert --to notebook '{path}'",
        )
    try:
        notebook: NotebookNode = rejoin_lines(nbformat.from_dict(content))
        if content["nbformat_minor"] < 5:
            notebook = upgrade(notebook, version, content["nbformat_minor"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # missing and doubled ids: this is what mends them
            _, notebook = normalize(notebook)
        nbformat.validate(notebook)
    except Exception as error:  # the format library has many errors, each naming the place
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise UsageError(
            f"{path} is not a valid notebook: {reason}.",
            remedy="Open and save it in Jupyter to repair it.",
        ) from None
    if not any(cell["cell_type"] == "code" and cell["source"].strip() for cell in notebook.cells):
        raise UsageError(
            f"{path} has no cell to run.", remedy="Write a prompt or Python into a code cell."
        )
    return notebook


def prompt_notebook(task: str) -> NotebookNode:
    """A new notebook with one cell, the prompt ``task``."""
    from nbformat.v4 import new_code_cell, new_notebook

    prompt = {"codeact": {"v": 1, "kind": "prompt"}}
    notebook: NotebookNode = new_notebook(cells=[new_code_cell(task, metadata=prompt)])
    return notebook


def check_kernel(notebook: Mapping[str, Any], path: Path, *, inner_kernel: str) -> None:
    """Raise ``UsageError`` if the notebook is meant for something that is not Python here.

    A notebook for the environment of another Python kernel runs only when
    ``inner_kernel`` says which environment to use: guessing could run it with
    other package versions than its results came from.
    """
    from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel

    metadata = notebook["metadata"]
    name = metadata.get("kernelspec", {}).get("name", KERNEL_NAME)
    language = metadata.get("kernelspec", {}).get("language") or metadata.get(
        "language_info", {}
    ).get("name", "python")
    if str(language).lower() not in {"python", "ipython"}:
        raise UsageError(
            f"{path} is a notebook for {language} (kernel '{name}'), and CodeAct runs Python.",
            remedy="Run it with: jupyter nbconvert --to notebook --execute",
        )
    if name in {KERNEL_NAME, "python3", "python"} or inner_kernel:
        return
    try:
        found = KernelSpecManager().get_kernel_spec(name)
    except NoSuchKernel:
        raise UsageError(
            f"{path} is for the kernel '{name}', which is not installed here.",
            remedy="To run it in CodeAct's own environment: CODEACT_INNER_KERNEL=python3 codeact run …",
        ) from None
    if found.language.lower() != "python":
        raise UsageError(
            f"{path} is a notebook for {found.language} (kernel '{name}'), and CodeAct runs Python.",
            remedy="Run it with: jupyter nbconvert --to notebook --execute",
        )
    raise UsageError(
        f"{path} is for the kernel '{name}'.",
        remedy=f"To run it on CodeAct in that environment: CODEACT_INNER_KERNEL={name} codeact run …",
    )


def notebook_text(notebook: dict[str, Any]) -> str:
    """The notebook as the text of an ``.ipynb`` file, as Jupyter writes it."""
    import nbformat
    from nbformat.v4 import writes

    return str(writes(nbformat.from_dict(notebook))) + "\n"


class OutputFile:
    """A file that is going to be written, in a folder that stays the same folder.

    The code of a notebook may write where the result goes: it could put a
    link in place of the file or of a folder on the way, and our write would
    then hit something of the user's.  So the folder is opened before the code
    runs, and the file is made new in it and moved into place.

    Raises ``UsageError`` at once when the folder cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be written: {_reason(error)}.",
                remedy="Name another file with -o.",
            ) from None
        try:
            if path.is_dir():
                raise IsADirectoryError(None, "it is a folder")
            os.unlink(self._make_new(b""), dir_fd=self._folder)
        except OSError as error:
            self.close()
            raise UsageError(
                f"{path} cannot be written: {_reason(error)}.",
                remedy="Name another file with -o.",
            ) from None

    def write(self, text: str) -> Path:
        """Put ``text`` into the file at once and whole; returns where it really is.

        When the folder is gone or full, the text is saved in a new temporary
        folder rather than lost.
        """
        data = text.encode("utf-8", "replace")
        try:
            new = self._make_new(data)
            os.replace(new, self.path.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
        except OSError:
            rescue = Path(tempfile.mkdtemp(prefix="codeact-")) / self.path.name
            rescue.write_bytes(data)
            return rescue
        return self.path

    def close(self) -> None:
        os.close(self._folder)

    def _make_new(self, data: bytes) -> str:
        name = f".{self.path.name[:100]}.{os.getpid()}.new"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=self._folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        file = os.open(name, flags, 0o666, dir_fd=self._folder)
        try:
            with os.fdopen(file, "wb") as stream:
                stream.write(data)
        except OSError:
            os.unlink(name, dir_fd=self._folder)
            raise
        return name


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {_reason(error)}.") from None
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path} is not a Jupyter notebook: it is not JSON ({error}).",
            remedy="Give the path of an .ipynb file.",
        ) from None
    if not isinstance(content, dict):
        raise UsageError(
            f"{path} is not a Jupyter notebook.", remedy="Give the path of an .ipynb file."
        )
    return content


def _reason(error: OSError) -> str:
    """What the system says, in lower case: ``no such file or directory``."""
    reason = error.strerror or str(error)
    return reason[:1].lower() + reason[1:]

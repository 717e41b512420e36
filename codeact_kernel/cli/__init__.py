"""The ``codeact`` command.

Exit codes (design §10): 0 all turns were answered, 1 some turn was not or a
cell failed, 2 the command could not be carried out as given.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import __version__
from ..errors import CodeActError, UsageError
from .doctor import doctor_command
from .settings import config_group

if TYPE_CHECKING:
    from nbformat import NotebookNode

    from .execute import Ran

_PATH = click.Path(path_type=Path)


class _Group(click.Group):
    """A group whose errors are one sentence and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CodeActError as error:
            click.echo(f"codeact: {error}", err=True)
            ctx.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="codeact")
def main() -> None:
    """Notebooks whose cells may be Python or plain language.

    A cell in plain language is a prompt: a model writes Python for it, step by
    step, and each step runs in a sandbox. 'codeact demo' shows it without a model.
    """


main.add_command(config_group)
main.add_command(doctor_command)


@main.command("run")
@click.argument("notebook", type=_PATH)
@click.option("-o", "--output", type=_PATH, help="Where to write; default NAME.executed.ipynb.")
def run_command(notebook: Path, output: Path | None) -> None:
    """Run all cells of NOTEBOOK, prompts included, in its folder.

    Steps and answers become cells of the result. NOTEBOOK itself is not
    changed, unless -o names it. What was done is also saved when a cell fails
    or the run is stopped with Ctrl-C.

    Exit code 0: all went well; 1: a turn was not answered or a cell failed;
    2: the command could not be carried out as given.
    """
    from ..config import load_settings
    from .notebooks import check_kernel, read_notebook
    from .preflight import check_environment

    settings = load_settings()
    content = read_notebook(notebook)
    check_kernel(content, notebook, inner_kernel=settings.inner_kernel)
    check_environment(settings)
    output = output or notebook.with_name(f"{notebook.stem}.executed.ipynb")
    ran, saved = _execute(content, notebook, output)
    sys.exit(_end(ran, f"The executed notebook is {saved}"))


@main.command("ask")
@click.argument("task")
@click.option(
    "--workspace", type=_PATH, default=Path(), help="Folder to work in; default: this one."
)
@click.option("-o", "--output", type=_PATH, help="Also write what was done, as a notebook.")
def ask_command(task: str, workspace: Path, output: Path | None) -> None:
    """Do TASK, given in plain language, and print the steps and the answer.

    The code works with the files of the workspace folder. Exit codes are those
    of 'codeact run'.
    """
    from ..config import load_settings
    from .notebooks import prompt_notebook
    from .preflight import check_environment

    if not task.strip():
        raise UsageError("The task is empty.", remedy='Say what to do: codeact ask "…".')
    if not workspace.is_dir():
        raise UsageError(f"{workspace} is not a folder.", remedy="Name one with --workspace.")
    check_environment(load_settings())
    ran, saved = _execute(prompt_notebook(task), workspace / "task.ipynb", output)
    sys.exit(_end(ran, f"What was done is in {saved}" if saved else ""))


@main.command("demo")
@click.argument("folder", type=_PATH, default=Path("demo-output"))
@click.option("--lab", is_flag=True, help="Open the demo in JupyterLab instead of running it here.")
def demo_command(folder: Path, lab: bool) -> None:
    """Show a recorded session whose code is really executed: no key, no network.

    FOLDER (default demo-output) gets the notebook, its data, and the result as
    a notebook and as a page. Change the data there, run the demo again, and
    the results change.
    """
    from ..config import load_settings
    from . import demo
    from .notebooks import OutputFile, read_notebook
    from .page import to_html
    from .preflight import check_environment

    settings = load_settings()
    demo.check_packages(settings)
    check_environment(settings)
    notebook = demo.prepare(folder)
    if lab:
        demo.open_lab(notebook, settings)
    click.echo(demo.INTRODUCTION)
    with closing(OutputFile(folder / "sales.html")) as page:
        ran, saved = _execute(
            read_notebook(notebook),
            notebook,
            folder / "sales.executed.ipynb",
            demo.recording_env(),
        )
        shown = page.write(to_html(ran.notebook, "A year of sales"))
    click.echo(demo.CLOSING.format(page=shown, data=folder / demo.DATA))
    sys.exit(_end(ran, f"The executed notebook is {saved}"))


def _execute(
    content: NotebookNode,
    notebook: Path,
    output: Path | None,
    env: Mapping[str, str] | None = None,
) -> tuple[Ran, Path | None]:
    """Run ``content`` as the open notebook ``notebook``, and save it to ``output`` if there is one."""
    from contextlib import ExitStack

    from .execute import execute
    from .notebooks import OutputFile, notebook_text
    from .transcript import Transcript, open_console

    with ExitStack() as stack:
        file = stack.enter_context(closing(OutputFile(output))) if output else None
        transcript = stack.enter_context(Transcript(open_console()))
        ran = execute(
            content,
            notebook=notebook.absolute(),
            transcript=transcript,
            env=env,
            keep=(lambda so_far: file.write(notebook_text(so_far))) if file else None,
        )
        return ran, file.write(notebook_text(ran.notebook)) if file else None


def _end(ran: Ran, closing_line: str) -> int:
    """Say how it ended, the result's place last; returns the exit code."""
    if ran.failure:
        click.echo(f"codeact: {ran.failure}", err=True)
    if closing_line:
        click.echo(closing_line)
    return 1 if ran.failure else 0

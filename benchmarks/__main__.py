"""``python -m benchmarks``: measure, show the table, exit 1 when a bar is missed."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from rich.console import Console

from codeact_kernel.errors import CodeActError

from . import experiments, report  # noqa: F401  (experiments register themselves)
from .lab import laboratory
from .measure import Result, measure
from .registry import EXPERIMENTS


@click.command()
@click.option(
    "--rows",
    default=",".join(EXPERIMENTS),
    show_default=True,
    help="Which rows to measure, separated by commas.",
)
@click.option(
    "--rounds", type=click.IntRange(1), help="Samples of each side; default: as the row says."
)
@click.option(
    "--json", "json_file", type=click.Path(path_type=Path), help="Write figures here too."
)
@click.option("--markdown", is_flag=True, help="Print the table as Markdown.")
def main(rows: str, rounds: int | None, json_file: Path | None, markdown: bool) -> None:
    """Measure speed and size beside stock ipykernel and a bare loop."""
    names = [name for name in rows.split(",") if name]
    unknown = [name for name in names if name not in EXPERIMENTS]
    if unknown:
        raise click.BadParameter(f"no rows {unknown}; there are {', '.join(EXPERIMENTS)}.")
    results: list[Result] = []
    console = Console(stderr=True)
    try:
        with laboratory() as lab, console.status("") as status:
            for name in names:
                experiment = EXPERIMENTS[name]
                results += measure(experiment, lab, rounds or experiment.rounds, status.update)
    except CodeActError as error:
        raise click.ClickException(str(error)) from None
    if markdown:
        click.echo(f"{report.machine(lab)}\n\n{report.markdown(results)}", nl=False)
    else:
        wide = Console(width=None if sys.stdout.isatty() else 160)
        wide.print(report.machine(lab), highlight=False)
        wide.print(report.table(results))
    if json_file is not None:
        json_file.write_text(report.as_json(results, lab), encoding="utf-8")
    sys.exit(any(result.verdict == "over" for result in results))


if __name__ == "__main__":
    main()

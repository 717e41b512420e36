"""``codeact config``: see and change settings, and keep the key."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from ..config import Settings, config_file, load_settings

_FIRST_STEPS = """\
A model of your own, in two commands (any OpenAI-compatible endpoint):

\b
  codeact config set base_url https://api.example.org/v1
  codeact config set model NAME
  codeact config set-key            (asks for the key; not on the command line)

A server on this machine (Ollama, llama.cpp, vLLM, LM Studio) that you started
yourself is found without any of these.
"""


@click.group("config", epilog=_FIRST_STEPS)
def config_group() -> None:
    """Show or change settings, or connect a model.

    Environment variables (CODEACT_MODEL and so on) come before the file that
    these commands write. Nothing is ever read from the folder of a notebook.
    """


@config_group.command("show")
def show() -> None:
    """Every setting: its value, where the value comes from, and its variable."""
    from rich.console import Console
    from rich.table import Table

    settings = load_settings()
    table = Table("setting", "value", "from", "variable", box=None, pad_edge=False)
    for name, trait in settings.class_traits(config=True).items():
        value = getattr(settings, name)
        shown = "" if value in ("", None) else "•••" if name == "api_key" else str(value)
        variable = trait.metadata["env"]
        changed = value != trait.default_value
        source = "environment" if os.environ.get(variable) else "file" if changed else "default"
        table.add_row(name, shown, source, variable)
    console = Console(highlight=False, markup=False)
    console.print(table, soft_wrap=True)
    console.print(f"\nFile: {config_file()}", soft_wrap=True)


@config_group.command("set")
@click.argument("name", type=click.Choice(sorted(Settings.class_traits(config=True))))
@click.argument("value")
def set_(name: str, value: str) -> None:
    """Keep VALUE for the setting NAME. 'codeact config show' lists the names."""
    from ..model import credentials

    kept = credentials.set_setting(name, value)
    click.echo(f"{name} is now {kept}.")
    _warn_if_overridden(name)


@config_group.command("unset")
@click.argument("name", type=click.Choice(sorted(Settings.class_traits(config=True))))
def unset(name: str) -> None:
    """Forget what was set for NAME; its default counts again."""
    from ..model import credentials

    had = credentials.unset_setting(name)
    click.echo(f"{name} has its default again." if had else f"{name} was not set.")
    _warn_if_overridden(name)


@config_group.command("set-key")
@click.option("--base-url", help="Endpoint that the key is for; default: the one that is set.")
def set_key(base_url: str | None) -> None:
    """Keep the key for an endpoint, in the keyring if there is one.

    The key is asked for, or read from a pipe; it never stands on the command line.
    """
    from ..model import credentials

    address = _address(base_url)
    if sys.stdin.isatty():
        key = click.prompt(f"Key for {address}", hide_input=True)
    else:
        key = sys.stdin.readline()
    click.echo(credentials.set_key(key, address))


@config_group.command("unset-key")
@click.option("--base-url", help="Endpoint that the key was for; default: the one that is set.")
def unset_key(base_url: str | None) -> None:
    """Forget the key for an endpoint."""
    from ..model import credentials

    address = _address(base_url)
    had = credentials.delete_key(address)
    click.echo(f"The key for {address} is forgotten." if had else f"No key is kept for {address}.")


@config_group.command("path")
def path() -> None:
    """Print where the settings are kept."""
    click.echo(Path(config_file()))


def _address(base_url: str | None) -> str:
    from ..model.endpoint import OPENAI, checked_address

    return checked_address(base_url or load_settings().base_url or OPENAI)


def _warn_if_overridden(name: str) -> None:
    variable = Settings.class_traits()[name].metadata["env"]
    if os.environ.get(variable):
        click.echo(f"Note: {variable} is set in the environment and comes first.")

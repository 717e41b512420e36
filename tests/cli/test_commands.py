"""Commands answer in sentences and with the exit codes that they promise."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from codeact_kernel.cli import main
from codeact_kernel.cli.platforms import Facts
from codeact_kernel.config import Settings, config_file, load_settings
from codeact_kernel.errors import SandboxError


@pytest.fixture(autouse=True)
def own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine, and a folder of the test's own for what is written."""
    for name in [*os.environ]:
        if name.startswith(("CODEACT_", "OPENAI_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("JUPYTER_NO_CONFIG", "")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")


def codeact(*arguments: str | Path, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments], input=typed)


def one_sentence(result: Result) -> str:
    """What was printed, which must be one line of ours and exit code 2."""
    assert result.exit_code == 2
    assert result.output.count("\n") == 1
    assert result.output.startswith("codeact: ")
    return result.output


def test_a_missing_notebook_is_one_sentence() -> None:
    assert "cannot be read" in one_sentence(codeact("run", "nowhere.ipynb"))


def test_a_notebook_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("hello")

    assert "not JSON" in one_sentence(codeact("run", tmp_path / "a.ipynb"))


def test_an_output_that_cannot_be_written_is_told_before_anything_runs(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "metadata": {}, "source": "open('ran', 'w')", "id": "a"}
    content = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{**cell, "outputs": [], "execution_count": None}],
    }
    (tmp_path / "a.ipynb").write_text(json.dumps(content))
    output = tmp_path / "none" / "b.ipynb"

    assert "cannot be written" in one_sentence(codeact("run", tmp_path / "a.ipynb", "-o", output))
    assert not (tmp_path / "ran").exists()


def test_ask_needs_a_task_and_a_folder(tmp_path: Path) -> None:
    assert "empty" in one_sentence(codeact("ask", "  "))
    assert "not a folder" in one_sentence(
        codeact("ask", "Sum it up.", "--workspace", tmp_path / "none")
    )


def test_an_impossible_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEACT_MEMORY", "lots")

    assert "CODEACT_MEMORY" in one_sentence(codeact("config", "show"))
    assert "CODEACT_MEMORY" in one_sentence(codeact("demo"))


@pytest.mark.parametrize("command", [("ask", "Sum it up."), ("demo", "output")])
def test_a_sandbox_or_an_inner_kernel_that_is_none_is_one_sentence(
    command: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setenv("CODEACT_SANDBOX", "walls")
        assert "no sandbox 'walls'" in one_sentence(codeact(*command))
    monkeypatch.setenv("CODEACT_INNER_KERNEL", "nowhere-env")
    assert "'nowhere-env'" in one_sentence(codeact(*command))
    assert not (tmp_path / "output").exists()


def test_where_no_sandbox_works_the_remedy_is_the_platforms(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(_: str) -> None:
        raise SandboxError("No sandbox works on this machine.", remedy="any")

    monkeypatch.setattr("codeact_kernel.sandbox.select.choose", none)
    monkeypatch.setattr("codeact_kernel.cli.preflight.gather", lambda: Facts("Darwin"))

    assert "Linux container" in one_sentence(codeact("ask", "Sum it up."))


def test_a_setting_is_kept_shown_and_forgotten() -> None:
    assert codeact("config", "set", "model", "example-model").exit_code == 0
    assert load_settings().model == "example-model"
    assert stat.S_IMODE(config_file().stat().st_mode) == 0o600
    shown = codeact("config", "show").output
    assert next(line for line in shown.splitlines() if line.startswith("model")).split() == [
        "model",
        "example-model",
        "file",
        "CODEACT_MODEL",
    ]

    assert codeact("config", "unset", "model").exit_code == 0
    assert load_settings().model == ""


def test_every_setting_is_shown() -> None:
    shown = codeact("config", "show").output

    for trait in Settings.class_traits(config=True).values():
        assert trait.metadata["env"] in shown


def test_a_variable_that_comes_first_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEACT_MODEL", "other")

    assert "CODEACT_MODEL is set" in codeact("config", "set", "model", "mine").output


def test_a_wrong_value_is_not_kept() -> None:
    assert "max_steps" in one_sentence(codeact("config", "set", "max_steps", "many"))
    assert not config_file().exists()


def test_a_key_comes_from_a_pipe_and_is_never_shown() -> None:
    kept = codeact("config", "set-key", typed="sk-secret-123\n")
    assert kept.exit_code == 0
    assert load_settings().api_key == "sk-secret-123"
    assert "sk-secret" not in kept.output + codeact("config", "show").output

    assert "forgotten" in codeact("config", "unset-key").output
    assert load_settings().api_key == ""


def test_a_key_is_not_taken_from_the_command_line() -> None:
    assert "set-key" in one_sentence(codeact("config", "set", "api_key", "sk-secret"))


def test_an_empty_key_and_a_wrong_address_are_refused() -> None:
    assert "empty" in one_sentence(codeact("config", "set-key", typed="\n"))
    assert "URL" in one_sentence(codeact("config", "set-key", "--base-url", "ftp://x"))


def test_doctor_ends_with_1_and_a_remedy_when_no_model_is_connected(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CODEACT_BASE_URL", "https://api.example.org/v1")
    result = codeact("doctor")

    assert result.exit_code == 1
    assert "✗ Model: No model is named for https://api.example.org/v1" in result.output
    assert "→ Set CODEACT_MODEL" in result.output
    assert "problem(s) found" in result.output


def test_doctor_says_what_none_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEACT_SANDBOX", "none")
    monkeypatch.setenv("CODEACT_CASSETTE", "recording.json")
    result = codeact("doctor")

    assert "by your choice" in result.output
    assert "a recording answers" in result.output


def test_doctor_names_a_broken_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEACT_MAX_STEPS", "0")
    result = codeact("doctor")

    assert result.exit_code == 1
    assert "✗ Settings: CODEACT_MAX_STEPS" in result.output

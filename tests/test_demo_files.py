"""The bundled files are what their scripts write, and the recording states no result."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "codeact_kernel" / "demo"


def test_the_data_is_what_its_script_writes() -> None:
    script = ROOT / "scripts" / "make_demo_data.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)

    assert done.stdout == (DEMO / "sales.csv").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["cassette.json", "sales.ipynb"])
def test_notebook_and_recording_are_what_their_script_writes(name: str, tmp_path: Path) -> None:
    script = ROOT / "scripts" / "make_demo.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True)

    assert (tmp_path / name).read_text("utf-8") == (DEMO / name).read_text("utf-8")


def test_every_prompt_of_the_notebook_is_in_the_recording() -> None:
    notebook = json.loads((DEMO / "sales.ipynb").read_text(encoding="utf-8"))
    prompts = ["".join(cell["source"]) for cell in notebook["cells"] if cell["metadata"]]
    recording = json.loads((DEMO / "cassette.json").read_text(encoding="utf-8"))

    assert [turn["prompt"] for turn in recording["turns"]] == prompts


def test_the_words_of_the_recording_state_nothing_that_the_data_decides() -> None:
    recording = json.loads((DEMO / "cassette.json").read_text(encoding="utf-8"))
    for turn in recording["turns"]:
        for reply in turn["replies"]:
            words = re.sub(r"```.*?```", "", reply, flags=re.DOTALL)
            assert not re.search(r"\d|North|South|East|West|Desk|Chair|Lamp|Shelf", words), words

"""ipykernel's own tests, as far as they drive a kernel from outside, with ours in its place.

They are part of ipykernel's source distribution, which pip fetches; a
kernelspec named ``python3`` that starts our kernel stands before the real one
on Jupyter's path.  Whatever passes against stock ipykernel must pass here but
for the deviations below, and a deviation that is none any more fails, too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.kernel_client import clean_environ

FILES = ["test_message_spec", "test_kernel", "test_async", "test_subshells", "test_debugger"]

DEVIATIONS = {
    # Generated code must not write the next cell (output policy).
    "test_single_payload": "test_message_spec",
    # What sandboxed code asks is marked as such (output policy).
    "test_raw_input": "test_kernel",
    # Looks at ZMQ identities inside, where the front is one more hop.
    "test_parent_header_and_ident": "test_kernel",
}

SPEC = {
    "argv": [sys.executable, "-P", "-m", "codeact_kernel.kernel", "-f", "{connection_file}"],
    "display_name": "stand-in",
    "language": "python",
    "interrupt_mode": "message",
    "metadata": {"debugger": True},
}

NEEDS_PYTEST_COV = "test_run_concurrently_sequence"
"""Asks pytest-cov for an option and fails without it, against any kernel."""


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the test suite of the installed ipykernel in it."""
    folder = tmp_path_factory.mktemp("ipykernel")
    wanted = f"ipykernel=={version('ipykernel')}"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--no-build-isolation", "--no-binary", "ipykernel", "-d", str(folder), wanted]
    fetched = subprocess.run(command, capture_output=True, text=True, check=False)
    if fetched.returncode:
        pytest.skip(f"{wanted} cannot be fetched here: {fetched.stderr.strip()[-300:]}")
    (archive,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", archive, "-C", folder], check=True)
    (root,) = folder.glob("ipykernel-*/")
    return root


def outcomes(suite: Path, file: str, chosen: str, environ: dict[str, str]) -> dict[str, str]:
    """The outcome of each chosen test of ``file``: ``passed``, ``failed`` or ``skipped``."""
    report = suite / f"{file}.xml"
    command = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(suite)]
    command += ["-p", "no:cacheprovider", "--timeout", "30", "-W", "ignore"]
    command += [f"--junitxml={report}", "-k", chosen, f"tests/{file}.py"]
    subprocess.run(command, cwd=suite, env=environ, capture_output=True, check=False)
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        failed = case.find("failure") is not None or case.find("error") is not None
        skipped = case.find("skipped") is not None
        found[str(case.get("name"))] = "failed" if failed else "skipped" if skipped else "passed"
    return found


def names(tests: set[str]) -> str:
    """An expression for ``pytest -k`` that chooses these tests."""
    return " or ".join(sorted({test.partition("[")[0] for test in tests}))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("file", FILES)
def test_what_passes_against_ipykernel_passes_against_us(suite: Path, file: str) -> None:
    home = suite / "home"
    spec = home / "kernels" / "python3"
    spec.mkdir(parents=True, exist_ok=True)
    (spec / "kernel.json").write_text(json.dumps(SPEC))
    # Inside the workspace, for the tests write files and read them from outside.
    (suite / "tmp").mkdir(exist_ok=True)
    stock = clean_environ(home) | {"TMPDIR": str(suite / "tmp")}
    ours = stock | {"JUPYTER_PATH": str(home)}
    # The deviations run alone: one that waits for an answer holds up all that share its kernel.
    known = names({*DEVIATIONS})
    found = outcomes(suite, file, f"not ({known} or {NEEDS_PYTEST_COV})", ours)
    assert "passed" in found.values()
    failed = {name for name, outcome in found.items() if outcome == "failed"}
    if failed:
        against_stock = outcomes(suite, file, names(failed), stock)
        failed = {name for name in failed if against_stock[name] == "passed"}
    assert failed == set()


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("test", "file"), DEVIATIONS.items())
def test_a_deviation_is_still_one(suite: Path, test: str, file: str) -> None:
    environ = clean_environ(suite / "home") | {"JUPYTER_PATH": str(suite / "home")}
    assert outcomes(suite, file, test, environ) == {test: "failed"}

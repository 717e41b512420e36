"""What a person gets from ``pip install``: the packages, the kernelspec, the command, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parent.parent
SPEC = "share/jupyter/kernels/codeact"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run(
        [*command, "--no-index", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new environment with the wheel, its dependencies borrowed from this one; its Python."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    (site_packages,) = (folder / "lib").glob("python*/site-packages")
    # A path line does not read this environment's own .pth files, so not its editable install.
    (site_packages / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run(
        [*install, "--no-deps", "--no-index", "--force-reinstall", str(wheel)],
        check=True,
        capture_output=True,
    )
    return python


def run(python: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    command = [str(python), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd="/", env=kept | environ
    )


def test_the_wheel_holds_the_packages_and_the_kernelspec_and_nothing_else(wheel: Path) -> None:
    names = [PurePosixPath(name) for name in zipfile.ZipFile(wheel).namelist()]
    tops = {name.parts[0].split("-")[0] for name in names}
    kinds = {name.suffix for name in names if name.parts[0] in {"codeact_kernel", "codeact_server"}}

    assert tops == {"codeact_kernel", "codeact_server"}
    assert kinds <= {".py", ".typed", ".json", ".svg", ".png", ".csv", ".ipynb"}, kinds
    assert not [name for name in names if name.stem.startswith("test_") or "tests" in name.parts]


def test_every_module_of_the_checkout_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("codeact_kernel/**/*.py")}

    assert modules <= names


def test_jupyter_finds_the_kernel_after_an_installation(installed: Path) -> None:
    folder = installed.parent.parent / SPEC
    spec = json.loads((folder / "kernel.json").read_text())

    assert spec["argv"] == [
        "python",
        "-P",
        "-m",
        "codeact_kernel.kernel",
        "-f",
        "{connection_file}",
    ]
    assert spec["display_name"] == "CodeAct (Python)"
    assert spec["interrupt_mode"] == "message"
    assert {path.name for path in folder.iterdir()} == {
        "kernel.json",
        "logo-32x32.png",
        "logo-64x64.png",
        "logo-svg.svg",
    }
    listed = run(installed, "-m", "jupyter_client.kernelspecapp", "list", "--json")
    assert json.loads(listed.stdout)["kernelspecs"]["codeact"]["resource_dir"] == str(folder)


def test_the_command_runs_from_the_installation(installed: Path) -> None:
    command = installed.parent / "codeact"
    version = run(installed, "-P", str(command), "--version")
    where = run(installed, "-c", "import codeact_kernel; print(codeact_kernel.__file__)")

    assert version.stdout.startswith("codeact, version ")
    assert where.stdout.startswith(str(installed.parent.parent))
    assert (installed.parent / "jupyter-codeact").exists()


def test_the_version_is_the_same_everywhere(wheel: Path, installed: Path) -> None:
    code = "import codeact_kernel; print(codeact_kernel.__version__)"

    assert wheel.name.split("-")[1] == run(installed, "-c", code).stdout.strip()


def test_an_editable_install_has_the_kernelspec_too() -> None:
    """The checkout that these tests run from is installed so."""
    assert (Path(sys.prefix) / SPEC / "kernel.json").read_text() == (
        ROOT / "codeact_kernel/kernelspec/kernel.json"
    ).read_text()

"""What kind of place this is, and what that means for the sandbox: facts in, advice out."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Place = Literal["linux", "ubuntu", "wsl1", "wsl2", "macos", "windows", "container", "hub", "binder"]


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be known without trying anything.

    ``userns_restricted`` is Ubuntu's AppArmor rule against user namespaces,
    ``userns_off`` that the system allows none at all.
    """

    system: str
    release: str = ""
    distribution: str = ""
    container: str = ""
    hub: bool = False
    kubernetes: bool = False
    binder: bool = False
    userns_restricted: bool = False
    userns_off: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """``applies`` says what holds in such a place, ``remedy`` what to do if no sandbox works."""

    name: str
    applies: str
    remedy: str


_WITHOUT = "Until then CODEACT_SANDBOX=none runs code with all of your rights, and every step is asked first."
_MANAGERS = {
    "debian": "sudo apt-get install bubblewrap",
    "ubuntu": "sudo apt-get install bubblewrap",
    "fedora": "sudo dnf install bubblewrap",
    "rhel": "sudo dnf install bubblewrap",
    "arch": "sudo pacman -S bubblewrap",
    "suse": "sudo zypper install bubblewrap",
    "alpine": "sudo apk add bubblewrap",
}
_PROFILE = (
    "Load the AppArmor profile for bubblewrap: sudo apt-get install bubblewrap apparmor-profiles && "
    "sudo install -m 0644 /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/ && "
    "sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict"
)


def gather(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> Facts:
    """Look at this machine; ``root`` is where its files are."""
    environ = os.environ if environ is None else environ
    release = platform.release()
    sysctl = root / "proc/sys"
    return Facts(
        system=platform.system(),
        release=release,
        distribution=_distribution(_read(root / "etc/os-release")),
        container=_container(environ, root),
        hub="JUPYTERHUB_SERVICE_PREFIX" in environ,
        kubernetes="KUBERNETES_SERVICE_HOST" in environ,
        binder=any(name.startswith("BINDER_") for name in environ),
        userns_restricted=_read(sysctl / "kernel/apparmor_restrict_unprivileged_userns") == "1",
        userns_off="0"
        in (
            _read(sysctl / "kernel/unprivileged_userns_clone"),
            _read(sysctl / "user/max_user_namespaces"),
        ),
    )


def place_of(facts: Facts) -> Place:
    """The most particular name for the place."""
    if facts.system == "Darwin":
        return "macos"
    if facts.system == "Windows":
        return "windows"
    if facts.binder:
        return "binder"
    if facts.hub or facts.kubernetes:
        return "hub"
    if facts.container:
        return "container"
    if "microsoft" in facts.release.lower():
        # WSL 2 runs a real kernel, "…-microsoft-standard-WSL2"; WSL 1 says "…-Microsoft".
        return "wsl2" if "wsl2" in facts.release.lower() else "wsl1"
    return "ubuntu" if facts.userns_restricted else "linux"


def advise(facts: Facts) -> Advice:
    """What applies to such a place."""
    place = place_of(facts)
    if place in {"linux", "wsl2"}:
        return _linux(facts, place)
    return _ADVICE[place]


def _linux(facts: Facts, place: Place) -> Advice:
    name = (
        f"Linux {facts.release}" if place == "linux" else "Windows Subsystem for Linux, version 2"
    )
    if facts.userns_off:
        applies = "The system allows no user namespaces, so bubblewrap cannot work; sandlock can."
        remedy = "Allow them: sudo sysctl -w user.max_user_namespaces=10000 kernel.unprivileged_userns_clone=1"
        return Advice(name, applies, remedy)
    command = _MANAGERS.get(facts.distribution)
    return Advice(
        name,
        "bubblewrap is the sandbox of choice here; sandlock is the second.",
        f"Run: {command}" if command else "Install the package bubblewrap.",
    )


_ADVICE: Mapping[Place, Advice] = {
    "ubuntu": Advice(
        "Ubuntu with restricted user namespaces",
        "AppArmor lets only named programs make user namespaces. From 25.04 on bubblewrap is one of "
        "them; before that its profile has to be loaded once. sandlock works without.",
        _PROFILE,
    ),
    "wsl1": Advice(
        "Windows Subsystem for Linux, version 1",
        "It has no Linux kernel, so no sandbox can work.",
        f"Convert the distribution in PowerShell: wsl --set-version NAME 2. {_WITHOUT}",
    ),
    "macos": Advice(
        "macOS",
        "bubblewrap and sandlock need a Linux kernel.",
        f"Run CodeAct in a Linux container or virtual machine. {_WITHOUT}",
    ),
    "windows": Advice(
        "Windows",
        "bubblewrap and sandlock need a Linux kernel.",
        f"Install CodeAct inside WSL 2 (wsl --install). {_WITHOUT}",
    ),
    "container": Advice(
        "a container",
        "The usual container settings forbid bubblewrap; sandlock works if the container may trace "
        "its own processes. Memory and processors are those of the container.",
        f"Start the container with --cap-add SYS_PTRACE. {_WITHOUT}",
    ),
    "hub": Advice(
        "JupyterHub or Kubernetes",
        "Each user has a container: bubblewrap is usually forbidden in it, sandlock works if the "
        "container may trace its own processes. Keys and policy are best kept outside of the users' reach.",
        "Ask the administrator to add the capability SYS_PTRACE to the users' containers "
        f"(KubeSpawner: container_security_context). {_WITHOUT}",
    ),
    "binder": Advice(
        "Binder",
        "A throw-away container that anyone may use: what runs here can harm nothing of yours, and "
        "no key belongs here. Its settings cannot be changed by a visitor.",
        f"Nothing can be done from inside; use an own machine. {_WITHOUT}",
    ),
}


def _distribution(os_release: str) -> str:
    """The first name in ``ID`` or ``ID_LIKE`` whose package manager we know, else ``ID``."""
    fields = dict(
        line.split("=", 1) for line in os_release.replace('"', "").splitlines() if "=" in line
    )
    names = [fields.get("ID", ""), *fields.get("ID_LIKE", "").split()]
    return next((name for name in names if name in _MANAGERS), names[0])


def _container(environ: Mapping[str, str], root: Path) -> str:
    if (root / ".dockerenv").exists():
        return "docker"
    if (root / "run/.containerenv").exists():
        return "podman"
    return environ.get("container", "") if sys.platform == "linux" else ""


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""

"""Each platform of the design is recognised by its marks and gets advice of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from codeact_kernel.cli.platforms import Facts, Place, advise, gather, place_of

KERNEL = "6.8.0-generic"


@pytest.mark.parametrize(
    ("facts", "place"),
    [
        (Facts("Linux", KERNEL), "linux"),
        (Facts("Linux", KERNEL, userns_restricted=True), "ubuntu"),
        (Facts("Linux", "5.15.153.1-microsoft-standard-WSL2"), "wsl2"),
        (Facts("Linux", "4.4.0-19041-Microsoft"), "wsl1"),
        (Facts("Darwin", "24.1.0"), "macos"),
        (Facts("Windows", "11"), "windows"),
        (Facts("Linux", KERNEL, container="docker"), "container"),
        (Facts("Linux", KERNEL, container="docker", userns_restricted=True), "container"),
        (Facts("Linux", KERNEL, container="docker", hub=True), "hub"),
        (Facts("Linux", KERNEL, kubernetes=True), "hub"),
        (Facts("Linux", KERNEL, container="docker", hub=True, binder=True), "binder"),
    ],
)
def test_the_most_particular_place_is_named(facts: Facts, place: Place) -> None:
    assert place_of(facts) == place
    assert advise(facts).remedy


@pytest.mark.parametrize(
    ("os_release", "command"),
    [
        ("ID=debian\n", "apt-get install bubblewrap"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', "apt-get install bubblewrap"),
        ("ID=fedora\n", "dnf install bubblewrap"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "zypper install bubblewrap"),
        ("ID=unheard-of\n", "Install the package bubblewrap"),
        ("", "Install the package bubblewrap"),
    ],
)
def test_the_remedy_fits_the_distribution(tmp_path: Path, os_release: str, command: str) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text(os_release)
    facts = gather({}, tmp_path)

    plain = Facts("Linux", KERNEL, distribution=facts.distribution)
    assert command in advise(plain).remedy


def test_marks_are_read_where_the_system_keeps_them(tmp_path: Path) -> None:
    for path, text in {
        "proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n",
        "proc/sys/user/max_user_namespaces": "0\n",
        ".dockerenv": "",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    environ = {
        "JUPYTERHUB_SERVICE_PREFIX": "/user/a/",
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "BINDER_LAUNCH_HOST": "https://binder.example",
    }
    facts = gather(environ, tmp_path)

    assert facts.userns_restricted
    assert facts.userns_off
    assert facts.container == "docker"
    assert facts.hub
    assert facts.kubernetes
    assert facts.binder


def test_nothing_is_assumed_where_no_mark_is(tmp_path: Path) -> None:
    facts = gather({}, tmp_path)

    assert not facts.userns_restricted
    assert not facts.userns_off
    assert not facts.container
    assert not facts.hub


def test_a_system_without_user_namespaces_is_told_how_to_allow_them() -> None:
    advice = advise(Facts("Linux", KERNEL, distribution="debian", userns_off=True))

    assert "sysctl" in advice.remedy

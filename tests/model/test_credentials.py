"""Keys and settings are kept where only their owner can read them."""

from __future__ import annotations

import json
import stat
import sys
import types
from pathlib import Path

import pytest

from codeact_kernel.config import config_file, load_settings
from codeact_kernel.errors import ConfigError, UsageError
from codeact_kernel.model import credentials

URL = "https://api.example.org/v1"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "jupyter"))
    return tmp_path / "jupyter"


@pytest.fixture(autouse=True)
def no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)


class Ring(types.ModuleType):
    """A keyring in memory, with the functions of the real package that are used."""

    def __init__(self) -> None:
        super().__init__("keyring")
        self.kept: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_keyring(self) -> object:
        return self

    def get_password(self, service: str, name: str) -> str | None:
        if self.locked:
            raise RuntimeError("locked")
        return self.kept.get((service, name))

    def set_password(self, service: str, name: str, value: str) -> None:
        if self.locked:
            raise RuntimeError("locked")
        self.kept[service, name] = value

    def delete_password(self, service: str, name: str) -> None:
        del self.kept[service, name]


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch, no_keyring: None) -> Ring:
    ring, backends = Ring(), types.ModuleType("keyring.backends")
    for name, kind in (("fail", "Keyring"), ("null", "Keyring")):
        module = types.ModuleType(f"keyring.backends.{name}")
        setattr(module, kind, type(kind, (), {}))
        setattr(backends, name, module)
    monkeypatch.setitem(sys.modules, "keyring", ring)
    monkeypatch.setitem(sys.modules, "keyring.backends", backends)
    return ring


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_a_setting_is_checked_kept_and_read_back() -> None:
    assert credentials.set_setting("memory", "4G") == 4_000_000_000
    credentials.set_setting("images", "true")
    credentials.set_setting("model", "llama3")
    settings = load_settings({})
    assert (settings.memory, settings.images, settings.model) == (4_000_000_000, True, "llama3")
    assert mode(config_file()) == 0o600
    assert credentials.unset_setting("model")
    assert not credentials.unset_setting("model")
    assert load_settings({}).model == ""
    assert load_settings({}).images


def test_other_contents_of_the_file_stay() -> None:
    config_file().parent.mkdir()
    config_file().write_text(json.dumps({"Other": {"a": 1}, "Settings": {"cpus": 2}}))
    config_file().chmod(0o600)
    credentials.set_setting("max_steps", "5")
    content = json.loads(config_file().read_text())
    assert content == {"Other": {"a": 1}, "Settings": {"cpus": 2, "max_steps": 5}}


@pytest.mark.parametrize(
    ("name", "text"),
    [("max_steps", "many"), ("context", "all"), ("colour", "red"), ("memory", "-1")],
)
def test_a_wrong_setting_is_refused_and_nothing_written(name: str, text: str) -> None:
    with pytest.raises(ConfigError):
        credentials.set_setting(name, text)
    assert not config_file().exists()


def test_a_key_is_no_ordinary_setting() -> None:
    with pytest.raises(UsageError, match="set-key"):
        credentials.set_setting("api_key", "k")
    with pytest.raises(UsageError, match="empty"):
        credentials.set_key("  ", URL)


def test_without_a_keyring_the_key_goes_into_the_private_file() -> None:
    assert not credentials.has_keyring()
    said = credentials.set_key(" sk-abc\n", URL)
    assert str(config_file()) in said
    assert "sk-abc" not in said
    assert mode(config_file()) == 0o600
    assert load_settings({}).api_key == "sk-abc"
    credentials.check_private()
    assert credentials.delete_key(URL)
    assert not credentials.delete_key(URL)
    assert load_settings({}).api_key == ""


@pytest.mark.parametrize("bits", [0o644, 0o640, 0o602])
def test_a_file_that_others_can_read_keeps_no_key(bits: int) -> None:
    credentials.set_setting("model", "m")
    config_file().chmod(bits)
    with pytest.raises(ConfigError, match="chmod 600"):
        credentials.set_key("sk-abc", URL)
    assert "sk-abc" not in config_file().read_text()
    credentials.check_private()
    config_file().write_text('{"Settings": {"api_key": "sk-abc"}}')
    with pytest.raises(ConfigError, match="chmod 600"):
        credentials.check_private()


def test_a_linked_file_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    real = tmp_path / "dotfiles" / "codeact.json"
    real.write_text("{}")
    real.chmod(0o600)
    config_file().parent.mkdir()
    config_file().symlink_to(real)
    credentials.set_setting("model", "m")
    assert config_file().is_symlink()
    assert "m" in real.read_text()
    assert [path.name for path in real.parent.iterdir()] == ["codeact.json"]


@pytest.mark.parametrize("content", ["{", "[]", '{"Settings": 7}'])
def test_a_file_that_is_none_is_not_overwritten(content: str) -> None:
    config_file().parent.mkdir()
    config_file().write_text(content)
    config_file().chmod(0o600)
    with pytest.raises(ConfigError):
        credentials.set_setting("model", "m")
    assert config_file().read_text() == content


def test_a_folder_that_cannot_be_written_is_said(folder: Path) -> None:
    folder.write_text("a file where the folder should be")
    with pytest.raises(ConfigError, match="cannot be"):
        credentials.set_setting("model", "m")


def test_a_keyring_keeps_the_key_for_one_address(ring: Ring) -> None:
    assert credentials.has_keyring()
    said = credentials.set_key("sk-abc", URL)
    assert "keyring" in said
    assert not config_file().exists()
    assert credentials.get_key(URL) == "sk-abc"
    assert credentials.get_key("https://other.example.org/v1") is None
    assert credentials.delete_key(URL)
    assert credentials.get_key(URL) is None


def test_a_locked_keyring_has_no_key_and_takes_none(ring: Ring) -> None:
    ring.locked = True
    assert credentials.get_key(URL) is None
    with pytest.raises(ConfigError, match="did not take the key"):
        credentials.set_key("sk-abc", URL)

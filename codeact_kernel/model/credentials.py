"""Where keys and settings are kept: the keyring, or the user's configuration file (mode 0600).

A key in the keyring is stored for one base URL and is sent nowhere else.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from ..config import config_file, parse_setting
from ..errors import ConfigError, UsageError

SERVICE = "codeact-kernel"
"""Name of our entries in the keyring."""

_KEY_SETTING = "api_key"


def has_keyring() -> bool:
    """Whether a keyring is installed (extra ``keyring``) and works here."""
    return _keyring() is not None


def get_key(base_url: str) -> str | None:
    """The key stored in the keyring for ``base_url``; None if there is none or no keyring."""
    ring = _keyring()
    if ring is None:
        return None
    with contextlib.suppress(Exception):  # a locked or broken keyring has no key for us
        found = ring.get_password(SERVICE, base_url)
        return found if isinstance(found, str) and found else None
    return None


def set_key(key: str, base_url: str) -> str:
    """Keep ``key`` for ``base_url``; a sentence that says where it is now.

    Without a keyring it goes into the configuration file, where it belongs to
    whatever endpoint is configured.  Raises ``ConfigError`` when it cannot be kept.
    """
    if not key.strip():
        raise UsageError("The key is empty.", remedy="Paste the whole key.")
    ring = _keyring()
    if ring is not None:
        try:
            ring.set_password(SERVICE, base_url, key.strip())
        except Exception as error:
            raise ConfigError(
                f"The keyring did not take the key: {error}.",
                remedy="Unlock it, or set CODEACT_API_KEY.",
            ) from None
        return f"The key for {base_url} is in the keyring."
    file = _write(_KEY_SETTING, key.strip())
    return (
        f"The key is in {file}, readable by you alone. No keyring works here; "
        "to use one: pip install 'codeact-kernel[keyring]'."
    )


def delete_key(base_url: str) -> bool:
    """Forget the key for ``base_url`` and the one in the configuration file; whether there was one."""
    had = False
    ring = _keyring()
    if ring is not None and get_key(base_url):
        ring.delete_password(SERVICE, base_url)
        had = True
    return unset_setting(_KEY_SETTING) or had


def set_setting(name: str, text: str) -> Any:
    """Check and keep a setting; its value.  Raises ``ConfigError``, ``UsageError`` for a key."""
    if name == _KEY_SETTING:
        raise UsageError(
            "A key is not a setting to write on a command line.",
            remedy="Run 'codeact config set-key', which asks for it.",
        )
    value = parse_setting(name, text)
    _write(name, value)
    return value


def unset_setting(name: str) -> bool:
    """Remove a setting from the configuration file; whether it was there."""
    file = config_file()
    content = _read(file)
    if name not in content.get("Settings", {}):
        return False
    del content["Settings"][name]
    _replace(file, content)
    return True


def check_private(file: Path | None = None) -> None:
    """Raise ``ConfigError`` if the configuration file holds a key and others can read it."""
    for path in [file] if file else [config_file(), config_file().with_suffix(".py")]:
        with contextlib.suppress(OSError):  # what cannot be read gave no key
            if _shared(path) and _KEY_SETTING in path.read_text("utf-8", "replace"):
                raise _exposed(path)


def _write(name: str, value: Any) -> Path:
    file = config_file()
    content = _read(file)
    if file.exists() and _shared(file):
        raise _exposed(file)
    content.setdefault("Settings", {})[name] = value
    _replace(file, content)
    return file


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{file} cannot be read: {error}.", remedy="Correct or remove it."
        ) from None
    if not isinstance(content, dict) or not isinstance(content.get("Settings", {}), dict):
        raise ConfigError(f"{file} is not a table of settings.", remedy="Correct or remove it.")
    return content


def _replace(file: Path, content: dict[str, Any]) -> None:
    """Write so that a reader sees the old file or the new one; a link keeps pointing to it."""
    target = file.resolve()
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=target.name)
    except OSError as error:
        raise ConfigError(
            f"{file} cannot be written: {error.strerror}.", remedy="Make its folder writable."
        ) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            json.dump(content, stream, indent=2, ensure_ascii=False)
            stream.write("\n")
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _shared(file: Path) -> bool:
    return bool(stat.S_IMODE(file.stat().st_mode) & (stat.S_IRWXG | stat.S_IRWXO))


def _exposed(file: Path) -> ConfigError:
    return ConfigError(
        f"{file} can be read or written by other users of this machine, so no key is kept in it "
        "or taken from it.",
        remedy=f"Run: chmod 600 {file}",
    )


def _keyring() -> Any:
    """The keyring module when a real backend is behind it, else None."""
    try:
        import keyring
        from keyring.backends import fail, null
    except ImportError:
        return None
    try:
        usable = not isinstance(keyring.get_keyring(), fail.Keyring | null.Keyring)
    except Exception:  # a backend that fails while it loads is none
        return None
    return keyring if usable else None

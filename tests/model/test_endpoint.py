"""Which endpoint is asked, and that a key goes only where it belongs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codeact_kernel.config import Settings, config_file
from codeact_kernel.errors import BadKey, ConfigError, NoEndpoint
from codeact_kernel.model import credentials
from codeact_kernel.model.endpoint import OPENAI, Endpoint, checked_address, is_local, resolve
from codeact_kernel.model.local import LocalServer
from tests.conftest import ServeScript

KEY = "sk-0123456789"
OURS = LocalServer("Ollama", "http://127.0.0.1:11434/v1", ours=True, models=("llama3", "qwen"))
ALSO = LocalServer("vLLM", "http://127.0.0.1:8000/v1", ours=True, models=("mistral",))
THEIRS = LocalServer("llama.cpp", "http://127.0.0.1:8080/v1", ours=False)


@pytest.fixture(autouse=True)
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Keys in the keyring, by address; none unless a test puts one there."""
    keys: dict[str, str] = {}
    monkeypatch.setattr(credentials, "get_key", keys.get)
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    return keys


def find(
    *servers: LocalServer, environ: dict[str, str] | None = None, **settings: object
) -> Endpoint:
    return resolve(Settings(**settings), environ or {}, servers=lambda: servers)


def test_the_environment_that_other_programs_use_is_enough() -> None:
    found = find(model="big", environ={"OPENAI_API_KEY": KEY})
    assert (found.base_url, found.model, found.key, found.key_source) == (
        OPENAI,
        "big",
        KEY,
        "OPENAI_API_KEY",
    )
    assert not found.local
    environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://api.example.org/v1/"}
    assert find(model="big", environ=environ).base_url == "https://api.example.org/v1"
    assert find(model="big", environ=environ).key == KEY


def test_settings_win() -> None:
    environ = {
        "OPENAI_API_KEY": "other",
        "OPENAI_BASE_URL": "https://other.example.org/v1",
        "CODEACT_API_KEY": KEY,
    }
    found = find(base_url="https://api.example.org/v1", model="big", api_key=KEY, environ=environ)
    assert (found.base_url, found.key, found.key_source) == (
        "https://api.example.org/v1",
        KEY,
        "the settings",
    )


def test_a_key_is_not_sent_to_an_address_it_was_not_set_for(stored: dict[str, str]) -> None:
    stored["https://elsewhere.example.org/v1"] = "ring"
    found = find(
        base_url="http://gpu.example.org:8000/v1", model="m", environ={"OPENAI_API_KEY": KEY}
    )
    assert (found.key, found.key_source) == ("", "nowhere")
    same = find(base_url=OPENAI, model="m", environ={"OPENAI_API_KEY": KEY})
    assert same.key == KEY


def test_the_keyring_is_used_for_its_address(stored: dict[str, str]) -> None:
    stored[OPENAI] = KEY
    assert find(model="big").key_source == "the keyring"
    assert find(base_url="https://api.example.org/v1", model="big").key == ""


def test_nothing_set_and_a_server_of_ours_is_used() -> None:
    found = find(THEIRS, OURS, ALSO)
    assert (found.base_url, found.model, found.local, found.key) == (
        OURS.base_url,
        "llama3",
        True,
        "",
    )
    assert find(OURS, ALSO, model="mistral").base_url == ALSO.base_url
    assert found.found
    assert not find(base_url=OURS.base_url, model="m").found


def test_nothing_set_and_nothing_found_says_what_to_do() -> None:
    with pytest.raises(NoEndpoint) as caught:
        find()
    for word in (
        "CODEACT_MODEL",
        "OPENAI_API_KEY",
        "CODEACT_BASE_URL",
        "codeact demo",
        "Ollama 11434",
    ):
        assert word in str(caught.value)


def test_a_server_of_someone_else_is_used_only_when_a_person_says_so() -> None:
    with pytest.raises(
        NoEndpoint, match=r"codeact config set base_url http://127\.0\.0\.1:8080/v1"
    ):
        find(THEIRS)
    assert find(THEIRS, base_url=THEIRS.base_url, model="m").base_url == THEIRS.base_url


def test_a_model_that_no_local_server_has_is_said() -> None:
    with pytest.raises(NoEndpoint, match="Ollama has llama3, qwen"):
        find(OURS, model="gpt-big")


def test_a_remote_endpoint_needs_a_model_and_a_local_one_is_asked(serve: ServeScript) -> None:
    with pytest.raises(NoEndpoint, match="CODEACT_MODEL"):
        find(environ={"OPENAI_API_KEY": KEY})
    server = serve(models=("nomic-embed-text", "llama3"))
    assert find(base_url=server.base_url).model == "llama3"
    server.models = ()
    with pytest.raises(NoEndpoint, match="No model is named"):
        find(base_url=server.base_url)


def test_the_real_search_finds_a_real_server(serve: ServeScript) -> None:
    from codeact_kernel.model.local import find_servers

    server = serve(models=("llama3",))
    found = resolve(Settings(), {}, servers=lambda: find_servers({server.port: "Ollama"}))
    assert (found.base_url, found.model) == (server.base_url, "llama3")


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1:8000", "ftp://x/v1", "http://", "http://[::1", "http://x:99999/v1", "http://me:pw@x/v1",
     "https://x/v1?api=1", "https://x/v1#a", "http://a b/v1", "file:///etc/passwd"],
)  # fmt: skip
def test_an_address_that_is_none_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_address(address)
    assert "pw" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize("key", ["sk-\u201cabc\u201d", "sk abc", "sk-\nabc", "schl\u00fcssel"])
def test_a_key_that_cannot_be_one_is_refused_without_repeating_it(key: str) -> None:
    with pytest.raises(BadKey) as caught:
        find(model="m", environ={"OPENAI_API_KEY": key})
    assert key not in str(caught.value)


def test_a_key_file_that_others_can_read_is_refused() -> None:
    config_file().write_text('{"Settings": {"api_key": "sk-abc"}}')
    config_file().chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        find(model="m", api_key="sk-abc")
    config_file().chmod(0o600)
    assert find(model="m", api_key="sk-abc").key == "sk-abc"
    config_file().chmod(0o644)
    assert find(model="m", api_key="sk-abc", environ={"CODEACT_API_KEY": "sk-abc"}).key == "sk-abc"


@pytest.mark.parametrize(
    ("address", "local"),
    [("http://127.0.0.1:1/v1", True), ("http://127.8.8.8/v1", True), ("http://[::1]:8000/v1", True),
     ("http://localhost/v1", True), ("http://a.localhost/v1", True), ("http://localhost.example.org/v1", False),
     ("http://10.0.0.1/v1", False), ("https://api.openai.com/v1", False)],
)  # fmt: skip
def test_local_means_this_machine(address: str, local: bool) -> None:
    assert is_local(address) is local


def test_an_endpoint_never_shows_its_key() -> None:
    found = find(model="big", environ={"OPENAI_API_KEY": KEY})
    assert KEY not in repr(found)
    assert KEY not in str(found)
    assert KEY not in found.describe()


def test_it_says_what_leaves_the_machine() -> None:
    there = find(model="big", environ={"OPENAI_API_KEY": KEY}).describe()
    assert "What leaves this machine: prompts, generated code and its output, your cells" in there
    assert "key from OPENAI_API_KEY" in there
    assert "on this machine" in find(OURS).describe()
    little = find(
        model="m", base_url="http://gpu.example.org/v1", context="none", images=True
    ).describe()
    assert "UNENCRYPTED" in little
    assert "your cells" not in little
    assert "plots" in little


def test_the_workspace_says_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    for name in (".env", "codeact_config.json", "codeact_config.py"):
        (workspace / name).write_text(
            '{"Settings": {"base_url": "http://evil.example.org/v1", "model": "m"}}'
        )
    monkeypatch.chdir(workspace)
    from codeact_kernel.config import load_settings

    environ = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("CODEACT", "OPENAI"))
    }
    with pytest.raises(NoEndpoint):
        resolve(load_settings(environ), environ, servers=tuple)

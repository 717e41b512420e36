"""Every setting: one declaration gives the trait, its environment variable and its documentation.

Values come, weakest first, from the defaults, ``codeact_config.json`` or
``codeact_config.py`` in Jupyter's configuration folders, and environment
variables.  Nothing is ever read from the workspace: generated code could have
written it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jupyter_core.paths import jupyter_config_dir, jupyter_config_path
from traitlets import Bool, Enum, Float, HasTraits, Int, TraitError, TraitType, Unicode

from .errors import ConfigError

CONFIG_NAME = "codeact_config"

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", re.IGNORECASE)


def parse_size(text: str) -> int:
    """Bytes of ``"4G"``, ``"512MiB"``, ``"1.5 GB"`` or ``"1000000"``.

    ``K M G T`` are powers of 1000, ``Ki Mi Gi Ti`` of 1024.  Raises
    ``ValueError`` for anything else.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a size; write bytes or something like 4G or 512Mi")
    number, unit, binary = match.groups()
    exponent = "kmgt".find(unit.lower()) + 1 if unit else 0
    return int(float(number) * (1024**exponent if binary else _UNITS[unit.lower()]))


class Size(TraitType[int | None, int | str | None]):
    """A number of bytes, given as a number or as text such as ``4G``; None means the default."""

    info_text = "a size: bytes, or something like 4G or 512Mi"
    default_value = None
    allow_none = True

    def validate(self, obj: Any, value: Any) -> int | None:
        if isinstance(value, str):
            try:
                value = parse_size(value)
            except ValueError:
                self.error(obj, value)
        if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
            self.error(obj, value)
        return value


class Settings(HasTraits):
    """Settings of one CodeAct kernel, magic or command.  Treat an instance as immutable."""

    model = Unicode("", help="Model to ask, as the endpoint names it.").tag(
        config=True, env="CODEACT_MODEL"
    )
    base_url = Unicode(
        "", help="Address of an OpenAI-compatible endpoint, such as http://127.0.0.1:11434/v1."
    ).tag(config=True, env="CODEACT_BASE_URL")
    api_key = Unicode(
        "", help="Key for the endpoint. Better kept in the keyring: codeact config set-key."
    ).tag(config=True, env="CODEACT_API_KEY")
    cassette = Unicode(
        "", help="A recorded session to answer instead of a model (its code is really executed)."
    ).tag(config=True, env="CODEACT_CASSETTE")
    sandbox = Unicode("auto", help="auto, bubblewrap, sandlock or none.").tag(
        config=True, env="CODEACT_SANDBOX"
    )
    inner_kernel = Unicode(
        "", help="Kernelspec whose interpreter runs the code; empty: the one codeact runs on."
    ).tag(config=True, env="CODEACT_INNER_KERNEL")
    approval = Enum(
        ["", "never", "risk", "always"],
        default_value="",
        help="When a person is asked before a step runs; empty: never in a sandbox, always without.",
    ).tag(config=True, env="CODEACT_APPROVAL")
    step_timeout = Float(300.0, min=0.1, help="Seconds of wall time for one generated step.").tag(
        config=True, env="CODEACT_STEP_TIMEOUT"
    )
    turn_timeout = Float(
        1800.0, min=0.1, help="Seconds of wall time for one turn, approvals not counted."
    ).tag(config=True, env="CODEACT_TURN_TIMEOUT")
    memory = Size(
        help="Memory of the inner kernel and all it starts; default 75 % of the machine or container."
    ).tag(config=True, env="CODEACT_MEMORY")
    cpus = Int(0, min=0, help="Processors that the code may use; 0: all.").tag(
        config=True, env="CODEACT_CPUS"
    )
    processes = Int(256, min=16, help="Processes and threads that the code may have at once.").tag(
        config=True, env="CODEACT_PROCESSES"
    )
    max_steps = Int(20, min=1, help="Steps in one turn.").tag(config=True, env="CODEACT_MAX_STEPS")
    max_tokens = Int(0, min=0, help="Tokens (prompt and completion) in one turn; 0: no limit.").tag(
        config=True, env="CODEACT_MAX_TOKENS"
    )
    max_cost = Float(
        0.0, min=0.0, help="Cost of one turn, in the currency of the price table; 0: no limit."
    ).tag(config=True, env="CODEACT_MAX_COST")
    context_tokens = Int(32_000, min=1_000, help="Size of the model's context, in tokens.").tag(
        config=True, env="CODEACT_CONTEXT_TOKENS"
    )
    context = Enum(
        ["none", "names", "values"],
        default_value="values",
        help="What the model is told of the notebook besides the prompt and its own steps' outputs: "
        "nothing, names and shapes of variables, or also the user's cells and their outputs.",
    ).tag(config=True, env="CODEACT_CONTEXT")
    output = Enum(
        ["click", "frame", "sanitise", "trust"],
        default_value="click",
        help="What happens to HTML with scripts: runs isolated after a click, at once, never; "
        "or stock Jupyter behaviour.",
    ).tag(config=True, env="CODEACT_OUTPUT")
    output_limit = Size(
        1_000_000, help="Output kept in the notebook per cell; the rest goes to a file."
    ).tag(config=True, env="CODEACT_OUTPUT_LIMIT")
    prompts = Enum(
        ["ask", "error"],
        default_value="ask",
        help="What a prompt does when no front-end says so: ask the model, or fail.",
    ).tag(config=True, env="CODEACT_PROMPTS")
    images = Bool(False, help="Whether the model takes pictures; plots then go back to it.").tag(
        config=True, env="CODEACT_IMAGES"
    )
    price_prompt = Float(0.0, min=0.0, help="Price of a million prompt tokens.").tag(
        config=True, env="CODEACT_PRICE_PROMPT"
    )
    price_completion = Float(0.0, min=0.0, help="Price of a million completion tokens.").tag(
        config=True, env="CODEACT_PRICE_COMPLETION"
    )
    audit_dir = Unicode("", help="Folder of the record; empty: Jupyter's data folder.").tag(
        config=True, env="CODEACT_AUDIT_DIR"
    )


def config_file() -> Path:
    """The user's configuration file, which ``codeact config`` writes (mode 0600)."""
    return Path(jupyter_config_dir()) / f"{CONFIG_NAME}.json"


def load_settings(
    environ: Mapping[str, str] | None = None, folders: Sequence[str] | None = None
) -> Settings:
    """Read all sources.  Raises ``ConfigError`` that names the source, what it got and what it wants."""
    environ = os.environ if environ is None else environ
    folders = jupyter_config_path() if folders is None else folders
    values = _from_files(folders)
    known = Settings.class_traits(config=True)
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise ConfigError(
            f"{CONFIG_NAME}: there is no setting {', '.join(unknown)}.",
            remedy="See 'codeact config --help'.",
        )
    settings = Settings()
    for name, value in values.items():
        _set(settings, name, value, f"{CONFIG_NAME}: Settings.{name}")
    for name, trait in known.items():
        variable = trait.metadata["env"]
        text = environ.get(variable, "")
        if text:
            _set(settings, name, _from_text(trait, text), variable)
    return settings


def _from_files(folders: Sequence[str]) -> Mapping[str, Any]:
    """What configuration files say; a folder outweighs those after it.  Raises ``ConfigError``."""
    places = [Path(folder, CONFIG_NAME) for folder in reversed(folders)]
    files = [place.with_suffix(suffix) for place in places for suffix in (".json", ".py")]
    files = [file for file in files if os.access(file, os.F_OK)]
    if not files:
        return {}
    # Costs more than the rest of this module, and the inner kernel waits to be started.
    from traitlets.config.loader import Config, JSONFileConfigLoader, PyFileConfigLoader

    config = Config()
    for file in files:
        loader = JSONFileConfigLoader if file.suffix == ".json" else PyFileConfigLoader
        try:
            config.merge(loader(file.name, path=str(file.parent)).load_config())
        except Exception as error:  # a configuration file is the user's own code or JSON
            raise ConfigError(
                f"{file} cannot be read: {error}.", remedy="Correct or remove it."
            ) from None
    settings: Mapping[str, Any] = config.get("Settings", {})
    return settings


def parse_setting(name: str, text: str) -> Any:
    """The value of setting ``name`` that ``text`` writes, as it goes into a configuration file.

    Raises ``ConfigError`` when there is no such setting or it cannot have this value.
    """
    trait = Settings.class_traits(config=True).get(name)
    if trait is None:
        raise ConfigError(f"There is no setting {name}.", remedy="See 'codeact config --help'.")
    settings = Settings()
    _set(settings, name, _from_text(trait, text), name)
    return getattr(settings, name)


def _from_text(trait: TraitType[Any, Any], text: str) -> Any:
    try:
        return trait.from_string(text)
    except (TraitError, ValueError):
        return text


def _set(settings: Settings, name: str, value: Any, source: str) -> None:
    try:
        setattr(settings, name, value)
    except TraitError:
        trait = Settings.class_traits()[name]
        secret = name == "api_key"
        raise ConfigError(
            f"{source} is {'set' if secret else repr(value)}, but must be {trait.info()}.",
            remedy=str(trait.help),
        ) from None

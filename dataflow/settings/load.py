"""Find, read and merge the configuration. The only module that reads the environment.

In order of precedence, lowest first: defaults of the model, dataflow.toml, .env beside it, environment variables, the
caller's arguments.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsError,
)

from checks.registry import nearest, unknown_name
from dataflow.errors import ConfigurationError
from dataflow.settings.model import Settings
from dataflow.settings.references import substitute
from dataflow.settings.rules import RuleId, RuleSettings, place_of_rule, read_rule_files, rules_in
from dataflow.settings.section import BesideConfig
from dataflow.settings.walk import settings_at

CONFIG_NAME = "dataflow.toml"
_PREFIX = "DATAFLOW_"
_QUOTED = re.compile(r"'([^']*)'")
_ENCODING = "utf-8-sig"  # with or without a byte order mark
_FROM_FILE = re.compile(rf"{_PREFIX}((ROLES|ACCESS)(__.*)?|AUDIT(__(LOG|ANCHOR_.*))?)")
_FROM_ENVIRONMENT = {"access.key": f"{_PREFIX}ACCESS__KEY", "token": f"{_PREFIX}TOKEN"}


def default_toml() -> str:
    """Return the text of the default configuration, used where there is no dataflow.toml."""
    return files("dataflow.settings").joinpath("default.toml").read_text(encoding="utf-8")


def load_settings(config: Path | None = None, *, home: Path | None = None, **overrides: Any) -> Settings:
    """Build the settings of this process.

    `config`: a dataflow.toml; without it DATAFLOW_CONFIG, then the nearest dataflow.toml from the working folder
    upwards, then the packaged default. `home`: the folder for data; without it DATAFLOW_HOME, the file's own `home`,
    then `.dataflow` beside the file (or in the working folder).
    Raises: ConfigurationError naming each wrong setting and each place searched, never a value; SourceUnavailable where
    a reference to a secret of AWS is not answered.
    """
    path = _find_config(config)
    text = _read_text(path) if path else default_toml()
    place = str(path) if path else "the packaged default configuration"
    try:
        declared = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{place} is not valid TOML: {error}.") from error
    base = path.parent if path else Path.cwd()
    # Of the packaged default there is no folder beside it.
    declared = read_rule_files(base, declared, _read_text) if path else declared
    environment = {**_read_dotenv(base / ".env"), **os.environ}
    _refuse_misplaced(declared, environment, place=place)
    declared = substitute(declared, environment, place=place, map_text=_map_text)
    chosen = home or Path(environment.get(f"{_PREFIX}HOME") or declared.get("home") or ".dataflow")
    given: dict[str, Any] = {**overrides, "home": _check_home((base / chosen).resolve()), "config_file": path}
    settings = _merge(declared, given, dotenv=base / ".env", place=place)
    placed: Settings = _beside(_with_home(settings, str(settings.home)), base)
    return placed


def rules_of_file(file: Path) -> dict[str, RuleSettings]:
    """Read a file of rules that is not switched on. Raises: ConfigurationError."""
    declared = rules_in(file, _read_text)
    try:
        return TypeAdapter(dict[RuleId, RuleSettings]).validate_python(declared)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in found)
        raise ConfigurationError(f"{file} is not usable: {faults}.") from None


def _refuse_misplaced(declared: dict[str, Any], environment: Mapping[str, str], *, place: str) -> None:
    """Refuse roles in environment variables, which any user of the process can set, and secrets in the shared file."""
    in_environment = [
        name
        for name in sorted(environment)
        if _FROM_FILE.fullmatch(name.upper()) and name.upper() not in _FROM_ENVIRONMENT.values()
    ]
    if in_environment:
        raise ConfigurationError(
            "Roles, users and the place of the access log are declared in dataflow.toml alone, and not by variables: "
            f"{', '.join(in_environment)}.",
            next_move="Remove the variables, also from .env.",
        )
    access = declared.get("access")
    found = {"token": "token" in declared, "access.key": isinstance(access, dict) and "key" in access}
    if in_file := [name for name, is_there in found.items() if is_there]:
        raise ConfigurationError(
            f"{place} holds secrets: {', '.join(in_file)}.",
            next_move=f"Move them to {' and '.join(_FROM_ENVIRONMENT[name] for name in in_file)}, or to .env.",
        )


def _read_dotenv(path: Path) -> dict[str, str]:
    if path.is_file():
        _read_text(path)
    read = DotEnvSettingsSource(Settings, env_file=path, env_file_encoding=_ENCODING, case_sensitive=True).env_vars
    return {name: value for name, value in read.items() if value is not None}


def _find_config(config: Path | None) -> Path | None:
    named = config or (Path(os.environ[f"{_PREFIX}CONFIG"]) if f"{_PREFIX}CONFIG" in os.environ else None)
    if named is not None:
        if not named.is_file():
            raise ConfigurationError(
                f"There is no configuration file {named}.",
                next_move="Name an existing file with --config or DATAFLOW_CONFIG, or run `dataflow init`.",
            )
        return named.resolve()
    here = Path.cwd()
    found = next((d / CONFIG_NAME for d in (here, *here.parents) if os.path.lexists(d / CONFIG_NAME)), None)
    if found is not None and not found.is_file():
        # The packaged default in its place would be another company's sources.
        raise ConfigurationError(
            f"{found} is not a file, but a folder or a link to nothing.",
            next_move="Remove or replace it, or name another file with --config.",
        )
    return found


def _read_text(path: Path) -> str:
    """Read a file in UTF-8. Raises: ConfigurationError with the line of the first byte that is none."""
    try:
        raw = path.read_bytes()
        return raw.decode(_ENCODING)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(f"{path} is not UTF-8, from line {line}.", next_move="Save it as UTF-8.") from None
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}.", next_move="Give this user access to the file."
        ) from None


def _check_home(home: Path) -> Path:
    """Return the home, where it or the nearest existing path above it is a folder. Raises: ConfigurationError."""
    # Not Path.exists: what this user may not look at counts as missing there, and the step that needs it reports it.
    nearest = next(path for path in (home, *home.parents) if os.path.exists(path))  # noqa: PTH110
    if not nearest.is_dir():
        raise ConfigurationError(
            f"The home {home} cannot be a folder: {nearest} is not one.",
            next_move="Name another folder with --home, DATAFLOW_HOME or `home` in dataflow.toml.",
        )
    return home


def _merge(declared: dict[str, Any], given: dict[str, Any], *, dotenv: Path, place: str) -> Settings:
    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (built below with our prefix)
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            how: dict[str, Any] = {"env_prefix": _PREFIX, "env_nested_delimiter": "__"}
            return (
                init_settings,
                EnvSettingsSource(settings_cls, **how),
                DotEnvSettingsSource(
                    settings_cls, env_file=dotenv, env_file_encoding=_ENCODING, dotenv_filtering="match_prefix", **how
                ),
                InitSettingsSource(settings_cls, init_kwargs=declared),
            )

    try:
        return Loaded(**given)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        base = given["config_file"].parent if given["config_file"] else None
        # The value of a setting that takes listed words is not a secret.
        words = iter([each["input"] for each in error.errors(include_url=False) if each["type"] == "literal_error"])
        for fault in found:
            if fault["type"] == "literal_error":
                fault["msg"] += nearest(str(next(words)), _QUOTED.findall(fault["msg"])).rstrip("?")
        faults = "; ".join(_say_fault(fault["type"], fault["loc"], fault["msg"], base=base) for fault in found)
        raise ConfigurationError(
            f"The configuration is not usable: {faults}.",
            next_move=f"Looked in {place}, {dotenv} and the variables {_PREFIX}…; correct it there.",
        ) from None
    except SettingsError as error:
        raise ConfigurationError(f"A variable {_PREFIX}… cannot be read: {error}.") from None


def _say_fault(kind: str, path: tuple[int | str, ...], message: str, *, base: Path | None) -> str:
    """Return one fault with its place; for an unknown setting also the nearest name and all known ones.

    A rule is named by file and line: it can stand in a file of its own beside dataflow.toml, which is in `base`.
    """
    # pydantic puts "[key]" behind a wrong name in a table of names.
    place = ".".join(str(part) for part in path if part != "[key]")
    known = settings_at(Settings, path[:-1]) if kind == "extra_forbidden" else []
    if path[:1] == ("rules",) and len(path) > 1:
        place = f"{place_of_rule(base, str(path[1]))}: {place}"
    if not path:
        return message
    return f"{place}: {unknown_name('setting', str(path[-1]), known).rstrip('.') if known else message}"


def _with_home(section: Settings, home: str) -> Settings:
    return section.model_copy(update={n: _map_text(v, lambda t: t.replace("${home}", home)) for n, v in section})


def _beside(value: Any, base: Path) -> Any:
    """Make each relative path of the settings one of the folder `base`: a worker stands in another folder."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return value.model_copy(
            update={
                name: _absolute(inner, base) if _is_path(fields[name]) else _beside(inner, base)
                for name, inner in value
            }
        )
    if isinstance(value, dict):
        return {name: _beside(inner, base) for name, inner in value.items()}
    return value


def _is_path(field: FieldInfo) -> bool:
    return any(isinstance(mark, BesideConfig) for mark in field.metadata)


def _absolute(path: str, base: Path) -> str:
    return path if not path or "://" in path else os.path.normpath(base / Path(path).expanduser())


def _map_text(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, BaseModel):
        return value.model_copy(update={name: _map_text(inner, change) for name, inner in value})
    if isinstance(value, dict):
        return {name: _map_text(inner, change) for name, inner in value.items()}
    if isinstance(value, list):
        return [_map_text(inner, change) for inner in value]
    return value

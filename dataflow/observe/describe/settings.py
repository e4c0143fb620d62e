"""Describe every setting: type, default, unit, environment variable and meaning, read from the model."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from dataflow.observe.describe.description import Description
from dataflow.observe.describe.types import type_name
from dataflow.settings import Settings
from dataflow.settings.adapters import ADAPTERS
from dataflow.settings.walk import FOUND, LISTED, NAMED, section_in

_VARIABLE_PREFIX = "DATAFLOW_"
_UNITS = ("seconds", "hours", "days", "rows", "keys", "pairs", "records", "share")
_DEFAULT_HOME = ".dataflow"


def describe_settings(_: Settings | None) -> Sequence[Description]:
    """Describe every setting of dataflow.toml, by its full name."""
    return list(_walk(Settings, ()))


def _walk(section: type[BaseModel], path: tuple[str, ...]) -> Iterator[Description]:
    meanings = _meanings(section)
    for name, field in section.model_fields.items():
        if not path and name == FOUND:
            continue
        inner, below = section_in(field.annotation)
        if inner is not None:
            yield from _walk(inner, (*path, name, *below))
        else:
            yield _setting((*path, name), field, meanings.get(name, ""))


def _setting(path: tuple[str, ...], field: FieldInfo, meaning: str) -> Description:
    facts = {
        "type": type_name(field.annotation, field.metadata),
        "default": _default(path, field),
        "unit": _unit(path[-1]),
        # A list has one variable, with its JSON.
        "variable": None if LISTED in path or _is_of_file(path) else variable_of(path),
        "secret": SecretStr in (field.annotation, *get_args(field.annotation)),
    }
    return Description(name=".".join(path), meaning=meaning, facts=facts)


def _is_of_file(path: tuple[str, ...]) -> bool:
    """Return whether no variable sets it: who starts a process does not choose roles."""
    return path[0] == "roles" or (path[0] == "access" and path[-1] != "key")


def variable_of(path: Sequence[str]) -> str:
    """Return the environment variable that overrides a setting."""
    return _VARIABLE_PREFIX + "__".join(part if part == NAMED else part.upper() for part in path)


def _default(path: tuple[str, ...], field: FieldInfo) -> Any:
    if field.is_required():
        return _DEFAULT_HOME if path == ("home",) else "(required)"
    default = field.get_default(call_default_factory=True)
    return default if isinstance(default, bool | int | float) or default is None else str(default)


def _unit(name: str) -> str:
    """Return the unit, which ends a setting's name."""
    return next((unit for unit in _UNITS if name.endswith(f"_{unit}")), "")


@cache
def _meanings(section: type[BaseModel]) -> Mapping[str, str]:
    """Return the docstrings below the fields of a section, read from the source, and those of adapters' fields."""
    found = {name: adapter.meaning for name, adapter in ADAPTERS.items()}
    for owner in reversed(section.__mro__):
        if issubclass(owner, BaseModel) and owner.__module__.startswith("dataflow."):
            found |= _docstrings(owner)
    return found


def _docstrings(section: type[BaseModel]) -> dict[str, str]:
    try:
        source = inspect.getsource(section)
    except OSError:  # a class created from the adapters has no source
        return {}
    [body] = ast.parse(textwrap.dedent(source)).body
    assert isinstance(body, ast.ClassDef)
    found = {}
    for line, after in zip(body.body, body.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(after, ast.Expr):
            text = ast.literal_eval(after.value) if isinstance(after.value, ast.Constant) else ""
            found[line.target.id] = " ".join(str(text).split())
    return found

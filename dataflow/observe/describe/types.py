"""Name the types of settings and arguments in plain English."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import annotated_types
from pydantic import BaseModel, SecretStr

_PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "decimal",
    bool: "true or false",
    Path: "path",
    SecretStr: "secret text",
    Any: "any value",
}
_BOUNDS: tuple[tuple[type[Any], str, str], ...] = (
    (annotated_types.Gt, "gt", "above"),
    (annotated_types.Ge, "ge", "at least"),
    (annotated_types.Lt, "lt", "below"),
    (annotated_types.Le, "le", "at most"),
)


def type_name(annotation: Any, bounds: Iterable[Any] = ()) -> str:
    """Name a type: `whole number, at least 1`; `one of evolve, freeze`; `list of text`."""
    limits = [
        f"{phrase} {getattr(bound, attribute):.12g}"
        for bound in bounds
        for kind, attribute, phrase in _BOUNDS
        if isinstance(bound, kind)
    ]
    return ", ".join([_name(annotation), *limits])


def _name(annotation: Any) -> str:
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return type_name(arguments[0], [bound for one in arguments[1:] for bound in getattr(one, "metadata", [one])])
    if origin is Literal:
        return "one of " + ", ".join(str(one) or "(empty)" for one in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_name(one) for one in arguments if one is not types.NoneType)
    if origin is dict:
        return f"table of {_name(arguments[1])}"
    if origin in (list, tuple):
        return f"list of {_name(arguments[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    raise TypeError(f"There is no plain name for the type {annotation}.")

"""Name the types of settings and arguments in plain English."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr

_PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    Decimal: "decimal",
    bool: "true or false",
    date: "date",
    datetime: "time",
    Path: "path",
    SecretStr: "secret text",
    Any: "any value",
}
_BOUNDS = (("gt", "above"), ("ge", "at least"), ("lt", "below"), ("le", "at most"))
"""Attribute of a bound in a type's metadata, as pydantic keeps it, to the phrase for it."""


def type_name(annotation: Any, bounds: Iterable[Any] = ()) -> str:
    """Name a type: `whole number, at least 1`; `one of evolve, freeze`; `list of text`."""
    limits = [
        f"{phrase} {getattr(bound, attribute):.12g}"
        for bound in bounds
        for attribute, phrase in _BOUNDS
        if hasattr(bound, attribute)
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

"""Walk the model of the settings: the section that a field holds, the settings that a section has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any, get_args, get_origin

from pydantic import BaseModel

NAMED = "NAME"
"""Placeholder in a setting's name for the user's name of a source, object or mapping."""
LISTED = "N"
"""Placeholder in a setting's name for a place in a list."""
FOUND = "config_file"
"""The setting that holds the file they were read from: found, not set by a file or variable."""

_HOLDS: Mapping[Any, tuple[str, ...]] = {dict: (NAMED,), list: (LISTED,)}


def section_in(annotation: Any) -> tuple[type[BaseModel] | None, tuple[str, ...]]:
    """Return the section that a field holds, and the placeholder between the two where it holds several."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation, ()
    holds = _HOLDS.get(get_origin(annotation), ())
    # The last: a table's values, `Section | None` without its None.
    for argument in reversed([one for one in get_args(annotation) if one is not NoneType]):
        inner, below = section_in(argument)
        if inner is not None:
            return inner, (*holds, *below)
    return None, ()


def settings_at(root: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """List the settings of the section at a path, as pydantic writes it; empty where there is no section."""
    section, left = root, list(path)
    while left:
        field = section.model_fields.get(str(left.pop(0)))
        inner, below = section_in(field.annotation) if field else (None, ())
        if inner is None:
            return []
        section, left = inner, left[len(below) :]
    return [name for name in section.model_fields if name != FOUND]

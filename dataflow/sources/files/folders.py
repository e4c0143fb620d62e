"""Fields that stand in the names of folders, as Hive and Spark write them: `year=2026/month=03/part.csv`."""

from __future__ import annotations

from collections.abc import Container
from urllib.parse import unquote

from dataflow.settings import ObjectSettings

_NULL = "__HIVE_DEFAULT_PARTITION__"
"""Hive's name of the folder of rows whose field is null."""


def folder_fields(path: str, declared: ObjectSettings, *, present: Container[str]) -> dict[str, str | None]:
    """Return the declared fields that folders of `path` name and the file itself does not have."""
    found: dict[str, str | None] = {}
    for folder in path.split("/")[:-1]:
        name, sign, value = folder.partition("=")
        name = unquote(name)
        if sign and name in declared.fields and name not in present:
            found[name] = None if value in ("", _NULL) else unquote(value)
    return found

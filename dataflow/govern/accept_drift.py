"""Accept schema drift: write the changed fields of a source into dataflow.toml, checked and replaced as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit

from dataflow.govern.configuration import configuration_file, replace_configuration
from dataflow.settings import Settings
from dataflow.sources.proposals import FieldChange

_NAMES = ("cursor", "deleted_flag", "deleted_when_set")


def accept_changes(settings: Settings, source: str, object_name: str, changes: Sequence[FieldChange]) -> Path:
    """Write changed fields of an object into dataflow.toml, keeping its comments; return the file.

    A new field is declared with its type. A renamed one is declared too, its old name stays as optional for the rows
    that have it, and its mappings take the first of both. A missing one becomes optional, a retyped one gets its type.
    Raises: UsageError where the configuration is the packaged one; ConfigurationError where the result would not load:
    the file is then unchanged.
    """
    file = configuration_file(settings)
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    declared: Any = document["sources"][source]["objects"][object_name]
    for change in changes:
        _apply(declared, change)
        if change.kind == "renamed":
            _follow_rename(document, f"{source}.{object_name}", change)
    replace_configuration(file, tomlkit.dumps(document), settings.home)
    return file


def _apply(declared: Any, change: FieldChange) -> None:
    if change.kind == "gone":
        _make_optional(declared, change.field)
        return
    declared["fields"][change.field] = change.type
    if change.kind == "renamed":
        _make_optional(declared, change.before)
        for word in _NAMES:
            if declared.get(word) == change.before:
                declared[word] = change.field
        keys = [name.strip() for name in str(declared["key"]).split(",")]
        if change.before in keys:
            declared["key"] = ", ".join(change.field if name == change.before else name for name in keys)


def _make_optional(declared: Any, field: str) -> None:
    if "optional" not in declared:
        # Before the fields: in TOML a key after a table's header belongs to that table.
        fields = declared.pop("fields")
        declared["optional"] = []
        declared["fields"] = fields
    if field not in declared["optional"]:
        declared["optional"].append(field)


def _follow_rename(document: Any, object_name: str, change: FieldChange) -> None:
    for mapping in document.get("mappings", {}).values():
        if mapping.get("object") != object_name:
            continue
        for target, expression in mapping.get("fields", {}).items():
            if expression == change.before:
                either = tomlkit.inline_table()
                either["first_of"] = [change.field, change.before]
                mapping["fields"][target] = either

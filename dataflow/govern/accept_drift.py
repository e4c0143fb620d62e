"""Accept schema drift: write the changed fields of a source into dataflow.toml, checked and replaced as a whole."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tomlkit

from dataflow.errors import UsageError
from dataflow.run.declarations import check_declarations
from dataflow.settings import Settings, load_settings
from dataflow.sources.proposals import FieldChange
from dataflow.tables.declared import declared_tables

_NAMES = ("cursor", "deleted_flag", "deleted_when_set")


def accept_changes(settings: Settings, source: str, object_name: str, changes: Sequence[FieldChange]) -> Path:
    """Write changed fields of an object into dataflow.toml, keeping its comments; return the file.

    A new field is declared with its type. A renamed one is declared too, its old name stays as optional for the rows
    that have it, and its mappings take the first of both. A missing one becomes optional, a retyped one gets its type.
    Raises: UsageError where the configuration is the packaged one; ConfigurationError where the result would not load:
    the file is then unchanged.
    """
    file = settings.config_file
    if file is None:
        raise UsageError(
            "The packaged default configuration cannot be changed.",
            next_move="Run `dataflow init` and change the dataflow.toml that it writes.",
        )
    document = tomlkit.parse(file.read_text(encoding="utf-8"))
    declared: Any = document["sources"][source]["objects"][object_name]
    for change in changes:
        _apply(declared, change)
        if change.kind == "renamed":
            _follow_rename(document, f"{source}.{object_name}", change)
    _replace(file, tomlkit.dumps(document), settings.home)
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


def _replace(file: Path, text: str, home: Path) -> None:
    """Write a temporary file, load and compile it as a run would, then rename it to `file`."""
    beside = file.with_name(f".{file.name}.{os.getpid()}.new")
    try:
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        loaded = load_settings(beside, home=home)
        check_declarations(loaded, declared_tables(loaded))
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)

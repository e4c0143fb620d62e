"""Take what a source was found to hold into dataflow.toml: checked first, then put in place at once or not at all."""

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
    """Write changed fields of an object into dataflow.toml, its comments kept; returns the file.

    A new field is declared with its type; of a renamed one the old name stays, as optional, for the rows that bear it,
    and mappings that took it take whichever is there; a gone one becomes optional; a retyped one gets its new type.
    Raises: UsageError where there is no file of the user's own; ConfigurationError when the result would not load:
    the file is then as it was.
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
        # Before the fields: in TOML what follows a table's header belongs to that table.
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
    """Write beside the file, load and compile it as a run would, then give it the file's name."""
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

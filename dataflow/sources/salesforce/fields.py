"""Choose the columns of an object by its description, and write each row as one canonical payload.

REST and Bulk write the same record differently (1.0E7 and 10000000, +0000 and Z, null and an empty cell). Both become
the same text here; else a record would look changed whenever the other API read it. `attributes` is left out: it
repeats the key and the version of the API, whose next release would make every row a new version.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from json.encoder import encode_basestring, encode_basestring_ascii
from typing import Any

from dataflow.errors import ConfigurationError, SourceMissing
from dataflow.settings import ObjectSettings
from dataflow.sources.drift import find_drift
from dataflow.sources.protocol import Drift, FieldInfo

DELETED_FLAG = "IsDeleted"
_UNREADABLE = frozenset({"address", "location", "base64", "complexvalue", "anyType", "json"})
"""Compound and binary types: Bulk refuses them; the parts of an address are fields of their own."""
_WORDS = {
    "boolean": "BOOLEAN",
    "int": "BIGINT",
    "long": "BIGINT",
    "double": "DOUBLE",
    "currency": "DOUBLE",
    "percent": "DOUBLE",
    "date": "DATE",
    "datetime": "TIMESTAMPTZ",
}
"""Types of describe to DuckDB types; all others are text."""

Writer = Callable[[Any], str]


@dataclass(frozen=True)
class Columns:
    """The selected columns of an object, in order, and how each value is written."""

    paths: tuple[str, ...]
    labels: tuple[str, ...]
    writers: tuple[Writer, ...]
    key: int
    cursor: int
    deleted: int | None

    def payload(self, values: Sequence[Any]) -> str:
        """Return the row as JSON text, the same for both APIs."""
        return "{" + ",".join(map(_member, self.labels, self.writers, values)) + "}"

    def of_record(self, record: Mapping[str, Any]) -> list[Any]:
        """Return the values of a REST record, with fields of parents flattened."""
        return [record.get(path) if "." not in path else _reach(record, path) for path in self.paths]


def _member(label: str, write: Writer, value: Any) -> str:
    return label + ("null" if value is None or value == "" else write(value))


def _reach(record: Mapping[str, Any], path: str) -> Any:
    value: Any = record
    for step in path.split("."):
        value = value.get(step) if isinstance(value, dict) else None
    return value


def choose_columns(declared: ObjectSettings, described: Mapping[str, Any], *, name: str) -> Columns:
    """Choose the selected columns: the declared fields that the user can read, and under `evolve` new custom ones.

    Raises: ConfigurationError for a key that is not Id or a field that no query can return, SourceMissing when key or
    cursor do not exist.
    """
    types = _types(described)
    if declared.key != "Id":
        raise ConfigurationError(
            f"The key of {name} is {declared.key}; Salesforce identifies deleted records by Id only.",
            next_move='Declare key = "Id".',
        )
    unreadable = [field for field in declared.fields if types.get(field) in _UNREADABLE]
    if unreadable:
        raise ConfigurationError(
            f"{name} declares fields that queries cannot return: {', '.join(unreadable)}.",
            next_move="Declare their parts instead (BillingStreet, BillingCity, …).",
        )
    lost = [field for field in (declared.key, declared.cursor) if field not in types]
    if lost:
        raise SourceMissing(
            f"Describing {name}: {', '.join(lost)} is not among its fields.",
            next_move="Grant it to the integration user, or declare another cursor.",
        )
    paths = list(dict.fromkeys([*declared.fields, declared.key, declared.cursor]))
    paths = [path for path in paths if path in types or _is_relationship(path, described)]
    if declared.on_drift == "evolve":
        paths += new_fields(declared, described)
    if DELETED_FLAG in types and DELETED_FLAG not in paths:
        paths.append(DELETED_FLAG)
    writers = tuple(_writer(_WORDS.get(types[p], "") if p in types else declared.fields[p]) for p in paths)
    deleted = paths.index(DELETED_FLAG) if DELETED_FLAG in paths else None
    labels = tuple(f"{encode_basestring(path)}:" for path in paths)
    return Columns(tuple(paths), labels, writers, paths.index(declared.key), paths.index(declared.cursor), deleted)


def new_fields(declared: ObjectSettings, described: Mapping[str, Any]) -> list[str]:
    """Return undeclared custom fields that a query can return. Salesforce's standard fields are left out: Contact has
    sixty, and about ten are of use."""
    return sorted(
        field
        for field, one in _fields(described)
        if one["custom"] and field not in declared.fields and one["type"] not in _UNREADABLE
    )


def object_drift(declared: ObjectSettings, described: Mapping[str, Any]) -> Drift:
    """Return how the object differs from its declaration, by name and by type."""
    types = {field: _duckdb_type(one) for field, one in _fields(described)}
    reachable = [path for path in declared.fields if _is_relationship(path, described)]
    known = [field for field in types if field in declared.fields]
    return find_drift(declared, [*known, *reachable, *new_fields(declared, described)], types=types)


def field_infos(declared: ObjectSettings, described: Mapping[str, Any]) -> tuple[FieldInfo, ...]:
    """Return the fields that a run can read, with types for a declaration: declared ones, then new custom ones."""
    types = {field: _duckdb_type(one) for field, one in _fields(described)}
    known = [path for path in declared.fields if path in types or _is_relationship(path, described)]
    paths = [*known, *new_fields(declared, described)]
    return tuple(FieldInfo(path, types[path] if path in types else declared.fields[path]) for path in paths)


def field_infos_of(described: Mapping[str, Any]) -> list[FieldInfo]:
    """Return all fields that a query can return, with types."""
    return [FieldInfo(name, _duckdb_type(one)) for name, one in _fields(described) if one["type"] not in _UNREADABLE]


def _fields(described: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for one in described["fields"]:
        yield str(one["name"]), one


def _types(described: Mapping[str, Any]) -> dict[str, str]:
    return {field: str(one["type"]) for field, one in _fields(described)}


def _duckdb_type(one: Mapping[str, Any]) -> str:
    word = _WORDS.get(str(one["type"]), "VARCHAR")
    # A number without decimal places is whole, although describe calls it double.
    return "BIGINT" if word == "DOUBLE" and not one.get("scale") and one["type"] == "double" else word


def _is_relationship(path: str, described: Mapping[str, Any]) -> bool:
    first, dot, _ = path.partition(".")
    return bool(dot) and any(one.get("relationshipName") == first for _, one in _fields(described))


def _writer(word: str) -> Writer:
    bare = word.upper().split("(")[0]
    if bare == "BOOLEAN":
        return _write_boolean
    if bare in ("BIGINT", "INTEGER", "HUGEINT", "SMALLINT", "DOUBLE", "DECIMAL", "FLOAT"):
        return _write_number
    return _write_time if bare.startswith("TIMESTAMP") else _write_text


def _write_text(value: Any) -> str:
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError:
        return encode_basestring_ascii(text)  # A lone surrogate is kept as the escape that was received.
    return encode_basestring(text)


def _write_boolean(value: Any) -> str:
    return "true" if value is True or str(value).lower() == "true" else "false"


def _write_number(value: Any) -> str:
    """Return a number in plain digits: 1.0E7 and 10000000.0 are 10000000."""
    text = str(value)
    if text.isascii() and text.isdigit() and (text[0] != "0" or text == "0"):
        return text
    try:
        number = Decimal(text)
    except InvalidOperation:
        return _write_text(text)
    if not number.is_finite():
        return _write_text(text)
    plain = f"{number:f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain == "-0" else plain


def _write_time(value: Any) -> str:
    """Return a time in the format of REST: 2026-03-01T09:30:00.000+0000."""
    text = str(value)
    return f'"{text[:-1]}+0000"' if text.endswith("Z") else _write_text(text)

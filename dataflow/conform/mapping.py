"""Compile the mappings of dataflow.toml: each name is checked against the declared tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import combinations

from checks.registry import nearest
from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.joining import Join, check_join
from dataflow.conform.outside import check_values
from dataflow.conform.records import mapped_records
from dataflow.errors import MappingError
from dataflow.settings import JoinSettings, MappingSettings, Settings
from dataflow.sources.record_key import KeyKinds, ObjectKey, object_keys
from dataflow.tables import conformed
from dataflow.tables.columns import LINEAGE
from dataflow.workspace.compiled import compiled_once
from dataflow.workspace.fingerprints import hash_settings
from lakehouse.table import Table

TARGETS: Mapping[str, Table] = {table.name: table for table in conformed.TABLES}


def compile_mappings(settings: Settings, tables: Mapping[str, Table]) -> dict[str, CompiledMapping]:
    """Compile every mapping and check every name in it. Raises: MappingError listing the known names."""
    compiled = name_mappings(settings, tables)

    def check() -> str:
        for mapping in compiled.values():
            mapped_records(mapping, mapping.keys("keys"))
        return "sound"

    fields = {name: [(c.name, c.type) for c in table.columns] for name, table in tables.items()}
    declared = {name: (one.settings.model_dump(), one.key_kinds) for name, one in compiled.items()}
    compiled_once(f"mappings {hash_settings(mappings=declared, fields=fields)}", check)
    return compiled


def name_mappings(settings: Settings, tables: Mapping[str, Table]) -> dict[str, CompiledMapping]:
    """Compile every mapping and check the names of its tables, columns and fields, but not its expressions.

    Raises: MappingError listing the known names.
    """
    compiled: dict[str, CompiledMapping] = {}
    keys = object_keys(settings)
    for name, declared in settings.mappings.items():
        compiled[name] = _compile(name, declared, siblings=compiled, tables=tables, keys=keys)
    for one, other in combinations(compiled.values(), 2):
        _refuse_same_records(one, other)
    return compiled


def _refuse_same_records(one: CompiledMapping, other: CompiledMapping) -> None:
    """Refuse two mappings that make one record of a row: each row of the table has one origin."""
    made = [(mapping.target, mapping.source, mapping.prefix, mapping.key_columns) for mapping in (one, other)]
    if made[0] != made[1]:
        return
    wanted, others = one.settings.where, other.settings.where
    if not any(name in others and str(others[name]) != str(value) for name, value in wanted.items()):
        raise MappingError(
            f"mappings.{one.name} and mappings.{other.name} both make the records {one.prefix}… of {one.target.name} "
            f"from {one.settings.object}. Remove one of them; or tell their rows apart by `where`; or, where a row is "
            "two records, name those of one by `record_object`."
        )


def _compile(
    name: str,
    declared: MappingSettings,
    *,
    siblings: Mapping[str, CompiledMapping],
    tables: Mapping[str, Table],
    keys: Mapping[str, ObjectKey],
) -> CompiledMapping:
    place = f"mappings.{name}"
    _refuse_unknown(f"{place}.table", [declared.table], TARGETS)
    target = TARGETS[declared.table]
    source = valid_table(declared.object, tables, place=f"{place}.object")
    _refuse_unknown(f"{place}.fields", declared.fields, mappable_columns(target))
    _refuse_unknown(f"{place}.where", declared.where, source.column_names)
    _refuse_unknown(f"{place}.group_by", declared.group_by, source.column_names)
    if declared.group_by and declared.joins:
        raise MappingError(f"{place} has both group_by and joins; a group is made of one object's rows only.")
    joins = tuple(
        Join(
            alias=alias,
            table=valid_table(one.object, tables, place=f"{place}.joins.{alias}.object"),
            settings=one,
            forms=_join_forms(one, keys[one.object], keys[declared.object]),
        )
        for alias, one in declared.joins.items()
    )
    for number, join in enumerate(joins):
        check_join(join, source, place=f"{place}.joins.{join.alias}", above=joins[:number])
    compiled = CompiledMapping(name, declared, target, source, joins, siblings, keys[declared.object].kinds)
    check_values(compiled)
    return compiled


def _join_forms(declared: JoinSettings, other: ObjectKey, own: ObjectKey) -> dict[str, KeyKinds]:
    """Return the form in which each field of a join is compared: that of the key that one of the two sides is."""
    return {theirs: other.form_of(theirs) or own.form_of(mine) or ("VARCHAR",) for theirs, mine in declared.on.items()}


def key_forms(mappings: Mapping[str, CompiledMapping]) -> set[KeyKinds]:
    """Return the types of all keys that the mappings link or join by."""
    joined = {kinds for one in mappings.values() for join in one.joins for kinds in join.forms.values()}
    return joined | {one.key_kinds for one in mappings.values()}


def mappable_columns(target: Table) -> list[str]:
    """Return the columns of a conformed table that a mapping can fill."""
    kept = {column.name for column in LINEAGE} | set(target.key)
    return [name for name in target.column_names if name not in kept]


def valid_table(object_name: str, tables: Mapping[str, Table], *, place: str) -> Table:
    """Return the valid table of `source.object`. Raises: MappingError listing the declared objects."""
    found = tables.get("valid." + object_name.replace(".", "_", 1))
    if found is None:
        known = [name.removeprefix("valid.") for name in tables if name.startswith("valid.")]
        raise MappingError(
            f"{place} names {object_name!r}; the declared objects are (source_object): {', '.join(known)}."
            f"{nearest(object_name.replace('.', '_', 1), known)}"
        )
    return found


def _refuse_unknown(place: str, names: Iterable[str], known: Iterable[str]) -> None:
    there = list(known)
    unknown = [name for name in names if name not in there]
    if unknown:
        hints = "".join(dict.fromkeys(nearest(name, there) for name in unknown))
        raise MappingError(f"{place} names {', '.join(map(repr, unknown))}; there are: {', '.join(there)}.{hints}")

"""What a data contract says here: fields with types, key, checks, rules, owner; and how dataflow.toml says it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tomlkit

from checks.registry import unknown_name
from dataflow.errors import ConfigurationError, UsageError
from dataflow.settings import Settings
from dataflow.tables.declared import declared_tables
from lakehouse.table import Table

Check = Mapping[str, Any]
"""A check in the short form of dataflow.toml: `rule`, its arguments and options."""

OF_ONE_FIELD = ("required", "unique", "one_of", "matches", "at_least", "at_most")
"""The rules that a property of a contract has a place for."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A contract of an object (`source.object`) or of a published table. Equal contracts say the same.

    `rules` are those of `[rules.NAME]` that are of it, without `on`.
    """

    on: str
    owner: str = ""
    version: str = "1.0.0"
    fields: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    key: Sequence[str] = ()
    checks: Sequence[Check] = ()
    rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def ordered(self) -> Contract:
        """Return it with its checks in one order: a document has those of a field beside the field."""
        return Contract(**{**vars(self), "checks": sorted(self.checks, key=_order)})

    @property
    def is_of_object(self) -> bool:
        """Return whether it is of an object, and not of a published table."""
        return not self.on.startswith("published.")


def _order(check: Check) -> str:
    return json.dumps(check, sort_keys=True, default=str)


def contract_of_settings(name: str, settings: Settings) -> Contract:
    """Return the contract of an object or published table as it is declared. Raises: UsageError for an unknown name."""
    tables = {one: table for one, table in declared_tables(settings).items() if table.schema == "published"}
    objects = [f"{source}.{one}" for source, system in settings.sources.items() for one in system.objects]
    if name not in tables and name not in objects:
        raise UsageError(unknown_name("object or published table", name, [*objects, *tables]))
    rules = {
        rule: declared.model_dump(exclude={"on"}, exclude_defaults=True)
        for rule, declared in settings.rules.items()
        if declared.on == name
    }
    if name in tables:
        return _of_table(tables[name], rules)
    source, _, of_source = name.partition(".")
    declared = settings.sources[source].objects[of_source]
    return Contract(
        on=name,
        owner=declared.owner,
        fields=declared.fields,
        personal=declared.personal,
        key=tuple(part.strip() for part in declared.key.split(",")),
        checks=[check.model_dump() for check in declared.checks],
        rules=rules,
    ).ordered()


def _of_table(table: Table, rules: Mapping[str, Mapping[str, Any]]) -> Contract:
    columns = [column for column in table.columns if not column.volatile]
    checks: list[Check] = [{"rule": "required", "field": one.name} for one in columns if not one.nullable]
    checks += [{"rule": "one_of", "field": one.name, "values": list(one.values)} for one in columns if one.values]
    return Contract(
        on=table.full_name,
        owner=table.owner,
        fields={one.name: one.type for one in columns},
        descriptions={one.name: one.description for one in columns},
        personal={one.name: one.classification for one in columns},
        key=tuple(table.key),
        checks=checks,
        rules=rules,
    ).ordered()


def require_as_declared(contract: Contract, settings: Settings) -> None:
    """Refuse a contract of a published table whose columns are not those of the table: only its rules are taken over.

    Raises: ConfigurationError.
    """
    declared = contract_of_settings(contract.on, settings)
    for part in ("fields", "key", "checks"):
        said, known = getattr(contract, part), getattr(declared, part)
        if said != known and list(said) != list(known):
            raise ConfigurationError(
                f"The contract of {contract.on} differs from the table in {part}.",
                next_move=f"`dataflow contract export {contract.on}` shows it; add rules as quality of type sql.",
            )


def write_toml(contract: Contract) -> str:
    """Return what dataflow.toml and rules/*.toml say of a contract, as TOML to paste."""
    document: dict[str, Any] = {}
    if contract.is_of_object:
        source, _, name = contract.on.partition(".")
        declared: dict[str, Any] = {"key": list(contract.key), "checks": [dict(one) for one in contract.checks]}
        declared |= {"owner": contract.owner} if contract.owner else {}
        declared |= {"fields": dict(contract.fields), "personal": dict(contract.personal)}
        document["sources"] = {source: {"objects": {name: declared}}}
    if contract.rules:
        document["rules"] = {name: {"on": contract.on, **rule} for name, rule in contract.rules.items()}
    return tomlkit.dumps(document)

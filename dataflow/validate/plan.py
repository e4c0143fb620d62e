"""Plan the validation of each object: its checks, and the order of objects (referenced objects first)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

from checks.errors import CheckDeclarationError
from checks.json_schema import PayloadSchema
from checks.rule import Check
from checks.rules import compile_checks
from dataflow.conform.compiled import CompiledMapping
from dataflow.conform.mapping import name_mappings
from dataflow.conform.outside import Judgement, judgements_of
from dataflow.errors import ConfigurationError
from dataflow.settings import ObjectSettings, Settings
from dataflow.sources.record_key import KeyKinds, is_plain, object_keys
from dataflow.validate.business_rules import compile_rules, deciding_settings
from dataflow.workspace.fingerprints import hash_settings
from lakehouse.table import Table

VALIDATION_VERSION = "2"
"""Raise it when a row is cast or judged otherwise: every object is then validated again, from all of raw."""

_WRITTEN = {"decimal", "date_order", "null_words"}
"""Settings of a CSV by which values are read."""

ACCEPTABLE = "acceptable"
"""Temporary view of the typed rows that break no check: those that the conformed model judges."""


@dataclass(frozen=True, kw_only=True)
class ObjectPlan:
    """One object of a source, ready to be validated."""

    source: str
    name: str
    settings: ObjectSettings
    raw: Table
    valid: Table
    checks: tuple[Check, ...]
    schema: PayloadSchema | None
    keys: Mapping[str, KeyKinds]
    """The types of the keys of all objects, by `source.object`."""
    rules: tuple[Mapping[str, Any], ...] = ()
    """What of the company's own rules decides the result of a row."""
    judgements: tuple[Judgement, ...] = ()
    """What the conformed model does not accept of its rows, by the mappings of the object."""

    @property
    def full_name(self) -> str:
        """Return `source.object`, as used in checks and mappings."""
        return f"{self.source}.{self.name}"

    @property
    def key(self) -> tuple[str, str]:
        """Return source and object, as used in positions."""
        return (self.source, self.name)

    @property
    def fingerprint(self) -> str:
        """Return the fingerprint of the settings that decide the result of a row."""
        words = ("key", "cursor", "deleted_flag", "deleted_when_set", "fields", "checks")
        declared = {word: getattr(self.settings, word) for word in words}
        checks = [check.model_dump() for check in declared.pop("checks")]
        schema = self.schema.schema if self.schema else None
        # Only where they differ from what objects had before there were these settings.
        zone = {} if self.settings.zone == "UTC" else {"zone": self.settings.zone}
        csv = self.settings.csv
        written = {"csv": csv.model_dump(include=_WRITTEN)} if csv.shapes_values else {}
        judged = {"judged": [one.settings for one in self.judgements]} if self.judgements else {}
        objects = sorted({self.full_name, *self.parents})
        keys = {name: self.keys[name] for name in objects if not is_plain(self.keys[name])}
        ruled = {"rules": list(self.rules)} if self.rules else {}
        lenient = {"lenient": sorted(self.lenient_fields)} if self.lenient_fields else {}
        added = zone | written | judged | ruled | lenient | ({"keys": keys} if keys else {})
        return hash_settings(**declared, **added, checks=checks, schema=schema, version=VALIDATION_VERSION)

    @property
    def key_kinds(self) -> KeyKinds:
        """Return the types of the object's key fields."""
        return self.keys[self.full_name]

    @property
    def lenient_fields(self) -> frozenset[str]:
        """Return the fields whose invalid values are null and cost no row."""
        return frozenset(name for name, cost in self.settings.invalid.items() if cost == "null")

    @property
    def parents(self) -> frozenset[str]:
        """Return the objects to whose records the checks refer."""
        return frozenset(name for check in self.checks for name in check.arguments.named_objects())


# A run plans before it starts and again to validate; its tables are declared anew.
_last_planned: list[tuple[Settings, Mapping[str, Table], list[list[ObjectPlan]]]] = []


def plan_objects(settings: Settings, tables: Mapping[str, Table]) -> list[list[ObjectPlan]]:
    """Compile the checks of every object, in rows: the objects of a row refer only to objects of earlier rows.

    Raises: ConfigurationError for an unknown rule, argument, field, schema or object, for circular references, and for
    a mapping that names what there is not.
    """
    for known_settings, known_tables, known in _last_planned:
        if known_settings is settings and known_tables is tables:
            return known
    mappings = list(name_mappings(settings, tables).values())
    keys = {name: key.kinds for name, key in object_keys(settings).items()}
    rules = compile_rules(settings, tables)
    plans = {
        f"{source}.{name}": _plan(
            source,
            name,
            declared,
            settings=settings,
            tables=tables,
            mappings=mappings,
            keys=keys,
            rules=rules.get(f"{source}.{name}", []),
        )
        for source, system in settings.sources.items()
        for name, declared in system.objects.items()
    }
    for plan in plans.values():
        _refuse_unknown(plan, plans)
    parents = {name: plan.parents - {name} for name, plan in plans.items()}
    try:
        rows = [[plans[name] for name in row] for row in _rows(TopologicalSorter(parents))]
    except CycleError as error:
        circle = " → ".join(error.args[1])
        raise ConfigurationError(
            f"Checks with rule refers_to form a circle: {circle}.", next_move="Remove one of these checks."
        ) from None
    _last_planned[:] = [(settings, tables, rows)]
    return rows


def _rows(order: TopologicalSorter[str]) -> Iterator[tuple[str, ...]]:
    order.prepare()
    while order.is_active():
        ready = order.get_ready()
        yield ready
        order.done(*ready)


def _plan(
    source: str,
    name: str,
    declared: ObjectSettings,
    *,
    settings: Settings,
    tables: Mapping[str, Table],
    mappings: Sequence[CompiledMapping],
    keys: Mapping[str, KeyKinds],
    rules: Sequence[Check],
) -> ObjectPlan:
    place = f"sources.{source}.objects.{name}"
    beside = settings.config_file.parent if settings.config_file else None
    try:
        checks = compile_checks((c.model_dump() for c in declared.checks), fields=declared.fields, place=place)
    except CheckDeclarationError as error:
        raise ConfigurationError(str(error)) from error
    needed = [
        check.arguments.named_fields()[0]
        for check in checks
        if check.rule.name == "required" and declared.invalid.get(check.arguments.named_fields()[0]) == "null"
    ]
    if needed:
        raise ConfigurationError(
            f"{place}.invalid makes invalid values of {', '.join(needed)} null, which its checks require.",
            next_move="Remove the check required of it, or the field from invalid.",
        )
    try:
        schema = PayloadSchema.load(declared.json_schema, beside=beside) if declared.json_schema else None
    except CheckDeclarationError as error:
        raise ConfigurationError(f"{place}.json_schema: {error}") from error
    return ObjectPlan(
        source=source,
        name=name,
        settings=declared,
        raw=tables[f"raw.{source}_{name}"],
        valid=tables[f"valid.{source}_{name}"],
        checks=(*checks, *rules),
        rules=tuple(deciding_settings(rules, settings)),
        schema=schema,
        keys=keys,
        judgements=tuple(
            judgement
            for mapping in mappings
            if mapping.settings.object == f"{source}.{name}"
            for judgement in judgements_of(mapping, row_id="_row_id", relation=ACCEPTABLE, fields=declared.fields)
        ),
    )


def _refuse_unknown(plan: ObjectPlan, known: Iterable[str]) -> None:
    unknown = sorted(plan.parents - set(known))
    if unknown:
        raise ConfigurationError(
            f"Rule refers_to of {plan.full_name} names {', '.join(unknown)}; there are: {', '.join(sorted(known))}."
        )

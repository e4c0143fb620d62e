"""Compile the rules of `[rules.NAME]` that judge the rows of objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from checks.errors import CheckDeclarationError
from checks.expression import require_condition
from checks.registry import unknown_name
from checks.row_rule import Condition, row_rule
from checks.rule import Check, Options
from dataflow.errors import ConfigurationError
from dataflow.settings import RuleSettings, Settings
from dataflow.settings.rules import place_of_rule
from lakehouse.connect import connect
from lakehouse.table import Table

TABLE_SCHEMAS = ("conformed", "published")
"""The schemas of the tables that a rule can be of."""


def place_of(settings: Settings, name: str) -> str:
    """Return file and line of a rule."""
    base: Path | None = settings.config_file.parent if settings.config_file else None
    return place_of_rule(base, name)


def compile_rules(settings: Settings, tables: Mapping[str, Table]) -> dict[str, list[Check]]:
    """Return the rules of objects as checks, by `source.object`. Without any rule, nothing is parsed.

    Raises: ConfigurationError naming file and line, what was found and what exists.
    """
    of_objects: dict[str, list[Check]] = {}
    if not settings.rules:
        return of_objects
    objects = {f"{source}.{name}" for source, system in settings.sources.items() for name in system.objects}
    known = {name for name in tables if name.partition(".")[0] in TABLE_SCHEMAS}
    with closing(connect(threads=1)) as con:
        for name, rule in settings.rules.items():
            place = place_of(settings, name)
            if rule.on not in objects | known:
                raise ConfigurationError(f"{place}: {unknown_name('object or table', rule.on, objects | known)}")
            if rule.on not in objects:
                continue
            if not rule.is_of_rows:
                raise ConfigurationError(
                    f"{place}: {rule.on} is an object, whose rules have holds.",
                    next_move=f"Give holds, or name a table of {' or '.join(TABLE_SCHEMAS)}.",
                )
            valid = tables[f"valid.{rule.on.replace('.', '_', 1)}"]
            source, _, of_source = rule.on.partition(".")
            fields = settings.sources[source].objects[of_source].fields
            try:
                check = compile_row_rule(name, rule, fields=fields, place=place)
                types = {field: valid.column(field).type for field in fields}
                assert isinstance(check.arguments, Condition)
                require_condition(con, check.arguments.expression, types, place=place)
            except CheckDeclarationError as error:
                raise ConfigurationError(str(error)) from None
            unknown = sorted(set(check.arguments.named_objects()) - objects)
            if unknown:
                raise ConfigurationError(f"{place}: is_key_of: {unknown_name('object', unknown[0], objects)}")
            of_objects.setdefault(rule.on, []).append(check)
    return of_objects


def compile_row_rule(name: str, rule: RuleSettings, *, fields: Iterable[str], place: str) -> Check:
    """Compile one rule of rows. Raises: CheckDeclarationError."""
    options = Options(
        severity=rule.severity,
        when_null=rule.when_null,
        since=rule.since,
        owner=rule.owner,
        name=name,
        reason=rule.reason,
    )
    return row_rule(rule.holds, options, fields=fields, place=place)


def deciding_settings(checks: Iterable[Check], settings: Settings) -> list[dict[str, Any]]:
    """Return what of the rules decides which rows are set aside or published: a change validates the object again."""
    words = ("holds", "severity", "when_null", "since", "reason")
    names = [check.name for check in checks if check.name in settings.rules and check.options.severity != "warn"]
    return [{"name": name} | {word: getattr(settings.rules[name], word) for word in words} for name in names]

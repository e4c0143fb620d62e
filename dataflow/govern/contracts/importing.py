"""Read a contract from a document of the Open Data Contract Standard 3.1. What is not of the closed subset is refused.

A statement that was skipped would be a promise that nothing checks: each key that is not read is refused with its
place in the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from checks.errors import CheckDeclarationError
from checks.expression import parse_expression
from dataflow.errors import ConfigurationError
from dataflow.govern.contracts.contract import Check, Contract
from dataflow.govern.contracts.odcs import API_VERSION, ENGINE, KIND, TYPE_OF_LOGICAL
from dataflow.settings import RuleSettings

_ROOT = {"apiVersion", "kind", "id", "version", "status", "name", "description", "team", "schema"}
_OBJECT = {"name", "logicalType", "physicalType", "physicalName", "description", "properties", "quality"}
_PROPERTY = {
    "name", "logicalType", "physicalType", "description", "classification", "primaryKey", "primaryKeyPosition",
    "required", "unique", "logicalTypeOptions", "quality", "items",
}  # fmt: skip
_QUALITY = {"type", "metric", "arguments", "mustBe", "unit", "name", "description", "severity"}
_SEVERITIES = {"reject": "reject", "warn": "warn", "block": "block", "error": "reject", "warning": "warn"}
_QUERY = re.compile(r"SELECT COUNT\(\*\) FROM (\S+) WHERE (.+)", re.IGNORECASE | re.DOTALL)
_NOT = re.compile(r"NOT \((.+)\)", re.DOTALL)
_IS_NOT_TRUE = re.compile(r"\((.+)\) IS NOT TRUE", re.DOTALL)


def import_contract(text: str, *, source: str) -> Contract:
    """Read a document; `source` names it in errors. Raises: ConfigurationError naming the place in it."""
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigurationError(f"{source}{f':{mark.line + 1}' if mark else ''} is not YAML.") from None
    return _Document(source).contract(document)


class _Document:
    def __init__(self, source: str) -> None:
        self._source = source
        self._fields: tuple[str, ...] = ()

    def contract(self, document: Any) -> Contract:
        root = self._mapping(document, _ROOT, "")
        for name, expected in (("apiVersion", API_VERSION), ("kind", KIND)):
            if root.get(name) != expected:
                self._refuse(name, f"is {root.get(name)!r}; it must be {expected}")
        [table] = self._list(root.get("schema"), "schema", exactly=1)
        place = "schema[0]"
        found = self._mapping(table, _OBJECT, place)
        on = self._text(found.get("name"), f"{place}.name")
        properties = self._list(found.get("properties"), f"{place}.properties")
        fields, checks, keys = self._properties(properties, f"{place}.properties")
        self._fields = tuple(fields)
        rules: dict[str, Mapping[str, Any]] = {}
        for number, quality in enumerate(self._list(found.get("quality", []), f"{place}.quality")):
            where = f"{place}.quality[{number}]"
            check = self._check_of_object(quality, on, where)
            if isinstance(check, tuple):
                rules[check[0]] = check[1]
            else:
                checks.append(check)
        team = self._mapping(root.get("team", {}), {"name"}, "team")
        return Contract(
            on=on,
            owner=str(team.get("name", "")),
            version=self._text(root.get("version"), "version"),
            fields={name: one["type"] for name, one in fields.items()},
            descriptions={name: one["description"] for name, one in fields.items() if one["description"]},
            personal={name: one["classification"] for name, one in fields.items() if one["classification"]},
            key=tuple(keys[position] for position in sorted(keys)),
            checks=checks,
            rules=rules,
        ).ordered()

    def _properties(
        self, properties: Iterable[Any], place: str
    ) -> tuple[dict[str, dict[str, Any]], list[Check], dict[int, str]]:
        fields: dict[str, dict[str, Any]] = {}
        checks: list[Check] = []
        keys: dict[int, str] = {}
        for number, one in enumerate(properties):
            where = f"{place}[{number}]"
            found = self._mapping(one, _PROPERTY, where)
            name = self._text(found.get("name"), f"{where}.name")
            if name in fields:
                self._refuse(f"{where}.name", f"{name} is the name of another property")
            fields[name] = {
                "type": self._type(found, where),
                "description": str(found.get("description", "")),
                "classification": str(found.get("classification", "")),
            }
            if found.get("primaryKey"):
                position = int(found.get("primaryKeyPosition", len(keys) + 1))
                if position in keys:
                    self._refuse(f"{where}.primaryKeyPosition", f"is that of {keys[position]} too")
                keys[position] = name
            checks += self._checks_of_field(name, found, where)
        return fields, checks, keys

    def _type(self, found: Mapping[str, Any], place: str) -> str:
        if "items" in found:
            items = self._mapping(found["items"], {"name", "logicalType", "physicalType"}, f"{place}.items")
            kind = f"{self._type(items, f'{place}.items')}[]"
            if found.get("physicalType", kind) != kind:
                self._refuse(f"{place}.items", f"is not what {found['physicalType']} holds")
            return kind
        if "physicalType" in found:
            return self._text(found["physicalType"], f"{place}.physicalType")
        logical = found.get("logicalType")
        if logical not in TYPE_OF_LOGICAL:
            known = _listed(TYPE_OF_LOGICAL)
            self._refuse(f"{place}.logicalType", f"is {logical!r}; without physicalType it can be {known}")
        return TYPE_OF_LOGICAL[str(logical)]

    def _checks_of_field(self, name: str, found: Mapping[str, Any], place: str) -> Iterator[Check]:
        for rule in ("required", "unique"):
            if found.get(rule):
                yield {"rule": rule, "field": name}
        options = self._mapping(
            found.get("logicalTypeOptions", {}), {"pattern", "minimum", "maximum"}, f"{place}.logicalTypeOptions"
        )
        for option, (rule, argument) in _OPTIONS.items():
            if option in options:
                yield {"rule": rule, "field": name, argument: options[option]}
        for number, quality in enumerate(self._list(found.get("quality", []), f"{place}.quality")):
            yield self._metric_of_field(name, quality, f"{place}.quality[{number}]")

    def _metric_of_field(self, name: str, quality: Any, place: str) -> Check:
        found = self._mapping(quality, _QUALITY, place)
        metric, given = found.get("metric"), found.get("arguments", {})
        if found.get("type", "library") != "library" or found.get("unit", "rows") != "rows" or found.get("mustBe") != 0:
            self._refuse(place, "a check of a property is a library metric that must be 0 rows")
        match metric, given:
            case "nullValues", {**rest} if not rest:
                return {"rule": "required", "field": name}
            case "missingValues", {"missingValues": [None], **rest} if not rest:
                return {"rule": "required", "field": name}
            case "duplicateValues", {**rest} if not rest:
                return {"rule": "unique", "field": name}
            case "invalidValues", {"validValues": list(values), **rest} if not rest:
                return {"rule": "one_of", "field": name, "values": values}
            case "invalidValues", {"pattern": str(pattern), **rest} if not rest:
                return {"rule": "matches", "field": name, "pattern": pattern}
        return self._refuse(
            place,
            f"the metric {metric!r} with {_listed(given) or 'no arguments'} is not read; there are nullValues, "
            "missingValues of null, duplicateValues, invalidValues with validValues or pattern",
        )

    def _check_of_object(self, quality: Any, on: str, place: str) -> Check | tuple[str, Mapping[str, Any]]:
        kind = quality.get("type") if isinstance(quality, dict) else None
        if kind == "custom":
            found = self._mapping(quality, {"type", "engine", "implementation"}, place)
            if found.get("engine") != ENGINE or not isinstance(found.get("implementation"), dict):
                self._refuse(f"{place}.engine", f"is {found.get('engine')!r}; it can be {ENGINE}")
            made = dict(found["implementation"])
            if "rules" not in made:
                return made
            name = str(made.pop("rules"))
            return name, self._rule(on, made, place)
        if kind != "sql":
            self._refuse(place, f"is of type {kind!r}; a check of the whole table is of type sql or custom")
        known = {"name", "type", "query", "mustBe", "description", "severity", "customProperties"}
        found = self._mapping(quality, known, place)
        if found.get("mustBe") != 0:
            self._refuse(place, "a check of type sql counts the rows that break it, and must be 0")
        return self._text(found.get("name"), f"{place}.name"), self._rule(on, self._sql_rule(found, on, place), place)

    def _sql_rule(self, found: Mapping[str, Any], on: str, place: str) -> dict[str, Any]:
        query = _QUERY.fullmatch(self._text(found.get("query"), f"{place}.query").strip().rstrip(";"))
        if query is None or query[1] not in (on, "${table}", "{table}", "${object}"):
            self._refuse(f"{place}.query", f"is not SELECT COUNT(*) FROM {on} WHERE …")
        severity = str(found.get("severity", "reject"))
        if severity not in _SEVERITIES:
            self._refuse(f"{place}.severity", f"is {severity!r}; it can be {_listed(_SEVERITIES)}")
        rule: dict[str, Any] = {"reason": found.get("description", ""), "severity": _SEVERITIES[severity]}
        condition = query[2].strip()
        if fails := _inside(_IS_NOT_TRUE, condition):
            rule |= {"holds": fails, "when_null": "fail"}
        elif keeps := _inside(_NOT, condition):
            rule["holds"] = keeps
        else:
            rule["holds"] = f"NOT ({condition})"
        for number, one in enumerate(self._list(found.get("customProperties", []), f"{place}.customProperties")):
            where = f"{place}.customProperties[{number}]"
            name = self._mapping(one, {"property", "value"}, where).get("property")
            if name not in ("owner", "since", "passes", "fails", "keys"):
                self._refuse(where, f"{name!r} is not one of owner, since, passes, fails, keys")
            value = one["value"]
            rule[str(name)] = date.fromisoformat(str(value)) if name == "since" else value
        return rule

    def _rule(self, on: str, rule: Mapping[str, Any], place: str) -> Mapping[str, Any]:
        """Return a rule in the form of [rules.NAME], checked as that is; examples are values of customProperties."""
        try:
            made = RuleSettings.model_validate({"on": on, **rule})
            if made.holds:
                parse_expression(made.holds, fields=self._fields, place=f"{self._source}: {place}")
            return made.model_dump(exclude={"on"}, exclude_defaults=True)
        except CheckDeclarationError as error:
            raise ConfigurationError(str(error)) from None
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, one['loc']))} {one['msg']}".strip() for one in error.errors())
            return self._refuse(place, faults)

    def _mapping(self, found: Any, known: set[str], place: str) -> Mapping[str, Any]:
        if not isinstance(found, dict):
            self._refuse(place or "the document", "is not a table of names and values")
        unknown = sorted(set(map(str, found)) - known)
        if unknown:
            self._refuse(f"{place}.{unknown[0]}".lstrip("."), f"is not read; here can be {_listed(sorted(known))}")
        return dict(found)

    def _list(self, found: Any, place: str, *, exactly: int | None = None) -> list[Any]:
        if not isinstance(found, list) or (exactly is not None and len(found) != exactly):
            self._refuse(place, "is not a list" if exactly is None else f"is not a list of {exactly}")
        return list(found)

    def _text(self, found: Any, place: str) -> str:
        if not isinstance(found, str) or not found:
            self._refuse(place, "is missing, or is not text")
        return str(found)

    def _refuse(self, place: str, why: str) -> NoReturn:
        raise ConfigurationError(f"{self._source}: {place}: {why}.", next_move="Correct it, or leave it out.")


_OPTIONS = {"pattern": ("matches", "pattern"), "minimum": ("at_least", "value"), "maximum": ("at_most", "value")}


def _inside(form: re.Pattern[str], condition: str) -> str:
    """Return what the brackets of a form enclose; "" where they are not one pair: `NOT (a) AND (b)` is not NOT."""
    found = form.fullmatch(condition)
    if found is None:
        return ""
    depth, is_text = 0, False
    for letter in found[1]:
        is_text ^= letter == "'"
        depth += 0 if is_text else (letter == "(") - (letter == ")")
        if depth < 0:
            return ""
    return found[1] if depth == 0 else ""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(str, names))

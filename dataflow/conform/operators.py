"""Declare the operators of a field mapping: how each turns columns of the source into one value.

A mapping is `column = "field"`, or `column = { operator = …, argument = … }`. Operators nest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from checks.registry import Registry, nearest
from dataflow.conform.expressions import as_text
from dataflow.conform.keys import as_key
from dataflow.errors import MappingError
from dataflow.settings import FieldExpression
from dataflow.sources.record_key import KeyKinds
from lakehouse.deferred import deferred

if TYPE_CHECKING:
    import ibis
    from ibis.expr import types as ir
else:
    ibis = deferred("ibis")
    ir = deferred("ibis.expr.types")

SEPARATOR = "|"
"""Separator of the parts of a record id."""


class Linked(Protocol):
    """The records that a link leads to."""

    @property
    def prefix(self) -> str:
        """Return the common prefix of their ids."""
        ...

    @property
    def key_kinds(self) -> KeyKinds:
        """Return the types of their keys."""
        ...


class Scope(Protocol):
    """The names that an expression can use in its place."""

    place: str

    def field(self, name: str) -> ir.Value:
        """Return the column of a field, or of a joined object's field (`join.field`). Raises: MappingError."""
        ...

    def record_mapping(self, name: str) -> Linked:
        """Return the records that a link to an object or mapping leads to. Raises: MappingError."""
        ...

    def group_id(self, mapping: str) -> ir.Value:
        """Return the record id of the row's group in another mapping. Raises: MappingError."""
        ...

    def over_time(self, operator: str, name: str) -> ir.Value:
        """Return the latest or earliest value of a field in the group. Raises: MappingError."""
        ...


@dataclass(frozen=True, kw_only=True)
class Operator:
    """How to build one kind of value.

    `takes` says what stands behind its name, `arguments` are the other keys of its table.
    """

    name: str
    meaning: str
    takes: str
    example: str
    build: Callable[[Mapping[str, Any], Scope], ir.Value]
    arguments: Mapping[str, str] = field(default_factory=dict)


def build_value(expression: FieldExpression, scope: Scope) -> ir.Value:
    """Compile one field expression. Raises: MappingError naming the place and the known names."""
    if isinstance(expression, str):
        return scope.field(expression)
    named = [word for word in OPERATORS if word in expression]
    if len(named) != 1:
        raise MappingError(
            f"{scope.place}: an expression has exactly one operator of {', '.join(sorted(OPERATORS))}; "
            f"found {', '.join(sorted(expression)) or 'none'}."
            f"{''.join(dict.fromkeys(nearest(word, OPERATORS) for word in expression)) if not named else ''}"
        )
    operator = OPERATORS[named[0]]
    unknown = sorted(set(expression) - {named[0], *operator.arguments})
    if unknown:
        takes = ", ".join(operator.arguments) or "no further argument"
        hints = "".join(dict.fromkeys(nearest(word, operator.arguments) for word in unknown))
        raise MappingError(f"{scope.place}: {named[0]} does not take {', '.join(unknown)}; it takes {takes}.{hints}")
    return operator.build(expression, scope)


def record_id(prefix: str, key: ir.Value) -> ir.StringValue:
    """Return `source|object|key`; null where the key is null."""
    return as_text(ibis.literal(prefix) + as_text(key))


def _constant(expression: Mapping[str, Any], _: Scope) -> ir.Value:
    return ibis.literal(expression["value"])


def _first_of(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    return ibis.coalesce(*(build_value(one, scope) for one in _several(expression, "first_of", scope)))


def _join(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    parts = [as_text(build_value(one, scope)) for one in _several(expression, "join", scope)]
    separator = str(expression.get("with", " "))
    # An absent part is left out together with its separator.
    pieces = [ibis.ifelse(part.notnull(), ibis.literal(separator) + part, ibis.literal("")) for part in parts]
    whole = pieces[0]
    for piece in pieces[1:]:
        whole = whole + piece
    return whole.substr(len(separator)).nullif("")


def _record(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    key = build_value(expression.get("key", ""), scope)
    linked = scope.record_mapping(str(expression["record"]))
    return record_id(linked.prefix, as_key(key, linked.key_kinds))


def _group(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    return scope.group_id(str(expression["group"]))


def _map(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    value = as_text(build_value(expression.get("of", ""), scope))
    table = expression["map"]
    if not isinstance(table, Mapping) or not table:
        raise MappingError(f"{scope.place}: map takes a table of value = value.")
    default = expression.get("default", value)
    branches = [(value == str(found), ibis.literal(meant)) for found, meant in table.items()]
    return ibis.cases(*branches, else_=default)


def _if(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    value = build_value(expression["if"], scope)
    then, otherwise = (
        build_value(expression[word], scope) if word in expression else ibis.null() for word in ("then", "else")
    )
    kinds = {one.type().copy(nullable=True) for one in (then, otherwise) if not one.type().is_null()}
    if len(kinds) > 1 and any(kind.is_string() for kind in kinds):
        then, otherwise = as_text(then), as_text(otherwise)
    elif len(kinds) > 1 and not all(kind.is_numeric() for kind in kinds):
        raise MappingError(f"{scope.place}: then and else are of two types: {', '.join(sorted(map(str, kinds)))}.")
    return ibis.ifelse(_holds(value, expression, scope), then, otherwise)


def _holds(value: ir.Value, expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    """Return whether the value is one of those that `is` lists; without it, whether there is one, or it is true."""
    if "is" not in expression:
        return value.fill_null(False) if value.type().is_boolean() else value.notnull()
    wanted = expression["is"] if isinstance(expression["is"], list) else [expression["is"]]
    if not wanted:
        raise MappingError(f"{scope.place}: is takes a value or a list of values.")
    words = [str(one).lower() if isinstance(one, bool) else str(one) for one in wanted]
    return as_text(value).isin(words).fill_null(False)


def _latest(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    return scope.over_time("latest", str(expression["latest"]))


def _earliest(expression: Mapping[str, Any], scope: Scope) -> ir.Value:
    return scope.over_time("earliest", str(expression["earliest"]))


def _several(expression: Mapping[str, Any], operator: str, scope: Scope) -> list[FieldExpression]:
    listed = expression[operator]
    if not isinstance(listed, list) or not listed:
        raise MappingError(f"{scope.place}: {operator} takes a list of fields or expressions.")
    return listed


OPERATORS: Registry[Operator] = Registry(
    "operator",
    (
        Operator(
            name="value",
            meaning="A constant",
            takes="text, number or true/false",
            example='entity_type = { value = "company" }',
            build=_constant,
        ),
        Operator(
            name="first_of",
            meaning="The first of several values that is not null",
            takes="a list of fields or expressions",
            example='phone = { first_of = ["MobilePhone", "Phone"] }',
            build=_first_of,
        ),
        Operator(
            name="join",
            meaning="Several values as one text; an absent one takes its separator with it",
            takes="a list of fields or expressions",
            example='full_name = { join = ["first_name", "last_name"] }',
            build=_join,
            arguments={"with": "the separator; default: a blank"},
        ),
        Operator(
            name="record",
            meaning="The record id of a record of an object, from its key: what links a row to it",
            takes="`source.object`, or the mapping's name where several mappings read the object",
            example='record_id = { record = "mysql.customers", key = "customer_id" }',
            build=_record,
            arguments={"key": "field or expression that holds the other record's key"},
        ),
        Operator(
            name="group",
            meaning="The record id of the row's group in a mapping with group_by over the same object",
            takes="name of that mapping",
            example='record_id = { group = "requesters" }',
            build=_group,
        ),
        Operator(
            name="map",
            meaning="The value that a table gives for a value",
            takes="a table of value = value, or the name of one of [lookups]",
            example='status = { map = { new = "placed", done = "delivered" }, of = "state" }',
            build=_map,
            arguments={
                "of": "field or expression to look up",
                "default": "what a value gives that the table lacks; default: itself",
            },
        ),
        Operator(
            name="if",
            meaning="One of two values, by a condition on a third",
            takes="a field or expression: that it is given, or true, is the condition",
            example='status = { if = "cancelled_on", then = { value = "cancelled" }, else = "state" }',
            build=_if,
            arguments={
                "is": "value, or list of values, that the field is to be",
                "then": "field or expression where the condition holds; default: null",
                "else": "field or expression where it does not; default: null",
            },
        ),
        Operator(
            name="latest",
            meaning="In a mapping with group_by: the value of the group's last row that has one; of times the last",
            takes="a field",
            example='full_name = { latest = "requester_name" }',
            build=_latest,
        ),
        Operator(
            name="earliest",
            meaning="In a mapping with group_by: the value of the group's first row that has one; of times the first",
            takes="a field",
            example='created_at = { earliest = "created_at" }',
            build=_earliest,
        ),
    ),
    name=lambda operator: operator.name,
)

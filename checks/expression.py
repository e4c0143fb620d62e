"""The language of rules: a closed subset of SQL, which reads the columns of one row and nothing else.

Parsed with SQLGlot and written again from the tree, so that nothing of the text reaches the database unread. No
sub-select, no function beyond FUNCTIONS, no pattern that is not a literal. RE2 runs the patterns in linear time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import duckdb
import sqlglot
from sqlglot import errors as sqlglot_errors
from sqlglot import exp

from checks.errors import CheckDeclarationError
from checks.registry import unknown_name
from lakehouse.table import quote

LONGEST_EXPRESSION = 2_000
_LONGEST_PATTERN = 200
_DEEPEST = 50

FUNCTIONS: Mapping[str, str] = {
    "abs": "absolute value",
    "ceil": "next whole number",
    "coalesce": "first value that is not null",
    "contains": "whether a text contains another",
    "date_part": "part of a date: date_part('year', x)",
    "ends_with": "whether a text ends with another",
    "floor": "whole number below",
    "greatest": "largest value",
    "is_key_of": "whether a value is the key of a record of an object: is_key_of(field, 'source.object')",
    "least": "smallest value",
    "left": "first characters",
    "length": "number of characters",
    "lower": "text in small letters",
    "nullif": "null where two values are equal",
    "regexp_full_match": "whether a whole text matches a pattern (RE2)",
    "regexp_matches": "whether a part of a text matches a pattern (RE2)",
    "replace": "text with one part replaced",
    "right": "last characters",
    "round": "rounded number",
    "run_at": "time at which the run began",
    "split_part": "part of a text between separators",
    "starts_with": "whether a text starts with another",
    "substring": "part of a text",
    "trim": "text without blanks at its ends",
    "upper": "text in capital letters",
}
"""The functions of rules, with their meaning. Those of DuckDB, besides is_key_of and run_at."""

_WITH_PATTERN = ("regexp_full_match", "regexp_matches")

_OPERATORS: tuple[type[exp.Expr], ...] = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Is, exp.In),
    *(exp.NullSafeEQ, exp.NullSafeNEQ, exp.Between, exp.Like, exp.ILike, exp.Add, exp.Sub, exp.Mul, exp.Div),
    *(exp.Mod, exp.Neg, exp.DPipe, exp.Case, exp.If, exp.Cast, exp.TryCast, exp.Interval, exp.Extract),
    *(exp.Literal, exp.Null, exp.Boolean, exp.Column, exp.Identifier, exp.DataType, exp.Var, exp.Tuple),
)
_TYPES = frozenset(
    {"BIGINT", "INT", "DOUBLE", "DECIMAL", "VARCHAR", "TEXT", "DATE", "TIMESTAMP", "TIMESTAMPTZ", "BOOLEAN"}
)
_CAN_FAIL: tuple[type[exp.Expr], ...] = (exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Mod, exp.Abs, exp.Round)

KeysOf = Callable[[str], str]
AsKeyOf = Callable[[str, str], str]


@dataclass(frozen=True)
class Expression:
    """A checked expression. `fields` are the columns it reads; `references` are fields with the object of is_key_of."""

    text: str
    fields: tuple[str, ...]
    references: tuple[tuple[str, str], ...]
    _tree: exp.Expr

    def literals(self) -> list[str]:
        """Return the SQL of the constants of a type, such as DATE '2026-01-31', with casts that fail."""
        casts = (node for node in self._tree.find_all(exp.TryCast) if isinstance(node.this, exp.Literal))
        return [exp.Cast(this=node.this.copy(), to=node.to.copy()).sql(dialect="duckdb") for node in casts]

    def sql(self, *, now_sql: str, keys_of: KeysOf, as_key_of: AsKeyOf) -> str:
        """Return the SQL of the expression; an error of a value, as an overflow, gives null.

        The tree is written, not the text.
        """

        def written(node: exp.Expr) -> exp.Expr:
            name = _name_of(node)
            if name == "run_at":
                return sqlglot.parse_one(now_sql, dialect="duckdb")
            if name == "is_key_of":
                value, key = node.expressions
                # Of no keys at all, null is not among them either.
                field = quote(value.name)
                text = f"({as_key_of(key.name, f'CAST({field} AS VARCHAR)')}) IN ({keys_of(key.name)})"
                return exp.Anonymous(this="dataflow_key", expressions=[exp.Literal.string(f"{field}\x1f{text}")])
            return node

        tree = self._tree.copy().transform(written)
        keys: list[str] = []
        for node in list(tree.find_all(exp.Anonymous)):
            if node.name == "dataflow_key":
                keys.append(node.expressions[0].name)
                marker = exp.column(_marker(len(keys) - 1), quoted=True)
                if node is tree:
                    tree = marker
                else:
                    node.replace(marker)
        text = tree.sql(dialect="duckdb")
        for number, key in enumerate(keys):
            field, _, found = key.partition("\x1f")
            text = text.replace(f'"{_marker(number)}"', f"(CASE WHEN {field} IS NOT NULL THEN {found} END)")
        return f"TRY({text})" if any(isinstance(node, _CAN_FAIL) for node in tree.walk()) else f"({text})"


def _marker(number: int) -> str:
    # No field has a control character in its name.
    return f"\x1fkey {number}"


def parse_expression(text: str, *, fields: Iterable[str], place: str) -> Expression:
    """Check the text of a rule on rows with these fields.

    Raises: CheckDeclarationError naming the place, what was found and what exists.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise CheckDeclarationError(f"{place}: the expression has more than {LONGEST_EXPRESSION:,} characters.")
    tree = _parsed(text, place=place)
    _refuse_depth(tree, place=place)
    known = {name.casefold(): name for name in fields}
    read: dict[str, None] = {}
    references: dict[tuple[str, str], None] = {}
    for node in tree.walk():
        name = _name_of(node)
        if isinstance(node, exp.Column):
            read[_checked_column(node, known, place=place)] = None
        elif name:
            _check_function(node, name, place=place)
            if name == "is_key_of":
                field, key = node.expressions
                references[_checked_column(field, known, place=place), key.name] = None
        elif not isinstance(node, _OPERATORS):
            raise CheckDeclarationError(
                f"{place}: {node.key.upper()} is not part of the language of rules; it has comparisons, AND, OR, NOT, "
                f"IN, BETWEEN, LIKE, IS NULL, CASE, CAST, arithmetic, and the functions {', '.join(FUNCTIONS)}."
            )
        _check_parts(node, place=place)
    if not read:
        raise CheckDeclarationError(f"{place}: the expression names no field; there are: {', '.join(known.values())}.")
    return Expression(text, tuple(read), tuple(references), _safe(tree))


def _parsed(text: str, *, place: str) -> exp.Expr:
    try:
        found = sqlglot.parse(text, dialect="duckdb")
    except (sqlglot_errors.ParseError, sqlglot_errors.TokenError) as error:
        where = error.errors[0] if isinstance(error, sqlglot_errors.ParseError) and error.errors else {}
        at = f" at character {where['col']}" if where.get("col") else ""
        raise CheckDeclarationError(f"{place}: the expression is not SQL{at}.") from None
    except RecursionError:
        raise CheckDeclarationError(f"{place}: the expression is nested too deeply.") from None
    if len(found) != 1 or found[0] is None:
        raise CheckDeclarationError(f"{place}: the expression is not one condition.")
    return found[0]


def _refuse_depth(tree: exp.Expr, *, place: str) -> None:
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        if depth > _DEEPEST and not isinstance(node, exp.And | exp.Or):
            raise CheckDeclarationError(f"{place}: the expression is nested more than {_DEEPEST} deep.")
        waiting += [(child, depth + 1) for child in node.iter_expressions()]


def _name_of(node: exp.Expr) -> str:
    """Return the name of a function in small letters; "" of anything else."""
    if isinstance(node, exp.Anonymous):
        return str(node.name).lower()
    if isinstance(node, _OPERATORS) or not isinstance(node, exp.Func):
        return ""
    return _DUCKDB_NAMES.get(type(node), node.sql_name().lower())


_DUCKDB_NAMES: Mapping[type[exp.Expr], str] = {
    exp.RegexpLike: "regexp_matches",
    exp.RegexpFullMatch: "regexp_full_match",
    exp.StartsWith: "starts_with",
    exp.EndsWith: "ends_with",
    exp.SplitPart: "split_part",
}


def _checked_column(node: exp.Column, known: Mapping[str, str], *, place: str) -> str:
    if node.args.get("table") or not isinstance(node.this, exp.Identifier):
        raise CheckDeclarationError(f"{place}: a field is named without a table, not as {node.sql()}.")
    name = known.get(node.name.casefold())
    if name is None:
        raise CheckDeclarationError(f"{place}: {unknown_name('field', node.name, known.values())}")
    node.this.replace(exp.to_identifier(name, quoted=True))
    return name


def _check_function(node: exp.Expr, name: str, *, place: str) -> None:
    if name not in FUNCTIONS:
        raise CheckDeclarationError(f"{place}: {unknown_name('function', name, FUNCTIONS)}")
    if name == "is_key_of" and not (
        len(node.expressions) == 2
        and isinstance(node.expressions[0], exp.Column)
        and isinstance(node.expressions[1], exp.Literal)
        and node.expressions[1].is_string
    ):
        raise CheckDeclarationError(f"{place}: is_key_of takes a field and the name of an object, as a text.")
    if name in _WITH_PATTERN:
        pattern = node.expression if not isinstance(node, exp.Anonymous) else (node.expressions or [None])[-1]
        if not isinstance(pattern, exp.Literal) or len(pattern.name) > _LONGEST_PATTERN:
            raise CheckDeclarationError(
                f"{place}: the pattern of {name} is a text of at most {_LONGEST_PATTERN} characters."
            )


def _check_parts(node: exp.Expr, *, place: str) -> None:
    """Refuse the forms of permitted operators that reach further: sub-selects, foreign types."""
    if isinstance(node, exp.In) and (node.args.get("query") or node.args.get("unnest") or node.args.get("field")):
        raise CheckDeclarationError(f"{place}: IN takes a list of values.")
    if isinstance(node, exp.Cast | exp.TryCast) and str(node.to.this.name) not in _TYPES:
        raise CheckDeclarationError(f"{place}: a value is cast to one of {', '.join(sorted(_TYPES))}.")


def _safe(tree: exp.Expr) -> exp.Expr:
    """Return the tree with casts that give null where a value does not fit."""

    def change(node: exp.Expr) -> exp.Expr:
        return exp.TryCast(this=node.this, to=node.to) if type(node) is exp.Cast else node

    return tree.transform(change)


def require_condition(
    con: duckdb.DuckDBPyConnection, found: Expression, types: Mapping[str, str], *, place: str
) -> None:
    """Refuse an expression that does not fit the types of its fields, or is not true or false.

    Raises: CheckDeclarationError.
    """
    columns = ", ".join(f"CAST(NULL AS {types[name]}) AS {quote(name)}" for name in found.fields)
    written = found.sql(
        now_sql="TIMESTAMPTZ '2026-01-01'", keys_of=lambda _: "SELECT NULL::VARCHAR", as_key_of=lambda _, value: value
    )
    try:
        for node in found.literals():
            con.execute(f"SELECT {node}")
        (kind,) = con.execute(f"SELECT typeof({written}) FROM (SELECT {columns})").fetchall()[0]
    except duckdb.Error as error:
        said = str(error).splitlines()[0].partition(": ")[2]
        raise CheckDeclarationError(f"{place}: the expression does not fit its fields: {said}") from None
    if kind not in ("BOOLEAN", '"NULL"'):
        raise CheckDeclarationError(f"{place}: the expression is a {kind}; a rule needs one that is true or false.")

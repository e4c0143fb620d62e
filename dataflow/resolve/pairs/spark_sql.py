"""Translate the resolver's SQL for Spark: conditions and statements are written once, for DuckDB.

SQLGlot translates most of it. This module covers what it does not, and where the two engines give different results for
the same text; tests/integration/resolve/test_spark.py compares each with DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Spark

from dataflow.tables.resolved import MATCH_RECORD

# registered in the session by spark.py: Spark's own function gives other results for common prefixes and transpositions
JARO_WINKLER = "duckdb_jaro_winkler"
LISTS = {column.name for column in MATCH_RECORD.columns if column.type.endswith("[]")}
Write = Callable[[Any, Any], str]


@lru_cache(maxsize=1024)
def spark_sql(text: str) -> str:
    """Translate a statement or a condition. Raises: sqlglot.errors.ParseError where it is not DuckDB's SQL."""
    return sqlglot.parse_one(text, read="duckdb").sql(ResolverSpark)


def _as(template: str) -> Write:
    """Write a function of one or two arguments, or an operator, by a template."""
    return lambda write, node: template.format(*map(write.sql, node.expressions or (node.this, node.expression)))


def _number(write: Any, node: Any) -> str:
    """Write decimals as doubles: DuckDB converts to doubles, Spark would round the sum of many decimals."""
    is_decimal = not node.is_string and not node.name.isdigit()
    return f"{float(node.name)!r}D" if is_decimal else write.literal_sql(node)


def _length(write: Any, node: Any) -> str:
    is_list = isinstance(node.this, exp.Column) and node.this.name[:-2] in LISTS
    return f"{'array_size' if is_list else 'length'}({write.sql(node.this)})"


def _element(write: Any, node: Any) -> str:
    """Write x[n] as a field of a pair within a lambda over pairs, else as a character of a text; never of a list."""
    place = node.expressions[0].to_py() + 1
    is_pair = any(node.this.name == each.name for each in node.find_ancestor(exp.Lambda) or ())
    return f"{write.sql(node.this)}.part{place}" if is_pair else f"substring({write.sql(node.this)}, {place}, 1)"


def _split(write: Any, node: Any) -> str:
    """Write a split by a text; SQLGlot quotes the separator for a regular expression, which fails for an empty one."""
    return f"split({write.sql(node.this)}, '')" if node.expression.name == "" else _USUAL[exp.Split](write, node)


def _try_cast(write: Any, node: Any) -> str:
    """Write TRY_CAST to INT as DuckDB does it: "12.5" and "1e2" are rounded, "0x1f" and "0b11" are numbers."""
    if not node.to.is_type("int"):
        return str(write.trycast_sql(node))
    text = write.sql(node.this)
    bases = " ".join(
        f"WHEN {text} RLIKE '^0{mark}[{digits}]{{1,15}}$' THEN conv(substring({text}, 3), {base}, 10)"
        for mark, digits, base in (("x", "0-9A-Fa-f", 16), ("b", "01", 2))
    )
    return f"TRY_CAST(CASE {bases} ELSE round(TRY_CAST({text} AS DECIMAL(38, 9))) END AS INT)"


def _list(write: Any, node: Any) -> str:
    """Write an ordered list: collect_list takes no order."""
    item, place = write.sql(node.this.this), write.sql(node.this.expressions[0].this)
    return f"transform(array_sort(collect_list(named_struct('place', {place}, 'item', {item}))), x -> x.item)"


def _select(write: Any, node: Any) -> str:
    """Write `unnest(x) AS item, generate_subscripts(x, 1) AS place` in one list of columns as a lateral view."""
    place = next((e for e in node.expressions if e.unalias().name == "generate_subscripts"), None)
    if place is None:
        return _USUAL[exp.Select](write, node)
    item = next(e for e in node.expressions if isinstance(e.unalias(), exp.Explode))
    listed = write.sql(item.unalias().this)
    node = node.copy()
    node.set("expressions", [exp.column(e.alias) if e in (place, item) else e for e in node.expressions])
    view = f"LATERAL VIEW posexplode({listed}) AS {place.alias}, {item.alias}"
    node.append("laterals", exp.Var(this=f" {view}"))
    return _USUAL[exp.Select](write, node)


def _named(write: Any, node: Any) -> str:
    """Write MATERIALIZED as a sample of all rows: Spark lacks it, and pushes no condition past a sample.

    Pushed down, the conditions would make it compute everything again.
    """
    if not node.args.get("materialized"):
        return str(write.cte_sql(node))
    return f"{write.sql(node, 'alias')} AS (SELECT * FROM ({write.sql(node, 'this')}) TABLESAMPLE (100 PERCENT))"


def _function(write: Any, node: Any) -> str:
    known = _FUNCTIONS.get(node.name)
    return known(write, node) if known else str(write.anonymous_sql(node))


# DuckDB compares bytes, Spark characters: each byte is made a character
_BYTES = "decode(encode({}, 'UTF-8'), 'ISO-8859-1')"
_FUNCTIONS: dict[str, Write] = {
    "list_zip": _as("zip_with({}, {}, (a, b) -> named_struct('part1', a, 'part2', b))"),
    # NULL for an empty list
    "list_sum": _as("aggregate({}, CAST(NULL AS DOUBLE), (a, b) -> coalesce(a + b, a, b))"),
    "hash": _as("xxhash64({})"),
}
_USUAL: dict[type, Write] = Spark.Generator.TRANSFORMS


class ResolverSpark(Spark):  # type: ignore[misc] # SQLGlot's dialects carry no types
    """Spark's SQL with the translations that the resolver needs."""

    class Generator(Spark.Generator):  # type: ignore[misc]
        TRANSFORMS = Spark.Generator.TRANSFORMS | {
            exp.Literal: _number,
            exp.CTE: _named,
            exp.Length: _length,
            exp.Bracket: _element,
            exp.Split: _split,
            exp.TryCast: _try_cast,
            exp.ArrayAgg: _list,
            exp.Select: _select,
            exp.Anonymous: _function,
            exp.ArrayOverlaps: _as("arrays_overlap({}, {})"),
            exp.JarowinklerSimilarity: _as(JARO_WINKLER + "({}, {})"),
            exp.Levenshtein: _as(f"levenshtein({_BYTES}, {_BYTES})"),
            # keys are unsigned in DuckDB; in Spark half of them are negative
            exp.Mod: _as("pmod({}, {})"),
        }

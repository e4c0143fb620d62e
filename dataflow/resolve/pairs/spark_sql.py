"""The resolver's SQL in Spark's words: conditions and statements are written once, for DuckDB, and translated.

SQLGlot knows most of both dialects. What stands here is where it does not, or where the two engines give different
answers to the same words; tests/integration/resolve/test_spark.py holds each against DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.dialects import Spark

from dataflow.tables.resolved import MATCH_RECORD

# registered in the session by spark.py: Spark's own of that name favours every common start, and counts half swaps
JARO_WINKLER = "duckdb_jaro_winkler"
LISTS = {column.name for column in MATCH_RECORD.columns if column.type.endswith("[]")}
Write = Callable[[Any, Any], str]


@lru_cache(maxsize=1024)
def spark_sql(text: str) -> str:
    """Translate a statement or a condition. Raises: sqlglot.errors.ParseError where it is no SQL of DuckDB's."""
    return sqlglot.parse_one(text, read="duckdb").sql(ResolverSpark)


def _as(template: str) -> Write:
    """Write a function of one or two arguments, or an operator, as `template` says."""
    return lambda write, node: template.format(*map(write.sql, node.expressions or (node.this, node.expression)))


def _number(write: Any, node: Any) -> str:
    """DuckDB counts in doubles wherever one is met; Spark would round the sum of many decimals."""
    is_decimal = not node.is_string and not node.name.isdigit()
    return f"{float(node.name)!r}D" if is_decimal else write.literal_sql(node)


def _length(write: Any, node: Any) -> str:
    is_list = isinstance(node.this, exp.Column) and node.this.name[:-2] in LISTS
    return f"{'array_size' if is_list else 'length'}({write.sql(node.this)})"


def _element(write: Any, node: Any) -> str:
    """A field of a pair, where a lambda goes through pairs, or a letter of a text. Lists are not asked for elements."""
    place = node.expressions[0].to_py() + 1
    is_pair = any(node.this.name == each.name for each in node.find_ancestor(exp.Lambda) or ())
    return f"{write.sql(node.this)}.part{place}" if is_pair else f"substring({write.sql(node.this)}, {place}, 1)"


def _split(write: Any, node: Any) -> str:
    """By a text; SQLGlot quotes it for a regular expression, which has no letters where there is nothing to quote."""
    return f"split({write.sql(node.this)}, '')" if node.expression.name == "" else _USUAL[exp.Split](write, node)


def _try_cast(write: Any, node: Any) -> str:
    """DuckDB reads "12.5" and "1e2" as whole numbers, rounded, and "0x1f" and "0b11" too."""
    if not node.to.is_type("int"):
        return str(write.trycast_sql(node))
    text = write.sql(node.this)
    bases = " ".join(
        f"WHEN {text} RLIKE '^0{mark}[{digits}]{{1,15}}$' THEN conv(substring({text}, 3), {base}, 10)"
        for mark, digits, base in (("x", "0-9A-Fa-f", 16), ("b", "01", 2))
    )
    return f"TRY_CAST(CASE {bases} ELSE round(TRY_CAST({text} AS DECIMAL(38, 9))) END AS INT)"


def _list(write: Any, node: Any) -> str:
    """A list in an order, of which collect_list knows nothing."""
    item, place = write.sql(node.this.this), write.sql(node.this.expressions[0].this)
    return f"transform(array_sort(collect_list(named_struct('place', {place}, 'item', {item}))), x -> x.item)"


def _select(write: Any, node: Any) -> str:
    """`unnest(x) AS item, generate_subscripts(x, 1) AS place` in one list of columns is a view beside the table."""
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
    """Spark knows no MATERIALIZED: conditions below would have it work out everything once more. It carries them past
    no sample, not even of all rows."""
    if not node.args.get("materialized"):
        return str(write.cte_sql(node))
    return f"{write.sql(node, 'alias')} AS (SELECT * FROM ({write.sql(node, 'this')}) TABLESAMPLE (100 PERCENT))"


def _function(write: Any, node: Any) -> str:
    known = _FUNCTIONS.get(node.name)
    return known(write, node) if known else str(write.anonymous_sql(node))


# DuckDB counts in bytes, Spark in letters: each byte is made a letter
_BYTES = "decode(encode({}, 'UTF-8'), 'ISO-8859-1')"
_FUNCTIONS: dict[str, Write] = {
    "list_zip": _as("zip_with({}, {}, (a, b) -> named_struct('part1', a, 'part2', b))"),
    # NULL of an empty list, too
    "list_sum": _as("aggregate({}, CAST(NULL AS DOUBLE), (a, b) -> coalesce(a + b, a, b))"),
    "hash": _as("xxhash64({})"),
}
_USUAL: dict[type, Write] = Spark.Generator.TRANSFORMS


class ResolverSpark(Spark):  # type: ignore[misc] # SQLGlot's dialects carry no types
    """Spark's SQL with what the resolver's words need."""

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
            # keys have no sign in DuckDB, and half of them have one in Spark
            exp.Mod: _as("pmod({}, {})"),
        }

"""What all values of a table say about how numbers, dates and missing values are written in it.

A column of numbers decides by values that can be read in one way only: 12,50 has a decimal comma, 1.234 says nothing.
Where columns contradict each other, or nothing decides, the answer is that it is open: a user is asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import duckdb

from dataflow.settings.csv import DateOrder, DecimalMark
from dataflow.vocabulary.placeholders import NO_VALUE, NO_VALUE_ANYWHERE
from lakehouse.plural import agreeing, counted
from lakehouse.table import literal, quote

_BLANKS = " '\u00a0\u202f\u2019"
_DAY = r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}([ ,T].*)?"
_YEAR_FIRST = r"[0-9]{4}[./][0-9]{1,2}[./][0-9]{1,2}([ ,T].*)?"
_ISO = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([ T].*)?"
Kind = Literal["", "number", "date"]


def _number(mark: str, other: str) -> str:
    group = f"[{other}{_BLANKS}]"
    return rf"[+-]?([0-9]+|[0-9]{{1,3}}({group}[0-9]{{3}})+)?([{mark}][0-9]+)?"


def _sure(mark: str, other: str) -> str:
    """Return the pattern of a number that is one with this decimal mark only."""
    whole = rf"[+-]?([0-9]{{4,}}|0[0-9]*)?[{mark}][0-9]+"
    short = rf"[+-]?[0-9]{{1,3}}[{mark}]([0-9]{{1,2}}|[0-9]{{4,}})"
    grouped = rf"[+-]?[0-9]{{1,3}}([{other}{_BLANKS}][0-9]{{3}})+[{mark}][0-9]+"
    groups = rf"[+-]?[0-9]{{1,3}}([{other}][0-9]{{3}}){{2,}}"
    return f"{whole}|{short}|{grouped}|{groups}"


@dataclass(frozen=True)
class ColumnEvidence:
    """What the values of a column say: how many are filled, and how many decide for each reading."""

    name: str
    filled: int
    kind: Kind
    commas: int = 0
    points: int = 0
    either: int = 0
    """Numbers such as 1.234, which have two readings."""
    unplain: int = 0
    """Numbers that are not digits with a point, and are read only where the mark is declared."""
    orders: Mapping[str, int] = field(default_factory=dict)
    null_words: tuple[str, ...] = ()


@dataclass(frozen=True)
class Written:
    """How values of a table are written. `open`: what its values leave open, by column."""

    decimal: DecimalMark = ""
    date_order: DateOrder = ""
    null_words: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    @property
    def setting(self) -> str:
        """Return the declaration in dataflow.toml; empty where nothing needs one."""
        parts = [f'decimal = "{self.decimal}"'] if self.decimal else []
        parts += [f'date_order = "{self.date_order}"'] if self.date_order else []
        listed = ", ".join("'" + word + "'" for word in self.null_words)
        parts += [f"null_words = [{listed}]"] if self.null_words else []
        return f"csv = {{ {', '.join(parts)} }}" if parts else ""


def how_written(con: duckdb.DuckDBPyConnection, relation: str, columns: Iterable[str]) -> Written:
    """Read all values of text columns of a relation."""
    found = [_column_evidence(con, relation, name) for name in columns]
    evidence: list[str] = []
    undecided: list[str] = []
    decimal = _decimal(found, evidence, undecided)
    date_order = _date_order(found, evidence, undecided)
    words = tuple(dict.fromkeys(word for one in found for word in one.null_words))
    if words:
        named = ", ".join(one.name for one in found if one.null_words)
        evidence.append(f"{', '.join(words)} for no value (in {named})")
    kinds = {one.name: one.kind for one in found}
    return Written(decimal, date_order, words, tuple(evidence), tuple(undecided), kinds)


def _column_evidence(con: duckdb.DuckDBPyConnection, relation: str, name: str) -> ColumnEvidence:
    words = ", ".join(map(literal, NO_VALUE))

    def count(pattern: str) -> str:
        return f"count(*) FILTER (regexp_full_match(v, {literal(pattern)}))"

    first = "try_cast(regexp_extract(v, '^([0-9]{1,2})[./-]', 1) AS INTEGER)"
    second = "try_cast(regexp_extract(v, '^[0-9]{1,2}[./-]([0-9]{1,2})[./-]', 1) AS INTEGER)"
    row = con.execute(f"""
        WITH texts AS (SELECT trim({quote(name)}) AS v FROM {relation} WHERE trim({quote(name)}) <> ''),
        given AS (SELECT v FROM texts WHERE lower(v) NOT IN ({words}))
        SELECT count(*), count(*) FILTER (v <> '' AND (regexp_full_match(v, {literal(_number(",", "."))})
                OR regexp_full_match(v, {literal(_number(".", ","))}))),
            {count(_sure(",", "."))}, {count(_sure(".", ","))}, {count(r"[+-]?[1-9][0-9]{0,2}[.,][0-9]{3}")},
            count(*) FILTER (NOT regexp_full_match(v, {literal(r"[+-]?[0-9]*([.][0-9]+)?")})),
            {count(_DAY)}, {count(_YEAR_FIRST)}, {count(_ISO)},
            count(*) FILTER (regexp_full_match(v, {literal(_DAY)}) AND {first} > 12),
            count(*) FILTER (regexp_full_match(v, {literal(_DAY)}) AND {second} > 12),
            (SELECT list(DISTINCT v ORDER BY v) FROM texts WHERE lower(v) IN ({words}))
        FROM given
    """).fetchall()[0]
    filled, numbers, commas, points, either, unplain, days, years, iso, dmy, mdy, missing = row
    kind: Kind = "number" if filled and numbers == filled else "date" if filled and days + years + iso == filled else ""
    null_words = tuple(word for word in missing or () if kind or word in NO_VALUE_ANYWHERE)
    if kind != "number":
        orders = {"days": days, "ymd": years, "dmy": dmy, "mdy": mdy} if kind == "date" else {}
        return ColumnEvidence(name, filled, kind, orders=orders, null_words=null_words)
    return ColumnEvidence(name, filled, kind, commas, points, either, unplain, null_words=null_words)


def _decimal(found: Sequence[ColumnEvidence], evidence: list[str], undecided: list[str]) -> DecimalMark:
    """Return the decimal mark to declare: a point needs none unless thousands are grouped."""
    commas = {one.name: one.commas for one in found if one.commas and not one.points}
    points = {one.name: one.points for one in found if one.points and not one.commas}
    mixed = [one.name for one in found if one.commas and one.points]
    either = {one.name: one.either for one in found if one.either and not (one.commas or one.points)}
    undecided += [f"{name} has both decimal commas and decimal points" for name in mixed]
    if commas and points:
        undecided.append(f"{_names(commas)} have a decimal comma, {_names(points)} a decimal point")
        return ""
    if not commas and not points:
        for name, count in either.items():
            are = agreeing(count, "is", "are")
            undecided.append(f"{name}: {counted(count, 'value')} such as 1.234 {are} a thousand or a fraction")
        return ""
    word, of, mark = ("comma", commas, ",") if commas else ("point", points, ".")
    evidence.append(f"decimal {word} ({counted(sum(of.values()), 'value')} of {_names(of)})")
    # Declared only where needed: a plain 12.50 is read as it is.
    needs_none = mark == "." and not any(one.unplain for one in found if one.kind)
    return "" if needs_none else "," if mark == "," else "."


def _date_order(found: Sequence[ColumnEvidence], evidence: list[str], undecided: list[str]) -> DateOrder:
    dated = [one for one in found if one.orders.get("days") or one.orders.get("ymd")]
    votes: dict[DateOrder, list[str]] = {}
    for one in dated:
        for order in ("dmy", "mdy", "ymd"):
            if one.orders[order]:
                votes.setdefault(order, []).append(one.name)
    if len(votes) > 1:
        undecided.append(f"dates are in several orders: {', '.join(f'{k} in {_names(v)}' for k, v in votes.items())}")
        return ""
    if votes:
        [(order, names)] = votes.items()
        total = sum(one.orders[order] for one in dated)
        evidence.append(f"dates in the order {order} ({counted(total, 'value')} of {_names(names)})")
        return order
    undecided += [f"{one.name}: all {one.filled:,} dates such as 01.02.2026 can begin with day or month" for one in
                  dated]  # fmt: skip
    return ""


def _names(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:3]) + (f" and {len(every) - 3} more" if len(every) > 3 else "")

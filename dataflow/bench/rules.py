"""Measure the evaluation of rules: one pass over many rows, each judged by fifty rules."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from checks.row_rule import row_rule
from checks.rule import Check, Options, Surroundings
from checks.runner import find_breaches
from lakehouse.connect import connect
from lakehouse.query import fetch_int

RULES = 50
_FIELDS = ("total", "discount", "status", "ordered_at", "quantity", "code")
_ROWS = """
    CREATE TEMP TABLE rows AS SELECT range AS row_id, (range % 1000)::DECIMAL(12,2) AS total,
        (range % 900)::DOUBLE AS discount, ['paid', 'open', NULL, 'shipped'][range % 4 + 1] AS status,
        TIMESTAMP '2026-01-01' + INTERVAL (range % 100000) MINUTE AS ordered_at, range % 70 AS quantity,
        'ab-' || (range % 5000) AS code
    FROM range({rows})
"""
# A comparison of each kind that rules have; `n` makes them differ, so that none is computed once for two rules.
_FORMS = (
    "total >= 0 AND total < {n}",
    "discount IS NULL OR discount <= total + {n}",
    "status IN ('paid', 'open', 'shipped', 'x{n}')",
    "ordered_at <= run_at() + INTERVAL {n} DAY",
    "quantity BETWEEN 0 AND {n}",
    "length(code) < {n}",
    "starts_with(code, 'ab') OR total > {n}",
    "regexp_full_match(code, 'ab-[0-9]{{1,5}}') OR total > {n}",
    "CASE WHEN status = 'paid' THEN total > {n} - 2000 ELSE true END",
    "NOT (quantity = {n} AND status = 'open')",
)


@dataclass(frozen=True, kw_only=True)
class RuleFigures:
    """What one evaluation took, and how many breaches it found."""

    rows: int
    rules: int
    breaches: int
    seconds: float
    cpu_seconds: float


def measure_rules(rows: int) -> RuleFigures:
    """Judge generated rows by fifty rules; every seventh fails where a field is missing."""
    around = Surroundings(now=datetime(2026, 3, 1, tzinfo=UTC), keys_of=_no_keys, holders_of=_no_keys)
    with closing(connect()) as con:
        con.execute(_ROWS.format(rows=rows))
        wall, cpu = time.perf_counter(), time.process_time()
        found = find_breaches(con, "rows", checks=_checks(), row_id="row_id", surroundings=around)
        con.execute(f"CREATE TEMP TABLE label AS {found}")
        seconds, cpu_seconds = time.perf_counter() - wall, time.process_time() - cpu
        breaches = fetch_int(con, "SELECT count(*) FROM label")
    return RuleFigures(rows=rows, rules=RULES, breaches=breaches, seconds=seconds, cpu_seconds=cpu_seconds)


def _checks() -> list[Check]:
    return [
        row_rule(
            _FORMS[number % len(_FORMS)].format(n=1000 + number),
            Options(name=f"rule_{number}", reason="made for measuring", when_null="pass" if number % 7 else "fail"),
            fields=_FIELDS,
            place="dataflow bench rules",
        )
        for number in range(RULES)
    ]


def _no_keys(_: str) -> str:
    return "SELECT NULL::VARCHAR"

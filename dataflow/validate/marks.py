"""Numbers whose mark can be read in two ways: 1.234 is a thousand where other values have a decimal comma.

Nothing is looked for while all values are of their types: a decimal comma is never that of a number.
"""

from __future__ import annotations

import duckdb

from dataflow.sources.exact import is_number
from dataflow.validate.cast import TYPED
from dataflow.validate.incoming import INCOMING
from dataflow.validate.plan import ObjectPlan
from lakehouse.query import fetch_int
from lakehouse.table import literal

_COMMA = r"\s*[+-]?[0-9]{1,3}(([0-9]*)|([. ][0-9]{3})+),[0-9]+\s*"
_EITHER = r"\s*[+-]?[0-9]{1,3}[.][0-9]{3}\s*"


def judge_marks(con: duckdb.DuckDBPyConnection, plan: ObjectPlan, *, breach: str, phase: int) -> None:
    """Set rows aside that hold such a number, where the object declares no decimal mark and values have a comma."""
    declared = plan.settings
    if declared.format != "csv" or declared.csv.decimal:
        return
    numbers = {place: name for place, (name, kind) in enumerate(declared.fields.items()) if is_number(kind)}
    places = ", ".join(map(str, numbers))
    if not numbers or not fetch_int(
        con, f"SELECT count(*) FROM {TYPED} WHERE NOT _is_deleted AND list_has_any(_uncastable, [{places}])"
    ):
        return
    texts = " UNION ALL ".join(
        f"SELECT _row_id, {place} AS place, json_extract_string(payload, {_path(name)}) AS text FROM received"
        for place, name in numbers.items()
    )
    reasons = " ".join(
        f"WHEN {place} THEN {literal(f'{name} is one of two numbers: other values have a decimal comma')}"
        for place, name in numbers.items()
    )
    con.execute(f"""
        INSERT INTO {breach}
        WITH received AS (
            SELECT _row_id, payload FROM {INCOMING} WHERE _defect IS NULL AND NOT _is_deleted AND json_valid(payload)
        ),
        texts AS ({texts})
        SELECT _row_id, {phase}, place, 'validate', 'type', CASE place {reasons} END FROM texts
        WHERE regexp_full_match(text, {literal(_EITHER)})
        AND EXISTS (SELECT 1 FROM texts WHERE regexp_full_match(text, {literal(_COMMA)}))
    """)


def _path(name: str) -> str:
    return literal('$."' + name.replace('"', '\\"') + '"')

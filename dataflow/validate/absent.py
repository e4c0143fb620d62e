"""Keep the former value of fields that newer versions of a record do not have.

A field is absent from a version where neither payload nor header has it: hidden by a permission, left out of an export.
That says nothing about its value, where null says that there is none. So the record keeps the value of its newest good
version, by the order of versions, that has the field; a deletion in between ends it. This is decided by versions
alone, so days in any order and all days at once give the same.

`ops.kept_field` holds the version of each kept value. Landing notes which fields a window lacked: objects whose windows
all have all of their fields cost nothing here.

| relation | columns | filled by | dropped by |
|---|---|---|---|
| STAGED_KEPT (all objects) | columns of ops.kept_field | keep_former_values | stage_kept_fields |
| KEPT_SCOPE (all objects) | _source, _object, _record_key | keep_former_values | stage_kept_fields |
| LATE | columns of the valid table | keep_former_values | caller |
| held, was_held, chosen | record key, field, version, `_row_id` (null: the valid row) | keep_former_values | itself |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dataflow.sources.record_key import is_plain
from dataflow.tables.ops import COMPLETENESS, KEPT_FIELD
from dataflow.validate.cast import TYPED
from dataflow.validate.incoming import INCOMING, of_object
from dataflow.validate.newest import GONE, GOOD, NEWEST
from dataflow.validate.plan import ObjectPlan
from dataflow.workspace.position import ObjectName
from dataflow.workspace.pushdown import pushdown_condition
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import column_list, literal, quote

STAGED_KEPT = "staged_kept_field"
KEPT_SCOPE = "kept_field_scope"
LATE = "late_valid"
"""Temporary table: valid rows that stay the newest and get another former value, from versions that arrived late."""

_VERSION = ("_changed_at", "_extracted_at", "_row_hash")
_KEPT_COLUMNS = tuple(name for name in KEPT_FIELD.column_names if name != "_run_id")


def begin_kept_fields(ws: Workspace) -> Mapping[ObjectName, Sequence[str]]:
    """Create the shared tables, empty; return the fields of each object that some of its windows had and some not."""
    columns = ", ".join(f"{quote(c.name)} {c.type}" for c in KEPT_FIELD.columns if c.name in _KEPT_COLUMNS)
    ws.con.execute(f"CREATE OR REPLACE TABLE work.main.{STAGED_KEPT} ({columns})")
    ws.con.execute(
        f"CREATE OR REPLACE TABLE work.main.{KEPT_SCOPE} (_source VARCHAR, _object VARCHAR, _record_key VARCHAR)"
    )
    found = ws.con.execute(f"""
        WITH landed AS (
            SELECT source, object, absent_fields, count(*) OVER (PARTITION BY source, object) AS windows
            FROM {ws.before(COMPLETENESS)} WHERE coalesce(comparison, 'landing') = 'landing'
        ),
        lacking AS (
            SELECT source, object, windows, unnest(absent_fields) AS field FROM landed WHERE absent_fields IS NOT NULL
        )
        SELECT source, object, field FROM lacking GROUP BY source, object, windows, field HAVING count(*) < windows
        ORDER BY ALL
    """).fetchall()
    fields: dict[ObjectName, list[str]] = {}
    for source, name, field in found:
        fields.setdefault((str(source), str(name)), []).append(str(field))
    return fields


def keep_former_values(ws: Workspace, plan: ObjectPlan, fields: Sequence[str], *, is_whole: bool) -> dict[str, int]:
    """Fill the absent fields of TYPED's newest rows, and LATE; note what is kept. Return the kept values by field."""
    con = ws.con
    con.execute(f"CREATE OR REPLACE TEMP TABLE {LATE} AS SELECT * FROM {ws.before(plan.valid)} WHERE false")
    con.execute(f"CREATE OR REPLACE TEMP TABLE held AS {_held_sql(fields)}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE was_held AS {_was_held_sql(ws, plan, fields, is_whole=is_whole)}")
    con.execute(f"CREATE OR REPLACE TEMP TABLE chosen AS {_chosen_sql()}")
    if not is_whole:
        _fill_late(ws, plan, fields)
    for field in fields:
        _fill_newest(ws, plan, field)
    _note_kept(ws, plan, is_whole=is_whole)
    counts = con.execute(
        f"SELECT field, count(*) FROM {STAGED_KEPT} WHERE {of_object(plan)} GROUP BY field ORDER BY field"
    ).fetchall()
    for table in ("held", "was_held", "chosen"):
        con.execute(f"DROP TABLE {table}")
    return {str(field): int(count) for field, count in counts}


def stage_kept_fields(ws: Workspace) -> None:
    """Stage what the records of all objects keep in one step."""
    if fetch_int(ws.con, f"SELECT count(*) FROM {KEPT_SCOPE}"):
        ws.stage(KEPT_FIELD, f"SELECT * FROM {STAGED_KEPT}", scope=f"SELECT DISTINCT * FROM {KEPT_SCOPE}")
    for table in (STAGED_KEPT, KEPT_SCOPE):
        ws.con.execute(f"DROP TABLE {table}")


def _has_sql(field: str, payload: str) -> str:
    path = literal('$."' + field.replace('"', '\\"') + '"')
    return f"json_exists({payload}, {path})"


def _held_sql(fields: Sequence[str]) -> str:
    """Return the SELECT of each good incoming version and field that it has."""
    branches = [
        f"""
            SELECT g._record_key, {literal(field)} AS field, {column_list(_VERSION, prefix="g")}, g._row_id
            FROM {GOOD} g JOIN {INCOMING} i USING (_row_id)
            WHERE NOT g._is_deleted AND {_has_sql(field, "i.payload")}
        """
        for field in fields
    ]
    return " UNION ALL ".join(branches)


def _was_held_sql(ws: Workspace, plan: ObjectPlan, fields: Sequence[str], *, is_whole: bool) -> str:
    """Return the SELECT of the version that each field of an incoming record's valid row is of, as held; none: unknown.

    A value that is not kept is of the row's own version. A null can also be of no version: raw has that payload.
    """
    if is_whole:
        return "SELECT * FROM held WHERE false"
    con = ws.con
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE valid_now AS
        SELECT _record_key, {column_list(_VERSION)}, {column_list(fields)} FROM {ws.before(plan.valid)}
        SEMI JOIN {INCOMING} USING (_record_key)
    """)
    kept = f"(SELECT * FROM {ws.before(KEPT_FIELD)} WHERE {of_object(plan)})"
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE kept_now AS
        SELECT _record_key, field, {column_list(_VERSION)} FROM {kept} SEMI JOIN valid_now USING (_record_key)
    """)
    nulls = " OR ".join(f"{quote(field)} IS NULL" for field in fields)
    con.execute(f"CREATE OR REPLACE TEMP TABLE with_null AS SELECT _record_key, _row_hash FROM valid_now WHERE {nulls}")
    # Raw has keys as received: where they have another form, the hash alone finds the payload.
    on = ("_record_key", "_row_hash") if is_plain(plan.key_kinds) else ("_row_hash",)
    pushdown = pushdown_condition(con, "with_null", on[0])
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE its_payload AS
        SELECT n._record_key, any_value(r.payload) AS payload
        FROM (SELECT * FROM {ws.before(plan.raw)} WHERE {pushdown}) r
        JOIN with_null n USING ({", ".join(on)}) GROUP BY n._record_key
    """)
    branches = [
        f"""
            SELECT v._record_key, {literal(field)} AS field, {column_list(_VERSION, prefix="v")},
                NULL::BIGINT AS _row_id
            FROM valid_now v LEFT JOIN its_payload p USING (_record_key)
            WHERE (v.{quote(field)} IS NOT NULL OR {_has_sql(field, "p.payload")})
            AND v._record_key NOT IN (SELECT _record_key FROM kept_now WHERE field = {literal(field)})
        """
        for field in fields
    ]
    return f"{' UNION ALL '.join(branches)} UNION ALL SELECT *, NULL::BIGINT FROM kept_now"


def _chosen_sql() -> str:
    """Return the SELECT of the newest held version of each record and field, after the record's last deletion."""
    return f"""
        WITH ended AS (
            SELECT _record_key, max(_changed_at) AS ended_at FROM (
                SELECT _record_key, _changed_at FROM {GONE}
                UNION ALL SELECT _record_key, _changed_at FROM {GOOD} WHERE _is_deleted
            ) GROUP BY _record_key
        )
        SELECT h.* FROM (FROM held UNION ALL FROM was_held) h LEFT JOIN ended e USING (_record_key)
        WHERE e.ended_at IS NULL OR h._changed_at > e.ended_at
        QUALIFY row_number() OVER (
            PARTITION BY h._record_key, h.field
            ORDER BY h._changed_at DESC, h._extracted_at DESC, h._row_hash DESC, h._row_id NULLS FIRST
        ) = 1
    """


def _fill_newest(ws: Workspace, plan: ObjectPlan, field: str) -> None:
    """Give the newest incoming version of each record that lacks the field its former value."""
    ws.con.execute(f"""
        UPDATE {TYPED} SET {quote(field)} = former.value FROM (
            SELECT n._row_id, {_value_sql(ws, plan, field, of="n")}
            WHERE NOT n._is_deleted AND c._row_id IS DISTINCT FROM n._row_id
        ) former WHERE {TYPED}._row_id = former._row_id
    """)


def _value_sql(ws: Workspace, plan: ObjectPlan, field: str, *, of: str) -> str:
    """Return `value FROM …` of the chosen version of a field, for the records of `of`: n (newest) or l (late)."""
    records = f"{NEWEST} n" if of == "n" else f"{LATE} l"
    name = quote(field)
    return f"""
        CASE WHEN c._row_id IS NULL THEN v.{name} ELSE t.{name} END AS value
        FROM {records} JOIN chosen c ON c._record_key = {of}._record_key AND c.field = {literal(field)}
        LEFT JOIN {TYPED} t ON t._row_id = c._row_id
        LEFT JOIN (
            SELECT _record_key, {name} FROM {ws.before(plan.valid)} SEMI JOIN chosen USING (_record_key)
        ) v ON v._record_key = {of}._record_key
    """


def _fill_late(ws: Workspace, plan: ObjectPlan, fields: Sequence[str]) -> None:
    """Fill LATE: valid rows that no incoming version replaces, where a late one has, or ends, a former value."""
    con = ws.con
    version = " OR ".join(f"c.{name} IS DISTINCT FROM w.{name}" for name in _VERSION)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE {LATE} AS
        SELECT * FROM {ws.before(plan.valid)} SEMI JOIN (
            SELECT coalesce(c._record_key, w._record_key) AS _record_key
            FROM chosen c FULL JOIN was_held w ON w._record_key = c._record_key AND w.field = c.field WHERE {version}
        ) USING (_record_key) ANTI JOIN {NEWEST} USING (_record_key)
    """)
    if not fetch_int(con, f"SELECT count(*) FROM {LATE}"):
        return
    for field in fields:
        con.execute(f"""
            UPDATE {LATE} SET {quote(field)} = (
                SELECT value FROM (SELECT c._record_key, {_value_sql(ws, plan, field, of="l")}) former
                WHERE former._record_key = {LATE}._record_key
            )
        """)


def _note_kept(ws: Workspace, plan: ObjectPlan, *, is_whole: bool) -> None:
    """Add what the incoming records keep, and the scope that was decided: they, or the whole object."""
    named = f"{literal(plan.source)} AS _source, {literal(plan.name)} AS _object"
    current = f"SELECT _record_key, {column_list(_VERSION)} FROM {NEWEST} WHERE NOT _is_deleted"
    if not is_whole:
        current += f"""
            UNION ALL SELECT _record_key, {column_list(_VERSION)} FROM {ws.before(plan.valid)}
            SEMI JOIN {INCOMING} USING (_record_key) ANTI JOIN {NEWEST} USING (_record_key)
        """
    own = " AND ".join(f"c.{name} IS NOT DISTINCT FROM r.{name}" for name in _VERSION)
    ws.con.execute(f"""
        INSERT INTO {STAGED_KEPT} BY NAME
        SELECT {named}, c._record_key, c.field, {column_list(_VERSION, prefix="c")}
        FROM chosen c JOIN ({current}) r USING (_record_key) WHERE NOT ({own})
    """)
    before = f"SELECT _record_key FROM {ws.before(KEPT_FIELD)} WHERE {of_object(plan)}"
    decided = before if is_whole else f"{before} AND _record_key IN (SELECT _record_key FROM {INCOMING})"
    now = f"SELECT _record_key FROM {STAGED_KEPT} WHERE {of_object(plan)}"
    ws.con.execute(
        f"INSERT INTO {KEPT_SCOPE} BY NAME SELECT DISTINCT {named}, _record_key FROM ({decided} UNION {now})"
    )

"""Work out which judgements of stewards hold for the present records.

Judgements are appended to ops.judgement and never changed. On one pair the newest counts; `withdrawn` returns the pair
to the model. The outcome depends on all judgements together and not on the order of reading:

- `different` always holds: two fused people are harder to separate than two records are to bring together later.
- `same` holds unless it would put two records that are different into one customer, directly or through others. Where
  several exclude each other the newest ones hold. The others are kept, marked contradicted, and shown to stewards.
- `same` between two large customers holds once a second person agrees; until then the judgement before it holds.

A judgement names the record ids of its day. It is inactive while one of its records is gone, and active again when the
record returns or appears under another key: when exactly one record has the same content, and either the source and
object or the key are the old ones (the source assigned new keys, or was renamed in the settings).

| relation | columns | filled by | dropped by |
|---|---|---|---|
| changed_record | record_id, change | resolve.step | the workspace, at its end |
| judged_present | record_id, present_record_id, entity_type, fingerprint | _stage_judged_records | the same |
| judged_there | record_id, entity_type, fingerprint | _stage_judged_records | _stage_judged_records |
| inactive | record_id, fingerprint | _find_under_other_keys | _stage_judged_records |
| sought_name | name | _find_sought_names | _stage_judged_records |
| other_key | record_id, present_record_id, entity_type | _find_under_other_keys | _stage_judged_records |
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

import duckdb
import pyarrow as pa

from dataflow.resolve.groups import Groups
from dataflow.tables.conformed import CUSTOMER_RECORD
from dataflow.tables.ops import JUDGEMENT
from dataflow.tables.resolved import JUDGED_PAIR, JUDGED_RECORD
from dataflow.workspace.workspace import Workspace

SAME, DIFFERENT, UNSURE, WITHDRAWN = "same", "different", "unsure", "withdrawn"
VERDICTS = (SAME, DIFFERENT, UNSURE, WITHDRAWN)

_NAMES = ("entity_type", "full_name", "company_name")
_REACH = ("date_of_birth", "email", "phone", "street", "house_number", "postcode", "city")
_NAME = "coalesce(r.full_name, r.company_name)"


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One judgement on one pair; `left` and `right` are present record ids, smaller id left."""

    judgement_id: str
    entity_type: str
    left: str
    right: str
    verdict: str
    decided_by: str
    decided_at: datetime
    needs_second: bool = False

    @property
    def pair(self) -> tuple[str, str]:
        return (self.left, self.right)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The verdict that holds for a pair, None while none does; `newest` is the last judgement on it."""

    newest: Judgement
    verdict: str | None
    is_waiting: bool = False
    is_contradicted: bool = False

    @property
    def joins(self) -> bool:
        return self.verdict == SAME and not self.is_contradicted


def settle(judgements: Iterable[Judgement]) -> list[Standing]:
    """Return one Standing for each pair with a judgement that is not withdrawn, in any order of `judgements`.

    Pairs whose two records are one record today are left out.
    """
    in_order = sorted(
        (j for j in judgements if j.left != j.right), key=lambda j: (j.pair, j.decided_at, j.judgement_id)
    )
    found = [_standing(list(on_pair)) for _, on_pair in groupby(in_order, key=lambda j: j.pair)]
    return _mark_contradicted([standing for standing in found if standing is not None])


def obstacles(standing: Sequence[Standing], pair: tuple[str, str]) -> list[Standing]:
    """Return what rules a `same` on this pair out: the pairs judged different within the groups it would join."""
    groups = Groups()
    for one in standing:
        if one.joins:
            groups.join(*one.newest.pair)
    groups.join(*pair)
    return [s for s in standing if s.verdict == DIFFERENT and groups.are_one(*s.newest.pair)]


def standing_table(standing: Sequence[Standing]) -> pa.Table:
    """Return the standings as an Arrow table, one row per pair."""
    columns = {
        "record_id_l": pa.array([s.newest.left for s in standing], pa.string()),
        "record_id_r": pa.array([s.newest.right for s in standing], pa.string()),
        "entity_type": pa.array([s.newest.entity_type for s in standing], pa.string()),
        "verdict": pa.array([s.verdict for s in standing], pa.string()),
        "is_waiting": pa.array([s.is_waiting for s in standing], pa.bool_()),
        "is_contradicted": pa.array([s.is_contradicted for s in standing], pa.bool_()),
        "judgement_id": pa.array([s.newest.judgement_id for s in standing], pa.string()),
        "decided_at": pa.array([s.newest.decided_at for s in standing], pa.timestamp("us", tz="UTC")),
    }
    return pa.table(columns)


def stage_judgements(ws: Workspace) -> int:
    """Stage what holds for the records of this run; return how many pairs changed.

    Reads `changed_record`. Without a judgement this costs one statement.
    """
    if ws.con.execute(f"FROM {JUDGEMENT.sql_name} LIMIT 1").fetchone() is None:
        return 0
    _stage_judged_records(ws)
    standing = settle(present_judgements(ws.con))
    ws.con.register("standing_arrow", standing_table(standing))
    ws.stage(JUDGED_PAIR, "SELECT * EXCLUDE (decided_at) FROM standing_arrow")
    ws.con.unregister("standing_arrow")
    return ws.changes(JUDGED_PAIR).changed


def present_judgements(con: duckdb.DuckDBPyConnection, *, judgements: str = JUDGEMENT.sql_name) -> list[Judgement]:
    """Return every judgement whose two records are present and of one type, with their present ids.

    `con` finds the lake's schemas, or a workspace's; `judgements` is the relation of all judgements. A record that has
    changed from a person to a company is not judged with a person any more.
    """
    rows = con.execute(f"""
        WITH named AS (SELECT unnest([record_id_l, record_id_r]) AS record_id FROM {judgements}),
        -- a record named since the last run has no row in judged_record yet: it has its own id
        present AS MATERIALIZED (
            SELECT record_id, present_record_id, entity_type FROM {JUDGED_RECORD.sql_name}
            WHERE present_record_id IS NOT NULL
            UNION ALL
            SELECT record_id, record_id, entity_type FROM {CUSTOMER_RECORD.sql_name}
            SEMI JOIN (FROM named ANTI JOIN {JUDGED_RECORD.sql_name} USING (record_id)) USING (record_id)
        )
        SELECT r.entity_type, judgement_id, l.entity_type, least(l.present_record_id, r.present_record_id),
            greatest(l.present_record_id, r.present_record_id), verdict, decided_by, decided_at, needs_second
        FROM {judgements} j
        JOIN present l ON l.record_id = j.record_id_l JOIN present r ON r.record_id = j.record_id_r
    """).fetchall()
    names = ("judgement_id", "entity_type", "left", "right", "verdict", "decided_by", "decided_at", "needs_second")
    # Compared here: as a condition the planner joined all records with all others of their type (November 2026).
    return [Judgement(**dict(zip(names, row[1:], strict=True))) for row in rows if row[0] == row[2]]


def fingerprint_sql(record: str) -> str:
    """Return the SQL of a hash of the fields that identify a customer record; null where they are too few for that."""
    fields = ", ".join(f"coalesce({record}.{column}::VARCHAR, '')" for column in (*_NAMES, *_REACH))
    reached = ", ".join(f"{record}.{column}::VARCHAR" for column in _REACH)
    named = f"coalesce({record}.full_name, {record}.company_name) IS NOT NULL"
    return f"CASE WHEN {named} AND coalesce({reached}) IS NOT NULL THEN md5(concat_ws('|', {fields})) END"


def _standing(judgements: Sequence[Judgement]) -> Standing | None:
    """Return what holds on one pair, given all judgements on it, oldest first."""
    newest, agreed = judgements[-1], _agreement(judgements)
    people = {one.decided_by.strip().casefold() for one in agreed}
    is_waiting = newest.verdict == SAME and all(one.needs_second for one in agreed) and len(people) < 2
    held = judgements[: len(judgements) - len(agreed)] if is_waiting else judgements
    verdict = held[-1].verdict if held and held[-1].verdict != WITHDRAWN else None
    if verdict is None and not is_waiting:
        return None
    return Standing(newest=newest, verdict=verdict, is_waiting=is_waiting)


def _agreement(judgements: Sequence[Judgement]) -> Sequence[Judgement]:
    """Return the longest tail of judgements with one verdict."""
    first = len(judgements)
    while first and judgements[first - 1].verdict == judgements[-1].verdict:
        first -= 1
    return judgements[first:]


def _mark_contradicted(standing: list[Standing]) -> list[Standing]:
    """Apply each `same` in turn, newest first; mark those that would put two different records into one group."""
    apart = [s.newest.pair for s in standing if s.verdict == DIFFERENT]
    groups = Groups(apart)
    newest_first = sorted(standing, key=lambda s: (s.newest.decided_at, s.newest.judgement_id), reverse=True)
    contradicted = {s.newest.pair for s in newest_first if s.verdict == SAME and not groups.join(*s.newest.pair)}
    return [
        Standing(
            newest=s.newest,
            verdict=s.verdict,
            is_waiting=s.is_waiting,
            is_contradicted=s.newest.pair in contradicted,
        )
        for s in standing
    ]


def _stage_judged_records(ws: Workspace) -> None:
    """Stage where every record that a judgement names is now: present, gone, or present under another key."""
    con, records = ws.con, CUSTOMER_RECORD.sql_name
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE judged_present AS
        WITH judged AS (
            SELECT record_id_l AS record_id, fingerprint_l AS fingerprint, decided_at FROM {JUDGEMENT.sql_name}
            UNION ALL SELECT record_id_r, fingerprint_r, decided_at FROM {JUDGEMENT.sql_name}
        ),
        named AS (SELECT record_id, max_by(fingerprint, decided_at) AS fingerprint FROM judged GROUP BY record_id)
        SELECT n.record_id, k.present_record_id, k.entity_type, coalesce(k.fingerprint, n.fingerprint) AS fingerprint,
            k.record_id IS NULL OR n.record_id IN (SELECT record_id FROM changed_record)
                OR coalesce(k.present_record_id IN (SELECT record_id FROM changed_record), false) AS is_stale
        FROM named n LEFT JOIN {ws.before(JUDGED_RECORD)} k USING (record_id)
    """)
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE judged_there AS
        SELECT r.record_id, r.entity_type, {fingerprint_sql("r")} AS fingerprint FROM {records} r
        SEMI JOIN (
            SELECT unnest([record_id, present_record_id]) AS record_id FROM judged_present WHERE is_stale
        ) USING (record_id)
    """)
    # its own key first: a record that returns takes its place from the one found under another key
    con.execute("""
        CREATE OR REPLACE TEMP TABLE judged_present AS
        SELECT j.record_id,
            CASE WHEN is_stale THEN coalesce(own.record_id, other.record_id) ELSE present_record_id END
                AS present_record_id,
            CASE WHEN is_stale THEN coalesce(own.entity_type, other.entity_type) ELSE j.entity_type END AS entity_type,
            coalesce(own.fingerprint, other.fingerprint, j.fingerprint) AS fingerprint
        FROM judged_present j LEFT JOIN judged_there own ON is_stale AND own.record_id = j.record_id
        LEFT JOIN judged_there other ON is_stale AND other.record_id = j.present_record_id
    """)
    _find_under_other_keys(ws)
    ws.stage(JUDGED_RECORD, "FROM judged_present")
    for table in ("judged_present", "judged_there", "inactive", "sought_name", "other_key"):
        con.execute(f"DROP TABLE IF EXISTS {table}")


def _find_under_other_keys(ws: Workspace) -> None:
    """Look for the records that are gone under other keys, and enter those found in `judged_present`.

    Only a changed record can change which records have the content of one that is gone. The search goes by the names of
    those, so that not all records are hashed.
    """
    con = ws.con
    con.execute("""
        CREATE OR REPLACE TEMP TABLE inactive AS
        SELECT record_id, fingerprint FROM judged_present WHERE present_record_id IS NULL AND fingerprint IS NOT NULL
    """)
    if con.table("inactive").shape[0] == 0 or _find_sought_names(ws) == 0:
        return
    con.execute(f"""
        CREATE OR REPLACE TEMP TABLE other_key AS
        WITH named AS (
            SELECT record_id, entity_type, _source, _object, _record_key, {fingerprint_sql("r")} AS fingerprint
            FROM {CUSTOMER_RECORD.sql_name} r WHERE {_NAME} IN (FROM sought_name)
        )
        SELECT a.record_id, s.record_id AS present_record_id, s.entity_type
        FROM inactive a JOIN named s ON s.fingerprint = a.fingerprint
        WHERE (starts_with(a.record_id, s._source || '|' || s._object || '|')
                OR ends_with(a.record_id, '|' || s._record_key))
            -- a record that was judged together with the one that is gone is another record
            AND NOT EXISTS (
                SELECT 1 FROM {JUDGEMENT.sql_name} j
                WHERE j.record_id_l = least(a.record_id, s.record_id)
                    AND j.record_id_r = greatest(a.record_id, s.record_id)
            )
        QUALIFY count(*) OVER (PARTITION BY a.record_id) = 1
    """)
    con.execute("""
        UPDATE judged_present j SET present_record_id = o.present_record_id, entity_type = o.entity_type
        FROM other_key o WHERE o.record_id = j.record_id
    """)


def _find_sought_names(ws: Workspace) -> int:
    """Fill `sought_name` with the names of changed records that have the content of one that is gone; return how many.

    A changed record counts with its content before the change and after it.
    """
    ws.con.execute(f"""
        CREATE OR REPLACE TEMP TABLE sought_name AS
        WITH moved AS (
            SELECT {_NAME} AS name, {fingerprint_sql("r")} AS fingerprint
            FROM {CUSTOMER_RECORD.sql_name} r SEMI JOIN changed_record USING (record_id)
            UNION ALL
            SELECT {_NAME}, {fingerprint_sql("r")}
            FROM {ws.before(CUSTOMER_RECORD)} r SEMI JOIN changed_record USING (record_id)
        )
        SELECT DISTINCT name FROM moved SEMI JOIN inactive USING (fingerprint)
    """)
    return int(ws.con.table("sought_name").shape[0])

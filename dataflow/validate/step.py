"""Run the validation stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from dataflow.settings import Settings
from dataflow.validate.absent import LATE, begin_kept_fields, keep_former_values, stage_kept_fields
from dataflow.validate.ahead import describe_ahead
from dataflow.validate.cast import TYPED
from dataflow.validate.dead_letters import STAGED, add_dead_letters, begin_dead_letters, stage_dead_letters
from dataflow.validate.holding import held_objects, incomplete_objects, reason_to_hold
from dataflow.validate.incoming import (
    INCOMING,
    KNOWN,
    collect_incoming,
    collect_known,
    fresh_sql,
    may_have_incoming,
    of_object,
)
from dataflow.validate.labels import count_labels, describe_warned, refuse_blocked
from dataflow.validate.lenient import NULLED, count_nulled, describe_nulled, nulled_fact
from dataflow.validate.newest import GONE, GOOD, NEWEST, choose_newest
from dataflow.validate.outside_model import describe_outside
from dataflow.validate.plan import ObjectPlan, plan_objects
from dataflow.validate.same_version import describe_same_versions
from dataflow.validate.verdict import BREACH, LABEL, OUTSIDE, judge_incoming
from dataflow.workspace.fingerprints import known_fingerprints, stage_fingerprints
from dataflow.workspace.position import read_positions
from dataflow.workspace.report import GAP_FACT, StepReport, list_gaps, measured, notes_fact, resident_bytes
from dataflow.workspace.staging import Staged
from dataflow.workspace.workspace import Workspace
from lakehouse.query import fetch_int
from lakehouse.table import column_list


def validate(ws: Workspace, settings: Settings) -> list[StepReport]:
    """Validate the raw rows landed after each object's position into `valid.*`; set bad rows aside as dead letters.

    An object without a position, or with changed fields or checks, is validated again from all of raw. An object with
    more bad rows than its limit allows is held back: it stays as it was.
    Shape: one report per object; rows in are new raw rows and retried dead letters, rows out the records whose
    newest version is in this run (upserted or deleted), merged the versions that are not the newest.
    Raises: ConfigurationError.
    """
    plans = plan_objects(settings, ws.tables)
    positions = read_positions(ws)
    fingerprints = known_fingerprints(ws)
    collect_known(ws)
    begin_dead_letters(ws)
    absent = begin_kept_fields(ws)
    waiting, held_before = incomplete_objects(ws), held_objects(ws, plans)
    reports: list[StepReport] = []
    filled: dict[str, str] = {}
    for row in plans:
        known = [
            plan for plan in row if plan.key in positions and fingerprints.get(plan.valid.full_name) == plan.fingerprint
        ]
        fresh = {plan.full_name: fresh_sql(ws, plan, after=positions[plan.key]) for plan in known}
        done = ws.side_by_side(
            [
                partial(
                    _validate_object,
                    settings=settings,
                    plan=plan,
                    fresh=fresh.get(plan.full_name),
                    held=held_before.get(plan.full_name),
                    waiting=frozenset(waiting),
                    absent=[field for field in absent.get(plan.key, ()) if field in plan.settings.fields],
                )
                for plan in row
            ]
        )
        filled |= {plan.valid.full_name: plan.fingerprint for plan, one in zip(row, done, strict=True) if one.rows_in}
        held = list_gaps(done)
        ws.validated |= {plan.key: ws.base.id for plan in row if plan.full_name not in held}
        waiting |= set(held)
        reports += done
    stage_dead_letters(ws)
    stage_kept_fields(ws)
    stage_fingerprints(ws, filled)
    _drop(ws, (KNOWN, STAGED))
    refuse_blocked(reports, settings, run_id=ws.run.run_id)
    return reports


def _validate_object(
    ws: Workspace,
    *,
    settings: Settings,
    plan: ObjectPlan,
    fresh: str | None,
    held: str | None,
    waiting: frozenset[str],
    absent: Sequence[str],
) -> StepReport:
    if held is not None:
        return _held(plan, held)
    with measured() as watch:
        if not may_have_incoming(ws, plan, fresh=fresh):
            return StepReport(stage="validate", subject=plan.full_name, rows_in=0, rows_out=0, seconds=watch.seconds)
        collect_incoming(ws, plan, fresh=fresh)
        rows_in = fetch_int(ws.con, f"SELECT count(*) FROM {INCOMING}")
        if not rows_in and fresh is not None:
            return StepReport(stage="validate", subject=plan.full_name, rows_in=0, rows_out=0, seconds=watch.seconds)
        currencies = frozenset({settings.currency.base, *settings.currency.rates})
        judge_incoming(ws, plan, currencies=currencies, absent=absent)
        if reason := reason_to_hold(ws, plan, limits=settings.validation, waiting=waiting):
            _drop(ws, (INCOMING, TYPED, BREACH, LABEL, OUTSIDE, NULLED))
            return _held(plan, reason, rows_waiting=rows_in, seconds=watch.seconds)
        choose_newest(ws, plan, is_whole=fresh is None)
        kept = keep_former_values(ws, plan, absent, is_whole=fresh is None) if absent else {}
        staged = _stage_valid(ws, plan, is_whole=fresh is None, has_late=bool(absent))
        add_dead_letters(ws, plan)
        report = StepReport(
            stage="validate",
            subject=plan.full_name,
            rows_in=rows_in,
            rows_out=fetch_int(ws.con, f"SELECT count(*) FROM {NEWEST}"),
            set_aside=fetch_int(ws.con, f"SELECT count(*) FROM {STAGED} WHERE is_incoming AND {of_object(plan)}"),
            merged=fetch_int(ws.con, _merged_sql()),
            inserted=staged.inserted,
            updated=staged.updated,
            deleted=staged.deleted,
            seconds=watch.seconds,
            peak_rss_bytes=resident_bytes(),
            facts=_facts(ws, plan) | count_labels(ws.con, plan) | _found(ws, plan, kept),
        )
        _drop(ws, (INCOMING, TYPED, BREACH, LABEL, OUTSIDE, NULLED, GOOD, NEWEST, GONE, *((LATE,) if absent else ())))
        return report


def _held(plan: ObjectPlan, reason: str, *, seconds: float = 0.0, **facts: int) -> StepReport:
    """Return the report of an object that is held back."""
    told = {GAP_FACT: reason, **facts}
    return StepReport(stage="validate", subject=plan.full_name, rows_in=0, rows_out=0, seconds=seconds, facts=told)


def _drop(ws: Workspace, tables: Iterable[str]) -> None:
    for table in tables:
        ws.con.execute(f"DROP TABLE {table}")


def _stage_valid(ws: Workspace, plan: ObjectPlan, *, is_whole: bool, has_late: bool) -> Staged:
    """Stage the typed rows of the newest versions; a deleted record is in scope and has no row."""
    fields = column_list(plan.settings.fields, prefix="t")
    late, late_keys = "", ""
    if has_late:
        late = f"UNION ALL BY NAME SELECT * EXCLUDE (_run_id) FROM {LATE}"
        late_keys = f" UNION ALL SELECT _record_key FROM {LATE}"
    return ws.stage(
        plan.valid,
        f"""
        SELECT i._source, i._object, i._record_key, i._extracted_at, i._row_hash, i._changed_at, {fields}
        FROM {NEWEST} n JOIN {INCOMING} i USING (_row_id) JOIN {TYPED} t USING (_row_id) WHERE NOT n._is_deleted
        {late}
        """,
        scope=None if is_whole else f"SELECT _record_key FROM {NEWEST}{late_keys}",
    )


def _merged_sql() -> str:
    """Return the SELECT that counts good versions that are not the newest, and bad rows received twice."""
    return f"""
        SELECT (SELECT count(*) FROM {GOOD} WHERE _row_id NOT IN (SELECT _row_id FROM {NEWEST}))
        + (SELECT count(*) - count(DISTINCT (_record_key, _row_hash)) FROM {INCOMING}
           WHERE _row_id IN (SELECT row_id FROM {BREACH}))
    """


def _found(ws: Workspace, plan: ObjectPlan, kept: Mapping[str, int]) -> dict[str, Any]:
    """Return the facts and notes on values: those that the model does not accept, zero dates and kept ones by field."""
    con, names = ws.con, tuple(plan.settings.fields)
    rows = con.execute(f"""
        SELECT number, count(*) FROM (SELECT unnest(_zero_dates) AS number FROM {TYPED} WHERE NOT _is_deleted)
        GROUP BY 1 ORDER BY 1
    """).fetchall()
    zeros = {names[number]: int(count) for number, count in rows}
    notes = [
        f"{name} of {count:,} rows of {plan.full_name} is a zero date, which stands for none: it is missing in valid"
        for name, count in zeros.items()
    ]
    notes += [
        f"{name} was absent from what was read of {plan.full_name}: {count:,} records keep its former value"
        for name, count in kept.items()
    ]
    facts = ({"zero_dates": zeros} if zeros else {}) | ({"kept_fields": dict(kept)} if kept else {})
    nulled = count_nulled(con, NEWEST)
    notes = [*describe_outside(con, plan), *describe_warned(con, plan), *describe_nulled(nulled, plan), *notes]
    notes += [*describe_same_versions(ws, plan), *describe_ahead(ws, plan)]
    return facts | nulled_fact(nulled) | notes_fact(notes)


def _by_rule(ws: Workspace, plan: ObjectPlan) -> dict[str, int]:
    rows = ws.con.execute(
        f"SELECT rule, count(*) FROM {STAGED} WHERE is_incoming AND {of_object(plan)} GROUP BY rule ORDER BY 2 DESC, 1"
    ).fetchall()
    return {str(rule): int(count) for rule, count in rows}


def _facts(ws: Workspace, plan: ObjectPlan) -> dict[str, Any]:
    moved = ws.con.execute(f"SELECT status, count(*) FROM {STAGED} WHERE {of_object(plan)} GROUP BY status").fetchall()
    statuses = {str(status): int(count) for status, count in moved}
    return {
        "dead_letters": _by_rule(ws, plan),
        "tried_again": fetch_int(ws.con, f"SELECT count(*) FROM {INCOMING} WHERE was_dead"),
        "resolved": statuses.get("resolved", 0),
        "superseded": statuses.get("superseded", 0),
        "deleted_at_source": fetch_int(ws.con, f"SELECT count(*) FROM {NEWEST} WHERE _is_deleted"),
    }

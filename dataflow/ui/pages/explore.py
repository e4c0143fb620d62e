"""Explore: SQL over what the reader's role sees, with its dictionary and saved queries at hand.

An address with a query can be shared: opened from elsewhere it shows the query and does not run it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.answers import Answer
from dataflow.access.identify import record_refusal
from dataflow.access.roles import Role
from dataflow.errors import AccessRefused, UsageError
from dataflow.sinks.views import VIEWS
from dataflow.tables.registry import STATIC
from dataflow.ui.pages.page import Page, everyone
from dataflow.ui.saved_queries import list_queries, save_query
from dataflow.ui.visit import Form, Visit, visit_of
from lakehouse import LakeError
from lakehouse.translate import without_trace

router = APIRouter()
PAGE = Page(
    name="explore",
    title="Explore",
    path="/explore",
    group="Business",
    door="ui-explore",
    is_for=everyone,
    router=router,
)

LONGEST_SQL = 6_000
_SHOWN = 500
_MOST_DOWNLOADED = 100_000
# A spreadsheet takes a cell that begins so for a formula. Source: OWASP, CSV injection.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

Visiting = Annotated[Visit, Depends(visit_of("explore"))]


@router.get("/explore")
def explore(visit: Visiting, sql: str = "", as_of: str = "", saved: str = "") -> Response:
    """Show the query, and its answer if the form of this page asked for it; or a saved query, which is not run."""
    queries = list_queries(visit.site.settings) if visit.role.sql else {}
    if saved in queries:
        sql = queries[saved]
    columns: list[str] = []
    rows: list[tuple[Any, ...]] = []
    error, has_more, is_answered = "", False, False
    if sql.strip() and not saved and _is_asked_here(visit):
        try:
            with _answered(visit, sql, as_of) as answer:
                columns = answer.columns
                rows = [tuple(map(_text, row)) for row in islice(answer.rows(), _SHOWN + 1)]
            has_more, rows, is_answered = len(rows) > _SHOWN, rows[:_SHOWN], True
        except (UsageError, LakeError) as refused:
            error = str(refused)
    page = visit.render(
        "explore.html.j2",
        sql=sql[:LONGEST_SQL],
        columns=columns,
        rows=rows,
        error=error,
        has_more=has_more,
        is_answered=is_answered,
        limit=_SHOWN,
        tables=dictionary(visit.role),
        longest=LONGEST_SQL,
        queries=list(queries),
        as_of=as_of,
        opens_lake=visit.role.opens_lake,
    )
    page.status_code = 400 if error else 200
    return page


@router.get("/explore/answer.csv")
def download(visit: Visiting, sql: str = "", as_of: str = "") -> Response:
    """Answer with the rows as CSV, UTF-8, in which no cell is a formula. Raises: UsageError for more than the most."""
    columns, rows = _downloaded(visit, sql, as_of)
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(map(_harmless, columns))
    writer.writerows(map(_harmless, row) for row in rows)
    return Response(
        written.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="answer.csv"'},
    )


@router.get("/explore/answer.parquet")
def download_parquet(visit: Visiting, sql: str = "", as_of: str = "") -> Response:
    """Answer with the rows as Parquet; a column of values without a common type is text. Raises: as `download`."""
    columns, rows = _downloaded(visit, sql, as_of)
    written = io.BytesIO()
    table = pa.table({name: _column([row[at] for row in rows]) for at, name in enumerate(columns)})
    pq.write_table(table, written)
    return Response(
        written.getvalue(),
        media_type="application/vnd.apache.parquet",
        headers={"content-disposition": 'attachment; filename="answer.parquet"'},
    )


@router.post("/explore/save")
def save(visit: Visiting, form: Form) -> Response:
    """Save a query as a file of the project, for all whose role asks SQL."""
    if not visit.role.opens_lake:
        record_refusal(visit.site.settings, visit.who, door=PAGE.door, detail="save")
        raise AccessRefused("Queries are saved by who opens the lake: they are files of the project.")
    sql = form.get("sql", "")
    if len(sql) > LONGEST_SQL:
        raise UsageError(f"A query has at most {LONGEST_SQL:,} characters here.")
    file = save_query(visit.site.settings, form.get("name", ""), sql)
    return visit.redirect(f"/explore?saved={file.stem}", notice=f"Saved as {file}.")


def _downloaded(visit: Visit, sql: str, as_of: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Return columns and rows of a download. Raises: UsageError for more than the most."""
    if not _is_asked_here(visit):
        raise UsageError("A download begins on the page itself.", next_move="Open Explore, run the query, download it.")
    with _answered(visit, sql, as_of) as answer:
        columns, rows = answer.columns, list(islice(answer.rows(), _MOST_DOWNLOADED + 1))
    if len(rows) > _MOST_DOWNLOADED:
        raise UsageError(
            f"The answer has more than {_MOST_DOWNLOADED:,} rows.",
            next_move="`dataflow query -o csv` writes answers of any length.",
        )
    return columns, rows


def _column(values: list[Any]) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def dictionary(role: Role) -> list[dict[str, Any]]:
    """List the tables that a role can ask for, with their columns; of a role without SQL the views of groups."""
    if not role.sql:
        return [
            {"name": f"published.{view.name}", "grain": view.description, "columns": []}
            for view in VIEWS.values()
            if view.is_of_groups
        ]
    return [
        {
            "name": table.full_name,
            "grain": table.grain,
            "columns": [column for column in table.columns if role.treatment(table.full_name, column.name) != "absent"],
        }
        for table in STATIC
        if role.opens_lake or table.full_name in role.tables
    ]


def _is_asked_here(visit: Visit) -> bool:
    """Return whether the page itself asks: a link elsewhere must not make its reader run something."""
    return visit.request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


@contextmanager
def _answered(visit: Visit, sql: str, as_of: str = "") -> Iterator[Answer]:
    """Run one statement of the reader, on the newest snapshot or an older one.

    Raises: UsageError with a sentence about the reader's own SQL; AccessRefused for an older snapshot of a mart.
    """
    if len(sql) > LONGEST_SQL:
        raise UsageError(f"A query has at most {LONGEST_SQL:,} characters here.")
    with visit.open(as_of=_snapshot(as_of)) as door:
        try:
            yield door.query(sql)
        except duckdb.InterruptException as error:
            raise UsageError("The query took too long and was stopped.", next_move="Ask for less.") from error
        except duckdb.Error as error:
            raise UsageError(f"The query cannot be run: {without_trace(error)}") from error


def _snapshot(as_of: str) -> datetime | int | None:
    """Return a snapshot's number or a time in UTC; None for the newest. Raises: UsageError for another text."""
    text = as_of.strip()
    if not text:
        return None
    try:
        return int(text) if text.isdecimal() else datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        raise UsageError("As of: give a snapshot's number, or a time as 2026-01-31 18:00 (UTC).") from None


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _harmless(value: Any) -> Any:
    """Return a cell that a spreadsheet shows and does not compute; numbers and times stay as they are."""
    if value is None or isinstance(value, bool | int | float | Decimal | datetime | date):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

"""Explore: SQL over what the reader's role sees, with its dictionary at hand, and the answer as CSV.

An address with a query can be shared: opened from elsewhere it shows the query and does not run it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import duckdb
from fastapi import APIRouter, Depends
from fastapi.responses import Response

from dataflow.access.answers import Answer
from dataflow.access.roles import Role
from dataflow.errors import UsageError
from dataflow.sinks.views import VIEWS
from dataflow.tables.registry import STATIC
from dataflow.ui.pages.page import Page, everyone
from dataflow.ui.visit import Visit, visit_of
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
def explore(visit: Visiting, sql: str = "") -> Response:
    """Show the query, and its answer if the form of this page asked for it."""
    columns: list[str] = []
    rows: list[tuple[Any, ...]] = []
    error, has_more, is_answered = "", False, False
    if sql.strip() and _is_asked_here(visit):
        try:
            with _answered(visit, sql) as answer:
                columns = answer.columns
                rows = [tuple(map(_text, row)) for row in islice(answer.rows(), _SHOWN + 1)]
            has_more, rows, is_answered = len(rows) > _SHOWN, rows[:_SHOWN], True
        except UsageError as refused:
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
    )
    page.status_code = 400 if error else 200
    return page


@router.get("/explore/answer.csv")
def download(visit: Visiting, sql: str = "") -> Response:
    """Answer with the rows as CSV, UTF-8, in which no cell is a formula. Raises: UsageError for more than the most."""
    if not _is_asked_here(visit):
        raise UsageError("A download begins on the page itself.", next_move="Open Explore, run the query, download it.")
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    with _answered(visit, sql) as answer:
        writer.writerow(map(_harmless, answer.columns))
        count = 0
        for row in islice(answer.rows(), _MOST_DOWNLOADED + 1):
            writer.writerow(map(_harmless, row))
            count += 1
    if count > _MOST_DOWNLOADED:
        raise UsageError(
            f"The answer has more than {_MOST_DOWNLOADED:,} rows.",
            next_move="`dataflow query -o csv` writes answers of any length.",
        )
    return Response(
        written.getvalue(),
        media_type="text/csv; charset=utf-8",
        headers={"content-disposition": 'attachment; filename="answer.csv"'},
    )


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
def _answered(visit: Visit, sql: str) -> Iterator[Answer]:
    """Run one statement of the reader. Raises: UsageError with a sentence about the reader's own SQL."""
    if len(sql) > LONGEST_SQL:
        raise UsageError(f"A query has at most {LONGEST_SQL:,} characters here.")
    with visit.open() as door:
        try:
            yield door.query(sql)
        except duckdb.InterruptException as error:
            raise UsageError("The query took too long and was stopped.", next_move="Ask for less.") from error
        except duckdb.Error as error:
            raise UsageError(f"The query cannot be run: {without_trace(error)}") from error


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _harmless(value: Any) -> Any:
    """Return a cell that a spreadsheet shows and does not compute; numbers and times stay as they are."""
    if value is None or isinstance(value, bool | int | float | Decimal | datetime | date):
        return value
    text = str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text

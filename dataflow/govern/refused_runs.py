"""Read the dead letters of a refused run, which are in a file beside the lake."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from duckdb import DuckDBPyConnection

from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.tables.ops import RUN
from dataflow.validate.dead_letter_decisions import DeadLettersNow
from dataflow.workspace.refused import list_refused, refused_file
from lakehouse.connect import connect
from lakehouse.query import fetch_int
from lakehouse.table import literal


def require_run(con: DuckDBPyConnection, run_id: str, settings: Settings) -> None:
    """Refuse a run that is not on record. Raises: UsageError naming the refused runs whose dead letters are kept."""
    if not fetch_int(con, f"SELECT count(*) FROM {RUN.in_lake} WHERE run_id = {literal(run_id)}"):
        kept = ", ".join(list_refused(settings)) or "none"
        raise UsageError(
            f"No run {run_id} is on record.",
            next_move=f"`dataflow status` lists the runs; refused runs whose dead letters are kept: {kept}.",
        )


@contextmanager
def open_refused(settings: Settings, run_id: str) -> Iterator[tuple[DuckDBPyConnection, DeadLettersNow] | None]:
    """Open the dead letters of a refused run, which are in no lake; yield None where none are kept."""
    if run_id not in list_refused(settings):
        yield None
        return
    con = connect()
    try:
        yield con, DeadLettersNow(f"read_parquet({literal(str(refused_file(settings, run_id)))})")
    finally:
        con.close()

"""Read the dead letters of a run: those of a refused run are in a file beside the lake."""

from __future__ import annotations

from duckdb import DuckDBPyConnection

from dataflow.errors import UsageError
from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTERS, RUN
from dataflow.validate.dead_letter_decisions import DeadLettersNow
from dataflow.workspace.refused import list_refused, read_refused
from lakehouse.query import fetch_int
from lakehouse.table import literal

_REFUSED = "refused_run"


def dead_letters_of_run(con: DuckDBPyConnection, run_id: str, settings: Settings) -> DeadLettersNow | None:
    """Return the dead letters that a refused run set aside, for statements on `con`; None where the lake has a run's.

    Raises: UsageError for a run that is not on record, naming the refused runs whose dead letters are kept.
    """
    kept = list_refused(settings)
    if run_id in kept:
        con.register(_REFUSED, read_refused(settings, run_id))
        # With the table's name in it: the access log notes what a door reads by the names in its statements.
        return DeadLettersNow(f"(FROM {DEAD_LETTERS.in_lake} WHERE false UNION ALL BY NAME FROM {_REFUSED})")
    if not fetch_int(con, f"SELECT count(*) FROM {RUN.in_lake} WHERE run_id = {literal(run_id)}"):
        raise UsageError(
            f"No run {run_id} is on record.",
            next_move=f"`dataflow status` lists the runs. Refused runs whose dead letters are kept: "
            f"{', '.join(kept) or 'none'}.",
        )
    return None

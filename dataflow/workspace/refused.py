"""Keep the dead letters of a refused run: its transaction is rolled back, and with it the rows that it set aside.

One Parquet file per run, in a folder beside the lake. It holds rows as received: only its user reads it, and a later
run removes it after thirty days.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dataflow.access.lake import lake_location
from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTER_WAITS, DEAD_LETTERS
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.table import column_list, literal

KEPT_DAYS = 30
_MOST_NAMED = 5
_NAME = re.compile(r"(\d{8}T\d{12})Z-[a-z]+")


@dataclass(frozen=True)
class SetAside:
    """Dead letters of a refused run with one first rule."""

    source: str
    object: str
    rule: str
    reason: str
    count: int

    def __str__(self) -> str:
        return f"{self.source}.{self.object}: {self.rule}: {self.reason}, {self.count:,} rows"


def refused_folder(settings: Settings) -> Path:
    """Return the folder of refused runs: beside the lake, or in the home where the lake is in no folder."""
    location = lake_location(settings)
    shared = location.catalogue if isinstance(location.catalogue, Path) else location.data
    return shared.with_name(f"{shared.name}.refused") if isinstance(shared, Path) else settings.home / "refused"


def refused_file(settings: Settings, run_id: str) -> Path:
    """Return the file of a run, whether or not it exists. Raises: ValueError where it is not the id of a run."""
    if not _NAME.fullmatch(run_id):
        raise ValueError(f"{run_id} is not the id of a run")
    return refused_folder(settings) / f"{run_id}.parquet"


def list_refused(settings: Settings) -> list[str]:
    """Return the ids of the refused runs whose dead letters are kept, newest first."""
    names = (path.stem for path in refused_folder(settings).glob("*.parquet"))
    return sorted((name for name in names if _NAME.fullmatch(name)), reverse=True)


def keep_refused(ws: Workspace, settings: Settings) -> list[SetAside]:
    """Write the dead letters that this run set aside; return them by rule, most first. Without any, write nothing."""
    if DEAD_LETTERS.full_name not in ws.staged:
        return []
    kept = f"FROM {delta_names(DEAD_LETTERS).delta} WHERE {DEAD_LETTER_WAITS}"
    rows = ws.con.execute(
        f"SELECT _source, _object, rule, min(reason), count(*) {kept} GROUP BY ALL ORDER BY 5 DESC, 1, 2, 3"
    ).fetchall()
    if rows:
        file = refused_file(settings, ws.run.run_id)
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        columns = column_list(DEAD_LETTERS.column_names)
        ws.con.execute(f"COPY (SELECT {columns} {kept}) TO {literal(str(file))} (FORMAT parquet, USE_TMP_FILE false)")
    return [SetAside(*row) for row in rows]


def describe_refused(found: list[SetAside], run_id: str) -> str:
    """Say what a refused run set aside and where to look at it."""
    named = "; ".join(map(str, found[:_MOST_NAMED]))
    more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f"It set aside {named}{more}: `dataflow dlq list --run {run_id}` shows these rows for {KEPT_DAYS} days."


def forget_refused(settings: Settings, *, now: datetime) -> None:
    """Remove the files of runs that started more than KEPT_DAYS before `now`."""
    for run_id in list_refused(settings):
        started_at = datetime.strptime(run_id.partition("Z")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
        if now - started_at > timedelta(days=KEPT_DAYS):
            with suppress(OSError):
                refused_file(settings, run_id).unlink()

"""Keep the dead letters of a refused run: its transaction is rolled back, and with it the rows that it set aside.

One Parquet file per run, beside the lake. It holds rows as received: only its user reads it, and a later
run removes it after thirty days.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.access.lake import lake_location
from dataflow.settings import Settings
from dataflow.tables.ops import DEAD_LETTER_WAITS, DEAD_LETTERS
from dataflow.workspace.staging import delta_names
from dataflow.workspace.workspace import Workspace
from lakehouse.table import column_list, literal

if TYPE_CHECKING:
    from dataflow.connect.bucket import Bucket

KEPT_DAYS = 30
_SUFFIX = ".parquet"
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


def refused_place(settings: Settings) -> Path | Bucket:
    """Return where the files of refused runs are: beside the lake, in a folder or in the bucket of its data.

    In the home, where the data are a whole bucket.
    """
    location = lake_location(settings)
    shared = location.catalogue if isinstance(location.catalogue, Path) else location.data
    if isinstance(shared, Path):
        return shared.with_name(f"{shared.name}.refused")
    below = shared.removeprefix("s3://").strip("/")
    if "/" not in below or location.s3 is None:
        return settings.home / "refused"
    # Imported late: the client of AWS takes a quarter of a second.
    from dataflow.connect.bucket import Bucket

    return Bucket.of(f"s3://{below}.refused", location.s3, setting="lake.s3")


def refused_name(run_id: str) -> str:
    """Return the name of a run's file. Raises: ValueError where it is not the id of a run."""
    if not _NAME.fullmatch(run_id):
        raise ValueError(f"{run_id} is not the id of a run")
    return f"{run_id}{_SUFFIX}"


def list_refused(settings: Settings) -> list[str]:
    """Return the ids of the refused runs whose dead letters are kept, newest first. Raises: OSError."""
    place = refused_place(settings)
    names = (path.name for path in place.glob(f"*{_SUFFIX}")) if isinstance(place, Path) else place.names()
    ids = (name.removesuffix(_SUFFIX) for name in names if name.endswith(_SUFFIX))
    return sorted((run_id for run_id in ids if _NAME.fullmatch(run_id)), reverse=True)


def read_refused(settings: Settings, run_id: str) -> pa.Table:
    """Read the dead letters that a refused run set aside. Raises: FileNotFoundError, another OSError."""
    place, name = refused_place(settings), refused_name(run_id)
    return pq.read_table(place / name if isinstance(place, Path) else pa.BufferReader(place.read(name)))


def keep_refused(ws: Workspace, settings: Settings) -> list[SetAside]:
    """Write the dead letters that this run set aside; return them by rule, most first. Without any, write nothing."""
    if DEAD_LETTERS.full_name not in ws.staged:
        return []
    kept = f"FROM {delta_names(DEAD_LETTERS).delta} WHERE {DEAD_LETTER_WAITS}"
    rows = ws.con.execute(
        f"SELECT _source, _object, rule, min(reason), count(*) {kept} GROUP BY ALL ORDER BY 5 DESC, 1, 2, 3"
    ).fetchall()
    if rows:
        columns = column_list(DEAD_LETTERS.column_names)
        _write(ws, f"SELECT {columns} {kept}", refused_place(settings), refused_name(ws.run.run_id))
    return [SetAside(*row) for row in rows]


def _write(ws: Workspace, rows: str, place: Path | Bucket, name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="dataflow-refused-") as scratch:
        folder = place if isinstance(place, Path) else Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / name
        os.close(os.open(file, os.O_CREAT | os.O_WRONLY, 0o600))
        ws.con.execute(f"COPY ({rows}) TO {literal(str(file))} (FORMAT parquet, USE_TMP_FILE false)")
        if not isinstance(place, Path):
            place.upload(file, name)


def describe_refused(found: list[SetAside], run_id: str) -> str:
    """Say what a refused run set aside and where to look at it."""
    named = "; ".join(map(str, found[:_MOST_NAMED]))
    more = f"; and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return f"It set aside {named}{more}: `dataflow dlq list --run {run_id}` shows these rows for {KEPT_DAYS} days."


def forget_refused(settings: Settings, *, now: datetime) -> None:
    """Remove the files of runs that started more than KEPT_DAYS before `now`; what cannot be removed stays."""
    with suppress(OSError):
        place = refused_place(settings)
        for run_id in list_refused(settings):
            started_at = datetime.strptime(run_id.partition("Z")[0], "%Y%m%dT%H%M%S%f").replace(tzinfo=UTC)
            if now - started_at <= timedelta(days=KEPT_DAYS):
                continue
            if isinstance(place, Path):
                (place / refused_name(run_id)).unlink()
            else:
                place.remove(refused_name(run_id))

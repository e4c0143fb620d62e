"""Read a window into the landing area: one Parquet file, complete or absent, with the report of its reading inside."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from dataflow.errors import ConservationError
from dataflow.land.unique import require_unique_keys
from dataflow.settings import Settings
from dataflow.sources import FetchReport, PlannedWindow, open_source
from dataflow.sources.record_key import key_kinds
from dataflow.sources.versions import VERSION_SCHEMA, complete
from dataflow.workspace.report import measured
from dataflow.workspace.staging import Run
from lakehouse import LakeUnwritable
from lakehouse.connect import connect

_REPORT = b"dataflow.fetch"
_ROW_GROUP_ROWS = 65_536


@dataclass(frozen=True)
class FetchedWindow:
    """A window in the landing area, ready to be committed: names and counts, no rows."""

    planned: PlannedWindow
    file: Path
    report: FetchReport
    extracted_at: datetime
    seconds: float = 0.0
    is_reused: bool = False


def fetch_window(planned: PlannedWindow, settings: Settings, run: Run) -> FetchedWindow:
    """Read a window from its source into the landing area; a staged window of the same content is not read again.

    Shape: a Parquet file of VERSION_SCHEMA, the rows as received, duplicates included.
    Raises: SourceMissing, SourceMalformed, SourceIncomplete, SourceUnavailable, SchemaDrift, ConservationError,
    ObjectHeldBack where different rows share key and version, LakeUnwritable when the landing area cannot be written.
    No file is left behind then.
    """
    file = landing_file(Path(settings.landing), planned, run)
    with measured() as watch:
        found = _read_landed(file, planned)
        if found is not None:
            return found
        fetch = open_source(settings, planned.source).fetch(planned)
        # One connection for both: opening one takes as long as either does in a small window.
        with _whole_file(file) as partial, closing(connect(threads=1)) as con:
            rows = _write(partial, con, batches=fetch.batches, report=fetch.report, run=run)
            source = settings.sources[planned.source]
            declared = source.objects[planned.object]
            require_unique_keys(con, partial, planned=planned, declared=declared, kinds=key_kinds(source, declared))
        if rows != fetch.report.rows:
            file.unlink()
            raise ConservationError(
                f"Fetching {planned.subject}: the source counted {fetch.report.rows} rows and {rows} were staged.",
                next_move="Nothing was landed; this is a defect of the source's adapter.",
            )
        return FetchedWindow(planned, file, fetch.report, run.now, watch.seconds)


def take_up_staged(planned: PlannedWindow, settings: Settings, run: Run) -> FetchedWindow | None:
    """Return the window when it is staged whole, by this or another process; else None."""
    return _read_landed(landing_file(Path(settings.landing), planned, run), planned)


def landing_name(planned: PlannedWindow, run: Run) -> str:
    """Return the name of a window's staged rows below the landing area."""
    return landing_file(Path(), planned, run).as_posix()


def landing_file(landing: Path, planned: PlannedWindow, run: Run) -> Path:
    """Return the path where a window's rows are staged. Its name is a fingerprint of the content.

    A window that repairs a gap is staged for this run alone: an earlier staging can be the incomplete one.
    """
    folder = landing / planned.source / planned.object / planned.window.label
    only_now = f"-{run.run_id}" if planned.repairs else ""
    return folder / f"{planned.fingerprint}{only_now}.parquet"


def _write(
    partial: Path,
    con: duckdb.DuckDBPyConnection,
    *,
    batches: Iterator[pa.RecordBatch],
    report: FetchReport,
    run: Run,
) -> int:
    # No dictionaries: nearly every value occurs once. They took a fifth of the writing and a tenth of the file.
    with pq.ParquetWriter(partial, VERSION_SCHEMA, compression="lz4", use_dictionary=False) as writer:
        rows = 0
        group: list[pa.Table] = []
        for versions in complete(con, batches):
            group.append(versions)
            rows += versions.num_rows
            report.defects += versions.num_rows - versions.column("defect").null_count
            report.deleted += pc.sum(versions.column("is_deleted")).as_py() or 0
            if sum(table.num_rows for table in group) >= _ROW_GROUP_ROWS or _too_big(group):
                writer.write_table(pa.concat_tables(group))
                group = []
        if group:
            writer.write_table(pa.concat_tables(group))
        facts = {"report": report.as_dict(), "extracted_at": run.now.isoformat()}
        writer.add_key_value_metadata({_REPORT: json.dumps(facts).encode()})
    return rows


def _too_big(group: list[pa.Table]) -> bool:
    return sum(int(table.nbytes) for table in group) >= 64 * 1024 * 1024


@contextmanager
def _whole_file(file: Path) -> Iterator[Path]:
    """Write beside the target, and rename when the file is complete and on disk."""
    # Not the process number: on a shared disk two machines can have the same.
    partial = file.with_name(f".{file.name}.{uuid4().hex}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(file)
    except OSError as error:
        raise LakeUnwritable(
            f"Staging {file}: {error.strerror or type(error).__name__}; free space or grant permission in the "
            "landing area, then run again"
        ) from error
    finally:
        # After an error the folder can be missing.
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def _read_landed(file: Path, planned: PlannedWindow) -> FetchedWindow | None:
    """Return the window that an earlier run staged and did not commit; None when its file is incomplete."""
    if not file.is_file():
        return None
    try:
        metadata = pq.read_metadata(file)
        facts = json.loads(metadata.metadata[_REPORT])
        report = FetchReport.from_dict(facts["report"])
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError):
        return None
    if metadata.num_rows != report.rows:
        return None
    return FetchedWindow(planned, file, report, datetime.fromisoformat(facts["extracted_at"]), is_reused=True)

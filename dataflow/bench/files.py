"""The files of a folder are also read by DuckDB alone: to Parquet, every value as text."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import closing
from functools import partial
from pathlib import Path

from dataflow.bench.reading import OURS, Reading, Way, enough, read, time_count
from dataflow.bench.to_raw import TO_RAW, land
from dataflow.errors import BenchmarkFailed
from dataflow.sources import ObjectState, PlannedWindow, make_source
from lakehouse.connect import connect
from lakehouse.table import file_literal, literal

BY_DUCKDB = "DuckDB, to Parquet"
_READERS = {"csv": "read_csv({files}, all_varchar = true, union_by_name = true)", "parquet": "read_parquet({files})"}


def ways(reading: Reading) -> Mapping[str, Way]:
    """By our own reader, to raw, and by DuckDB's reader of the same files."""
    found: dict[str, Way] = {OURS: partial(read, reading), TO_RAW: partial(land, reading)}
    if reading.declared.objects[reading.object].format in _READERS:
        windows = enough(make_source(reading.source, reading.declared).plan(reading.object, ObjectState()))
        found[BY_DUCKDB] = partial(time_count, reading, partial(copy_by_duckdb, reading, windows))
    return found


def copy_by_duckdb(reading: Reading, windows: list[PlannedWindow]) -> tuple[int, int]:
    """Copy the files of windows to Parquet. Raises: BenchmarkFailed where DuckDB cannot read them as they are."""
    import duckdb

    declared = reading.declared.objects[reading.object]
    paths = [Path(reading.declared.root) / part.path for window in windows for part in window.parts]
    listed = f"[{', '.join(map(file_literal, paths))}]"
    with tempfile.TemporaryDirectory(prefix="dataflow-bench-") as folder, closing(connect(threads=1)) as con:
        target = literal(str(Path(folder) / "copy.parquet"))
        try:
            [(rows,)] = con.execute(
                f"COPY (FROM {_READERS[declared.format].format(files=listed)}) TO {target} (FORMAT parquet)"
            ).fetchall()
        except duckdb.Error as error:
            raise BenchmarkFailed(f"DuckDB alone cannot read the files ({type(error).__name__})") from None
    return int(rows), sum(window.size_bytes for window in windows)

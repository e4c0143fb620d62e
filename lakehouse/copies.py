"""Read a copy of published tables: one DuckDB file, attached alone to a locked connection.

Measured with DuckDB 1.5.5: external access off does not protect the files that are attached; their paths stay readable
and COPY can overwrite them. So the file is attached by a second name in a folder of its own, and both are removed once
it is open: no path that the connection may use exists any more. DuckDB resolves symbolic links, so it is a hard link.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from duckdb import DuckDBPyConnection

from lakehouse.connect import connect
from lakehouse.table import DATABASE, literal


def open_copy(
    file: Path,
    *,
    memory_limit: str | None = None,
    threads: int | None = None,
    temp_directory: Path | None = None,
) -> DuckDBPyConnection:
    """Open a connection with the file attached read-only as `lake`, and nothing else to reach.

    Raises: duckdb.Error when the file is not a DuckDB database.
    """
    con = connect(memory_limit=memory_limit, threads=threads, temp_directory=temp_directory)
    try:
        with _second_name(file) as name:
            con.execute(f"ATTACH {literal(str(name))} AS {DATABASE} (READ_ONLY)")
        con.execute(f"USE {DATABASE}")
        # DuckDB would resolve a name that is not a table to a variable of the surrounding Python code.
        con.execute("SET GLOBAL python_enable_replacements = false")
        con.execute("SET enable_external_access = false")
        con.execute("SET lock_configuration = true")
    except BaseException:
        con.close()
        raise
    return con


@contextmanager
def _second_name(file: Path) -> Iterator[Path]:
    """Yield a name of the file that ends with the block; the file's own where this user may not write beside it."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=".reading-", dir=file.parent))
    except OSError:
        # Who cannot write in the folder cannot replace the file, and needs rights on it to change it.
        yield file
        return
    name = folder / file.name
    try:
        try:
            os.link(file, name)
        except OSError:
            name = file
        yield name
    finally:
        with suppress(OSError):
            (folder / file.name).unlink(missing_ok=True)
            folder.rmdir()

"""Open DuckDB: offline, in UTC, with explicit limits. No other module does.

This package writes its values as SQL literals: a bound parameter makes DuckDB's client import pandas, which adds 0.4 s
(2 s on a cold disk; measured) to every command that only opens the lake.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import duckdb

from lakehouse.errors import LakeIncompatible
from lakehouse.table import literal


def extension_path(name: str) -> Path:
    """Find the extension file inside its `duckdb_extension_<name>` wheel.

    Raises: LakeIncompatible when the wheel is missing or was built for another DuckDB.
    """
    spec = find_spec(f"duckdb_extension_{name}")
    roots = [Path(root) for root in (spec.submodule_search_locations or [])] if spec else []
    for root in roots:
        found = root / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"
        if found.is_file():
            return found
    wheel = f"duckdb-extension-{name.replace('_', '-')}=={duckdb.__version__}"
    raise LakeIncompatible(
        f"Loading DuckDB's {name} extension: no file for DuckDB {duckdb.__version__} among the installed packages; "
        f"install it with: pip install {wheel}"
    )


def load_extensions(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    """Load extensions by path, with signature check, without looking in a home directory or online."""
    for name in names:
        con.execute(f"LOAD {literal(str(extension_path(name)))}")


def connect(
    database: Path | str = ":memory:",
    *,
    extensions: Iterable[str] = (),
    read_only: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
    temp_directory: Path | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open DuckDB with sessions in UTC and without silent downloads of extensions.

    Units: `memory_limit` as DuckDB writes it, e.g. "2GB".
    """
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        # Persistent secrets in the user's home belong to other work.
        "allow_persistent_secrets": False,
    }
    if memory_limit is not None:
        config["memory_limit"] = memory_limit
    if threads is not None:
        config["threads"] = threads
    if temp_directory is not None:
        config["temp_directory"] = str(temp_directory)
    con = duckdb.connect(str(database), read_only=read_only, config=config)
    con.execute("SET GLOBAL TimeZone = 'UTC'")
    # DuckDB draws its bar on standard output, which belongs to the results.
    con.execute("SET enable_progress_bar = false")
    load_extensions(con, extensions)
    return con


@contextmanager
def interrupted_after(con: duckdb.DuckDBPyConnection, *, seconds: float) -> Iterator[None]:
    """Interrupt the connection's statements from `seconds` after the block's start until its end.

    DuckDB has no statement timeout.
    Raises: duckdb.InterruptException from the interrupted statement.
    """
    ended = threading.Event()

    def watch() -> None:
        is_over = ended.wait(seconds)
        while not is_over:
            # Repeatedly: an interrupt between two statements is lost.
            con.interrupt()
            is_over = ended.wait(_INTERRUPT_EVERY_SECONDS)

    watcher = threading.Thread(target=watch, name="interrupt", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()


_INTERRUPT_EVERY_SECONDS = 0.05


def spread_small_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Let this connection scan even small tables with every core; cursors do not inherit it.

    DuckDB distributes tables in pieces of 122,880 rows, so a day's 100,000 records use one core. Its pragma for testing
    parallelism makes pieces of 2,048 rows, which saves a quarter of a day's run (measured November 2026). Sums of
    floating-point numbers can differ in their last digits: round them.
    """
    con.execute("PRAGMA verify_parallelism")

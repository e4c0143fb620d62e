"""Bring a lake to its declarations when a run opens it; apply a corrected key where nothing is published yet."""

from __future__ import annotations

import duckdb

from dataflow.land.reread import REREAD, lay_out_reread, write_reread
from dataflow.settings import Settings
from dataflow.tables.declared import declared_objects, declared_tables
from dataflow.tables.ops import FINGERPRINT, LANDED_BY, POSITION
from dataflow.workspace.fingerprints import adopt_former_fingerprints
from dataflow.workspace.landed_by import adopt_declarations, changed_objects, declarations, landed_by
from dataflow.workspace.position import adopt_former, positions_at
from dataflow.workspace.staging import Run
from lakehouse import Lake


def ensure_tables(lake: Lake, settings: Settings, run: Run) -> None:
    """Create the declared tables that are missing, with the rows that older lakes keep elsewhere."""
    tables = declared_tables(settings)
    adopt = adopt_declarations(settings)
    first_rows = {table: adopt for table in tables.values() if table.schema == "raw"}
    first_rows |= {LANDED_BY: adopt, FINGERPRINT: adopt_former_fingerprints}
    first_rows[POSITION] = adopt_former(declared_objects(settings), run)
    lake.ensure(tables.values(), first_rows=first_rows)


def reset_unpublished(lake: Lake, settings: Settings, run: Run) -> None:
    """Read the rows of changed objects again where no run has validated them: there is nothing to hold back.

    So the key of a first load can be corrected by changing dataflow.toml alone.
    """
    changed = changed_objects(lake, settings)
    if not changed:
        return
    positions = positions_at(lake, changed, version=lake.snapshot().id)
    known, declared = landed_by(lake), declarations(settings)
    for name in changed:
        if name in positions:
            continue
        lay_out_reread(lake, name, known[name], declared[name])

        def write(con: duckdb.DuckDBPyConnection, name: tuple[str, str] = name) -> None:
            write_reread(con, name, known[name], declared[name])

        message = f"{'.'.join(name)} landed by its corrected declaration"
        lake.transact(write, author="dataflow", run_id=run.run_id, message=message)
        lake.con.execute(f"DROP TABLE {REREAD}")

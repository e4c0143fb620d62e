"""Why the key figures moved, and what is normal of each object: written with each publication."""

from __future__ import annotations

from dataflow.tables.columns import RUN_ID
from lakehouse.table import Column, Table

BRIDGE_PARTS = ("rules", "identity", "erasure", "corrected", "activity")
"""Why a key figure of a day changes, in the order in which the parts are applied:

- rules: the same received rows, judged, mapped or counted differently;
- identity: records that moved to another customer, with their orders;
- erasure: rows whose received rows were erased;
- corrected: rows that came late, changed or were deleted at the source;
- activity: what happened since the last publication.
"""

KPI_BRIDGE = Table(
    schema="ops",
    name="kpi_bridge",
    grain="publication, key figure, day and part of its change",
    key=("run_id", "kpi_code", "kpi_date", "part"),
    owner="data engineering",
    append_only=True,
    columns=(
        Column("run_id", "VARCHAR", "Run that published the change", "none", nullable=False),
        Column("kpi_date", "DATE", "Day of the figure, UTC", "none", nullable=False),
        Column("kpi_code", "VARCHAR", "Code of the figure", "none", nullable=False),
        Column("part", "VARCHAR", "Why this part of the change", "none", nullable=False, values=BRIDGE_PARTS),
        Column("value_before", "DOUBLE", "The figure before this part; null: the day had none", "none"),
        Column("value_after", "DOUBLE", "The figure with it, which the next part begins from", "none"),
        RUN_ID,
    ),
)

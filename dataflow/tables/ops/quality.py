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

MEASURES = ("volume", "null_share", "distinct", "low", "median", "high", "category_share")
"""What is measured of the rows of an object that a publication adds or changes: how many they are; and of a column the
share of nulls, the number of different values (an estimate), three quantiles (a tenth, the half and nine tenths of the
values are below), and the share of each category.

Quantiles are of columns whose class is none only. Categories are the values of such columns, and of others the values
that a check `one_of` declares: the lists are the configuration's, no value of a row is kept."""

VERDICTS = ("quiet", "normal", "alarm", "declared", "not judged")
"""quiet: too few publications to know. declared: inside a declared window, out of what is normal.
not judged: too few rows, or another time than usual since the last publication."""

BASELINE = Table(
    schema="ops",
    name="baseline",
    grain="publication and measure of an object or of one of its columns",
    key=("run_id", "object_name", "measure", "column_name", "category"),
    owner="data engineering",
    append_only=True,
    columns=(
        Column("run_id", "VARCHAR", "Run that published the rows", "none", nullable=False),
        Column("published_at", "TIMESTAMPTZ", "Clock of that run", "none", nullable=False),
        Column("object_name", "VARCHAR", "The object: source.object", "none", nullable=False),
        Column("measure", "VARCHAR", "What is measured", "none", nullable=False, values=MEASURES),
        Column("column_name", "VARCHAR", "The column; empty: of the object", "none", nullable=False),
        Column("category", "VARCHAR", "The category whose share it is; else empty", "none", nullable=False),
        Column("value", "DOUBLE", "The figure", "none", nullable=False),
        Column("row_count", "BIGINT", "Rows that it is of", "none", nullable=False),
        Column("expected", "DOUBLE", "What was expected", "none"),
        Column("lowest", "DOUBLE", "The least that is normal", "none"),
        Column("highest", "DOUBLE", "The most that is normal", "none"),
        Column("score", "DOUBLE", "Standard errors between the figure and what was expected", "none"),
        Column("verdict", "VARCHAR", "What was found", "none", nullable=False, values=VERDICTS),
        RUN_ID,
    ),
)

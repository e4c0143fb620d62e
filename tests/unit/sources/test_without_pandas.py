"""PyArrow builds arrays without pandas, and can still hand rows to it."""

import subprocess
import sys

SCRIPT = """
import sys
import dataflow.sources.rows
import duckdb
import pyarrow as pa
rows = pa.table({"a": pa.array([1, None]), "b": ["x", "y"]})
con = duckdb.connect()
con.register("rows", rows)
assert con.execute("SELECT * FROM rows").fetchall() == [(1, "x"), (None, "y")]
assert "pandas" not in sys.modules
assert rows.to_pandas()["b"].tolist() == ["x", "y"]
"""


def test_pandas_is_imported_only_where_it_is_asked_for() -> None:
    subprocess.run([sys.executable, "-c", SCRIPT], check=True)

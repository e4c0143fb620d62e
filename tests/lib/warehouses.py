"""The two kinds of warehouse behind one face, for the tests that run against both."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb

from dataflow.settings import Settings
from dataflow.sinks.protocol import Sink
from dataflow.sinks.registry import SINKS
from tests.lib.servers.bigquery import PROJECT, BigQueryServer
from tests.lib.tables import read_rows

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Target:
    """A warehouse and the settings that name it."""

    kind: str
    settings: Settings

    def sink(self) -> Sink:
        return SINKS["warehouse"].open(self.settings)

    def rows(self, name: str) -> Rows:
        """Return the rows of a published table or view, in the order of their text."""
        return plain_rows(self._read(f"SELECT * FROM {self.name(name)}"))

    def change(self, sql: str) -> None:
        """Change the warehouse by hand; `{NAME}` stands for a table."""
        names = {name: self.name(name) for name in ("customer_360", "orders", "_publication", "v_segment_sizes")}
        if self.kind == "duckdb":
            with closing(duckdb.connect(self.settings.warehouse.path)) as con:
                con.execute(sql.format(**names))
        else:
            self._ask(sql.format(**names))

    def back_to_another_week(self) -> None:
        """Note that all rows were last compared long ago."""
        if self.kind == "duckdb":
            self.change("UPDATE {_publication} SET compared_at = TIMESTAMPTZ '2020-01-01'")
            return
        with closing(client_of(self.settings)) as client:
            table = client.get_table(f"{self.settings.warehouse.bigquery.dataset}._publication")
            table.labels = {**table.labels, "dataflow_compared": "2020-01-01"}
            client.update_table(table, ["labels"])

    def name(self, table: str) -> str:
        if self.kind == "duckdb":
            return table if table == "_publication" else f"published.{table}"
        return f"`{PROJECT}.{self.settings.warehouse.bigquery.dataset}.{table}`"

    def _read(self, sql: str) -> Rows:
        if self.kind == "bigquery":
            return [dict(row) for row in self._ask(sql)]
        with closing(duckdb.connect(self.settings.warehouse.path, read_only=True)) as con:
            return read_rows(con, sql)

    def _ask(self, sql: str) -> Any:
        with closing(client_of(self.settings)) as client:
            return list(client.query(sql, retry=None, job_retry=None, timeout=60).result(retry=None, job_retry=None))


def _plain(value: Any) -> Any:
    """The same value whatever the scale of a number."""
    return value.normalize() + 0 if isinstance(value, Decimal) else value


def client_of(settings: Settings) -> Any:
    """Return Google's client of a warehouse."""
    from google.api_core.client_options import ClientOptions
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    options = ClientOptions(api_endpoint=settings.warehouse.bigquery.endpoint)
    return bigquery.Client(project=PROJECT, credentials=AnonymousCredentials(), client_options=options)


def plain_rows(rows: Rows) -> Rows:
    """Return rows as they are compared: numbers whatever their scale, in the order of their text."""
    kept = [{column: _plain(value) for column, value in row.items() if column != "_row_hash"} for row in rows]
    return sorted(kept, key=repr)


def target_of(settings: Settings, folder: Path, server: BigQueryServer | None) -> Target:
    """Return an empty warehouse: a dataset of the server, or without one a file in the folder."""
    if server is None:
        place = settings.warehouse.model_copy(update={"path": str(folder / "w.duckdb")})
        return Target("duckdb", settings.model_copy(update={"warehouse": place}))
    name = re.sub(r"\W", "_", f"w_{folder.parent.name}_{folder.name}")
    return Target("bigquery", server.settings(settings, name))

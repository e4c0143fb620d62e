"""Enrich a small world, and a small GeoIP database to do it with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from mmdb_writer import MMDBWriter
from netaddr import IPSet

from dataflow.enrich import enrich
from dataflow.settings import Settings
from dataflow.tables import enriched
from lakehouse import Lake
from tests.lib.customers import World
from tests.lib.tables import NOW, read_rows, workspace

LISBON = {
    "country": {"iso_code": "PT"},
    "subdivisions": [{"iso_code": "11", "names": {"en": "Lisbon District"}}],
    "city": {"names": {"en": "Lisbon"}},
    "location": {"latitude": 38.7, "longitude": -9.1, "time_zone": "Europe/Lisbon"},
}


def write_mmdb(path: Path, *, kind: str = "Test-City") -> Path:
    writer = MMDBWriter(ip_version=6, database_type=kind, languages=["en"], ipv4_compatible=True)
    writer.insert_network(IPSet(["198.51.100.0/24", "2001:db8::/32"]), LISBON)
    writer.insert_network(IPSet(["203.0.113.0/25"]), {"country": {"iso_code": "JP"}})
    writer.to_db_file(str(path))
    return path


@dataclass
class Enriched:
    """Enrich worlds, over the lake as it is; `keep` commits what was staged, without audits."""

    lake: Lake
    folder: Path
    settings: Settings

    def run(self, world: World, *, now: datetime = NOW, keep: bool = False) -> dict[str, list[dict[str, Any]]]:
        """Rows of each enriched table, and under `asked` how many customers each enrichment computed."""
        with workspace(self.lake, self.folder, now=now) as ws:
            world.stage(ws)
            reports = enrich(ws, self.settings)
            rows = {t.name: read_rows(ws.con, f"FROM {t.sql_name} ORDER BY customer_id") for t in enriched.TABLES}
            if keep:
                self.lake.transact(ws.write, author="test", run_id="run", message="test")
        asked = {report.subject.partition(".")[2]: report.facts["customers_asked"] for report in reports}
        return {**rows, "asked": [asked]}

"""Write a MaxMind database with a given build date: the one module that uses a private part of mmdb-writer.

mmdb-writer stamps the file with the current time, but a sample must be equal whenever it is generated (mmdb-writer
0.2, November 2026). tests/unit/test_private_parts.py fails when that part moves.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from mmdb_writer import MMDBWriter


class DatedWriter(MMDBWriter):
    """A writer of a City database with a given build date."""

    def __init__(self, made_on: date, *, description: str) -> None:
        super().__init__(
            ip_version=6,
            ipv4_compatible=True,
            database_type="GeoLite2-City",
            languages=["en"],
            description=description,
        )
        self._made_on = made_on

    def _build_meta(self) -> dict[str, Any]:
        days = (self._made_on - date(1970, 1, 1)).days
        return super()._build_meta() | {"build_epoch": days * 86_400}

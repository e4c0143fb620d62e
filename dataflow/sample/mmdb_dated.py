"""A MaxMind database that says when it was made, and the one module that touches a private part of mmdb-writer.

It stamps the file with the time of writing, and a sample is the same whenever it is made (mmdb-writer 0.2, November
2026); tests/unit/test_private_parts.py says when that part moves.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from mmdb_writer import MMDBWriter


class DatedWriter(MMDBWriter):
    """A writer of a City database whose file says that it was made on a given day."""

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

"""What a system holds that no configuration names yet: tables, columns, keys, links, and a sample of values."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from anyascii import anyascii

from dataflow.sources.files.evidence import Written

SAMPLE_ROWS = 1_000
_TIMES = ("DATE", "TIMESTAMP")
_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "HUGEINT",
            "DECIMAL", "DOUBLE", "FLOAT")  # fmt: skip


@dataclass(frozen=True)
class FoundColumn:
    """A column, its DuckDB type, and filled values of a sample as text."""

    name: str
    type: str
    values: Sequence[str] = ()
    is_stamped: bool = False
    """The system itself sets it with each change of its row."""

    @property
    def is_time(self) -> bool:
        return self.type.startswith("TIMESTAMP")

    @property
    def is_date_or_time(self) -> bool:
        return self.type.startswith(_TIMES)

    @property
    def is_number(self) -> bool:
        return self.type.startswith(_NUMBERS)

    @property
    def is_text(self) -> bool:
        return self.type == "VARCHAR"

    @property
    def words(self) -> str:
        """Return the name as lower-case Latin words."""
        parted = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", anyascii(self.name))
        return " ".join(re.findall(r"[a-z0-9]+", parted.lower()))


@dataclass(frozen=True)
class Link:
    """Columns of a table that name a record of another; `evidence` says how that is known."""

    column: str
    table: str
    their_column: str
    evidence: str


@dataclass
class FoundTable:
    """A table, object or kind of file. `name` is that of the object, `remote` the system's own."""

    name: str
    remote: str
    columns: list[FoundColumn]
    key: tuple[str, ...] = ()
    key_evidence: str = ""
    links: list[Link] = field(default_factory=list)
    rows: int = 0
    format: str = ""
    path: str = ""
    written: Written | None = None
    footer_rows: int = 0
    notes: list[str] = field(default_factory=list)

    def column(self, name: str) -> FoundColumn:
        return next(column for column in self.columns if column.name == name)

    @property
    def words(self) -> str:
        """Return the system's name of it as lower-case Latin words."""
        return FoundColumn(self.remote, "").words


def object_name(remote: str) -> str:
    """Return the name of an object for dataflow.toml: lower-case words with underscores."""
    return FoundColumn(remote, "").words.replace(" ", "_") or "object"

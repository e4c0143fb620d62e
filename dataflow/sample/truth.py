"""Write the truth of a sample: the entity of each valid record, the broken rows, and all counts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dataflow.sample.arrays import Frame, Text, present, text
from dataflow.sample.clock import Day
from dataflow.sample.objects import OBJECTS, Key

_TRUTH = pa.schema([
    ("source", pa.string()), ("object", pa.string()), ("record_key", pa.string()), ("entity_id", pa.string()),
    ("entity_type", pa.string()), ("day", pa.date32()),
])  # fmt: skip
_DEFECTS = pa.schema([
    ("source", pa.string()), ("object", pa.string()), ("record_key", pa.string()), ("day", pa.date32()),
    ("defect", pa.string()),
])  # fmt: skip


class Truth:
    """Writer of truth/ during the deliveries; a record is known from its first valid delivery on.

    truth.parquet: one row per record that describes a customer (source, object, record_key).
    defects.parquet: one row per broken row as delivered; record_key is null where the key is missing.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._truth = pq.ParquetWriter(folder / "truth.parquet", _TRUTH, compression="zstd")
        self._defects = pq.ParquetWriter(folder / "defects.parquet", _DEFECTS, compression="zstd")
        self._known: dict[Key, set[str]] = {key: set() for key in OBJECTS}
        self.entities: set[str] = set()
        self.defects = 0

    def add(self, key: Key, frame: Frame, defects: Text, day: Day) -> None:
        """Record one delivery: `frame` as it should be, `defects` the defect of each row (None where valid)."""
        keys = text(str(value) for value in frame[OBJECTS[key].key].tolist())
        valid = ~present(defects)
        if OBJECTS[key].describes_customer:
            self._add_known(key, keys[valid], frame["_entity"][valid], frame["_type"][valid], day)
        at = np.flatnonzero(~valid)
        self.defects += at.size
        names = defects[at].tolist()
        shown = [None if name == "missing_key" else value for name, value in zip(names, keys[at].tolist(), strict=True)]
        self._write(self._defects, _DEFECTS, key, {"record_key": shown, "defect": names}, day)

    def _add_known(self, key: Key, keys: Text, entity: Text, kind: Text, day: Day) -> None:
        known = self._known[key]
        fresh = [at for value, at in _first_places(keys.tolist()).items() if value not in known]
        known.update(keys.tolist())
        columns = {
            "record_key": keys[fresh].tolist(), "entity_id": entity[fresh].tolist(),
            "entity_type": kind[fresh].tolist(),
        }  # fmt: skip
        self.entities.update(columns["entity_id"])
        self._write(self._truth, _TRUTH, key, columns, day)

    def _write(self, writer: Any, schema: pa.Schema, key: Key, columns: dict[str, list[Any]], day: Day) -> None:
        size = len(columns["record_key"])
        if size:
            full = columns | {"source": [key[0]] * size, "object": [key[1]] * size, "day": [day.date] * size}
            writer.write_table(pa.table(full, schema=schema))

    def known(self, key: Key) -> int:
        return len(self._known[key])

    def close(self, counts: dict[str, object]) -> None:
        self._truth.close()
        self._defects.close()
        (self._folder / "counts.json").write_text(json.dumps(counts, indent=1), encoding="utf-8")


_FIRMS = pa.schema([
    ("domain", pa.string()), ("company_name", pa.string()), ("employee_count", pa.int64()),
    ("annual_revenue_usd", pa.int64()), ("founded_year", pa.int32()), ("naics_code", pa.string()),
    ("naics_title", pa.string()), ("country_code", pa.string()),
])  # fmt: skip


class Firmographics:
    """reference/firmographics.parquet: one row per domain, for about seven domains in ten."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = pq.ParquetWriter(path, _FIRMS, compression="zstd")

    def append(self, columns: dict[str, list[Any]]) -> None:
        self._writer.write_table(pa.table(columns, schema=_FIRMS))

    def close(self) -> None:
        self._writer.close()


def _first_places(values: list[str]) -> dict[str, int]:
    """Return the index of the first occurrence of each value, in that order."""
    places: dict[str, int] = {}
    for at, value in enumerate(values):
        places.setdefault(value, at)
    return places

"""What can happen to the files of a local lake: each function does one damage."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from lakehouse import LakeLocation
from lakehouse.connect import connect
from lakehouse.inventory import read_catalogue

# Two headers of a DuckDB file come before its blocks.
_FIRST_BLOCK, _BLOCK = 3 * 4096, 16384


def _cut(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


def zero_a_page(file: Path) -> None:
    """Zero the first block that matters: some are free."""
    whole = file.read_bytes()
    for start in range(_FIRST_BLOCK, len(whole), _BLOCK):
        file.write_bytes(whole[:start] + bytes(_BLOCK) + whole[start + _BLOCK :])
        if not read_catalogue(file).is_whole:
            return
    raise AssertionError("no block of the catalogue matters")


def zero_a_header(file: Path) -> None:
    file.write_bytes(bytes(_FIRST_BLOCK) + file.read_bytes()[_FIRST_BLOCK:])


def write_text(file: Path) -> None:
    file.write_text("not a database\n" * 1000)


def write_another_database(file: Path) -> None:
    file.unlink()
    with connect(file) as con:
        con.execute("CREATE TABLE other AS SELECT 1 AS n")


def cut_in_half(file: Path) -> None:
    _cut(file, 0.5)


def cut_the_end(file: Path) -> None:
    _cut(file, 0.99)


def empty(file: Path) -> None:
    _cut(file, 0)


def remove(file: Path) -> None:
    file.unlink()


def overwrite(file: Path) -> None:
    """Overwrite the middle half; the size stays."""
    whole = file.read_bytes()
    quarter = len(whole) // 4
    file.write_bytes(whole[:quarter] + b"\xff" * (len(whole) - 2 * quarter) + whole[len(whole) - quarter :])


OF_A_DATABASE: tuple[Callable[[Path], None], ...] = (
    zero_a_page,
    zero_a_header,
    write_text,
    cut_in_half,
    cut_the_end,
    empty,
    remove,
)
OF_A_DATA_FILE: tuple[Callable[[Path], None], ...] = (cut_in_half, empty, remove)


def data_files(location: LakeLocation, table: str) -> list[Path]:
    """The data files of a table (`schema.table`), oldest first."""
    assert isinstance(location.data, Path)
    return sorted((location.data / table.replace(".", "/")).glob("*.parquet"))

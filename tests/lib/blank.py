"""A lake with tables and no rows costs half a second to make, and nothing to copy: made once by each process."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from dataflow.settings import load_settings
from dataflow.tables.declared import declared_tables
from lakehouse import Lake, LakeLocation
from lakehouse.table import Table


@cache
def default_tables() -> dict[str, Table]:
    """Return the tables of the default configuration. Only read them."""
    return dict(declared_tables(load_settings()))


def lay_blank_lake(location: LakeLocation, tables: Iterable[Table]) -> bool:
    """Put a lake of these tables where none is yet; return whether it did: not on a server."""
    if not (isinstance(location.catalogue, Path) and isinstance(location.data, Path)) or location.catalogue.exists():
        return False
    made = _made(tuple(tables))
    for source, target in (
        (made.catalogue, location.catalogue),
        (made.published_catalogue, location.published_catalogue),
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    return True


@cache
def _made(tables: tuple[Table, ...]) -> LakeLocation:
    folder = Path(tempfile.mkdtemp(prefix="blank-lake-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    location = LakeLocation(
        catalogue=folder / "catalogue.ducklake", data=folder / "data", published=folder / "published"
    )
    with Lake.open(location, purpose="test", threads=1) as lake:
        lake.ensure(tables)
    return location

"""A local lake with the test tables in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse import LakeLocation
from tests.lib.lakes import local_lake, opened


@pytest.fixture
def location(tmp_path: Path) -> LakeLocation:
    """Return the place of a new lake that holds the test tables, empty."""
    place = local_lake(tmp_path / "lake")
    with opened(place):
        pass
    return place

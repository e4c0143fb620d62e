"""One empty lake for a module."""

from collections.abc import Iterator

import pytest

from lakehouse import Lake
from tests.lib.tables import small_lake


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    with small_lake(tmp_path_factory.mktemp("enrich")) as lake:
        yield lake

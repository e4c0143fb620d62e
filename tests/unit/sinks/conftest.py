"""The lake that tests of sinks read, made once for all that do not change it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lib.three_publications import Shop, open_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with open_shop(tmp_path_factory) as made:
        yield made

"""What holds against a twin holds with every core at work, in whatever order they come."""

import pytest


@pytest.fixture(autouse=True)
def _every_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAFLOW_LAKE__THREADS")

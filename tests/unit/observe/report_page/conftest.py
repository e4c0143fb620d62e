"""These tests look at charts."""

import pytest


@pytest.fixture(autouse=True)
def _drawn(drawn: None) -> None:
    """Have charts drawn."""

"""What tests need that kill runs."""

import os

import pytest

from flows.orchestrator import local_server


@pytest.fixture
def environment(prefect_api: None) -> dict[str, str]:
    """Of a process whose Prefect API outlives it."""
    server = local_server()
    assert server is not None
    return os.environ | {"PREFECT_API_URL": server.api_url}

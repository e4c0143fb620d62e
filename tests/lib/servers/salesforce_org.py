"""A simulated Salesforce org for a test: its clock stands still until the test moves it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from dataflow.settings import SourceSettings
from dataflow.sources.salesforce.connection import close_connections
from tests.lib.servers.salesforce import Clock, Org, Simulator, simulator
from tests.lib.servers.salesforce.tls import Papers, write_papers

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CONTACT: dict[str, Any] = {
    "remote": "Contact",
    "key": "Id",
    "cursor": "SystemModstamp",
    "deleted_flag": "IsDeleted",
    "fields": {
        "Id": "VARCHAR",
        "LastName": "VARCHAR",
        "Email": "VARCHAR",
        "SystemModstamp": "TIMESTAMPTZ",
        "IsDeleted": "BOOLEAN",
    },
}


@pytest.fixture(scope="session")
def salesforce_papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    """The certificates of the simulated orgs."""
    return write_papers(tmp_path_factory.mktemp("salesforce"))


@pytest.fixture
def salesforce(salesforce_papers: Papers) -> Iterator[Simulator]:
    """An empty org at noon of 1 March 2026, served over HTTPS."""
    try:
        with simulator(salesforce_papers, org=Org(Clock(NOON))) as served:
            yield served
    finally:
        close_connections()


def source_settings(served: Simulator, *, objects: dict[str, Any] | None = None, **section: Any) -> SourceSettings:
    """The settings that reach a simulated org, by default with Contact and without long waits."""
    plain = {
        "domain": "acme.my.salesforce.com",
        "client_id": served.door.client_id,
        "client_secret": served.door.client_secret,
        "endpoint": served.endpoint,
        "ca_file": str(served.ca_file),
        "timeout_seconds": 10,
        "backoff_seconds": 0.001,
        **section,
    }
    return SourceSettings.model_validate(
        {"adapter": "salesforce", "salesforce": plain, "objects": objects or {"contact": CONTACT}}
    )

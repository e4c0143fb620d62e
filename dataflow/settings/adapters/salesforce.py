"""The adapter `salesforce`, and its section."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.amounts import MOST_THREADS, Seconds, Timeout
from dataflow.settings.section import ProjectPath, Section


class SalesforceSettings(Section):
    """How to reach a Salesforce org: client credentials (`client_secret`), or JWT bearer (`username` with a key)."""

    domain: str
    """The org's My Domain, like acme.my.salesforce.com; for JWT bearer also login.salesforce.com or test.…"""
    client_id: str
    """Consumer key of the connected app."""
    client_secret: SecretStr | None = None
    """Consumer secret of the connected app, for client credentials."""
    username: str = ""
    """The user that JWT bearer signs in as."""
    private_key: SecretStr | None = None
    """PEM text of the key whose certificate the connected app holds."""
    private_key_file: ProjectPath = ""
    """File with the PEM text of the key."""
    api_version: str = "60.0"
    """Version of the REST and Bulk APIs."""
    endpoint: str = ""
    """`host:port` to connect to in place of Salesforce's own (a private link): the certificate is still checked
    against Salesforce's name."""
    proxy: SecretStr | None = None
    """`http://user:password@host:port` of a proxy to connect through."""
    ca_file: ProjectPath = ""
    """File of certificate authorities for the server's certificate; empty: the public ones."""
    timeout_seconds: Timeout = 60.0
    """A call without a byte for this long is cancelled and retried."""
    answer_seconds: Timeout = 600.0
    """How long an answer may take in total, even while bytes arrive."""
    attempts: Annotated[int, Field(ge=1)] = 6
    """How many times a call with a temporary failure is tried in total."""
    backoff_seconds: Seconds = 1.0
    """The first wait before a call is retried; it doubles, with jitter."""
    reserve_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the org's daily API calls reserved for other users: a run ends as partial before it uses them."""
    bulk_from_rows: Annotated[int, Field(ge=0)] = 20_000
    """Rows of a window from which Bulk API 2.0 reads it; a REST page has 2,000."""
    bulk_page_rows: Annotated[int, Field(ge=1)] = 50_000
    """Rows in a result page of a Bulk job."""
    downloads: Annotated[int, Field(ge=1, le=MOST_THREADS)] = 4
    """Result pages of a Bulk job fetched in parallel: this many are in memory."""
    slice_rows: Annotated[int, Field(ge=1)] = 2_000_000
    """A first load of more rows is cut into smaller windows, each staged by itself."""

    @model_validator(mode="after")
    def _check_credentials(self) -> Self:
        signs = self.private_key is not None or bool(self.private_key_file)
        if (self.client_secret is None) == (not (self.username and signs)):
            raise ValueError("needs either client_secret, or username with private_key or private_key_file")
        return self


SALESFORCE = Adapter(
    name="salesforce",
    meaning="Objects of a Salesforce org: REST for small windows, Bulk API 2.0 for large ones",
    source="dataflow.sources.salesforce.adapter:SalesforceSource",
    probe="dataflow.sources.salesforce.probe:probe",
    ways="dataflow.bench.orgs:ways",
    section=SalesforceSettings,
    # Each object that can be queried has a time of change, and names its deleted records.
    modes=("changes",),
)

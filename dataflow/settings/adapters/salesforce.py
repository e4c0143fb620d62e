"""The adapter `salesforce`, and its section."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from dataflow.settings.adapters.adapter import Adapter
from dataflow.settings.section import Section


class SalesforceSettings(Section):
    """How to reach a Salesforce org: client credentials (`client_secret`), or JWT bearer (`username` with a key)."""

    domain: str
    """The org's My Domain, as acme.my.salesforce.com; for JWT bearer also login.salesforce.com or test.…"""
    client_id: str
    """Consumer key of the connected app."""
    client_secret: SecretStr | None = None
    """Its consumer secret, for client credentials."""
    username: str = ""
    """The user that JWT bearer signs in as."""
    private_key: SecretStr | None = None
    """PEM text of the key whose certificate the connected app holds."""
    private_key_file: str = ""
    """The same in a file."""
    api_version: str = "60.0"
    """Version of the REST and Bulk APIs."""
    endpoint: str = ""
    """`host:port` to connect to in place of Salesforce's own (a private link): the certificate is still checked
    against Salesforce's name."""
    proxy: SecretStr | None = None
    """`http://user:password@host:port` of a proxy to connect through."""
    ca_file: str = ""
    """Certificates that the server's is checked against; empty: the public authorities."""
    timeout_seconds: float = 60.0
    """Without a byte for so long a call is given up and tried again."""
    answer_seconds: float = 600.0
    """So long an answer may take as a whole, however steadily it drips."""
    attempts: int = 6
    """How often a call that may heal is tried in all."""
    backoff_seconds: float = 1.0
    """The first wait before a call is tried again; it doubles, with jitter."""
    reserve_share: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """Share of the org's daily API calls that is left to others: a run stops as partial before it touches it."""
    bulk_from_rows: int = 20_000
    """From so many rows on Bulk API 2.0 reads a window; a REST page brings 2,000."""
    bulk_page_rows: int = 50_000
    """Rows in a result page of a Bulk job."""
    downloads: int = 4
    """Result pages of a Bulk job fetched at once: this many are in memory."""
    slice_rows: int = 2_000_000
    """A first load of more rows is cut into windows of fewer, which are staged each for itself."""

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
)

"""The transport to the org: TLS 1.3 only, through another endpoint or a proxy if configured, every wait limited."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter

from dataflow.connect.tls import tls_context
from dataflow.errors import ConfigurationError
from dataflow.settings import SalesforceSettings
from dataflow.sources.salesforce.answers import PEER

_IDLE_CONNECTIONS = 32


class Transport(HTTPAdapter):  # type: ignore[misc]
    """Connect to `endpoint` in place of the address's host, and verify the certificate against that host.

    A private link is another way to the same server, which still must prove that it is Salesforce.
    """

    def __init__(self, settings: SalesforceSettings) -> None:
        self._context = tls_context(settings.ca_file, setting=PEER.ca_file)
        self._endpoint = _parse_endpoint(settings.endpoint)
        super().__init__(pool_maxsize=_IDLE_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs, ssl_context=self._context)

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **kwargs, ssl_context=self._context)

    def build_connection_pool_key_attributes(
        self, request: Any, verify: Any, cert: Any = None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host, pool = super().build_connection_pool_key_attributes(request, verify, cert)
        if self._endpoint is not None:
            pool |= {"server_hostname": host["host"]}
            host = {**host, "host": self._endpoint[0], "port": self._endpoint[1]}
        return host, pool

    def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        # With another endpoint the library would send the endpoint's name as server name.
        request.headers["Host"] = urlsplit(request.url).netloc
        return super().send(request, *args, **kwargs)


def _parse_endpoint(endpoint: str) -> tuple[str, int] | None:
    if not endpoint:
        return None
    parts = urlsplit(f"//{endpoint}")
    try:
        return parts.hostname or "", parts.port or 443
    except ValueError:
        raise ConfigurationError(
            "The endpoint of a Salesforce source is not of the form host:port.",
            next_move="Correct it in dataflow.toml.",
        ) from None

"""HTTPS of requests by TLS 1.3 alone."""

from __future__ import annotations

from typing import Any

from requests.adapters import HTTPAdapter

from dataflow.connect.tls import tls_context


class VerifiedAdapter(HTTPAdapter):  # type: ignore[misc] # requests ships no types
    """HTTPS with the certificate verified against `ca_file` or the public authorities; `setting` declares it."""

    def __init__(self, ca_file: str = "", *, setting: str) -> None:
        self._context = tls_context(ca_file, setting=setting)
        super().__init__()

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **options)

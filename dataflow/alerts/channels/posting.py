"""A channel that is one HTTPS endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from dataflow.settings import AlertSettings
from dataflow.sinks.events.https import open_session, post, require_private


class Poster:
    """Posts JSON to one address over verified TLS 1.3."""

    def __init__(self, declared: AlertSettings, url: str, *, setting: str, names: str) -> None:
        """`names` is the setting that has the address. Raises: ConfigurationError."""
        require_private(url, setting=f"{setting}.{names}")
        self._url, self._setting, self._seconds = url, setting, declared.timeout_seconds
        self._session = open_session(declared.ca_file, setting=setting)

    def post(self, content: Mapping[str, Any] | bytes, *, headers: Mapping[str, str] | None = None) -> None:
        """Post one body. Raises: NotTaken."""
        body = content if isinstance(content, bytes) else json.dumps(content, separators=(",", ":")).encode()
        post(self._session, self._url, body, headers=headers or {}, timeout=self._seconds, setting=self._setting)

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

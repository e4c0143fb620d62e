"""Restrict botocore to TLS 1.3: the one module that touches private parts of botocore.

botocore has no setting for the lowest version of TLS, and its session takes no context (botocore 1.43, November 2026).
tests/unit/test_private_parts.py fails when that changes.
"""

from __future__ import annotations

import ssl
from typing import Any

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.httpsession import URLLib3Session
from botocore.utils import get_environ_proxies


def speak_tls13(
    client: Any, context: ssl.SSLContext, *, ca_file: str, timeout: tuple[float, float], connections: int
) -> None:
    """Make a client use connections with this context. `timeout`: seconds to connect, to read."""
    session = _Session(
        context,
        verify=ca_file or True,
        proxies=get_environ_proxies(client.meta.endpoint_url),
        timeout=timeout,
        max_pool_connections=connections,
    )

    def send(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        return session.send(request)

    # The only public place to set another session.
    client.meta.events.register(f"before-send.{client.meta.service_model.service_id.hyphenize()}", send)


class _Session(URLLib3Session):  # type: ignore[misc]  # botocore is untyped
    def __init__(self, context: ssl.SSLContext, **settings: Any) -> None:
        # Asked for while the session is made.
        self._context = context
        super().__init__(**settings)

    def _get_ssl_context(self) -> ssl.SSLContext:
        return self._context

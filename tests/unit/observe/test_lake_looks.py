"""What doctor says of how the data path is reached."""

from __future__ import annotations

from functools import partial

import pytest

from dataflow.errors import ConfigurationError
from dataflow.observe.lake_looks import encryption_of
from lakehouse import S3Access, S3Keys
from tests.lib.older_tls import older_tls
from tests.lib.servers.certificates import Certificates
from tests.lib.servers.ports import free_port


def reached(endpoint: str, **access: object) -> S3Access:
    return S3Access(keys=partial(S3Keys, key_id="", secret=""), endpoint=endpoint, **access)  # type: ignore[arg-type]


def test_a_server_of_an_older_tls_is_named(certificates: Certificates) -> None:
    with (
        older_tls(certificates.server) as port,
        pytest.raises(ConfigurationError, match="an older version than TLS"),
    ):
        encryption_of(reached(f"127.0.0.1:{port}", ca_file=certificates.ca))


def test_what_leaves_this_machine_unencrypted_is_named() -> None:
    for endpoint in ("s3.example.com", "s3.example.com:9000", "10.0.0.1:9000", ""):
        with pytest.raises(ConfigurationError, match="unencrypted, so others") as found:
            encryption_of(reached(endpoint, use_ssl=False))
        assert found.value.next_move == "Set lake.s3.use_tls = true."
    assert encryption_of(reached("[::1]:9000", use_ssl=False)) == "unencrypted, which stays on this machine"


def test_a_server_that_a_proxy_reaches_is_not_called_unwell() -> None:
    assert encryption_of(reached(f"127.0.0.1:{free_port()}")) == "over TLS, and the certificate is trusted"

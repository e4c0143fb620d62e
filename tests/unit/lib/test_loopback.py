import socket

import pytest

from tests.lib.loopback import OutsideConnectionError, is_local


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "", None, b"localhost", "0.0.0.0"])
def test_this_machine_is_local(host: object) -> None:
    assert is_local(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "example.org", "localhost.example.org", b"example.org"])
def test_another_machine_is_not(host: object) -> None:
    assert not is_local(host)


def test_the_suite_cannot_connect_outside() -> None:
    with socket.socket() as client, pytest.raises(OutsideConnectionError):
        client.connect(("192.0.2.1", 9))


def test_the_suite_cannot_resolve_a_name_outside() -> None:
    with pytest.raises(OutsideConnectionError):
        socket.getaddrinfo("example.org", 443)


def test_the_suite_can_connect_to_itself() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        assert client.getpeername() == server.getsockname()

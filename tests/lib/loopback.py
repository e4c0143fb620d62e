"""Keep this process off the network: a connection to anything but this machine is an error."""

import ipaddress
import sys
from typing import Any

LOCAL_NAMES = frozenset({"", "localhost", "ip6-localhost"})


class OutsideConnectionError(RuntimeError):
    """A test tried to reach another machine."""


def is_local(host: object) -> bool:
    """Say whether `host` (name, address or None, as sockets take them) is this machine."""
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host is None or host in LOCAL_NAMES:
        return True
    try:
        address = ipaddress.ip_address(str(host).split("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        address = args[1]  # a tuple for IP sockets, a path for Unix ones
        host = address[0] if isinstance(address, tuple) else None
    elif event == "socket.getaddrinfo":
        host = args[0]
    else:
        return
    if not is_local(host):
        raise OutsideConnectionError(f"{event}: tests reach only this machine, not {host!r}")


def forbid_outside_connections() -> None:
    """Refuse them for the rest of this process. An audit hook cannot be removed, and none needs it to be."""
    sys.addaudithook(_audit)

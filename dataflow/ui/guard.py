"""The outermost layer of the workbench: which hosts it answers, how much it reads, what each answer forbids a browser.

The Host header is compared with an allow-list, so that a name of another site that resolves to this machine (DNS
rebinding) reaches no page. The body of a request is read here, to a limit and within a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

MOST_BODY_BYTES = 64 * 1024
BODY_SECONDS = 10.0

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "frame-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
CONTENT_SECURITY_POLICY = "; ".join(f"{name} {value}" for name, value in _POLICY.items())

HEADERS: Mapping[bytes, bytes] = {
    b"content-security-policy": CONTENT_SECURITY_POLICY.encode(),
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=(), payment=()",
    b"cache-control": b"no-store",
}
"""Of every answer that does not set its own."""


class Guard:
    """An ASGI application around another one."""

    def __init__(self, app: App, *, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(hosts)

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Neither websockets are answered nor does the application have a lifespan of its own.
            await self._app(scope, receive, send) if scope["type"] == "lifespan" else None
            return
        sending = _with_headers(send)
        if _header(scope, b"host") not in self._hosts:
            await _refuse(sending, 421, "This address is not one of the workbench's.")
            return
        try:
            body = await asyncio.wait_for(_read_body(scope, receive), BODY_SECONDS)
        except TimeoutError:
            await _refuse(sending, 408, "The request took too long.")
            return
        if body is None:
            await _refuse(sending, 413, f"A request has at most {MOST_BODY_BYTES:,} bytes.")
            return
        try:
            await self._app(scope, _replaying(body, receive), sending)
        except Exception:  # noqa: BLE001 (answered and noted already; the server would print it whole, with values)
            return


def _header(scope: MutableMapping[str, Any], name: bytes) -> str:
    """Return a header; "" where it is missing or there are several."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1").lower() if len(found) == 1 else ""


async def _read_body(scope: MutableMapping[str, Any], receive: Receive) -> bytes | None:
    """Return the body; None for a larger one than is read."""
    declared = _header(scope, b"content-length")
    if declared.isdecimal() and int(declared) > MOST_BODY_BYTES:
        return None
    body, more = bytearray(), scope["method"] not in ("GET", "HEAD")
    while more:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > MOST_BODY_BYTES:
            return None
        more = message["type"] == "http.request" and message.get("more_body", False)
    return bytes(body)


def _replaying(body: bytes, receive: Receive) -> Receive:
    is_sent = False

    async def replay() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = list(message.get("headers", ()))
            names = {name.lower() for name, _ in own}
            message["headers"] = own + [(name, value) for name, value in HEADERS.items() if name not in names]
        await send(message)

    return sending


async def _refuse(send: Send, status: int, sentence: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": f"{sentence}\n".encode()})

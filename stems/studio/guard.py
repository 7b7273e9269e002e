"""Who may talk to a studio: pages of this very server, whose address has its token. Everybody else gets 403."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
App = Callable[[Scope, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Lets requests through to an app that come from its own pages.

    The token is the first part of every path, so that it is in the address that is opened and nowhere else. The
    `Host` must be this machine by number or as localhost, else a name that leads here (DNS rebinding) would do; the
    `Origin`, where a browser tells one, must be the same, else any page could have it send requests.

    Args:
        app: that is guarded; it sees paths without the token.
        token: a secret.
        port: of the server.
    """

    def __init__(self, app: App, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        if port == 80:
            self.hosts |= {"127.0.0.1", "localhost"}

    async def __call__(
        self, scope: Scope, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        """Answers one request."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message.get("headers", []), *added]
            await send(message)

        token, slash, rest = scope["path"].removeprefix("/").partition("/")
        if (
            not self._is_ours(scope)
            or not slash
            or not hmac.compare_digest(token.encode("utf-8", "replace"), self.token.encode())
        ):
            await send_with_headers(
                {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]}
            )
            await send({"type": "http.response.body", "body": b"This page belongs to another studio."})
            return
        inner = {key: value for key, value in scope.items() if key != "raw_path"} | {"path": f"/{rest}"}
        await self.app(inner, receive, send_with_headers)

    def _is_ours(self, scope: Scope) -> bool:
        headers: dict[bytes, list[str]] = {}
        for name, value in scope["headers"]:
            headers.setdefault(name.lower(), []).append(value.decode("latin-1").lower())
        if len(headers.get(b"host", [])) != 1 or headers[b"host"][0] not in self.hosts:
            return False
        if any(origin.removeprefix("http://") not in self.hosts for origin in headers.get(b"origin", [])):
            return False
        return all(site in ("same-origin", "none") for site in headers.get(b"sec-fetch-site", []))

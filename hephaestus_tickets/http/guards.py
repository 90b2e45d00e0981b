"""What every request passes first: a number of its own, and a check of whom it names."""

from __future__ import annotations

import re
import secrets

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hephaestus_tickets.http.identity import OPEN_PATHS
from hephaestus_tickets.http.problems import HeadTooLarge, problem, refused
from hephaestus_tickets.server.calls import request_id

HEADER = "X-Request-Id"
REQUEST = "hephaestus_tickets.request"
# Of a request's line and headers; a server that reads them at once does not count.
HEAD_BYTES = 32 * 1024
_GIVEN = re.compile(r"[\w.-]{1,64}", re.ASCII)


class RequestIds:
    """The caller's own X-Request-Id, or a new one: in the log, and in the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Request(scope).headers.get(HEADER, "")
        chosen = given if _GIVEN.fullmatch(given) else secrets.token_hex(8)
        scope[REQUEST] = chosen
        token = request_id.set(chosen)

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = chosen
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            request_id.reset(token)


class Heads:
    """Refuses a request whose line and headers are too long."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _head_bytes(scope) <= HEAD_BYTES:
            await self._app(scope, receive, send)
            return
        await refused(HeadTooLarge(HEAD_BYTES))(scope, receive, send)


def _head_bytes(scope: Scope) -> int:
    line = len(scope["raw_path"]) + len(scope["query_string"])
    return line + sum(len(name) + len(value) for name, value in scope["headers"])


class Addresses:
    """Refuses a Host that is not ours and an Origin that is not known: DNS rebinding."""

    def __init__(self, app: ASGIApp, security: TransportSecuritySettings) -> None:
        self._app = app
        self._checks = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        refusal = await self._checks.validate_request(Request(scope))
        if refusal is None:
            await self._app(scope, receive, send)
            return
        told = problem(
            refusal.status_code,
            "address_refused",
            "The Host or the Origin of the request is none that this server knows. An operator "
            "adds them with HTTP_HOSTS and HTTP_ORIGINS.",
        )
        await told(scope, receive, send)

"""What every request passes first: a number of its own, and a check of whom it names."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hephaestus_tickets.http.identity import OPEN_PATHS
from hephaestus_tickets.http.problems import MEDIA_TYPE, HeadTooLarge, problem, refused
from hephaestus_tickets.server.calls import Asked, asked

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
        token = asked.set(Asked(chosen))

        async def tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = chosen
            await send(message)

        try:
            await self._app(scope, receive, tagged)
        finally:
            asked.reset(token)


class Refusals:
    """What is refused before it becomes a call is counted and logged like one."""

    def __init__(self, app: ASGIApp, note: Callable[[str, float], None]) -> None:
        self._app, self._note = app, note

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        start: Message = {}

        async def noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            elif start["status"] >= HTTPStatus.BAD_REQUEST and not _is_noted():
                self._note(_code(start, message.get("body", b"")), began)
            await send(message)

        await self._app(scope, receive, noted)


def _is_noted() -> bool:
    request = asked.get()
    return request is not None and request.is_noted


def _code(start: Message, body: bytes) -> str:
    """That of our own problems; the SDK's refusals have none."""
    if Headers(scope=start).get("content-type") == MEDIA_TYPE:
        return str(json.loads(body)["code"])
    return f"http_{start['status']}"


class Browsers:
    """Lets pages of the origins named, and of no others, ask for what they may and read it."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app, self._origins = app, frozenset(origins)
        self._shared = CORSMiddleware(
            app,
            allow_origins=self._origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_TAKEN,
            expose_headers=_SHOWN,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_theirs = scope["type"] == "http" and Headers(scope=scope).get("origin") in self._origins
        await (self._shared if is_theirs else self._app)(scope, receive, send)


_TAKEN = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-Match", "Last-Event-ID", "Mcp-Method",
    "Mcp-Name", "Mcp-Protocol-Version", "Mcp-Session-Id", "X-Agent-Id", "X-Request-Id",
    "X-Workflow-Id",
)  # fmt: skip
_SHOWN = ("ETag", "Location", "Mcp-Session-Id", "Retry-After", "WWW-Authenticate", HEADER)


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

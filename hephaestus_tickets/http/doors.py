"""MCP over HTTP: streamable HTTP at /mcp, and SSE for the clients that still use it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import Receive, Scope, Send

from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.http.identity import SESSION
from hephaestus_tickets.operations import OPERATIONS, Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session

_CATALOGUE = frozenset(operation.name for operation in OPERATIONS)
_EVERY: frozenset[Toolset] = frozenset({"core", "plan", "admin"})
# What a request is that reached no session: it may do nothing.
_NOBODY = Session(Caller(agent_id="http", workflows=frozenset()), frozenset(), access=Access.READ)
# Hosts and origins are checked before any of it, for every route alike.
_UNCHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
SSE_PATH, MESSAGES_PATH = "/sse", "/messages/"


class Doors:
    """One MCP server for all who come; each request's session is its own."""

    def __init__(
        self, calls: Calls, *, stateless: bool, session_idle_seconds: float, body_bytes: int
    ) -> None:
        self._server = build_server(calls, _EVERY, _NOBODY, middleware=[_as_its_caller])
        lowlevel = self._server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the SDK's own apps could not share one server between both doors
        self._streamable = StreamableHTTPSessionManager(
            lowlevel,
            json_response=stateless,  # in a session also what comes before the answer has its way
            stateless=stateless,
            security_settings=_UNCHECKED,
            session_idle_timeout=session_idle_seconds,
            max_request_body_size=body_bytes,
        )
        self._sse = SseServerTransport(
            MESSAGES_PATH, security_settings=_UNCHECKED, max_request_body_size=body_bytes
        )
        self._lowlevel = lowlevel

    @property
    def server(self) -> MCPServer[Session]:
        return self._server

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/mcp", _App(self._streamable.handle_request)),
            Route(SSE_PATH, _App(self._stream), methods=["GET"]),
            Mount(MESSAGES_PATH, app=self._sse.handle_post_message),
        ]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._streamable.run():
            yield

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._sse.connect_sse(scope, receive, send) as streams:
            options = self._lowlevel.create_initialization_options()
            await self._lowlevel.run(streams[0], streams[1], options)


class _App:
    """An ASGI application that a Route takes as such: a function it would call with a request."""

    def __init__(self, app: Any) -> None:  # Any: a bound ASGI method
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


async def _as_its_caller(
    ctx: ServerRequestContext[Session, Any], call_next: CallNext
) -> HandlerResult:
    """Each message is served as the session of the request that brought it."""
    if ctx.request is None:
        return await call_next(ctx)
    session: Session = ctx.request.scope[SESSION]
    result = await call_next(replace(ctx, lifespan_context=session))
    if ctx.method == "tools/list" and isinstance(result, dict):
        hidden = _CATALOGUE.difference(operation.name for operation in session.operations())
        return {**result, "tools": [each for each in result["tools"] if each["name"] not in hidden]}
    return result

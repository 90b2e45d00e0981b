"""MCP over HTTP: streamable HTTP at /mcp, and SSE for the clients that still use it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecuritySettings
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hephaestus_tickets.domain.access import Access
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.http.identity import SESSION
from hephaestus_tickets.http.streams import Streams
from hephaestus_tickets.operations import OPERATIONS, Toolset
from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls, Session

_CATALOGUE = frozenset(operation.name for operation in OPERATIONS)
_EVERY: frozenset[Toolset] = frozenset({"core", "plan", "admin"})
# What a request is that reached no session: it may do nothing.
_NOBODY = Session(Caller(agent_id="http", workflows=frozenset()), frozenset(), access=Access.READ)
# Hosts and origins are checked before any of it, for every route alike.
_UNCHECKED = TransportSecuritySettings(enable_dns_rebinding_protection=False)
_CHOOSE = "name it in the address's ?toolsets=, as in ?toolsets=core,plan,"
SSE_PATH, MESSAGES_PATH = "/sse", "/messages/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the doors stand open; `leaving` is set when those that are endless are to end."""

    is_stateless: bool
    session_idle_seconds: float
    body_bytes: int
    streams: int
    leaving: anyio.Event


class Doors:
    """One MCP server for all who come; each request's session is its own."""

    def __init__(self, calls: Calls, manner: Manner) -> None:
        self._streams = Streams(manner.leaving, manner.streams)
        self.server = build_server(
            calls, _EVERY, _NOBODY, middleware=[self._as_its_caller], choose=_CHOOSE
        )
        self._lowlevel = self.server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the SDK's own apps could not share one server between both doors
        self._streamable = StreamableHTTPSessionManager(
            self._lowlevel,
            # In a session also what comes before the answer has its way.
            json_response=manner.is_stateless,
            stateless=manner.is_stateless,
            security_settings=_UNCHECKED,
            session_idle_timeout=manner.session_idle_seconds,
            max_request_body_size=manner.body_bytes,
        )
        self._sse = SseServerTransport(
            MESSAGES_PATH, security_settings=_UNCHECKED, max_request_body_size=manner.body_bytes
        )

    def routes(self) -> Sequence[BaseRoute]:
        return [
            Route("/mcp", _App(self._streams.ending(self._streamable.handle_request))),
            Route(SSE_PATH, _App(_only_get(self._streams.ending(self._stream)))),
            Mount(MESSAGES_PATH, app=self._sse.handle_post_message),
        ]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._streamable.run():
            yield

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._sse.connect_sse(scope, receive, send) as streams:
            await serve_dual_era_loop(
                self._lowlevel,
                *streams,
                lifespan_state=scope[SESSION],
                init_options=self._lowlevel.create_initialization_options(),
            )

    async def _as_its_caller(
        self,
        ctx: ServerRequestContext[Session, Any],  # Any: of the request nothing else is known
        call_next: CallNext,
    ) -> HandlerResult:
        """Each message is served as the session of the request that brought it."""
        if ctx.request is None:
            return await call_next(ctx)
        session: Session = ctx.request.scope[SESSION]
        if ctx.lifespan_context is not _NOBODY:  # of SSE, where the stream alone says which tools
            session = replace(session, toolsets=ctx.lifespan_context.toolsets)
        with self._streams.under_way(ctx.method):
            result = await call_next(replace(ctx, lifespan_context=session))
        if ctx.method == "tools/list" and isinstance(result, dict):
            hidden = _CATALOGUE.difference(each.name for each in session.operations())
            tools = [each for each in result["tools"] if each["name"] not in hidden]
            return {**result, "tools": tools}
        return result


def _only_get(app: ASGIApp) -> ASGIApp:
    """To Starlette a route for GET is one for HEAD: that would open a stream too."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "GET":
            raise HTTPException(405, headers={"Allow": "GET"})
        await app(scope, receive, send)

    return guarded


class _App:
    """An ASGI application that a Route takes as such: a function it would call with a request."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)

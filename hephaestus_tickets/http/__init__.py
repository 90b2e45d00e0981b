"""The catalogue over HTTP: MCP, REST and what an operator watches, in one application."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hephaestus_tickets.http.doors import Doors
from hephaestus_tickets.http.guards import Addresses, RequestIds
from hephaestus_tickets.http.health import Health
from hephaestus_tickets.http.identity import Identity, Terms
from hephaestus_tickets.http.openapi import Pages
from hephaestus_tickets.http.problems import faulty, problem
from hephaestus_tickets.http.routes import routes
from hephaestus_tickets.server.calls import Calls, Session

BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the application is served; `hosts` and `origins` are those that a request may name."""

    terms: Terms
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    is_stateless: bool = True
    session_idle_seconds: float = 1_800.0


def build_app(
    calls: Calls, serving: Serving, *, extend: Callable[[MCPServer[Session]], None] | None = None
) -> Starlette:
    """Opens nothing but what it is given; its lifespan is that of MCP's sessions.

    `extend` may add to what MCP offers beside the catalogue.
    """
    health = Health(calls.units)
    observed = health.observing(calls)
    doors = Doors(
        observed,
        stateless=serving.is_stateless,
        session_idle_seconds=serving.session_idle_seconds,
        body_bytes=BODY_BYTES,
    )
    if extend is not None:
        extend(doors.server)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with doors.open():
            yield

    return Starlette(
        routes=[
            *health.routes(),
            *doors.routes(),
            *Pages().routes(),
            *routes(observed, body_bytes=BODY_BYTES),
        ],
        middleware=[
            Middleware(RequestIds),
            Middleware(Addresses, security=_security(serving)),
            Middleware(Identity, units=calls.units, terms=serving.terms),
        ],
        exception_handlers={HTTPException: _no_such_route, Exception: _failed},
        lifespan=lifespan,
    )


def _security(serving: Serving) -> TransportSecuritySettings:
    return TransportSecuritySettings(
        allowed_hosts=[*serving.hosts], allowed_origins=[*serving.origins]
    )


async def _no_such_route(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        told = f"{request.method} is not for this path. /openapi.json tells which methods are."
        return problem(status, "method_not_allowed", told)
    return problem(status, "no_such_route", "There is nothing at this path. /openapi.json tells.")


async def _failed(request: Request, error: Exception) -> Response:
    _ = request, error  # logged by the server with its traceback
    return faulty()

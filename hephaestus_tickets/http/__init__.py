"""The catalogue over HTTP: MCP, REST and what an operator watches, in one application."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response

from hephaestus_tickets.http.doors import Doors, Manner
from hephaestus_tickets.http.guards import (
    HEADER,
    REQUEST,
    Addresses,
    Browsers,
    Heads,
    Refusals,
    RequestIds,
)
from hephaestus_tickets.http.health import Health
from hephaestus_tickets.http.identity import Doorkeeper, Identity, Terms
from hephaestus_tickets.http.openapi import Pages
from hephaestus_tickets.http.problems import faulty, problem
from hephaestus_tickets.http.routes import routes
from hephaestus_tickets.server.calls import Calls, Session

logger = logging.getLogger("hephaestus_tickets.http")

BODY_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """How the application is served; `hosts` and `origins` are those that a request may name.

    `browsers` are the origins whose pages are let read the answers. At most so many `streams` are
    open at once. Once `leaving` is set, answers that never end do.
    """

    terms: Terms
    hosts: tuple[str, ...]
    origins: tuple[str, ...]
    browsers: tuple[str, ...] = ()
    streams: int = 100
    is_stateless: bool = True
    session_idle_seconds: float = 1_800.0
    leaving: anyio.Event = field(default_factory=anyio.Event)


def build_app(
    calls: Calls, serving: Serving, *, extend: Callable[[MCPServer[Session]], None] | None = None
) -> Starlette:
    """Opens nothing but what it is given; its lifespan is that of MCP's sessions.

    `extend` may add to what MCP offers beside the catalogue.
    """
    doorkeeper = Doorkeeper(calls.units, serving.terms)
    health = Health(calls.units, doorkeeper)
    observed = health.observing(calls)
    manner = Manner(
        is_stateless=serving.is_stateless,
        session_idle_seconds=serving.session_idle_seconds,
        body_bytes=BODY_BYTES,
        streams=serving.streams,
        leaving=serving.leaving,
    )
    doors = Doors(observed, manner)
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
        middleware=_passed(serving, observed, doorkeeper),
        exception_handlers={HTTPException: _no_such_route, Exception: _failed},
        lifespan=lifespan,
    )


def _passed(serving: Serving, calls: Calls, doorkeeper: Doorkeeper) -> list[Middleware]:
    """What each request passes, in this order. Browsers may read what any of the later refuse."""
    return [
        Middleware(RequestIds),
        Middleware(Refusals, note=calls.note_refusal),
        Middleware(Browsers, origins=serving.browsers),
        Middleware(Heads),
        Middleware(Addresses, security=_security(serving)),
        Middleware(Identity, doorkeeper=doorkeeper),
    ]


def _security(serving: Serving) -> TransportSecuritySettings:
    return TransportSecuritySettings(
        allowed_hosts=[*serving.hosts], allowed_origins=[*serving.origins]
    )


async def _no_such_route(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        told = f"{request.method} is not for this path. /openapi.json tells which methods are."
        allowed = (error.headers or {}).get("Allow", "")
        return problem(405, "method_not_allowed", told, Allow=allowed)
    return problem(404, "no_such_route", "There is nothing at this path. /openapi.json tells.")


async def _failed(request: Request, error: Exception) -> Response:
    """The server logs it with its traceback; this stands outside of all else."""
    told = request.scope.get(REQUEST, "")
    logger.error("request %s failed: %s", told, type(error).__name__)
    answer = faulty()
    answer.headers[HEADER] = told
    return answer

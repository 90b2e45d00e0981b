"""Serving over HTTP: until the block ends, and then what is under way to its end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext

import anyio
import uvicorn
from starlette.applications import Starlette

from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.app.listening import listening, shown_address
from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.http import Serving, build_app
from hephaestus_tickets.http.guards import HEAD_BYTES
from hephaestus_tickets.http.identity import Terms
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services import tokens

logger = logging.getLogger("hephaestus_tickets.http")

_DRAINING_S = 20
_LIBRARIES = {
    "mcp": logging.WARNING,
    "mcp.server.sse": logging.CRITICAL,  # it logs a message that it cannot parse, whole
    "sse_starlette": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.CRITICAL,
}


@asynccontextmanager
async def serving_http(calls: Calls, settings: HttpSettings) -> AsyncGenerator[str]:
    """Serves while the block lasts, and then what is under way to its end. Raises SetupError."""
    has_tokens = await calls.units.run(Caller(agent_id="http"), tokens.is_any)
    settings.refuse_open(has_tokens=has_tokens)
    session = SessionSettings()
    serving = Serving(
        terms=Terms(
            needs_token=has_tokens or not settings.is_loopback,
            default_workflow=session.workflow_id,
            toolsets=session.toolsets,
        ),
        hosts=settings.known_hosts(),
        origins=settings.known_origins(),
        browsers=settings.origins,
        streams=settings.streams,
        is_stateless=not settings.stateful,
        session_idle_seconds=settings.session_idle_seconds,
    )
    async with serving_app(build_app(calls, serving), settings, serving.leaving) as address:
        yield address


@asynccontextmanager
async def serving_app(
    app: Starlette, settings: HttpSettings, leaving: anyio.Event
) -> AsyncGenerator[str]:
    """As `serving_http`, whatever the application; `leaving` is set when it ends."""
    _hush()
    scheme = "https" if settings.tls_cert else "http"
    with listening(settings.host, settings.port, "HTTP_PORT") as listener:
        server = _Server(_loaded(_config(app, settings)))
        serve = asyncio.create_task(server.serve([listener]))
        try:
            yield f"{scheme}://{shown_address(settings.host, listener)}"
        finally:
            server.should_exit = True
            leaving.set()
            await serve


@asynccontextmanager
async def serving_if_asked(calls: Calls, *, is_asked: bool) -> AsyncGenerator[None]:
    """As the environment has it; without HTTP_PORT not at all. Raises SetupError."""
    settings = HttpSettings()
    if not (is_asked and settings.port):
        yield
        return
    async with serving_http(calls, settings) as address:
        logger.info("serves %s", address)
        yield


class _Server(uvicorn.Server):
    """Signals are its owner's."""

    def capture_signals(self) -> AbstractContextManager[None]:  # pyright: ignore[reportIncompatibleMethodOverride] - a generator there, used as what it yields
        """None: whoever runs it says when it ends."""
        return nullcontext()


def _hush() -> None:
    """Below these levels the libraries log what requests say: queries, names, bodies."""
    for name, level in _LIBRARIES.items():
        logging.getLogger(name).setLevel(level)


def _config(app: Starlette, settings: HttpSettings) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http="h11",  # httptools lets malformed headers through
        ws="none",
        h11_max_incomplete_event_size=HEAD_BYTES,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=settings.behind_proxy,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        timeout_graceful_shutdown=_DRAINING_S,
    )


def _loaded(config: uvicorn.Config) -> uvicorn.Config:
    """Reads its certificate now: what is wrong with that is told before anything is served."""
    try:
        config.load()
    except OSError as error:
        raise SetupError(
            f"HTTP_TLS_CERT and HTTP_TLS_KEY cannot be used: {error.strerror or error}. Both are "
            "files in PEM, the key that of the certificate, without a passphrase."
        ) from error
    return config

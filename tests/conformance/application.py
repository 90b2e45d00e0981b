"""The real application on a database of its own, with the suite's tools beside the catalogue."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

from sqlalchemy import URL

from hephaestus_tickets.app import migrate, open_calls, socket_url
from hephaestus_tickets.app.http import serving_app
from hephaestus_tickets.app.http_settings import HttpSettings
from hephaestus_tickets.http import Serving, build_app
from hephaestus_tickets.http.identity import Terms
from hephaestus_tickets.local.home import throwaway_home
from hephaestus_tickets.local.locks import only_server
from hephaestus_tickets.local.postgres import running_postgres
from tests.conformance.fixtures import add_fixtures


@contextmanager
def database() -> Generator[URL]:
    with throwaway_home() as home, only_server(home, 0), running_postgres(home) as postgres:
        url = socket_url(postgres.socket)
        migrate(url)
        yield url


@asynccontextmanager
async def application(url: URL, *, keeps_sessions: bool) -> AsyncGenerator[str]:
    """Its address; as it is by default, or with sessions and answers as event streams."""
    settings = HttpSettings(host="127.0.0.1", port=0)
    serving = Serving(
        terms=Terms(needs_token=False),
        hosts=settings.known_hosts(),
        origins=settings.known_origins(),
        is_stateless=not keeps_sessions,
    )
    async with (
        open_calls(url) as calls,
        serving_app(
            build_app(calls, serving, extend=add_fixtures), settings, serving.leaving
        ) as address,
    ):
        yield address

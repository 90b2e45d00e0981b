"""`doctor`: what is well, what is not, and how to mend it."""

from __future__ import annotations

import platform
from collections.abc import Iterable

import typer
from sqlalchemy import URL, text

from hephaestus_tickets import __version__
from hephaestus_tickets.db import (
    REVISION,
    DatabaseSettings,
    blocking_connection,
    check_database,
)
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.local.health import Finding, check_home
from hephaestus_tickets.local.settings import HomeSettings


def doctor() -> None:
    """Check programs, permissions, disk, versions, database and locks; say how to mend each.

    Looks only, changes nothing. The exit status is 1 if anything needs mending.
    """
    findings = [_versions(), *_findings()]
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'} {finding.name}: {finding.detail}")
        if finding.mend:
            typer.echo(f"     mend: {finding.mend}")
    failed = [finding.name for finding in findings if not finding.ok]
    if failed:
        typer.echo(f"\nNeeds mending: {', '.join(failed)}.")
        raise typer.Exit(1)
    typer.echo("\nAll is well.")


def _versions() -> Finding:
    detail = (
        f"hephaestus-tickets {__version__}, schema revision {REVISION}, "
        f"Python {platform.python_version()}"
    )
    return Finding(name="versions", ok=True, detail=detail)


def _findings() -> Iterable[Finding]:
    settings = DatabaseSettings()
    if settings.host:
        yield _server(settings.url())
    else:
        yield from check_home(HomeSettings().home)


def _server(url: URL) -> Finding:
    where = f"{url.host}:{url.port}/{url.database}"
    try:
        check_database(url)
        with blocking_connection(url) as connection:
            version = connection.execute(text("SHOW server_version")).scalar_one()
    except SetupError as error:
        return Finding(name="database", ok=False, detail=where, mend=str(error))
    detail = f"{where} answers, PostgreSQL {version}, schema revision {REVISION}"
    return Finding(name="database", ok=True, detail=detail)

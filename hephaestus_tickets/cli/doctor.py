"""`doctor`: what is well, what is not, and how to mend it."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Iterable
from pathlib import Path

import typer
from sqlalchemy import URL, text

from hephaestus_tickets import __version__
from hephaestus_tickets.adapters.git import GitSettings, Repositories, open_repositories
from hephaestus_tickets.app import socket_url
from hephaestus_tickets.app.index_queue import index_queue
from hephaestus_tickets.db import (
    REVISION,
    DatabaseSettings,
    blocking_connection,
    check_database,
)
from hephaestus_tickets.domain.commits import RepositoryUnavailable
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import comma_list
from hephaestus_tickets.local.health import Finding, check_home
from hephaestus_tickets.local.settings import HomeSettings
from hephaestus_tickets.local.visiting import running_socket


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
    yield from _repositories(GitSettings())
    settings = DatabaseSettings()
    if settings.host:
        database = _server(settings.url())
        yield database
        if database.ok:
            yield _index(settings.url())
        return
    home = HomeSettings().home
    yield from check_home(home)
    running = running_socket(home)
    if running is not None:
        yield _index(socket_url(running))


def _repositories(settings: GitSettings) -> Iterable[Finding]:
    """Nothing where none are to be read."""
    with open_repositories(settings) as repositories:
        if not repositories.is_open:
            return
        absent = [root for root in settings.directories() if not Path(root).is_dir()]
        if absent:
            mend = f"make these directories or take them out of GIT_ROOTS: {comma_list(absent)}"
            yield Finding(name="git", ok=False, detail="a root is not there", mend=mend)
        elif shutil.which("git") is None:
            mend = "install git 2.31 or newer where the server runs"
            yield Finding(name="git", ok=False, detail="git is not installed", mend=mend)
        else:
            yield _default_repository(repositories)


def _default_repository(repositories: Repositories) -> Finding:
    try:
        if repositories.has_default:
            repositories.open("")
    except RepositoryUnavailable as refusal:
        mend = "set GIT_REPOSITORY to a repository that this account may read"
        return Finding(name="git", ok=False, detail=refusal.reason, mend=mend)
    return Finding(name="git", ok=True, detail="repositories can be read")


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


def _index(url: URL) -> Finding:
    """A queue that only waits is well; one that an error holds up is not."""
    try:
        queue = index_queue(url)
    except SetupError as error:
        return Finding(name="index", ok=False, detail="the queue cannot be read", mend=str(error))
    mend = "mend what the error says; indexing then goes on by itself" if queue.last_error else ""
    return Finding(name="index", ok=not queue.last_error, detail=str(queue), mend=mend)

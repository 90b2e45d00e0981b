"""`init-db` and `backup`."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL

from hephaestus_tickets.app import database_url
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.local.binaries import find_binaries
from hephaestus_tickets.scripts.init_db import init_database


def init_db() -> None:
    """Create the database's tables or upgrade them; does nothing where they are current.

    With DB_HOST set, that server's database; else the embedded one of HEPHAESTUS_HOME. May be
    run any number of times, and by several processes at once.
    """
    typer.echo("The schema was brought up to date." if init_database() else "Nothing to do.")


def backup(
    output: Annotated[Path, typer.Argument(help="The file to write, in pg_dump's custom format.")],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write the whole database to one file, with pg_dump; pg_restore reads it.

    The file appears only when it is complete.
    """
    if output.exists() and not force:
        raise SetupError(f"{output} exists already: name another file, or add --force.")
    if output.exists() and not output.is_file():
        raise SetupError(f"{output} is not a regular file: name one.")
    if not output.parent.is_dir():
        raise SetupError(f"The directory {output.parent} does not exist: create it first.")
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        with database_url() as url:
            _dump(url, partial)
        partial.replace(output)
    except OSError as error:
        raise SetupError(f"Cannot write {output}: {error.strerror}.") from error
    finally:
        partial.unlink(missing_ok=True)
    typer.echo(f"Wrote {output} ({output.stat().st_size:,} bytes).")


def _dump(url: URL, target: Path) -> None:
    password = {} if url.password is None else {"PGPASSWORD": url.password}
    with target.open("xb") as file:
        target.chmod(0o600)
        done = subprocess.run(
            [
                find_binaries().path("pg_dump"),
                "--format=custom",
                "--no-password",
                f"--dbname={_connection_string(url)}",
            ],
            stdout=file,
            stderr=subprocess.PIPE,
            env={"PATH": os.defpath, **password},
            check=False,
        )
    if done.returncode != 0:
        reason = one_line(done.stderr.decode("utf-8", "replace"), 300)
        raise SetupError(f"pg_dump failed ({reason}); nothing was written.")


def _connection_string(url: URL) -> str:
    """The form that libpq reads, without the password: that goes through the environment."""
    parts = {
        "host": url.host or url.query.get("host"),
        "port": url.port,
        "user": url.username,
        "dbname": url.database,
        "sslmode": url.query.get("sslmode"),
    }
    return " ".join(f"{name}='{_escaped(value)}'" for name, value in parts.items() if value)


def _escaped(value: object) -> str:
    return str(value).replace("\\", "\\\\").replace("'", "\\'")

"""The command line: what a person types, and what a client starts."""

from __future__ import annotations

import logging
import signal
import sys
from types import FrameType
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from hephaestus_tickets import __version__
from hephaestus_tickets.app import SETTINGS
from hephaestus_tickets.cli.database import backup, init_db
from hephaestus_tickets.cli.demo import demo
from hephaestus_tickets.cli.doctor import doctor
from hephaestus_tickets.cli.exchange import export_command, import_command
from hephaestus_tickets.cli.stdio import serve_stdio
from hephaestus_tickets.domain.errors import SetupError, TicketError
from hephaestus_tickets.domain.text import one_line

HELP = """\
Tickets for AI agents, over the Model Context Protocol.

Without a command it serves one MCP client over standard input and output, on a PostgreSQL of its \
own. Start with `hephaestus-tickets demo`.
"""

app = typer.Typer(
    name="hephaestus-tickets",
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command(short_help="Watch two agents work on tickets.")(demo)
app.command("init-db", short_help="Create the tables or upgrade them.")(init_db)
app.command("import", short_help="Import a tracker into a workflow.")(import_command)
app.command("export", short_help="Write a workflow as JSONL.")(export_command)
app.command(short_help="Write the whole database to one file.")(backup)
app.command(short_help="Say what is wrong and how to mend it.")(doctor)


@app.command(short_help="Serve one MCP client (the default).")
def stdio() -> None:
    """Serve one MCP client over standard input and output (the default)."""
    serve_stdio()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hephaestus-tickets {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _default(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show it and leave."
        ),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log each call, one line of JSON, to stderr.")
    ] = False,
) -> None:
    _ = version
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    if context.invoked_subcommand is None:
        serve_stdio()


def run() -> int:
    """Run the command line; what goes wrong is one sentence on stderr and a non-zero status."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        app(prog_name="hephaestus-tickets")
    except (SetupError, TicketError) as error:
        return _fail(str(error))
    except ValidationError as error:
        settings = next((each for each in SETTINGS if each.__name__ == error.title), None)
        if settings is None:
            raise
        return _fail(f"A setting in the environment is not valid: {_faults(settings, error)}.")
    return 0


def _faults(settings: type[BaseSettings], error: ValidationError) -> str:
    prefix = settings.model_config.get("env_prefix", "")
    return "; ".join(
        f"{prefix}{detail['loc'][0]}".upper() + f" ({detail['msg'].lower()})"
        for detail in error.errors()
    )


def _fail(sentence: str) -> int:
    sys.stderr.write(f"hephaestus-tickets: {one_line(sentence, 2_000)}\n")
    return 1


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave as if by an exception: what was started is ended on the way out."""
    sys.exit(143)

"""The command line: what a person types, and what a client starts."""

from __future__ import annotations

import logging
import signal
import sys
from importlib import import_module
from types import FrameType
from typing import Annotated, Any, cast

import typer
from pydantic import ValidationError
from typer.core import TyperGroup

from hephaestus_tickets import __version__
from hephaestus_tickets.domain.errors import SetupError, TicketError
from hephaestus_tickets.domain.text import one_line

HELP = """\
Tickets for AI agents, over the Model Context Protocol.

Without a command it serves one MCP client over standard input and output. All sessions and \
commands of an account share one tracker, which starts by itself. Try `hephaestus-tickets demo`.
"""

# Each command's module, the function there, and what the list of commands says of it.
COMMANDS = {
    "stdio": ("stdio", "stdio", "Serve one MCP client (the default)."),
    "demo": ("demo", "demo", "Watch two agents work on tickets."),
    "serve": ("serving", "serve", "Run the local server in the foreground."),
    "status": ("status", "status", "Say what runs, and who is connected."),
    "stop": ("status", "stop", "End the local server."),
    "init-db": ("database", "init_db", "Create the tables or upgrade them."),
    "import": ("exchange", "import_command", "Import a tracker into a workflow."),
    "export": ("exchange", "export_command", "Write a workflow as JSONL."),
    "scan": ("scanning", "scan", "Link commits to the tickets they mention."),
    "reindex": ("reindexing", "reindex", "Index every ticket anew."),
    "backup": ("database", "backup", "Write the whole database to one file."),
    "embeddings-server": (
        "embeddings_server",
        "embeddings_server",
        "Serve the bundled embedding model.",
    ),
    "token": ("tokens", "app", "Make, list and revoke tokens for HTTP."),
    "doctor": ("doctor", "doctor", "Say what is wrong and how to mend it."),
}


class Commands(TyperGroup):
    """Imports a command when it is wanted: together they take more than a second."""

    # Any: the classes of click, which typer keeps to itself.

    def list_commands(self, ctx: Any) -> list[str]:
        _ = ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        _ = ctx
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        found = getattr(import_module(f"{__name__}.{module}"), name)
        if isinstance(found, typer.Typer):
            return typer.main.get_command(found)
        alone = typer.Typer(add_completion=False, rich_markup_mode=None)
        alone.command(cmd_name)(found)
        return typer.main.get_command(alone)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        _ = ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, _, told) in COMMANDS.items()])


app = typer.Typer(
    name="hephaestus-tickets",
    cls=Commands,
    help=HELP,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


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
        from hephaestus_tickets.cli.stdio import stdio  # noqa: PLC0415 - as in Commands

        stdio()


def run() -> int:
    """Run the command line; what goes wrong is one sentence on stderr and a non-zero status."""
    signal.signal(signal.SIGTERM, _leave)
    try:
        app(prog_name="hephaestus-tickets")
    except (SetupError, TicketError, ValidationError, ExceptionGroup) as error:
        sentence = _sentence(error)
        if not sentence:
            raise
        return _fail(sentence)
    return 0


def _sentence(error: Exception) -> str:
    """What whoever typed the command can mend; empty where the fault is not theirs."""
    if isinstance(error, ExceptionGroup):  # of what ran side by side
        group = cast("ExceptionGroup[Exception]", error)  # isinstance does not tell of what
        sentences = [_sentence(each) for each in group.exceptions]
        return sentences[0] if all(sentences) else ""
    if isinstance(error, ValidationError):
        from hephaestus_tickets.app import fault_of_settings  # noqa: PLC0415 - as in Commands

        return fault_of_settings(error)
    return str(error) if isinstance(error, SetupError | TicketError) else ""


def _fail(sentence: str) -> int:
    sys.stderr.write(f"hephaestus-tickets: {one_line(sentence, 2_000)}\n")
    return 1


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """Leave as if by an exception: what was started is ended on the way out."""
    sys.exit(143)

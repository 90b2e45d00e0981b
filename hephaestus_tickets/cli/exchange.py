"""`import` and `export`."""

from __future__ import annotations

import gzip
import os
import re
import sys
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Annotated, BinaryIO

import anyio
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from sqlalchemy import URL

from hephaestus_tickets.app import database_url, open_calls
from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.retry import Effect
from hephaestus_tickets.exchange.beads_import import BeadsImport
from hephaestus_tickets.exchange.exporting import export_workflow
from hephaestus_tickets.exchange.own_import import OwnImport
from hephaestus_tickets.exchange.reading import Format, detect_format
from hephaestus_tickets.exchange.report import Report

Watcher = Callable[[str, int, int], None]
_NOT_IN_A_NAME = re.compile(r"[^A-Za-z0-9._-]+")
_ENDINGS = (".gz", ".jsonl", ".json")
# Where beads keeps its exports: the directory above is what the tracker is about.
_BEADS_DIRECTORY = ".beads"


ExportFile = Annotated[
    Path, typer.Argument(help="A JSONL export, plain or gzip.", show_default=False)
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="The file to write, gzip if its name ends in .gz. Without it, standard output.",
        show_default=False,
    ),
]


def import_command(
    file: ExportFile,
    source_format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="What wrote the file: beads, or hephaestus for our own export. "
            "Without it the first lines tell.",
            show_default=False,
        ),
    ] = None,
    workflow: Annotated[
        str,
        typer.Option(
            help="The workflow to import into; created if there is none. Without it, a beads "
            "export goes into one named after the file (or the directory of its .beads), our own "
            "into the one it came from.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Fill a workflow from another tracker's export, or from one of our own.

    From beads: issues become tickets with blockers, one parent, links, labels as tags, comments,
    close reasons as resolutions, priorities (P0 critical, P1 high, P2 medium, P3 and P4 low),
    original times and authors. The issue's id becomes the ticket's external_ref, by which
    get_ticket finds it. Deleted issues (tombstones) become cancelled tickets. What does not fit
    is mapped, repaired or dropped, and the report counts it by reason.

    It may be stopped and run again: issues that are there already are left as they are, whatever
    was done to them since. Our own export is only imported into a new or an empty workflow.
    """
    wanted = source_format or detect_format(file)
    with database_url() as url, _progress() as watcher:
        report = anyio.run(_import, url, file, wanted, workflow, watcher)
    for line in report.lines_of_text():
        typer.echo(line)
    if report.holds_none and report.lines > 1:
        raise SetupError(f"{file} holds no ticket that could be imported.")


async def _import(url: URL, file: Path, wanted: Format, workflow: str, watcher: Watcher) -> Report:
    caller = Caller(agent_id=SessionSettings().agent_id or "import")
    async with open_calls(url) as calls:
        if wanted is Format.HEPHAESTUS:
            return await OwnImport(calls.units, caller, workflow, watcher).run(file)
        target = workflow or workflow_named_after(file)
        return await BeadsImport(calls.units, caller, target, watcher).run(file)


def workflow_named_after(file: Path) -> str:
    """`tracker.jsonl.gz` → `tracker`; `shop/.beads/issues.jsonl` → `shop`."""
    path = file.absolute()
    name = path.parent.parent.name if path.parent.name == _BEADS_DIRECTORY else path.name
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return _NOT_IN_A_NAME.sub("-", name).strip("._-")[:100] or "imported"


def export_command(
    workflow: Annotated[
        str,
        typer.Option(help="The workflow to export; else WORKFLOW_ID's.", show_default=False),
    ] = "",
    output: Output = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")] = False,
) -> None:
    """Write a workflow as JSONL: a line with its board, then one line per ticket.

    Each ticket comes with its blockers, parent, links, comments, commits and whole history, all
    of one moment, however long it takes. `import` reads it back. Tickets are numbered anew, in
    their order; texts that agents wrote are kept to the letter, ticket ids in them too. Claims
    are left out.
    """
    if output is not None and output.is_file() and not force:
        raise SetupError(f"{output} exists already: name another file, or add --force.")
    wanted = workflow or SessionSettings().workflow_id
    target = nullcontext(sys.stdout.buffer) if output is None else _opened(output)
    try:
        with database_url() as url, target as file, _progress() as watcher:
            count = anyio.run(_export, url, wanted, file, watcher)
            file.flush()
    except BrokenPipeError:
        # The reader has enough; Python would complain once more when it flushes at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    except OSError as error:
        raise SetupError(
            f"Cannot write {output or 'standard output'}: {error.strerror}."
        ) from error
    if output is not None:
        typer.echo(f"Wrote {count:,} tickets of '{wanted}' to {output}.", err=True)


async def _export(url: URL, workflow_id: str, file: BinaryIO, watcher: Watcher) -> int:
    caller = Caller(agent_id=SessionSettings().agent_id or "export")
    async with open_calls(url) as calls:
        work = export_workflow(workflow_id, file.write, watcher)
        return await calls.units.run(caller, work, effect=Effect.OUTPUT)


def _opened(output: Path) -> AbstractContextManager[BinaryIO]:
    if output.exists() and not output.is_file():
        # A device, a pipe: written as it stands, never put away for a file.
        return output.open("wb")
    return _written(output)


@contextmanager
def _written(output: Path) -> Generator[BinaryIO]:
    """A file that appears under its name only when it is complete."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as raw, _packed(raw, output) as file:
            yield file
        partial.replace(output)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _packed(raw: BinaryIO, output: Path) -> Generator[BinaryIO]:
    if output.suffix != ".gz":
        yield raw
        return
    # No time, no name: equal exports are equal files.
    with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
        yield packed  # pyright: ignore[reportReturnType] - a binary stream in all but its type


@contextmanager
def _progress() -> Generator[Watcher]:
    """A bar on stderr where a person is looking, nothing otherwise."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(
        *columns, console=console, disable=not console.is_terminal, transient=True
    ) as bar:
        tasks: dict[str, TaskID] = {}

        def watch(phase: str, done: int, total: int) -> None:
            if phase not in tasks:
                tasks[phase] = bar.add_task(phase)
            bar.update(tasks[phase], completed=done, total=total)

        yield watch

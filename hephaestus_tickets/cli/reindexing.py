"""`reindex`: every ticket is indexed anew."""

from __future__ import annotations

from typing import Annotated

import anyio
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from sqlalchemy import URL

from hephaestus_tickets.app import database_url, open_calls
from hephaestus_tickets.app.search import open_semantic
from hephaestus_tickets.db import INDEX_CHANNEL, DatabaseSettings
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.indexing.jobs import Jobs
from hephaestus_tickets.indexing.steps import Steps

_LOOK_S = 0.5


def reindex(
    workflow: Annotated[str, typer.Option("--workflow", help="Only this workflow's tickets.")] = "",
) -> None:
    """Index every ticket anew, for searches by meaning; go on until it is done.

    Nothing is embedded twice: vectors come from the database where the text and the model are
    as before. May be interrupted; the servers go on with it.
    """
    with database_url() as url:
        anyio.run(_reindex, url, workflow or None)


async def _reindex(url: URL, workflow_id: str | None) -> None:
    async with (
        open_semantic(None) as semantic,
        open_calls(url, semantic) as calls,
        anyio.create_task_group() as tasks,
    ):
        if DatabaseSettings().host and semantic.is_on:
            tasks.start_soon(Indexer(calls.units, is_alone=False).run)
        jobs = Jobs(Steps(calls.units))
        await jobs.enqueue_all(workflow_id)
        calls.units.database.tell(INDEX_CHANNEL)
        await _watch(jobs)
        tasks.cancel_scope.cancel()


async def _watch(jobs: Jobs) -> None:
    """Until nothing waits any more. Raises SetupError where it comes to nothing."""
    queue = await jobs.queue()
    columns = (
        TextColumn("Indexing"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, transient=False) as progress:
        bar = progress.add_task("", total=queue.waiting)
        total = queue.waiting
        while queue.waiting:
            if queue.last_error:
                raise SetupError(
                    f"Indexing waits, with {queue.waiting} tickets left. {queue.last_error} "
                    "It goes on by itself when that is mended."
                )
            await anyio.sleep(_LOOK_S)
            queue = await jobs.queue()
            total = max(total, queue.waiting)
            progress.update(bar, total=total, completed=total - queue.waiting)

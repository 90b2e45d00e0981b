"""`scan`: commits are linked to the tickets they mention, now or with each commit made."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, cast

import anyio
import typer
from sqlalchemy import URL

from hephaestus_tickets.adapters.git import (
    GitSettings,
    Repositories,
    Repository,
    open_repositories,
)
from hephaestus_tickets.app import database_url, open_calls
from hephaestus_tickets.app.sessions import SessionSettings
from hephaestus_tickets.cli import commit_hooks
from hephaestus_tickets.cli.own_repository import directories
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.text import comma_list
from hephaestus_tickets.operations import OPERATIONS
from hephaestus_tickets.schemas.scans import CommitsScanned
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.lookup import workflow_for_read

# The arguments of a call: JSON.
Json = dict[str, Any]
_DONE = ("Linked", "Resolved", "Unblocked")
_DRY = ("Would link", "Would resolve", "Would unblock")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    repository: Path | None
    workflow: str
    branch: str
    resolves: bool
    dry_run: bool

    @property
    def arguments(self) -> Json:
        return {
            "workflow_id": self.workflow,
            "branch": self.branch,
            "resolve": self.resolves,
            "dry_run": self.dry_run,
        }

    @property
    def options(self) -> list[str]:
        """What a hook scans with; = because a name may begin with a dash."""
        options = ["--quiet", f"--workflow={self.workflow}"]
        if self.branch:
            options.append(f"--branch={self.branch}")
        return options if self.resolves else [*options, "--no-resolve"]


RepositoryNamed = Annotated[
    Path | None,
    typer.Argument(
        help="The git repository. Without it, the one of the workflow's board, else "
        "GIT_REPOSITORY's, else the one of the current directory.",
        show_default=False,
        exists=True,
        file_okay=False,
    ),
]
WorkflowNamed = Annotated[
    str, typer.Option(help="Whose tickets are meant; else WORKFLOW_ID's.", show_default=False)
]
BranchNamed = Annotated[
    str,
    typer.Option(
        help="The branch. Without it, the board's, else the one that is checked out.",
        show_default=False,
    ),
]
Installs = Annotated[
    bool,
    typer.Option("--install-hook", help="From now on scan by itself after each commit and merge."),
]


def scan(
    repository: RepositoryNamed = None,
    *,
    workflow: WorkflowNamed = "",
    branch: BranchNamed = "",
    no_resolve: Annotated[
        bool, typer.Option("--no-resolve", help="Only link: resolve nothing.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be done.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    install_hook: Installs = False,
    uninstall_hook: Annotated[
        bool, typer.Option("--uninstall-hook", help="Remove those hooks.")
    ] = False,
) -> None:
    """Link commits to the tickets they mention, and resolve those they say they close.

    A commit mentions a ticket by its id (ticket-12), by its original id, or as the board's
    patterns have it. "Fixes", "closes" or "resolves" before it resolves the ticket where the
    board allows that. It begins where the last scan of the branch ended.
    """
    wanted = Wanted(
        repository=repository,
        workflow=workflow or SessionSettings().workflow_id,
        branch=branch,
        resolves=not no_resolve,
        dry_run=dry_run,
    )
    if uninstall_hook:
        _uninstall(wanted)
    elif install_hook:
        _install(wanted)
    else:
        _show(_found(wanted), as_json=as_json, quiet=quiet)


def _found(wanted: Wanted) -> CommitsScanned:
    with database_url() as url:
        return anyio.run(_scan, url, wanted)


def _show(found: CommitsScanned, *, as_json: bool, quiet: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found.model_dump(mode="json"), ensure_ascii=False))
    elif not quiet:
        typer.echo("\n".join(_told(found)))


def _install(wanted: Wanted) -> None:
    with database_url() as url:
        anyio.run(_check, url, wanted)
    hooks = commit_hooks.install(wanted.repository or Path(), wanted.options)
    typer.echo(f"From now on commits and merges are looked through by {_named(hooks)}.")


def _uninstall(wanted: Wanted) -> None:
    hooks = commit_hooks.uninstall(wanted.repository or Path())
    typer.echo(f"Removed {_named(hooks)}." if hooks else "There is no hook of ours.")


def _named(hooks: list[Path]) -> str:
    return " and ".join(map(str, hooks))


async def _check(url: URL, wanted: Wanted) -> None:
    """A hook says nothing to anybody: a workflow that is mistyped must be told now."""
    async with open_calls(url) as calls:
        await calls.units.run(_caller(), lambda work: workflow_for_read(work, wanted.workflow))


def _caller() -> Caller:
    return Caller(agent_id=SessionSettings().agent_id or "scan")


async def _scan(url: URL, wanted: Wanted) -> CommitsScanned:
    caller = _caller()
    with _repositories(wanted.repository) as repositories:
        async with open_calls(url, repositories=repositories) as calls:
            found = await _once(calls, caller, wanted)
            # A dry run leaves what it found, and would find it again.
            while not (found.complete or wanted.dry_run):
                found = _joined(found, await _once(calls, caller, wanted))
            return found


async def _once(calls: Calls, caller: Caller, wanted: Wanted) -> CommitsScanned:
    [operation] = [each for each in OPERATIONS if each.reply is CommitsScanned]
    reply = await calls.run(operation, wanted.arguments, caller)
    return cast("CommitsScanned", reply)  # the operation's own


def _joined(before: CommitsScanned, after: CommitsScanned) -> CommitsScanned:
    """Of what one call left the next one tells; both looked at the same commits."""
    return after.model_copy(
        update={
            "commits": max(before.commits, after.commits),
            "linked": before.linked + after.linked,
            "unverified_because": before.unverified_because or after.unverified_because,
            "resolved": before.resolved + after.resolved,
            "unblocked_tickets": [
                name
                for name in before.unblocked_tickets + after.unblocked_tickets
                if name not in after.resolved
            ],
            "not_resolved": before.not_resolved + after.not_resolved,
            "omitted": before.omitted + after.omitted,
        }
    )


def _told(found: CommitsScanned) -> list[str]:
    more = "" if found.complete else " and more"
    commits = "1 commit" if found.commits == 1 else f"{found.commits:,} commits"
    linked, resolved, unblocked = _DRY if found.dry_run else _DONE
    lines = [
        f"Looked at {commits} up to {found.head[:12]}.",
        f"{linked}: {len(found.linked):,}{more}.",
    ]
    if found.unverified_because:
        lines.append(f"Not verified: {found.unverified_because}.")
    for words, names in ((resolved, found.resolved), (unblocked, found.unblocked_tickets)):
        if names:
            lines.append(f"{words}: {comma_list(names)}.")
    return lines + [f"Not resolved: {each.reason}" for each in found.not_resolved]


@contextmanager
def _repositories(named: Path | None) -> Generator[Repositories]:
    with ExitStack() as stack:
        configured = stack.enter_context(open_repositories(GitSettings()))
        yield _Chosen(configured=configured, named=named, stack=stack)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chosen:
    """The repository named on the command line, else the configured ones, else the directory's.

    Whoever types the command may read what it names, wherever the server's roots are.
    """

    configured: Repositories
    named: Path | None
    stack: ExitStack

    @property
    def is_open(self) -> bool:
        return True

    @property
    def has_default(self) -> bool:
        return True

    def open(self, named: str) -> Repository:
        if self.named is None and (named or self.configured.has_default):
            return self.configured.open(named)
        own, shared = directories(self.named or Path())
        settings = GitSettings().model_copy(update={"roots": "", "repository": str(shared)})
        return self.stack.enter_context(open_repositories(settings)).open(str(own))

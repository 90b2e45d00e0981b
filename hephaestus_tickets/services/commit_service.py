"""Commits: what they changed, and the tickets that they mention."""

from __future__ import annotations

import time
from collections.abc import Sequence

from hephaestus_tickets.adapters.git import Repository
from hephaestus_tickets.domain.budget import ENVELOPE_BYTES, REPLY_BYTES
from hephaestus_tickets.domain.commits import (
    CommitDiff,
    CommitNotFound,
    DiffPlace,
    DiffWindow,
    RepositoryUnavailable,
    parsed_sha,
)
from hephaestus_tickets.domain.cursor import decode_cursor, encode_cursor
from hephaestus_tickets.domain.vocabulary import LinkMethod
from hephaestus_tickets.queries import commits
from hephaestus_tickets.schemas.commit_replies import CommitDiffView
from hephaestus_tickets.schemas.parameters import Actor, DiffPath, NextCursor, Sha, WithHunks
from hephaestus_tickets.schemas.plans import DryRun
from hephaestus_tickets.schemas.scans import Branch, CommitsScanned, Resolves, Since
from hephaestus_tickets.schemas.types import WorkflowId
from hephaestus_tickets.services.commit_links import CommitLink
from hephaestus_tickets.services.commit_views import MESSAGE_BYTES, diff_view
from hephaestus_tickets.services.lookup import workflow_for_read
from hephaestus_tickets.services.scan_links import Orders, write
from hephaestus_tickets.services.scan_views import scan_reply
from hephaestus_tickets.services.scanning import Ground, Link, look_through, survey
from hephaestus_tickets.services.unit_of_work import UnitOfWork

_CURSOR = "diff"
FILES_WITH_HUNKS, FILES_LISTED = 50, 500
LINKS_AT_ONCE = 200
SECONDS_READING = 30.0


class CommitService:
    """Each method is one operation of the catalogue; its docstring is what an agent reads."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def get_commit_diff(
        self,
        *,
        commit_sha: Sha,
        workflow_id: WorkflowId | None = None,
        path: DiffPath = "",
        with_hunks: WithHunks = True,
        cursor: NextCursor = "",
    ) -> CommitDiffView:
        """Read a commit: its author, its words, and what it changed, file by file."""
        sha = parsed_sha(commit_sha)
        window = DiffWindow(
            start=_place_in(cursor) if cursor else DiffPlace(),
            files=FILES_WITH_HUNKS if with_hunks else FILES_LISTED,
            budget=REPLY_BYTES - ENVELOPE_BYTES - MESSAGE_BYTES,
            has_hunks=with_hunks,
            path=path,
        )
        repositories = await self._repositories(sha, workflow_id)
        await self._work.rest()
        diff = await _first(repositories, sha, window)
        place = diff.goes_on
        follows = None if place is None else encode_cursor(_CURSOR, [place.file, place.line])
        return diff_view(diff, follows)

    async def scan_commits(
        self,
        *,
        workflow_id: WorkflowId | None = None,
        agent_id: Actor = None,
        branch: Branch = "",
        resolve: Resolves = True,
        dry_run: DryRun = False,
        since: Since = None,
    ) -> CommitsScanned:
        """Link the repository's new commits to the tickets that they mention.

        Call it after commits, a merge or a pull, and again until the reply is `complete`. It goes
        on where the last scan of the branch ended. A ticket is mentioned by its id (ticket-12),
        its original id, or a pattern of the board; with fixes, closes or resolves before it the
        ticket is resolved too, and not_resolved says why another is not: see to that and call
        resolve_ticket. Tickets in unblocked_tickets are ready to be worked on now.
        """
        actor = self._work.caller.actor(agent_id)
        chosen = self._work.caller.workflow(workflow_id)
        ground = await survey(self._work, chosen, branch, since)
        seen = await look_through(self._work, ground)
        commits_read = await _read(ground, seen.links[:LINKS_AT_ONCE])
        links = [link for link in seen.links[:LINKS_AT_ONCE] if link.sha in commits_read]
        orders = Orders(
            links=links,
            commits=commits_read,
            agent_id=actor,
            branch=ground.branch,
            resolves=resolve,
            dry_run=dry_run,
            is_whole=len(links) == len(seen.links),
        )
        written = await write(self._work, ground, orders)
        return scan_reply(ground, orders, written, seen.commits)

    async def _repositories(self, sha: str, workflow_id: str | None) -> list[Repository]:
        """Where the commit may be: in the workflow named, or in those that link it and ours."""
        caller = self._work.caller
        names = [caller.workflow(workflow_id)] if workflow_id or caller.default_workflow else []
        if not workflow_id:
            linking = commits.workflows_linking(sha, caller.workflows)
            names = [*await self._work.session.scalars(linking), *names]
        if not names:
            raise CommitNotFound(sha)
        return await self._opened(list(dict.fromkeys(names)))

    async def _opened(self, workflow_ids: list[str]) -> list[Repository]:
        """Raises RepositoryUnavailable where none of the workflows has one to read."""
        opened: dict[str, Repository] = {}
        refusals: list[RepositoryUnavailable] = []
        for workflow_id in workflow_ids:
            workflow = await workflow_for_read(self._work, workflow_id)
            try:
                repository = self._work.repositories.open(workflow.board.settings.repository)
            except RepositoryUnavailable as refusal:
                refusals.append(refusal)
            else:
                opened[repository.key] = repository
        if not opened:
            raise refusals[-1]
        return list(opened.values())


async def _first(repositories: list[Repository], sha: str, window: DiffWindow) -> CommitDiff:
    """Of the first repository that has the commit. Raises CommitNotFound."""
    for repository in repositories[:-1]:
        try:
            return await repository.diff(sha, window)
        except CommitNotFound:
            continue
    return await repositories[-1].diff(sha, window)


def _place_in(cursor: str) -> DiffPlace:
    file, line = decode_cursor(cursor, _CURSOR, (int, int))
    return DiffPlace(file=int(file), line=int(line))


async def _read(ground: Ground, links: Sequence[Link]) -> dict[str, CommitLink]:
    """The commits of the first links, as many as can be read in time; one of them at least.

    One that cannot be read, as in a clone that lacks old files, is linked without its facts: it
    would be in the way of all others for ever.
    """
    read: dict[str, CommitLink] = {}
    ends = time.monotonic() + SECONDS_READING
    for link in links:
        if read and time.monotonic() > ends:
            break
        if link.sha not in read:
            read[link.sha] = await _commit(ground.repository, link)
    return read


async def _commit(repository: Repository, link: Link) -> CommitLink:
    try:
        facts = await repository.commit(link.sha)
    except RepositoryUnavailable as refusal:
        doubt = refusal.reason
    except CommitNotFound:
        doubt = "its repository has lost the commit"
    else:
        return CommitLink(sha=link.sha, facts=facts, method=LinkMethod.AUTO_DETECTED)
    return CommitLink(
        sha=link.sha, message=link.subject, doubt=doubt, method=LinkMethod.AUTO_DETECTED
    )

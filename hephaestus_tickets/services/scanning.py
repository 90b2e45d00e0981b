"""Looking through a branch's commits for the tickets they mention, on no connection."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from hephaestus_tickets.adapters.git.repository import Repository
from hephaestus_tickets.domain.commits import LoggedCommit, parsed_sha
from hephaestus_tickets.domain.ids import parse_id
from hephaestus_tickets.domain.mentions import mentions
from hephaestus_tickets.domain.text import one_line
from hephaestus_tickets.queries import scans
from hephaestus_tickets.services.lookup import Workflow, workflow_for_read
from hephaestus_tickets.services.unit_of_work import UnitOfWork

# So many commits' words, and so many words, are looked up together.
_COMMITS, _WORDS = 500, 5_000
_SUBJECT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A commit that mentions a ticket."""

    ticket: int
    sha: str
    subject: str
    closes: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where is looked: the branch of a repository, from after a commit on, up to its last one."""

    workflow: Workflow
    repository: Repository
    branch: str
    since: str
    last: str  # where the last scan ended; empty where there was none
    head: str

    @property
    def patterns(self) -> Sequence[str]:
        return self.workflow.board.settings.commit_patterns


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How many commits there were, and their links that are not there yet, the oldest first."""

    commits: int
    links: list[Link]


async def survey(work: UnitOfWork, workflow_id: str, branch: str, since: str | None) -> Ground:
    """Raises RepositoryUnavailable, BranchNotFound, or what is wrong with `since`."""
    workflow = await workflow_for_read(work, workflow_id)
    workflow.refuse_unless_active()
    settings = workflow.board.settings
    repository = work.repositories.open(settings.repository)
    looked_at = branch or settings.branch
    statement = scans.last_scanned(workflow_id, repository.key, looked_at)
    last = (await work.session.scalars(statement)).first() or ""
    await work.rest()
    # One that is mistyped would make it begin at the first commit of all.
    start = (await repository.commit(parsed_sha(since))).sha if since else last
    return Ground(
        workflow=workflow,
        repository=repository,
        branch=looked_at,
        since=start,
        last=last,
        head=await repository.tip(looked_at),
    )


async def look_through(work: UnitOfWork, ground: Ground) -> Seen:
    """Reads by the way which words are tickets, and holds no connection while git is waited for."""
    commits, words, held, found = 0, 0, list[LoggedCommit](), list[Link]()
    async with aclosing(ground.repository.log(ground.head, ground.since)) as log:
        async for commit in log:
            commits += 1
            if mentioned := mentions(commit.message, ground.patterns):
                held.append(commit)
                words += len(mentioned)
            if len(held) >= _COMMITS or words >= _WORDS:
                found += await _links(work, ground, held)
                held, words = [], 0
            await asyncio.sleep(0)  # other sessions go on meanwhile
    found += await _links(work, ground, held)
    return Seen(commits=commits, links=await _new(work, found[::-1]))


async def _links(work: UnitOfWork, ground: Ground, commits: Sequence[LoggedCommit]) -> list[Link]:
    """Of these commits, in their order; of each the last mention first, as all is turned round."""
    refs = {each.ref for commit in commits for each in mentions(commit.message, ground.patterns)}
    known = await _tickets(work, ground.workflow.workflow_id, refs)
    return [
        Link(ticket=ticket, sha=commit.sha, subject=_subject(commit.message), closes=closes)
        for commit in commits
        for ticket, closes in reversed(_mentioned(commit.message, ground.patterns, known).items())
    ]


def _subject(message: str) -> str:
    return one_line(message.strip().partition("\n")[0], _SUBJECT)


def _mentioned(message: str, patterns: Sequence[str], known: Mapping[str, int]) -> dict[int, bool]:
    """Each ticket once, whatever it is called, and whether it is closed."""
    found: dict[int, bool] = {}
    for each in mentions(message, patterns, known):
        ticket = known[each.ref]
        found[ticket] = found.get(ticket, False) or each.closes
    return found


async def _tickets(work: UnitOfWork, workflow_id: str, refs: set[str]) -> dict[str, int]:
    if not refs:
        return {}
    rows = (await work.session.execute(scans.tickets_named(workflow_id, refs))).all()
    await work.rest()
    numbers = {number for number, _ in rows}
    by_original = {ref: number for number, ref in rows if ref is not None}
    return {
        ref: ticket for ref in refs if (ticket := _meant(ref, numbers, by_original)) is not None
    }


def _meant(ref: str, numbers: set[int], by_original: Mapping[str, int]) -> int | None:
    """`ticket-12` is that ticket first of all; 12 alone, which only a pattern finds, another's."""
    number = parse_id("ticket", ref)
    own = number if number in numbers else None
    original = by_original.get(ref)
    first, second = (original, own) if ref.isdigit() else (own, original)
    return second if first is None else first


async def _new(work: UnitOfWork, links: Sequence[Link]) -> list[Link]:
    if not links:
        return []
    pairs = [(link.ticket, link.sha) for link in links]
    rows = await work.session.execute(scans.links_among(pairs))
    there = {(number, sha) for number, sha in rows}
    await work.rest()
    return [link for link in links if (link.ticket, link.sha) not in there]

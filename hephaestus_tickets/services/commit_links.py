"""Commits tied to tickets: looked up where their repository can be asked, kept as it tells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert

from hephaestus_tickets.adapters.git import Repository
from hephaestus_tickets.domain.commits import (
    Commit,
    CommitNotFound,
    FileChange,
    RepositoryUnavailable,
    parsed_sha,
)
from hephaestus_tickets.domain.vocabulary import LinkMethod
from hephaestus_tickets.models import CommitRow
from hephaestus_tickets.queries import commits
from hephaestus_tickets.services.keyword_index import commit_words, renew_commit_words, write_words
from hephaestus_tickets.services.lookup import Workflow, ticket_for_read, workflow_for_read
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork

FILES_KEPT = 500
NO_REPOSITORY = "its workflow has no repository"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitLink:
    """A commit to be linked, with its repository's facts, or with why there are none."""

    sha: str
    message: str = ""
    facts: Commit | None = None
    doubt: str = ""
    method: LinkMethod = LinkMethod.MANUAL


async def commit_to_link(
    work: UnitOfWork,
    ref: str,
    commit_sha: str,
    *,
    message: str = "",
    allow_unverified: bool = False,
) -> CommitLink:
    """The commit as the repository of the ticket's workflow has it.

    Comes before anything is locked, and holds no connection while git is asked. Raises
    InvalidCommitSha, AmbiguousCommit, and CommitNotFound unless it may be unverified.
    """
    sha = parsed_sha(commit_sha)
    if not work.repositories.is_open:
        return CommitLink(sha=sha, message=message)  # as on most machines: nothing to be told
    try:
        facts = await _looked_up(work, ref, sha)
    except RepositoryUnavailable as refusal:
        return CommitLink(sha=sha, message=message, doubt=refusal.reason)
    except CommitNotFound:
        if not allow_unverified:
            raise
        return CommitLink(sha=sha, message=message, doubt="its repository has no such commit")
    if facts is None:
        return CommitLink(sha=sha, message=message, doubt=NO_REPOSITORY)
    return CommitLink(sha=facts.sha, facts=facts)


async def given_commit(
    work: UnitOfWork, ref: str, commit_sha: str | None, allow_unverified: bool = False
) -> CommitLink | None:
    """As `commit_to_link`, where a commit is given at all."""
    if not commit_sha:
        return None
    return await commit_to_link(work, ref, commit_sha, allow_unverified=allow_unverified)


async def _looked_up(work: UnitOfWork, ref: str, sha: str) -> Commit | None:
    """None where there is no repository to look in."""
    ticket = await ticket_for_read(work, ref)
    workflow = await workflow_for_read(work, ticket.workflow_id)
    await work.rest()
    repository = repository_of(work, workflow)
    return None if repository is None else await repository.commit(sha)


def told_of(link: CommitLink | None) -> dict[str, Any]:  # Any: fields of a reply
    """What a reply tells of a commit that was to be linked."""
    if link is None:
        return {}
    if link.facts is None:
        return {"commit_sha": link.sha, "unverified_because": link.doubt or None}
    return {"commit_sha": link.sha, "verified": True}


def repository_of(work: UnitOfWork, workflow: Workflow) -> Repository | None:
    """None where neither the board nor the operator names one. Raises RepositoryUnavailable."""
    named = workflow.board.settings.repository
    if not (named or work.repositories.has_default):
        return None
    return work.repositories.open(named)


async def write_link(recorder: Recorder, ticket: int, link: CommitLink) -> bool:
    """False where it was linked already; one that was unverified then takes the facts."""
    if link.facts is not None:
        statement = commits.unverified_of(ticket, link.sha)
        row = (await recorder.work.session.scalars(statement)).first()
        if row is not None:
            await verify_link(recorder.work, row, link.facts)
            return False
    statement = (
        insert(CommitRow)
        .values(
            ticket_id=ticket,
            agent_id=recorder.agent_id,
            link_method=link.method,
            linked_at=recorder.now,
            **_columns(link),
        )
        .on_conflict_do_nothing(constraint="uq_ticket_commits_ticket_id_commit_sha")
        .returning(CommitRow.id)
    )
    number = (await recorder.work.session.scalars(statement)).first()
    if number is None:
        return False
    text = _text(link.message, link.facts)
    await write_words(recorder.work, [commit_words(ticket, number, link.sha, *text)])
    return True


def _columns(link: CommitLink) -> dict[str, Any]:  # Any: values of columns
    if link.facts is None:
        return {"commit_sha": link.sha, "message": link.message}
    return _facts(link.facts)


def _facts(commit: Commit) -> dict[str, Any]:  # Any: values of columns
    return {
        "commit_sha": commit.sha,
        "message": commit.message,
        "author": commit.author,
        "committed_at": commit.committed_at,
        "parents": list(commit.parents),
        "files_changed": commit.files_changed,
        "insertions": commit.insertions,
        "deletions": commit.deletions,
        "files_list": [_file(each) for each in commit.files[:FILES_KEPT]],
        "verified": True,
    }


def _file(change: FileChange) -> dict[str, Any]:  # Any: JSON
    told = {"path": change.path, "status": change.status}
    if change.old_path:
        told["old_path"] = change.old_path
    return {**told, "insertions": change.insertions, "deletions": change.deletions}


def _text(message: str, facts: Commit | None) -> tuple[str, Sequence[str]]:
    if facts is None:
        return message, ()
    return facts.message, [each.path for each in facts.files[:FILES_KEPT]]


async def verify_link(work: UnitOfWork, row: CommitRow, facts: Commit) -> None:
    """An unverified link takes the facts; where the commit is linked by its whole sha too, goes."""
    before = commit_words(row.ticket_id, row.id, row.commit_sha, row.message, ())
    statement = commits.is_linked(row.ticket_id, facts.sha, besides=row.id)
    if (await work.session.scalars(statement)).one():
        await renew_commit_words(work, before, None)
        await work.session.execute(delete(CommitRow).where(CommitRow.id == row.id))
        return
    after = commit_words(row.ticket_id, row.id, facts.sha, *_text("", facts))
    await renew_commit_words(work, before, after)
    await work.session.execute(
        update(CommitRow).where(CommitRow.id == row.id).values(**_facts(facts))
    )


async def on_branch(work: UnitOfWork, workflow: Workflow, shas: Iterable[str]) -> frozenset[str]:
    """Those of the commits that the board's branch has, asked on no connection.

    Raises RepositoryUnavailable, where the workflow has none too, and BranchNotFound.
    """
    wanted = list(shas)
    repository = work.repositories.open(workflow.board.settings.repository)
    await work.rest()
    tip = await repository.tip(workflow.board.settings.branch)
    return frozenset(await repository.reachable(wanted, tip)) if wanted else frozenset()

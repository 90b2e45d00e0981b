"""Whether tickets have a commit on the branch where their board wants it to be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from hephaestus_tickets.domain.board import Column
from hephaestus_tickets.domain.commits import CommitRequired
from hephaestus_tickets.queries import commits
from hephaestus_tickets.services.commit_links import CommitLink, on_branch
from hephaestus_tickets.services.lookup import Workflow
from hephaestus_tickets.services.unit_of_work import UnitOfWork

SHAS_ASKED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """A ticket's verified commits, the latest first, and those of them that the branch has."""

    branch: str
    shas: Sequence[str] = ()
    on_branch: frozenset[str] = frozenset()

    def check(self, ticket_id: str, status: str) -> None:
        """Raises CommitRequired."""
        if not self.on_branch.intersection(self.shas):
            raise CommitRequired(ticket_id, status, self.branch, self.shas)


async def proofs(
    work: UnitOfWork,
    workflow: Workflow,
    target: Column,
    tickets: Iterable[int],
    link: CommitLink | None,
) -> dict[int, Proof] | None:
    """By ticket; None where the board wants no commit in that column.

    Comes before anything is locked: locks that were taken are given back while git is asked.
    Raises RepositoryUnavailable, BranchNotFound.
    """
    if not workflow.board.requires_commit(target.id):
        return None
    numbers = list(tickets)
    shas: dict[int, list[str]] = {number: [] for number in numbers}
    for number, sha in await work.session.execute(commits.verified_shas(numbers)):
        shas[number].append(sha)
    if link is not None and link.facts is not None:
        for each in shas.values():
            each.insert(0, link.sha)
    asked = dict.fromkeys(sha for each in shas.values() for sha in each[:SHAS_ASKED])
    found = await on_branch(work, workflow, asked)
    branch = workflow.board.settings.branch
    return {
        number: Proof(branch=branch, shas=each, on_branch=found) for number, each in shas.items()
    }

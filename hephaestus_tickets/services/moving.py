"""A call that moves a ticket, from the words it came in to the move and what is told of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from hephaestus_tickets.domain.board import Board, Column
from hephaestus_tickets.domain.vocabulary import Category, CommentType
from hephaestus_tickets.services.commit_links import CommitLink, given_commit
from hephaestus_tickets.services.lookup import Located, ticket_for_write
from hephaestus_tickets.services.moves import Decision, Moved, MoveOrder, move_ticket
from hephaestus_tickets.services.proofs import Proof, proofs
from hephaestus_tickets.services.together import Targets, hold_targets
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A move as it is asked for: nothing of it is looked up yet."""

    ticket_id: str
    target: Callable[[Board], Column]
    decide: Callable[[Board], Decision]
    agent_id: str
    comment: str
    comment_type: CommentType
    commit_sha: str | None
    allow_unverified: bool
    expected_version: int | None
    claim_token: int | None


async def carry_out(work: UnitOfWork, wanted: Wanted) -> Moved:
    """Git is asked before anything is locked for good."""
    ref = wanted.ticket_id
    link = await given_commit(work, ref, wanted.commit_sha, wanted.allow_unverified)
    located, proof = await _proved(work, ref, wanted.target, link)
    board = located.workflow.board
    order = MoveOrder(
        target=wanted.target(board),
        decide=wanted.decide(board),
        agent_id=wanted.agent_id,
        comment=wanted.comment,
        comment_type=wanted.comment_type,
        commit=link,
        proof=proof,
        expected_version=wanted.expected_version,
        claim_token=wanted.claim_token,
    )
    return await move_ticket(work, located, order)


async def _proved(
    work: UnitOfWork, ref: str, target: Callable[[Board], Column], link: CommitLink | None
) -> tuple[Located, Proof | None]:
    """The ticket, and the proof its board wants, for which it is looked up once more."""
    located = await ticket_for_write(work, ref)
    workflow = located.workflow
    known = await proofs(work, workflow, target(workflow.board), [located.id], link)
    if known is None:
        return located, None
    return await ticket_for_write(work, ref), known[located.id]


async def hold_proved(
    work: UnitOfWork, names: Sequence[str], link: CommitLink | None
) -> tuple[Targets, Mapping[int, Proof]]:
    """Tickets to be resolved, and by ticket the proofs that their board wants."""
    targets = await hold_targets(work, names)
    target = targets.workflow.board.first(Category.DONE)
    known = await proofs(work, targets.workflow, target, targets.numbers, link)
    if known is None:
        return targets, {}
    return await hold_targets(work, names), known  # git was asked, and nothing is held any more

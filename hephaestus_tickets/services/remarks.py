"""Comments and commit links: allowed on every ticket, and never a change of its fields."""

from __future__ import annotations

from collections.abc import Sequence

from hephaestus_tickets.domain.errors import Invalid
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.vocabulary import CommentType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries.tickets import database_clock, lock_ticket
from hephaestus_tickets.schemas.replies import CommitLinked
from hephaestus_tickets.services.claims import renew_if_held
from hephaestus_tickets.services.commit_links import CommitLink, told_of, write_link
from hephaestus_tickets.services.lookup import Located, ticket_for_write
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork


class EmptyComment(Invalid):
    def __init__(self) -> None:
        super().__init__("A comment needs text: comment_text holds only blanks.")


async def add_remark(
    work: UnitOfWork,
    located: Located,
    agent_id: str,
    *,
    text: str,
    kind: CommentType,
    mentions: Sequence[str],
    attachments: Sequence[str],
) -> tuple[TicketRow, int]:
    ticket, recorder = await _touched(work, located, agent_id)
    number = await recorder.comment(
        ticket.id, text, kind, mentions=mentions, attachments=attachments
    )
    if number is None:
        raise EmptyComment
    ticket.updated_at = recorder.now
    await recorder.to_index(ticket.id)
    return ticket, number


async def add_commit(work: UnitOfWork, ref: str, agent_id: str, link: CommitLink) -> CommitLinked:
    ticket, recorder = await _touched(work, await ticket_for_write(work, ref), agent_id)
    is_new = await write_link(recorder, ticket.id, link)
    if is_new:
        ticket.updated_at = recorder.now
        await recorder.to_index(ticket.id)
    return CommitLinked(
        ticket_id=ticket_id(ticket.id),
        version=ticket.version,
        already_linked=not is_new,
        **told_of(link),
    )


async def _touched(work: UnitOfWork, located: Located, agent_id: str) -> tuple[TicketRow, Recorder]:
    """The locked ticket: whoever asks what was updated since finds its new remarks too."""
    ticket = (await work.session.scalars(lock_ticket(located.id))).one()
    now = (await work.session.scalars(database_clock())).one()
    recorder = Recorder(work, agent_id, now)
    renew_if_held(recorder, ticket)
    return ticket, recorder

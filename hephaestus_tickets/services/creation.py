"""A new ticket, with its blockers, its history and its place in the index queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from hephaestus_tickets.db import INDEX_CHANNEL
from hephaestus_tickets.domain.board import Column
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.keywords import MOST_FREQUENT
from hephaestus_tickets.domain.lifecycle import check_wip_limit, plan_start
from hephaestus_tickets.domain.vocabulary import Category, Priority
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries.creation import INSERT_TICKET
from hephaestus_tickets.queries.tickets import standing_in
from hephaestus_tickets.schemas.replies import TicketCreated
from hephaestus_tickets.services.duplicates import similar_tickets
from hephaestus_tickets.services.keyword_index import own_weights, title_digest
from hephaestus_tickets.services.lookup import (
    Workflow,
    hold_workflow,
    tickets_mentioned,
)
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTicket:
    title: str
    description: str
    ticket_type: str
    priority: Priority
    initial_status: str
    created_by: str
    assigned_agent_id: str | None
    parent: str | None
    blocked_by: Sequence[str]
    tags: Sequence[str]
    related_task_ids: Sequence[str]

    @property
    def text(self) -> str:
        """What it is about."""
        return f"{self.title}\n{self.description}"


async def insert_ticket(
    work: UnitOfWork, workflow: Workflow, new: NewTicket, near: Mapping[int, float]
) -> TicketCreated:
    """The workflow's board is held. A new ticket closes no cycle: nothing waits for it yet."""
    similar = await similar_tickets(work, workflow, new.text, near)  # before locks for many
    wanted = workflow.board.column(new.initial_status or workflow.board.initial_status)
    if new.parent or new.blocked_by or wanted.wip_limit is not None:
        await hold_workflow(work, workflow)
    refs = [*new.blocked_by, *([new.parent] if new.parent else [])]
    mentioned = await tickets_mentioned(work, refs, workflow.workflow_id)
    blockers = list({mentioned[ref].id: mentioned[ref] for ref in new.blocked_by}.values())
    unresolved = [blocker for blocker in blockers if not blocker.is_resolved]
    column = plan_start(workflow.board, new.initial_status, is_blocked=bool(unresolved))
    await _check_room(work, workflow, column)
    start = _Start(
        column=column,
        parent=mentioned[new.parent].id if new.parent else None,
        blockers=[blocker.id for blocker in blockers],
        open_blockers=len(unresolved),
    )
    number = await _insert(work, workflow, new, start)
    return TicketCreated(
        ticket_id=ticket_id(number),
        version=1,
        status=column.id,
        ticket_type=workflow.board.ticket_type(new.ticket_type),
        is_blocked=start.open_blockers > 0,
        similar_tickets=similar,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where a new ticket begins, and what it depends on."""

    column: Column
    parent: int | None
    blockers: Sequence[int]
    open_blockers: int


async def _insert(work: UnitOfWork, workflow: Workflow, new: NewTicket, start: _Start) -> int:
    """The number of the new ticket, written with its history, postings and index job."""
    tags = list(dict.fromkeys(new.tags))
    weights = own_weights(new.title, new.description, tags, None)
    given = {
        "workflow": workflow.number,
        "workflow_id": workflow.workflow_id,
        "title": new.title,
        "description": new.description,
        "ticket_type": workflow.board.ticket_type(new.ticket_type),
        "priority": new.priority.rank,
        "status": start.column.id,
        "agent_id": new.created_by,
        "assigned_agent_id": new.assigned_agent_id,
        "parent": start.parent,
        "tags": tags,
        "related_task_ids": list(dict.fromkeys(new.related_task_ids)),
        "open_blockers": start.open_blockers,
        "is_started": start.column.category is Category.DOING,
        "word_count": sum(weights.values()),
        "title_digest": title_digest(new.title),
        "blockers": start.blockers,
        "terms": list(weights),
        "frequencies": [min(weight, MOST_FREQUENT) for weight in weights.values()],
        "told": f"created in {start.column.id}",
    }
    work.wakes.add(INDEX_CHANNEL)
    return (await work.session.scalars(INSERT_TICKET, given)).one()


async def _check_room(work: UnitOfWork, workflow: Workflow, column: Column) -> None:
    if column.wip_limit is not None:
        statement = standing_in(workflow.workflow_id, column.id)
        check_wip_limit(column, (await work.session.scalars(statement)).one())


def new_row(new: NewTicket, workflow: Workflow, column: Column, now: datetime) -> TicketRow:
    return TicketRow(
        workflow_id=workflow.workflow_id,
        title=new.title,
        description=new.description,
        ticket_type=workflow.board.ticket_type(new.ticket_type),
        priority=new.priority.rank,
        status=column.id,
        created_by=new.created_by,
        assigned_agent_id=new.assigned_agent_id,
        tags=list(dict.fromkeys(new.tags)),
        related_task_ids=list(dict.fromkeys(new.related_task_ids)),
        is_resolved=False,
        created_at=now,
        updated_at=now,
        started_at=now if column.category is Category.DOING else None,
        version=1,
    )

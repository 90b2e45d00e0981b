"""A plan carried out: its tickets, edges, history and index jobs, a statement for each table."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from hephaestus_tickets.db import INDEX_CHANNEL
from hephaestus_tickets.domain.ids import parse_id
from hephaestus_tickets.domain.planning import End, Entry, Ground, Start, laid_out
from hephaestus_tickets.domain.vocabulary import ChangeType
from hephaestus_tickets.models import TicketRow
from hephaestus_tickets.queries import planning
from hephaestus_tickets.queries.tickets import database_clock, locate
from hephaestus_tickets.schemas.plans import PlannedTicket
from hephaestus_tickets.services.creation import NewTicket, new_row
from hephaestus_tickets.services.duplicates import hold_titles
from hephaestus_tickets.services.keyword_index import (
    Words,
    own_weights,
    title_digest,
    write_words,
)
from hephaestus_tickets.services.lookup import Mentioned, Workflow, hold_workflow
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A planned ticket with all that is known of it before the database is asked."""

    new: NewTicket
    entry: Entry
    weights: Mapping[str, int]


async def drafted(tickets: Sequence[PlannedTicket], agent_id: str) -> list[Draft]:
    """Takes no connection: to count the words of long texts takes a while."""
    drafts: list[Draft] = []
    for ticket in tickets:
        drafts.append(_draft(ticket, agent_id))
        await asyncio.sleep(0)  # other sessions go on meanwhile
    return drafts


def _draft(ticket: PlannedTicket, agent_id: str) -> Draft:
    tags = list(dict.fromkeys(ticket.tags))
    new = NewTicket(
        title=ticket.title,
        description=ticket.description,
        ticket_type=ticket.ticket_type,
        priority=ticket.priority,
        initial_status=ticket.initial_status,
        created_by=agent_id,
        assigned_agent_id=ticket.assigned_agent_id or None,
        parent=ticket.parent,
        blocked_by=ticket.blocked_by,
        tags=tags,
        related_task_ids=ticket.related_task_ids,
    )
    entry = Entry(
        ref=ticket.ref,
        ticket_type=ticket.ticket_type,
        initial_status=ticket.initial_status,
        parent=ticket.parent,
        blocked_by=ticket.blocked_by,
        tags=tags,
    )
    weights = own_weights(ticket.title, ticket.description, tags, None)
    return Draft(new=new, entry=entry, weights=weights)


async def lay_out(work: UnitOfWork, workflow: Workflow, drafts: Sequence[Draft]) -> list[Start]:
    """Lock, look, decide. Raises InvalidPlan."""
    entries = [draft.entry for draft in drafts]
    limited = _limited_columns(workflow, entries)
    await hold_titles(work, workflow, [draft.new.title for draft in drafts])
    if limited or any(entry.names for entry in entries):
        await hold_workflow(work, workflow)
    known, foreign = await _existing(work, workflow, entries)
    standing = await _standing(work, workflow, limited)
    ground = Ground(board=workflow.board, known=known, foreign=foreign, standing=standing)
    return laid_out(entries, ground)


def _limited_columns(workflow: Workflow, entries: Iterable[Entry]) -> list[str]:
    wanted = {entry.initial_status or workflow.board.initial_status for entry in entries}
    return [
        column.id
        for column in workflow.board.columns
        if column.wip_limit is not None and column.id in wanted
    ]


async def _existing(
    work: UnitOfWork, workflow: Workflow, entries: Sequence[Entry]
) -> tuple[dict[str, End], frozenset[str]]:
    """The tickets of the workflow that the entries name, and the names of those of others."""
    refs = {entry.ref for entry in entries}
    names = {name for entry in entries for name in entry.names} - refs
    if not names:
        return {}, frozenset()
    rows = await work.session.execute(locate(names, work.caller.workflows))
    every = [Mentioned(*row) for row in rows]
    here = _by_name(row for row in every if row.workflow_id == workflow.workflow_id)
    anywhere = _by_name(every)
    known = {
        name: End(number=row.id, is_resolved=row.is_resolved)
        for name in names
        if (row := here.get(_key(name)) or here.get(name))
    }
    strange = names - known.keys()
    return known, frozenset(name for name in strange if {_key(name), name} & anywhere.keys())


def _by_name(rows: Iterable[Mentioned]) -> dict[int | str | None, Mentioned]:
    """By number and by original id: any number of names may be looked up."""
    found: dict[int | str | None, Mentioned] = {}
    for row in rows:
        found[row.id] = row
        if row.external_ref is not None:
            found[row.external_ref] = row
    return found


def _key(name: str) -> int | None:
    return parse_id("ticket", name)


async def _standing(
    work: UnitOfWork, workflow: Workflow, statuses: Sequence[str]
) -> dict[str, int]:
    if not statuses:
        return {}
    statement = planning.standing_in_each(workflow.workflow_id, statuses)
    return dict((await work.session.execute(statement)).all())


async def insert_plan(
    work: UnitOfWork, workflow: Workflow, drafts: Sequence[Draft], starts: Sequence[Start]
) -> list[TicketRow]:
    """The new tickets in the order given, with everything that belongs to them."""
    now = (await work.session.scalars(database_clock())).one()
    recorder = Recorder(work, drafts[0].new.created_by, now)
    rows = [
        _row(draft, start, workflow, recorder) for draft, start in zip(drafts, starts, strict=True)
    ]
    work.session.add_all(rows)
    await work.session.flush()
    await _set_parents(work, rows, starts)
    await _insert_blockers(recorder, rows, starts)
    for row in rows:
        description = f"created in {row.status}"
        recorder.event(row.id, ChangeType.CREATED, description=description, version=1)
    await write_words(
        work,
        [Words(row.id, 0, draft.weights) for row, draft in zip(rows, drafts, strict=True)],
    )
    await work.session.execute(planning.INSERT_JOBS, {"tickets": [row.id for row in rows]})
    work.wakes.add(INDEX_CHANNEL)
    return rows


def _row(draft: Draft, start: Start, workflow: Workflow, recorder: Recorder) -> TicketRow:
    ticket = new_row(draft.new, workflow, start.column, recorder.now)
    ticket.open_blockers = start.open_blockers
    ticket.word_count = sum(draft.weights.values())
    ticket.title_digest = title_digest(ticket.title)
    return ticket


def _number(end: End, rows: Sequence[TicketRow]) -> int:
    return rows[end.number].id if end.is_new else end.number


async def _set_parents(
    work: UnitOfWork, rows: Sequence[TicketRow], starts: Sequence[Start]
) -> None:
    pairs = [
        (row.id, _number(start.parent, rows))
        for row, start in zip(rows, starts, strict=True)
        if start.parent
    ]
    if pairs:
        given = {"tickets": [low for low, _ in pairs], "parents": [upper for _, upper in pairs]}
        await work.session.execute(planning.SET_PARENTS, given)


async def _insert_blockers(
    recorder: Recorder, rows: Sequence[TicketRow], starts: Sequence[Start]
) -> None:
    edges = [
        (row.id, _number(blocker, rows))
        for row, start in zip(rows, starts, strict=True)
        for blocker in start.blockers
    ]
    if edges:
        given = {
            "workflow_id": rows[0].workflow_id,
            "agent_id": recorder.agent_id,
            "now": recorder.now,
            "blocked": [blocked for blocked, _ in edges],
            "blockers": [blocker for _, blocker in edges],
        }
        await recorder.work.session.execute(planning.INSERT_BLOCKERS, given)

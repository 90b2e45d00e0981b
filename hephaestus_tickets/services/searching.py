"""The two legs of a search, what narrows them, and the tickets that they found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Row

from hephaestus_tickets.adapters.embeddings import Space
from hephaestus_tickets.adapters.vectors import Narrowed
from hephaestus_tickets.db import INDEX_CHANNEL
from hephaestus_tickets.domain.keywords import QueryTerm, query_terms
from hephaestus_tickets.domain.ranking import KeywordScore, ordered
from hephaestus_tickets.models import SpaceRow
from hephaestus_tickets.queries import keywords, search, tickets
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.services.listing import checked_filters
from hephaestus_tickets.services.lookup import Workflow, tickets_mentioned
from hephaestus_tickets.services.semantic import SearchUnavailable
from hephaestus_tickets.services.totals import Totals
from hephaestus_tickets.services.unit_of_work import UnitOfWork

T = TypeVar("T")

LEG = 100
NEAREST = 200  # by plain cosines: so many are ranked anew
SECONDS = 3.0  # what the semantic leg of a search may take
# So many tickets are named to the vector store one by one; of more, it asks its payload.
NAMED_AT_MOST = 2_000
WAITING_AT_MOST = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What is looked for, and among which tickets of a workflow."""

    text: str
    workflow: Workflow
    filters: TicketFilters
    conditions: list[ColumnElement[bool]]
    with_comments: bool
    terms: list[QueryTerm]

    @property
    def workflow_id(self) -> str:
        return self.workflow.workflow_id

    @property
    def is_narrowed(self) -> bool:
        return bool(self.conditions)


async def parsed_query(
    work: UnitOfWork, workflow: Workflow, text: str, filters: TicketFilters, *, with_comments: bool
) -> Query:
    checked_filters(workflow, filters)
    parents = await tickets_mentioned(work, filters.parent_ticket_id or [], workflow.workflow_id)
    return Query(
        text=text.strip(),
        workflow=workflow,
        filters=filters,
        conditions=tickets.filter_conditions(filters, [parent.id for parent in parents.values()]),
        with_comments=with_comments,
        terms=query_terms(text),
    )


async def keyword_leg(work: UnitOfWork, query: Query, limit: int = LEG) -> dict[int, KeywordScore]:
    """By ticket number, the best first."""
    if not query.terms:
        return {}
    known = work.totals.known(query.workflow_id)
    statement = keywords.found_by_keywords(
        query.conditions, counts=known is None, with_comments=query.with_comments, limit=limit
    )
    rows = (await work.session.execute(statement, _asked(query, known))).all()
    _remember(work, query, rows)
    return {number: KeywordScore(*told) for number, *told, _, _ in rows}


@dataclass(frozen=True, slots=True)
class Shown:
    """What a search shows of a ticket to one who files another."""

    title: str
    status: str


async def shown_keyword_leg(
    work: UnitOfWork, query: Query, limit: int = LEG
) -> tuple[dict[int, KeywordScore], dict[int, Shown]]:
    """As `keyword_leg` by the tickets' own texts, where nothing narrows them; and what each is."""
    if not query.terms:
        return {}, {}
    known = work.totals.known(query.workflow_id)
    statement = keywords.shown_by_keywords(counts=known is None, limit=limit)
    rows = (await work.session.execute(statement, _asked(query, known))).all()
    _remember(work, query, rows)
    leg = {number: KeywordScore(*told) for number, *told, _, _, _, _ in rows}
    return leg, {row.ticket_id: Shown(row.title, row.status) for row in rows}


def _asked(query: Query, known: Totals | None) -> dict[str, Any]:  # Any: parameters
    """In a small workflow the tickets are counted each time."""
    given = {
        "workflow": query.workflow.number,
        "terms": [each.term for each in query.terms],
        "weights": [each.weight for each in query.terms],
        "in_title": [each.is_in_title for each in query.terms],
    }
    if known is None:
        return {**given, "workflow_id": query.workflow_id}
    return {**given, "tickets": known.tickets, "average": known.average_length}


def _remember(work: UnitOfWork, query: Query, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
    """In a large workflow a minute changes nothing."""
    if rows:
        work.totals.remember(query.workflow_id, Totals(rows[0].tickets, rows[0].average))


async def exact_leg(work: UnitOfWork, query: Query, limit: int) -> list[int]:
    """The tickets that the query names as a whole; no name has a blank in it."""
    name = query.text.removeprefix("#")
    if len(name.split()) != 1:
        return []
    statement = search.named_exactly(name, query.workflow_id, query.conditions, limit)
    return list(await work.session.scalars(statement))


@dataclass(frozen=True, slots=True)
class SemanticPlan:
    """What to ask the vector store; made of facts, before the connection is given back."""

    space: Space | None
    narrowed: Narrowed = field(default_factory=Narrowed)
    is_partial: bool = False  # the space is still being built


async def semantic_plan(work: UnitOfWork, query: Query) -> SemanticPlan:
    space, is_partial = await _space_to_search(work)
    if space is None or not query.is_narrowed:
        return SemanticPlan(space, is_partial=is_partial)
    return SemanticPlan(space, await _narrowed(work, query), is_partial)


async def _space_to_search(work: UnitOfWork) -> tuple[Space | None, bool]:
    if not work.semantic.is_on:
        return None, False
    rows = [
        (space_of(row), row.status == "building")
        for row in await work.session.scalars(search.spaces())
    ]
    usable = [each for each in rows if work.semantic.can_embed(each[0])]
    return usable[0] if usable else (None, False)


def space_of(row: SpaceRow) -> Space:
    return Space(
        provider=row.provider, model=row.model, dimension=row.dimension, base_url=row.base_url
    )


async def _narrowed(work: UnitOfWork, query: Query) -> Narrowed:
    """By the facts where that names few tickets; else by payload, which may lag behind them."""
    few = search.narrowed(query.workflow_id, query.conditions, NAMED_AT_MOST)
    numbers = tuple(await work.session.scalars(few))
    if len(numbers) <= NAMED_AT_MOST:
        return Narrowed(only=numbers)
    waiting = search.narrowed_and_waiting(query.workflow_id, query.conditions, WAITING_AT_MOST)
    filters = query.filters
    return Narrowed(
        status=_several(filters.status),
        priority=_several(priority.rank for priority in filters.priority or ()),
        ticket_type=_several(filters.ticket_type),
        assigned_agent_id=_several(filters.assigned_agent_id),
        tags=_several(filters.tags),
        is_resolved=filters.is_resolved,
        is_blocked=filters.is_blocked,
        besides=tuple(await work.session.scalars(waiting)),
    )


def _several(values: Iterable[T] | None) -> tuple[T, ...] | None:
    return tuple(values or ()) or None


@dataclass(frozen=True, slots=True)
class SemanticHits:
    """What is near in meaning: scores to rank by, the best first, and the cosines themselves."""

    scores: Mapping[int, float] = field(default_factory=dict[int, float])
    cosines: Mapping[int, float] = field(default_factory=dict[int, float])


async def semantic_leg(
    work: UnitOfWork, query: Query, plan: SemanticPlan, limit: int = LEG
) -> SemanticHits:
    """Holds no connection while it waits. Raises SearchUnavailable."""
    if plan.space is None:
        raise SearchUnavailable(
            "its index is not made yet" if work.semantic.is_on else work.semantic.absent
        )
    await work.rest()
    try:
        cosines = await work.semantic.near(
            plan.space,
            query.text,
            workflow_id=query.workflow_id,
            narrowed=plan.narrowed,
            limit=NEAREST + len(plan.narrowed.besides),
            seconds=SECONDS,
        )
    except SearchUnavailable:
        work.wakes.add(INDEX_CHANNEL)  # a collection that is gone is not filled by itself
        raise
    return await ranked_by_meaning(work, plan.space, query.text, cosines, limit)


async def ranked_by_meaning(
    work: UnitOfWork, space: Space, text: str, cosines: Mapping[int, float], limit: int
) -> SemanticHits:
    """The nearest in the order of their whitened cosines, where that can be told."""
    whitening = work.semantic.whitenings.get(space.key)
    vector = work.semantic.known_query(space, text)
    scores = dict(cosines)
    if whitening is not None and vector is not None and cosines:
        statement = search.vectors(asdict(space), list(cosines))
        numbers, raw = (await work.session.execute(statement)).one()
        scores = dict(zip(numbers, whitening.cosines(vector, raw), strict=True))
    return SemanticHits(dict(list(ordered(scores).items())[:limit]), cosines)


async def still_there(work: UnitOfWork, query: Query, numbers: Sequence[int]) -> frozenset[int]:
    """Whatever the legs say, these are hits by the facts of now.

    A ticket never leaves its workflow: without a condition there is nothing to be asked.
    """
    if not (numbers and query.is_narrowed):
        return frozenset(numbers)
    statement = search.still_there(numbers, query.workflow_id, query.conditions)
    return frozenset(await work.session.scalars(statement))

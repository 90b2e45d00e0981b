"""Tickets that a new one may repeat: shown, or in the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hephaestus_tickets.adapters.vectors import Narrowed
from hephaestus_tickets.domain.errors import Conflict
from hephaestus_tickets.domain.ids import ticket_id
from hephaestus_tickets.domain.keywords import terms_of
from hephaestus_tickets.domain.ranking import fused
from hephaestus_tickets.domain.text import clip
from hephaestus_tickets.queries import graph, search
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.schemas.replies import SimilarTicket
from hephaestus_tickets.services.keyword_index import title_digest
from hephaestus_tickets.services.lookup import Workflow
from hephaestus_tickets.services.searching import (
    LEG,
    NEAREST,
    Shown,
    parsed_query,
    ranked_by_meaning,
    shown_keyword_leg,
)
from hephaestus_tickets.services.semantic import SearchUnavailable
from hephaestus_tickets.services.unit_of_work import UnitOfWork

SHOWN = 3
SECONDS = 1.0  # a creation waits no longer to know what means the same
_TITLE = 120
# Below both, a ticket is of another matter; above, it is for the caller to judge.
_COSINE, _SHARED_TERMS = 0.45, 0.5
_TITLE_LOCK = 4_853


class DuplicateTicket(Conflict):
    def __init__(self, ticket: str, title: str, status: str) -> None:
        self.ticket_id = ticket
        super().__init__(
            f"An open ticket has this title already: {ticket} '{title}' ({status}). Nothing was "
            "created. Use that one, or file yours with on_duplicate='warn'."
        )


async def near_in_meaning(work: UnitOfWork, workflow_id: str, text: str) -> dict[int, float]:
    """Cosines by ticket number; nothing where that is not known in time. Takes no connection."""
    space = work.semantic.serving
    if space is None:
        return {}
    try:
        return await work.semantic.near(
            space,
            text,
            workflow_id=workflow_id,
            narrowed=Narrowed(),
            limit=NEAREST,
            seconds=SECONDS,
        )
    except SearchUnavailable:
        return {}


async def hold_title(work: UnitOfWork, workflow: Workflow, title: str, *, refuses: bool) -> None:
    """Creations of one title wait for each other: of two that refuse a repetition one passes.

    Raises DuplicateTicket, where wanted, if an open ticket has the title.
    """
    await hold_titles(work, workflow, [title])
    if not refuses:
        return
    statement = search.same_title(workflow.workflow_id, title_digest(title))
    found = (await work.session.execute(statement)).first()
    if found is not None:
        number, there, status = found
        raise DuplicateTicket(ticket_id(number), clip(there, _TITLE), status)


async def hold_titles(work: UnitOfWork, workflow: Workflow, titles: Iterable[str]) -> None:
    """Wait for the creations under way of tickets with these titles."""
    digests = [title_digest(f"{workflow.number} {title}") for title in titles]
    keys = {int.from_bytes(digest[:4], "big", signed=True) for digest in digests}
    given = {"lock_class": _TITLE_LOCK, "numbers": sorted(keys)}
    await work.session.execute(graph.advisory_locks(), given)


async def similar_tickets(
    work: UnitOfWork, workflow: Workflow, text: str, semantic: Mapping[int, float]
) -> list[SimilarTicket]:
    """The most alike, by words and by what is near in meaning; the best first."""
    query = await parsed_query(work, workflow, text, TicketFilters(), with_comments=False)
    keyword, rows = await shown_keyword_leg(work, query)
    scores = fused(await _by_meaning(work, query.text, semantic), keyword, work.semantic.ranking)
    numbers = list(scores)[: 2 * SHOWN]
    if others := [number for number in numbers if number not in rows]:
        for row in await work.session.scalars(search.shown(others, workflow.workflow_id)):
            rows[row.id] = Shown(row.title, row.status)
    title = frozenset(terms_of(text.partition("\n")[0]))
    likely = [
        number
        for number in numbers
        if number in rows
        and (semantic.get(number, 0.0) >= _COSINE or _shares(title, rows[number].title))
    ]
    return [_similar(number, rows[number], scores[number]) for number in likely[:SHOWN]]


async def _by_meaning(
    work: UnitOfWork, text: str, cosines: Mapping[int, float]
) -> Mapping[int, float]:
    space = work.semantic.serving
    if space is None:
        return cosines
    return (await ranked_by_meaning(work, space, text, cosines, LEG)).scores


def _shares(terms: frozenset[str], title: str) -> bool:
    there = frozenset(terms_of(title))
    return len(terms & there) >= _SHARED_TERMS * max(len(terms | there), 1)


def _similar(number: int, row: Shown, score: float) -> SimilarTicket:
    return SimilarTicket(
        ticket_id=ticket_id(number),
        title=clip(row.title, _TITLE),
        status=row.status,
        score=round(score, 3),
    )

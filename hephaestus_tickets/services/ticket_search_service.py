"""Finding tickets: by meaning, by words, by both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import TypeVar

from hephaestus_tickets.domain.ids import public_id
from hephaestus_tickets.domain.ranking import fused, relative
from hephaestus_tickets.queries.tickets import database_clock
from hephaestus_tickets.schemas.arguments import TicketFilters
from hephaestus_tickets.schemas.parameters import (
    HitLimit,
    Keywords,
    QueryText,
    Ref,
    SearchFilters,
    WithComments,
)
from hephaestus_tickets.schemas.replies import IndexQueued, SearchResults
from hephaestus_tickets.schemas.types import WorkflowId
from hephaestus_tickets.services.keyword_index import renew_postings
from hephaestus_tickets.services.lookup import ticket_for_write, workflow_for_read
from hephaestus_tickets.services.recording import Recorder
from hephaestus_tickets.services.search_views import Found, hits
from hephaestus_tickets.services.searching import (
    Query,
    SemanticHits,
    exact_leg,
    keyword_leg,
    parsed_query,
    semantic_leg,
    semantic_plan,
    still_there,
)
from hephaestus_tickets.services.semantic import SearchUnavailable
from hephaestus_tickets.services.unit_of_work import UnitOfWork

T = TypeVar("T")

_PARTIAL = "the index of meanings is still being built"


class TicketSearchService:
    """Each method is one operation of the catalogue; its docstring is what an agent reads."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def hybrid_search(
        self,
        *,
        query_text: QueryText,
        workflow_id: WorkflowId | None = None,
        limit: HitLimit = 10,
        filters: SearchFilters = None,
        include_comments: WithComments = True,
    ) -> SearchResults:
        """Find tickets by meaning and by words: the search to use, above all before you file one.

        Takes a sentence, an error text, an identifier, a path, an id or a sha. Resolved tickets
        are found too.
        """
        self._work.semantic.expect(query_text.strip())
        query = await self._query(query_text, workflow_id, filters, with_comments=include_comments)
        exact = await exact_leg(self._work, query, limit)
        keyword = await keyword_leg(self._work, query)
        semantic, degraded = await self._semantic(query)
        there = await still_there(self._work, query, [*exact, *keyword, *semantic.scores])
        near, worded = _only(semantic.scores, there), _only(keyword, there)
        found = Found(
            scores=_ranked(exact, fused(near, worded, self._work.semantic.ranking), limit),
            near=list(near),
            cosines=semantic.cosines,
            keyword=worded,
            exact=frozenset(exact),
        )
        return await self._results(query, found, degraded)

    async def semantic_search(
        self,
        *,
        query_text: QueryText,
        workflow_id: WorkflowId | None = None,
        limit: HitLimit = 10,
        filters: SearchFilters = None,
    ) -> SearchResults:
        """Find tickets by meaning alone. Prefer hybrid_search."""
        self._work.semantic.expect(query_text.strip())
        query = await self._query(query_text, workflow_id, filters, with_comments=False)
        plan = await semantic_plan(self._work, query)
        semantic = await semantic_leg(self._work, query, plan)
        there = await still_there(self._work, query, list(semantic.scores))
        near = _only(semantic.scores, there)
        scores = {number: max(score, 0.0) for number, score in list(near.items())[:limit]}
        found = Found(scores=scores, near=list(near), cosines=semantic.cosines)
        return await self._results(query, found, _PARTIAL if plan.is_partial else None)

    async def search_by_keywords(
        self,
        *,
        keywords: Keywords,
        workflow_id: WorkflowId | None = None,
        limit: HitLimit = 10,
        filters: SearchFilters = None,
        include_comments: WithComments = True,
    ) -> SearchResults:
        """Find tickets by words and identifiers alone. Prefer hybrid_search."""
        query = await self._query(keywords, workflow_id, filters, with_comments=include_comments)
        exact = await exact_leg(self._work, query, limit)
        keyword = await keyword_leg(self._work, query)
        bm25 = {number: each.bm25 for number, each in keyword.items()}
        scores = _ranked(exact, relative(bm25), limit)
        found = Found(scores=scores, keyword=keyword, exact=frozenset(exact))
        return await self._results(query, found, None)

    async def index_ticket(self, *, ticket_id: Ref) -> IndexQueued:
        """Put a ticket in line to be indexed by meaning; every write of it does so by itself."""
        located = await ticket_for_write(self._work, ticket_id)
        now = (await self._work.session.scalars(database_clock())).one()
        await Recorder(self._work, self._work.caller.agent_id, now).to_index(located.id)
        return IndexQueued(ticket_id=public_id("ticket", located.id))

    async def reindex_ticket(self, *, ticket_id: Ref) -> IndexQueued:
        """Index a ticket anew, by words at once and by meaning soon."""
        located = await ticket_for_write(self._work, ticket_id)
        await renew_postings(self._work, located.id)
        return await self.index_ticket(ticket_id=ticket_id)

    async def _query(
        self,
        text: str,
        workflow_id: str | None,
        filters: TicketFilters | None,
        *,
        with_comments: bool,
    ) -> Query:
        workflow = await workflow_for_read(self._work, self._work.caller.workflow(workflow_id))
        return await parsed_query(
            self._work, workflow, text, filters or TicketFilters(), with_comments=with_comments
        )

    async def _semantic(self, query: Query) -> tuple[SemanticHits, str | None]:
        """What the semantic leg found, and why it found less than it might."""
        plan = await semantic_plan(self._work, query)
        try:
            semantic = await semantic_leg(self._work, query, plan)
        except SearchUnavailable as refusal:
            return SemanticHits(), f"by words alone: {refusal.reason}"
        return semantic, _PARTIAL if plan.is_partial else None

    async def _results(self, query: Query, found: Found, degraded: str | None) -> SearchResults:
        shown = await hits(self._work, query, found)
        return SearchResults(results=shown, returned=len(shown), degraded=degraded)


def _only(scores: Mapping[int, T], numbers: AbstractSet[int]) -> dict[int, T]:
    return {number: score for number, score in scores.items() if number in numbers}


def _ranked(exact: Sequence[int], others: Mapping[int, float], limit: int) -> dict[int, float]:
    """What the query names comes first."""
    scores = {**dict.fromkeys(exact, 1.0), **_only(others, others.keys() - set(exact))}
    return dict(list(scores.items())[:limit])

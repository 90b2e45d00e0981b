"""Searches, as short as tests want them."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from hephaestus_tickets.indexing import Indexer
from tests.factories import Desk, Json


async def indexed(indexer: Indexer) -> None:
    """Until nothing is due, and the vectors serve."""
    while await indexer.round():
        pass


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(20):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event of ours
            await anyio.sleep(0.01)


async def until_waited_for(event: anyio.Event) -> None:
    await until(lambda: event.statistics().tasks_waiting > 0)


async def found(
    desk: Desk, query: str, operation: str = "hybrid_search", **more: Json
) -> list[str]:
    """The ids of the hits, in order."""
    name = "keywords" if operation == "search_by_keywords" else "query_text"
    reply = await desk.call(operation, **{name: query}, **more)
    return [hit["ticket_id"] for hit in reply.get("results", [])]


async def by_words(desk: Desk, query: str, **more: Json) -> list[str]:
    return await found(desk, query, "search_by_keywords", **more)


async def by_meaning(desk: Desk, query: str, **more: Json) -> list[str]:
    return await found(desk, query, "semantic_search", **more)

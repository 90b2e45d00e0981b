"""What both stores do alike."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from hephaestus_tickets.adapters.embeddings import Space
from hephaestus_tickets.adapters.vectors import (
    CollectionGone,
    Narrowed,
    VectorStore,
    VectorsUnavailable,
)
from tests.adapters.vector_stores import (
    ANY,
    KINDS,
    SPACE,
    found,
    make_point,
    open_store,
    towards,
)

# What qdrant-client warns of when it is the server too.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Payload indexes have no effect", "ignore:Local mode performs exact"
)

OTHER = Space(provider="openai", model="m", dimension=4)
# In qdrant-client's own memory what is not there is a ValueError, as much else is.
KNOW_GONE = ("edge", "http")

FITS_ONLY_2 = {
    "status": Narrowed(status=("review", "done")),
    "priority": Narrowed(priority=(0, 1)),
    "ticket_type": Narrowed(ticket_type=("bug",)),
    "assigned_agent_id": Narrowed(assigned_agent_id=("builder", "planner")),
    "tags": Narrowed(tags=("nowhere", "api")),
    "is_resolved": Narrowed(is_resolved=True),
    "is_blocked": Narrowed(is_blocked=True),
    "all of them": Narrowed(
        status=("review",), priority=(1,), tags=("db",), is_resolved=True, is_blocked=True
    ),
}


@pytest.fixture(params=KINDS)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[VectorStore]:
    """Every call of it is over in 10 seconds."""
    async with open_store(request.param, tmp_path / "vectors") as opened:
        yield opened


@pytest.fixture
async def filled(store: VectorStore) -> VectorStore:
    """Tickets 1 to 4; 2 differs in everything, and 4 is of another workflow."""
    await store.ensure(SPACE)
    different = make_point(
        2,
        status="review",
        priority=1,
        ticket_type="bug",
        assigned_agent_id="builder",
        tags=["api", "db"],
        is_resolved=True,
        is_blocked=True,
    )
    others = [make_point(1), make_point(3), make_point(4, workflow_id="elsewhere")]
    await store.upsert(SPACE, [different, *others])
    return store


async def test_a_collection_is_made_once(store: VectorStore) -> None:
    assert await store.ensure(SPACE) is True
    assert await store.ensure(SPACE) is False
    assert await store.count(SPACE) == 0


async def test_the_nearest_come_first_with_their_cosines(filled: VectorStore) -> None:
    hits = await filled.nearest(SPACE, towards(0), workflow_id="w", narrowed=ANY, limit=2)
    assert [hit.ticket for hit in hits] == [1, 2]
    assert hits[0].cosine == pytest.approx(3 / math.hypot(3, 0.1))
    assert hits[1].cosine == pytest.approx(3 / math.hypot(3, 0.2))


async def test_another_workflow_never_shows(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(only=(3, 4))) == [3]
    assert await found(filled, Narrowed(status=("backlog",), besides=(2, 4))) == [1, 2, 3]
    assert await found(filled, workflow_id="elsewhere") == [4]
    assert await found(filled, workflow_id="nowhere") == []


@pytest.mark.parametrize("narrowed", FITS_ONLY_2.values(), ids=FITS_ONLY_2.keys())
async def test_every_field_narrows(filled: VectorStore, narrowed: Narrowed) -> None:
    assert await found(filled, narrowed) == [2]


async def test_no_value_of_a_field_fits_nothing(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(status=())) == []


async def test_an_unassigned_ticket_is_found_by_the_empty_agent(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(assigned_agent_id=("",))) == [1, 3]


async def test_what_does_not_fit_is_let_in_besides(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(is_resolved=True, besides=(3, 77))) == [2, 3]


async def test_besides_narrows_nothing_by_itself(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(besides=(3,))) == [1, 2, 3]


async def test_named_tickets_are_hits_whatever_their_payload_says(filled: VectorStore) -> None:
    assert await found(filled, Narrowed(only=(3, 1, 77))) == [1, 3]
    assert await found(filled, Narrowed(only=(3, 1), is_resolved=True)) == [1, 3]
    assert await found(filled, Narrowed(only=())) == []


async def test_thousands_of_tickets_may_be_named(filled: VectorStore) -> None:
    many = tuple(range(3, 5_003))
    assert await found(filled, Narrowed(only=many)) == [3]
    assert await found(filled, Narrowed(status=("review",), besides=many)) == [2, 3]


async def test_a_point_that_comes_again_replaces_itself(filled: VectorStore) -> None:
    await filled.upsert(SPACE, [make_point(1, vector=towards(9), status="done")])
    assert await filled.count(SPACE) == 4
    assert await found(filled) == [2, 3, 1]
    assert await found(filled, Narrowed(status=("done",))) == [1]


async def test_no_points_are_no_write(filled: VectorStore) -> None:
    await filled.upsert(SPACE, [])
    assert await filled.count(SPACE) == 4


async def test_more_points_than_one_request_takes_are_all_kept(filled: VectorStore) -> None:
    await filled.upsert(SPACE, [make_point(number) for number in range(1, 601)])
    assert await filled.count(SPACE) == 600
    assert await found(filled, limit=3) == [1, 2, 3]


async def test_the_largest_number_of_a_ticket_comes_back_whole(filled: VectorStore) -> None:
    largest = 2**63 - 1
    await filled.upsert(SPACE, [make_point(largest, vector=towards(0))])
    assert await found(filled, limit=1) == [largest]


async def test_each_space_has_its_own_points(filled: VectorStore) -> None:
    await filled.ensure(OTHER)
    await filled.serve(OTHER)
    assert await filled.count(OTHER) == 0
    await filled.drop(SPACE)
    assert await filled.count(OTHER) == 0


async def test_a_dropped_collection_may_be_dropped_again_and_made_anew(
    filled: VectorStore,
) -> None:
    await filled.drop(SPACE)
    await filled.drop(SPACE)
    assert await filled.ensure(SPACE) is True
    assert await filled.count(SPACE) == 0


async def test_vectors_of_another_dimension_are_refused(filled: VectorStore) -> None:
    for call in (
        filled.upsert(SPACE, [make_point(9, vector=[1.0, 2.0])]),
        filled.nearest(SPACE, [1.0] * 5, workflow_id="w", narrowed=ANY, limit=1),
    ):
        with pytest.raises(VectorsUnavailable, match="are of 4 numbers") as refused:
            await call
        assert refused.value.is_misconfigured
    assert await filled.count(SPACE) == 4


class Short(Space):
    """A space whose key another dimension has already taken."""

    @property
    def key(self) -> str:
        return SPACE.key


async def test_a_collection_of_another_dimension_is_refused(filled: VectorStore) -> None:
    with pytest.raises(VectorsUnavailable, match="are of 3 numbers, but 4") as refused:
        await filled.ensure(Short(provider="local", model="m", dimension=3))
    assert refused.value.is_misconfigured
    assert await filled.count(SPACE) == 4


@pytest.mark.parametrize("store", KNOW_GONE, indirect=True)
async def test_what_was_never_made_is_gone(store: VectorStore) -> None:
    for call in (
        store.count(SPACE),
        store.upsert(SPACE, [make_point(1)]),
        store.nearest(SPACE, towards(0), workflow_id="w", narrowed=ANY, limit=1),
    ):
        with pytest.raises(CollectionGone):
            await call

"""The store on a Qdrant server, over HTTP on loopback."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Generator

import anyio
import pytest
from pydantic import SecretStr, ValidationError

from hephaestus_tickets.adapters.embeddings import Space
from hephaestus_tickets.adapters.vectors import (
    CollectionGone,
    Narrowed,
    QdrantSettings,
    VectorStore,
    VectorsUnavailable,
    open_remote,
)
from tests.adapters.qdrant_stub import (
    CUT,
    GARBAGE,
    RESET,
    STRANGE,
    WIPED,
    Behaviour,
    Stub,
    failing,
    qdrant_stub,
)
from tests.adapters.vector_stores import ANY, SPACE, found, make_point, towards

KEY = "not-to-be-told"
NAME = f"hephaestus_tickets_{SPACE.key}"
OTHER = Space(provider="openai", model="m", dimension=4)


@pytest.fixture
def stub() -> Generator[Stub]:
    with qdrant_stub() as running:
        yield running


@pytest.fixture
async def store(stub: Stub) -> AsyncGenerator[VectorStore]:
    """With tickets 1 to 3. Every request of it is over in 1 second."""
    settings = QdrantSettings(url=stub.url, api_key=SecretStr(KEY))
    opened = open_remote(settings, seconds=1)
    await opened.ensure(SPACE)
    await opened.upsert(SPACE, [make_point(number) for number in (1, 2, 3)])
    yield opened
    await opened.aclose()


async def refusal(store: VectorStore) -> VectorsUnavailable:
    """Why a search is refused, in bounded time and without a secret."""
    with anyio.fail_after(3), pytest.raises(VectorsUnavailable) as refused:
        await found(store)
    assert KEY not in str(refused.value)
    assert "127.0.0.1" not in str(refused.value)
    return refused.value


async def test_nothing_is_asked_before_the_first_call(stub: Stub) -> None:
    store = open_remote(QdrantSettings(url=stub.url))
    await store.aclose()
    assert stub.requests == []


async def test_a_collection_is_of_cosines_with_workflows_as_tenants(
    store: VectorStore, stub: Stub
) -> None:
    [made] = stub.asked(f"PUT /collections/{NAME}")
    assert made.body["vectors"] == {"size": 4, "distance": "Cosine"}
    assert made.body["hnsw_config"]["payload_m"] == 16
    assert stub.held.collections[NAME].indexes == {
        "workflow_id": {"type": "keyword", "is_tenant": True},
        "status": "keyword",
        "priority": "integer",
        "ticket_type": "keyword",
        "assigned_agent_id": "keyword",
        "tags": "keyword",
        "is_resolved": "bool",
        "is_blocked": "bool",
    }


async def test_every_request_carries_the_key(store: VectorStore, stub: Stub) -> None:
    await found(store)
    assert {asked.key for asked in stub.requests} == {KEY}


async def test_without_a_key_none_is_sent(stub: Stub) -> None:
    store = open_remote(QdrantSettings(url=stub.url))
    await store.ensure(SPACE)
    await store.aclose()
    assert {asked.key for asked in stub.requests} == {""}


async def test_writes_are_waited_for(store: VectorStore, stub: Stub) -> None:
    [wrote] = stub.asked(f"PUT /collections/{NAME}/points")
    assert wrote.query == "wait=true"
    assert [point["id"] for point in wrote.body["points"]] == [1, 2, 3]
    assert wrote.body["points"][0]["payload"]["workflow_id"] == "w"


async def test_points_go_in_batches(store: VectorStore, stub: Stub) -> None:
    await store.upsert(SPACE, [make_point(number) for number in range(1, 601)])
    sizes = [len(each.body["points"]) for each in stub.asked(f"PUT /collections/{NAME}/points")]
    assert sizes == [3, 256, 256, 88]


async def test_long_vectors_go_in_smaller_batches(store: VectorStore, stub: Stub) -> None:
    long = Space(provider="openai", model="m", dimension=40_000)
    await store.ensure(long)
    point = make_point(1, vector=[1.0] * 40_000)
    await store.upsert(long, [point] * 12)
    wrote = stub.asked(f"PUT /collections/hephaestus_tickets_{long.key}/points")
    assert [len(each.body["points"]) for each in wrote] == [10, 2]


async def test_the_filter_is_the_workflow_and_what_fits_or_is_let_in(
    store: VectorStore, stub: Stub
) -> None:
    narrowed = Narrowed(status=("backlog", "done"), priority=(1,), is_blocked=False, besides=(7, 8))
    await found(store, narrowed, limit=5)
    [asked] = stub.asked(f"POST /collections/{NAME}/points/query")
    assert asked.body["filter"] == {
        "must": [
            {"key": "workflow_id", "match": {"value": "w"}},
            {
                "should": [
                    {"has_id": [7, 8]},
                    {
                        "must": [
                            {"key": "status", "match": {"any": ["backlog", "done"]}},
                            {"key": "priority", "match": {"any": [1]}},
                            {"key": "is_blocked", "match": {"value": False}},
                        ]
                    },
                ]
            },
        ]
    }
    assert asked.body["limit"] == 5
    assert "params" not in asked.body


async def test_named_tickets_are_asked_for_exactly(store: VectorStore, stub: Stub) -> None:
    await found(store, Narrowed(only=(1, 2)))
    [asked] = stub.asked(f"POST /collections/{NAME}/points/query")
    assert asked.body["params"] == {"exact": True}
    assert asked.body["filter"]["must"][1] == {"has_id": [1, 2]}


async def test_no_ticket_to_find_is_no_request(store: VectorStore, stub: Stub) -> None:
    before = len(stub.requests)
    assert await found(store, Narrowed(only=())) == []
    assert len(stub.requests) == before


async def test_the_alias_goes_over_in_one_request(store: VectorStore, stub: Stub) -> None:
    await store.ensure(OTHER)
    for space in (SPACE, SPACE, OTHER):
        await store.serve(space)
    first, second = stub.asked("POST /collections/aliases")
    assert [list(action) for action in first.body["actions"]] == [["create_alias"]]
    assert [list(action) for action in second.body["actions"]] == [
        ["delete_alias"],
        ["create_alias"],
    ]
    assert stub.held.aliases == {"hephaestus_tickets": f"hephaestus_tickets_{OTHER.key}"}


async def test_indexes_that_are_missing_are_made_up_for(store: VectorStore, stub: Stub) -> None:
    del stub.held.collections[NAME].indexes["tags"]
    assert await store.ensure(SPACE) is False
    assert stub.asked(f"PUT /collections/{NAME}/index")[-1].body["field_name"] == "tags"
    assert len(stub.held.collections[NAME].indexes) == 8


async def test_of_two_servers_that_make_a_collection_one_was_first(
    store: VectorStore, stub: Stub
) -> None:
    stub.next(Behaviour(content=b'{"result": {"exists": false}, "status": "ok", "time": 0}'))
    assert await store.ensure(SPACE) is False


FAULTS = {
    "500": (failing(500), "Qdrant answered with status 500"),
    "502 of a proxy": (Behaviour(status=502, content=b"<html>"), "Qdrant answered with status 502"),
    "400": (failing(400), "Qdrant answered with status 400"),
    "401": (failing(401), "Qdrant refuses QDRANT_API_KEY"),
    "403": (failing(403), "Qdrant refuses QDRANT_API_KEY"),
    "429": (failing(429), "Qdrant answered with status 429"),
    "429 and when": (failing(429, Retry_After="7"), "Qdrant is asked too much"),
    "429 and nonsense": (failing(429, Retry_After="soon"), "Qdrant's answer could not be read"),
    "garbage": (GARBAGE, "Qdrant's answer could not be read"),
    "no result": (STRANGE, "Qdrant's answer could not be read"),
    "another's JSON": (Behaviour(content=b"[]"), "Qdrant's answer could not be read"),
    "a web page": (Behaviour(content=b"<html>"), "Qdrant's answer could not be read"),
    "cut": (CUT, "Qdrant cannot be reached, or broke off"),
    "reset": (RESET, "Qdrant cannot be reached, or broke off"),
    "slow": (Behaviour(seconds=5), "Qdrant did not answer within 1 seconds"),
    "in drops": (Behaviour(trickle=0.2), "Qdrant did not answer within 1 seconds"),
}


@pytest.mark.parametrize(("behaviour", "reason"), FAULTS.values(), ids=FAULTS.keys())
async def test_every_fault_is_one_reason_and_the_next_call_is_fine(
    store: VectorStore, stub: Stub, behaviour: Behaviour, reason: str
) -> None:
    stub.next(behaviour)
    refused = await refusal(store)
    assert refused.reason == reason
    assert refused.is_misconfigured == (behaviour.status in {401, 403})
    assert not isinstance(refused, CollectionGone)
    assert await found(store) == [1, 2, 3]


async def test_the_pause_that_a_server_asks_for_is_told(store: VectorStore, stub: Stub) -> None:
    stub.next(failing(429, Retry_After="7"))
    assert (await refusal(store)).retry_after == 7


async def test_no_answer_is_waited_for_longer_than_said(store: VectorStore, stub: Stub) -> None:
    stub.next(Behaviour(trickle=0.2))
    started = time.monotonic()
    await refusal(store)
    assert 0.9 < time.monotonic() - started < 2


async def test_a_server_that_is_away_is_used_again_when_it_is_back(
    store: VectorStore, stub: Stub
) -> None:
    with stub.away():
        assert (await refusal(store)).reason == "Qdrant cannot be reached, or broke off"
    assert await found(store) == [1, 2, 3]


async def test_a_wiped_server_is_filled_again(store: VectorStore, stub: Stub) -> None:
    stub.next(WIPED)
    assert isinstance(await refusal(store), CollectionGone)
    with pytest.raises(CollectionGone):
        await store.upsert(SPACE, [make_point(1)])
    assert await store.ensure(SPACE) is True
    await store.upsert(SPACE, [make_point(1)])
    assert await found(store) == [1]


async def test_a_callers_own_deadline_is_kept(store: VectorStore, stub: Stub) -> None:
    stub.next(Behaviour(seconds=5))
    with anyio.move_on_after(0.1) as scope:
        await store.nearest(SPACE, towards(0), workflow_id="w", narrowed=ANY, limit=1)
    assert scope.cancelled_caught
    assert await found(store) == [1, 2, 3]


@pytest.mark.parametrize(
    "url",
    ["localhost:6333", "qdrant", "ftp://host", "http:///", "http://host:port", "http://a:b@host"],
)
def test_an_address_that_cannot_be_used_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValidationError) as refused:
        QdrantSettings(url=url)
    assert url not in str(refused.value)


def test_an_address_is_used_without_what_surrounds_it() -> None:
    assert QdrantSettings(url=" https://host:443/qdrant/ ").url == "https://host:443/qdrant"


def test_a_key_that_cannot_be_sent_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValidationError) as refused:
        QdrantSettings(api_key=SecretStr("schlüssel"))
    assert "schlüssel" not in str(refused.value)

from __future__ import annotations

import json

import anyio
import pytest
from finding import by_meaning, found, indexed, until_waited_for

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable
from hephaestus_tickets.adapters.vectors import VectorsUnavailable
from hephaestus_tickets.domain.caller import Caller, WorkflowNotFound
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.services import searching
from hephaestus_tickets.services.semantic import SearchUnavailable
from tests.factories import Desk
from tests.fakes import FakeEmbedder
from tests.services.actors import Sql
from tests.services.rows import number_of

SHA = "0123456789abcdef0123456789abcdef01234567"


async def test_a_ticket_is_found_by_its_meaning_alone(desk: Desk, indexer: Indexer) -> None:
    ticket = await desk.make_ticket(title="Nobody can sign in")
    await desk.make_ticket(title="Dark mode")
    await indexed(indexer)
    assert await found(desk, "log", "search_by_keywords") == []
    assert (await by_meaning(desk, "log"))[0] == ticket
    assert (await found(desk, "log"))[0] == ticket


async def test_a_hit_says_what_it_is_and_why_it_is_there(desk: Desk, indexer: Indexer) -> None:
    blocker = await desk.make_ticket(title="Other things")
    ticket = await desk.make_ticket(
        title="The zebra is lost",
        description="It was last seen near the river, says the zebra keeper.",
        priority="high",
        ticket_type="bug",
        assigned_agent_id="keeper",
        tags=["zebra"],
        blocked_by_ticket_ids=[blocker],
    )
    await desk.add_comment(ticket_id=ticket, comment_text="No zebra here")
    await indexed(indexer)
    hit, *_ = (await desk.hybrid_search(query_text="zebra"))["results"]
    scores = [hit.pop(name) for name in ("score", "semantic_score", "keyword_score")]
    assert hit == {
        "ticket_id": ticket,
        "title": "The zebra is lost",
        "status": "backlog",
        "priority": "high",
        "ticket_type": "bug",
        "assigned_agent_id": "keeper",
        "is_blocked": True,
        "matched_in": ["title", "description", "tags", "comment", "meaning"],
        "snippet": "It was last seen near the river, says the zebra keeper.",
    }
    assert all(score > 0 for score in scores)


async def test_a_comment_is_shown_where_the_description_says_nothing(desk: Desk) -> None:
    ticket = await desk.make_ticket(title="Lost", description="Nothing")
    await desk.add_comment(ticket_id=ticket, comment_text="A zebra did it")
    [hit] = (await desk.hybrid_search(query_text="zebra"))["results"]
    assert (hit["matched_in"], hit["snippet"]) == (["comment"], "A zebra did it")


@pytest.mark.parametrize("query", ["ticket-{number}", "#ticket-{number}", "BD-0088", SHA, SHA[:9]])
async def test_what_is_named_comes_first(
    desk: Desk, indexer: Indexer, sql: Sql, query: str
) -> None:
    ticket = await desk.make_ticket(title="The one")
    await desk.link_commit(ticket_id=ticket, commit_sha=SHA)
    number = number_of(ticket)
    sql.run("UPDATE tickets SET external_ref = 'BD-0088' WHERE id = :id", id=number)
    name = query.format(number=number)
    for _ in range(3):
        await desk.make_ticket(title=f"About {name}", description=name)
    await indexed(indexer)
    hit, *others = (await desk.hybrid_search(query_text=name))["results"]
    assert (hit["ticket_id"], hit["score"]) == (ticket, 1.0)
    assert "ticket id" in hit["matched_in"]
    assert len(others) == 3


async def test_scores_fall_from_1_to_0_and_a_page_has_its_limit(
    desk: Desk, indexer: Indexer
) -> None:
    for number in range(12):
        await desk.make_ticket(title=f"A zebra and {number} other animals")
    await indexed(indexer)
    for operation in ("hybrid_search", "semantic_search"):
        reply = await desk.call(operation, query_text="zebra 7", limit=5)
        scores = [hit["score"] for hit in reply["results"]]
        assert reply["returned"] == len(scores) == 5
        assert scores == sorted(scores, reverse=True)
        assert 0 <= scores[-1] <= scores[0] <= 1


async def test_ten_hits_cost_less_than_1500_tokens(desk: Desk, indexer: Indexer) -> None:
    text = "The connection to the replica is lost and never comes back, whatever is tried. " * 9
    for number in range(12):
        await desk.make_ticket(
            title=f"Replica {number} is lost: the connection of the pool times out for ever",
            description=text,
            assigned_agent_id="an-agent-with-a-name",
            tags=["replica"],
        )
    await indexed(indexer)
    reply = await desk.hybrid_search(query_text="connection to replica lost", limit=10)
    assert reply["returned"] == 10
    assert len(json.dumps(reply, ensure_ascii=False, separators=(",", ":"))) / 4 < 1_500


async def test_facts_are_those_of_now_and_not_of_the_index(desk: Desk, indexer: Indexer) -> None:
    moved = await desk.make_ticket(title="The zebra")
    stays = await desk.make_ticket(title="Another zebra")
    await indexed(indexer)
    await desk.change_status(ticket_id=moved, new_status="review")
    await desk.assign_ticket(ticket_id=moved, assigned_agent_id="keeper")
    for search in (found, by_meaning):
        assert await search(desk, "zebra", filters={"status": "review"}) == [moved]
        assert await search(desk, "zebra", filters={"status": "backlog"}) == [stays]
        assert await search(desk, "zebra", filters={"assigned_agent_id": "keeper"}) == [moved]
    hits = (await desk.hybrid_search(query_text="zebra"))["results"]
    assert {hit["ticket_id"]: hit["status"] for hit in hits} == {moved: "review", stays: "backlog"}


async def test_no_hit_is_lost_or_stale_where_too_many_are_left_to_be_named(
    desk: Desk, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    tickets = [await desk.make_ticket(title=f"Zebra {number}") for number in range(6)]
    await desk.change_status(ticket_id=tickets[0], new_status="review")
    await indexed(indexer)
    await desk.change_status(ticket_id=tickets[0], new_status="backlog")
    await desk.change_status(ticket_id=tickets[1], new_status="review")
    monkeypatch.setattr(searching, "NAMED_AT_MOST", 0)
    assert await by_meaning(desk, "zebra", filters={"status": "review"}) == [tickets[1]]
    assert set(await by_meaning(desk, "zebra", filters={"status": "backlog"})) == {
        tickets[0],
        *tickets[2:],
    }
    assert set(await by_meaning(desk, "zebra", filters={"is_resolved": False})) == set(tickets)


async def test_a_selective_filter_finds_what_is_far_down_the_list(
    desk: Desk, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "LEG", 5)
    monkeypatch.setattr(searching, "NEAREST", 5)
    far = await desk.make_ticket(title="Of quite another matter", priority="low")
    for _ in range(20):
        await desk.make_ticket(title="zebra")
    await indexed(indexer)
    assert await by_meaning(desk, "zebra", filters={"priority": "low"}) == [far]


async def test_another_workflow_is_never_seen(desk: Desk, indexer: Indexer) -> None:
    await desk.configure_board(workflow_id="other")
    other = await desk.make_ticket(title="zebra", workflow_id="other")
    ticket = await desk.make_ticket(title="zebra")
    await indexed(indexer)
    for search in (found, by_meaning):
        assert await search(desk, "zebra") == [ticket]
        assert await search(desk, "zebra", workflow_id="other") == [other]
        assert await search(desk, other) == [ticket]


async def test_who_may_not_see_a_workflow_cannot_search_it(desk: Desk, indexer: Indexer) -> None:
    await desk.make_ticket(title="zebra")
    await indexed(indexer)
    stranger = Desk(desk.calls, Caller(agent_id="x", workflows=frozenset({"none"})))
    for operation in ("hybrid_search", "semantic_search"):
        with pytest.raises(WorkflowNotFound):
            await stranger.call(operation, query_text="zebra")


async def test_without_an_index_words_answer_and_say_why(desk: Desk) -> None:
    ticket = await desk.make_ticket(title="zebra")
    reply = await desk.hybrid_search(query_text="zebra")
    assert [hit["ticket_id"] for hit in reply["results"]] == [ticket]
    assert reply["degraded"] == "by words alone: its index is not made yet"
    with pytest.raises(SearchUnavailable, match="hybrid_search"):
        await desk.semantic_search(query_text="zebra")


async def test_an_embedder_that_fails_leaves_the_words(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder
) -> None:
    ticket = await desk.make_ticket(title="zebra")
    await indexed(indexer)
    embedder.fault = EmbeddingUnavailable("the embedding server cannot be reached")
    reply = await desk.hybrid_search(query_text="zebra")
    assert [hit["ticket_id"] for hit in reply["results"]] == [ticket]
    assert reply["degraded"] == "by words alone: the embedding server cannot be reached"
    embedder.fault = None
    assert "degraded" not in await desk.hybrid_search(query_text="zebra")


async def test_an_embedder_that_never_answers_is_not_waited_for(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await desk.make_ticket(title="zebra")
    await indexed(indexer)
    monkeypatch.setattr(searching, "SECONDS", 0.2)
    embedder.waits_for = anyio.Event()
    with anyio.fail_after(5):
        reply = await desk.hybrid_search(query_text="zebra and more")
    assert [hit["ticket_id"] for hit in reply["results"]] == [ticket]
    assert reply["degraded"] == "by words alone: it did not answer within 0.2 seconds"


async def test_no_connection_is_held_while_the_embedder_is_waited_for(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, sql: Sql
) -> None:
    await desk.make_ticket(title="zebra")
    await indexed(indexer)
    embedder.waits_for = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(found, desk, "zebra and more")
        await until_waited_for(embedder.waits_for)
        assert in_transactions(sql) == 0
        embedder.waits_for.set()


def in_transactions(sql: Sql) -> int:
    return sql.one(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND state LIKE 'idle in transaction%'"
    )


async def test_a_store_that_fails_leaves_the_words(
    desk: Desk, indexer: Indexer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = await desk.make_ticket(title="zebra")
    await indexed(indexer)

    async def fails(*_: object, **__: object) -> None:
        raise VectorsUnavailable("Qdrant cannot be reached")

    monkeypatch.setattr(desk.calls.units.semantic.store, "nearest", fails)
    reply = await desk.hybrid_search(query_text="zebra")
    assert [hit["ticket_id"] for hit in reply["results"]] == [ticket]
    assert reply["degraded"] == "by words alone: Qdrant cannot be reached"

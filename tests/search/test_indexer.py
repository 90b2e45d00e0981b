from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from finding import by_meaning, indexed, until, until_waited_for
from sqlalchemy import URL

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable, Whitening
from hephaestus_tickets.adapters.vectors import CollectionGone
from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.indexing.jobs import Jobs
from hephaestus_tickets.indexing.steps import Steps
from tests.factories import Desk
from tests.fakes import SPACE, FakeEmbedder, open_searching
from tests.services.actors import Sql
from tests.services.rows import insert_tickets


def waiting(sql: Sql) -> int:
    return sql.one("SELECT count(*) FROM index_jobs")


def indexed_by(embedder: FakeEmbedder) -> list[str]:
    """Without what a creation looked for: that has two lines, the second empty."""
    return [text for text in embedder.texts if not text.endswith("\n")]


async def points(desk: Desk) -> int:
    return await desk.calls.units.semantic.store.count(SPACE)


async def test_a_ticket_is_indexed_once_however_often_it_was_written(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, sql: Sql
) -> None:
    ticket = await desk.make_ticket(title="First")
    await desk.update_ticket(ticket_id=ticket, updates={"title": "Second"})
    await desk.change_status(ticket_id=ticket, new_status="review")
    await indexed(indexer)
    assert embedder.texts == ["Second"]
    assert (waiting(sql), await points(desk)) == (0, 1)


async def test_a_text_that_did_not_change_is_not_embedded_again(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder
) -> None:
    ticket = await desk.make_ticket(title="The same")
    await indexed(indexer)
    await desk.change_status(ticket_id=ticket, new_status="review")
    await desk.make_ticket(title="The same")
    await indexed(indexer)
    assert indexed_by(embedder) == ["The same"]
    assert await points(desk) == 2


async def test_what_is_written_while_it_is_embedded_is_indexed_again(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, sql: Sql
) -> None:
    ticket = await desk.make_ticket(title="Before")
    embedder.waits_for = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(indexer.round)
        await until_waited_for(embedder.waits_for)
        await desk.update_ticket(ticket_id=ticket, updates={"title": "After"})
        embedder.waits_for.set()
    assert waiting(sql) == 1
    await indexed(indexer)
    assert embedder.texts == ["Before", "After"]
    assert waiting(sql) == 0


async def test_a_failure_is_kept_with_the_job_and_mended_by_itself(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, sql: Sql
) -> None:
    await desk.make_ticket(title="zebra")
    embedder.fault = EmbeddingUnavailable("the key is refused", is_misconfigured=True)
    with pytest.raises(EmbeddingUnavailable):
        await indexer.round()
    assert sql.rows("SELECT last_error, attempts, locked_until FROM index_jobs") == [
        ("Texts cannot be embedded: the key is refused. Wait a few seconds and try again.", 1, None)
    ]
    queue = await Jobs(Steps(desk.calls.units)).queue()
    assert re.sub("[0-9] seconds", "0 seconds", str(queue)) == (
        "1 tickets wait, the oldest for 0 seconds (Texts cannot be embedded: the key is refused. "
        "Wait a few seconds and try again)"
    )
    embedder.fault = None
    sql.run("UPDATE index_jobs SET next_attempt_at = clock_timestamp()")
    await indexed(indexer)
    assert waiting(sql) == 0


async def test_one_text_that_is_refused_holds_up_no_other(
    desk: Desk, embedder: FakeEmbedder, sql: Sql
) -> None:
    embedder.refused = "poison"
    await desk.make_ticket(title="poison")
    for number in range(5):
        await desk.make_ticket(title=f"wholesome {number}")
    due = "UPDATE index_jobs SET next_attempt_at = clock_timestamp()"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Indexer(desk.calls.units, is_alone=True).run)
        with anyio.fail_after(20):
            while waiting(sql) > 1:
                # In a thread: it may wait for a row that the Indexer holds.
                await asyncio.to_thread(sql.run, due)
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()
    assert sql.rows("SELECT title FROM tickets JOIN index_jobs ON ticket_id = id") == [("poison",)]


async def test_it_wakes_when_a_ticket_is_written(
    desk: Desk, embedder: FakeEmbedder, sql: Sql
) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(Indexer(desk.calls.units, is_alone=True).run)
        for number in range(3):
            await desk.make_ticket(title=f"zebra {number}")
            await until(lambda: waiting(sql) == 0)
        tasks.cancel_scope.cancel()
    assert indexed_by(embedder) == [f"zebra {number}" for number in range(3)]


async def test_several_share_the_work_and_do_nothing_twice(
    desk: Desk, indexer: Indexer, database_url: URL, tmp_path: Path, sql: Sql
) -> None:
    await indexer.round()
    insert_tickets(sql, "default", 300)
    sql.run("UPDATE tickets SET title = 'Ticket ' || id")
    embedders = [FakeEmbedder(), FakeEmbedder()]
    async with (
        open_searching(database_url, tmp_path / "one", embedders[0]) as one,
        open_searching(database_url, tmp_path / "other", embedders[1]) as other,
    ):
        both = [Indexer(calls.units, is_alone=False) for calls in (one, other)]
        with anyio.fail_after(30):
            await asyncio.gather(*[indexed(each) for each in both])
    texts = [text for each in embedders for text in each.texts]
    assert len(texts) == len(set(texts)) == 300
    assert all(each.texts for each in embedders)


async def test_a_job_whose_server_was_killed_is_taken_over(
    desk: Desk, indexer: Indexer, sql: Sql
) -> None:
    await desk.make_ticket(title="zebra")
    await Jobs(Steps(desk.calls.units)).claim(10)
    assert await Jobs(Steps(desk.calls.units)).claim(10) == []
    await Jobs(Steps(desk.calls.units)).free_all()
    await indexed(indexer)
    assert waiting(sql) == 0


async def test_a_wiped_store_is_filled_from_what_was_paid_for(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder
) -> None:
    tickets = {await desk.make_ticket(title=f"zebra {number}") for number in range(5)}
    await indexed(indexer)
    embedded = list(embedder.texts)
    await desk.calls.units.semantic.store.drop(SPACE)
    reply = await desk.hybrid_search(query_text="zebra")
    assert reply["degraded"].startswith("by words alone: ")
    await indexed(indexer)
    assert set(await by_meaning(desk, "zebra")) == tickets
    assert embedder.texts == [*embedded, "zebra"]


async def test_a_store_that_lost_its_collection_halfway_is_filled_too(
    desk: Desk, indexer: Indexer, sql: Sql
) -> None:
    await desk.make_ticket(title="zebra 1")
    await indexed(indexer)
    await desk.calls.units.semantic.store.drop(SPACE)
    insert_tickets(sql, "default", 1)
    with pytest.raises(CollectionGone):
        await indexer.round()
    sql.run("UPDATE index_jobs SET next_attempt_at = clock_timestamp()")
    await indexed(indexer)
    assert await points(desk) == 2


async def test_a_store_with_too_few_points_is_filled_at_the_next_start(
    desk: Desk, indexer: Indexer
) -> None:
    for number in range(3):
        await desk.make_ticket(title=f"zebra {number}")
    await indexed(indexer)
    store = desk.calls.units.semantic.store
    await store.drop(SPACE)
    await store.ensure(SPACE)
    await indexed(Indexer(desk.calls.units, is_alone=True))
    assert await store.count(SPACE) == 3


async def test_another_model_is_built_in_the_background_and_then_serves(
    desk: Desk, indexer: Indexer, database_url: URL, tmp_path: Path, sql: Sql
) -> None:
    tickets = {await desk.make_ticket(title=f"zebra {number}") for number in range(70)}
    await indexed(indexer)
    await desk.calls.units.semantic.store.aclose()
    larger = replace(SPACE, model="more words", dimension=48)
    async with open_searching(database_url, tmp_path / "vectors", FakeEmbedder(larger)) as calls:
        later, building = replace(desk, calls=calls), Indexer(calls.units, is_alone=True)
        await building.round()
        assert spaces(sql) == {"words": "serving", "more words": "building"}
        assert len(await by_meaning(later, "zebra")) == 10
        fresh = await later.make_ticket(title="zebra of now")
        await indexed(building)
        assert spaces(sql) == {"words": "retired", "more words": "serving"}
        assert await calls.units.semantic.store.count(larger) == 71
        assert set(await by_meaning(later, "zebra", limit=50)) <= {*tickets, fresh}
        with pytest.raises(CollectionGone):
            await calls.units.semantic.store.count(SPACE)


def spaces(sql: Sql) -> dict[str, str]:
    return dict(sql.rows("SELECT model, status FROM embedding_spaces"))  # type: ignore[arg-type] - pairs


async def test_the_first_space_serves_once_it_is_whole(
    desk: Desk, indexer: Indexer, sql: Sql
) -> None:
    insert_tickets(sql, "default", 70)
    await indexer.round()
    assert spaces(sql) == {"words": "building"}
    reply = await desk.hybrid_search(query_text="A ticket")
    assert reply["degraded"] == "the index of meanings is still being built"
    await indexed(indexer)
    assert spaces(sql) == {"words": "serving"}
    assert "degraded" not in await desk.hybrid_search(query_text="A ticket")


async def test_tickets_from_before_there_were_postings_get_them(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket(title="zebra")
    await desk.add_comment(ticket_id=ticket, comment_text="giraffe")
    sql.run("DELETE FROM keyword_postings")
    sql.run("UPDATE tickets SET word_count = NULL, title_digest = NULL")
    await Jobs(Steps(desk.calls.units)).write_missing_postings()
    for word in ("zebra", "giraffe"):
        reply = await desk.search_by_keywords(keywords=word)
        assert [hit["ticket_id"] for hit in reply["results"]] == [ticket]
    with pytest.raises(Exception, match="zebra"):
        await desk.create_ticket(title="ZEBRA", on_duplicate="refuse")


async def test_upkeep_leaves_the_ticket_and_its_history_alone(
    desk: Desk, indexer: Indexer, sql: Sql
) -> None:
    ticket = await desk.make_ticket(title="zebra")
    before = (
        await desk.get_ticket(ticket_id=ticket),
        sql.one("SELECT count(*) FROM ticket_history"),
    )
    await desk.reindex_ticket(ticket_id=ticket)
    await indexed(indexer)
    after = (
        await desk.get_ticket(ticket_id=ticket),
        sql.one("SELECT count(*) FROM ticket_history"),
    )
    assert after == before


async def test_enough_vectors_are_ranked_by_what_sets_them_apart(
    desk: Desk, indexer: Indexer, sql: Sql
) -> None:
    insert_tickets(sql, "default", Whitening.FEWEST)
    sql.run("UPDATE tickets SET title = 'The common start of all: ' || md5(id::text)")
    await indexed(indexer)
    await indexer.round()
    whitening = desk.calls.units.semantic.whitenings[SPACE.key]
    assert whitening.fitted_on == Whitening.FEWEST
    wanted = await desk.make_ticket(title="The common start of all: zebra")
    await indexed(indexer)
    assert (await by_meaning(desk, "The common start of all: zebra"))[0] == wanted

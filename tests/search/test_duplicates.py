from __future__ import annotations

import time

import anyio
import pytest
from finding import indexed, until_waited_for
from sqlalchemy import URL

from hephaestus_tickets.indexing import Indexer
from hephaestus_tickets.services import duplicates
from hephaestus_tickets.services.duplicates import DuplicateTicket
from tests.factories import Desk, Json
from tests.fakes import FakeEmbedder
from tests.services.actors import Sql, meeting, open_desks, refusals, replies, together


def ids(created: Json) -> list[str]:
    return [each["ticket_id"] for each in created.get("similar_tickets", [])]


async def test_a_creation_shows_what_is_alike_by_words_at_once(desk: Desk) -> None:
    there = await desk.make_ticket(title="The login page loses the token")
    await desk.make_ticket(title="Dark mode for the settings")
    created = await desk.create_ticket(title="Login page: token lost")
    [similar] = created["similar_tickets"]
    assert similar.pop("score") > 0
    assert similar == {
        "ticket_id": there,
        "title": "The login page loses the token",
        "status": "backlog",
    }


async def test_a_creation_shows_what_means_the_same_once_it_is_indexed(
    desk: Desk, indexer: Indexer
) -> None:
    there = await desk.make_ticket(title="Nobody can sign in")
    await indexed(indexer)
    assert ids(await desk.create_ticket(title="log log log")) == [there]


async def test_three_at_most_are_shown_and_nothing_of_another_matter(desk: Desk) -> None:
    for number in range(5):
        await desk.make_ticket(title=f"The login page loses token {number}")
    assert len(ids(await desk.create_ticket(title="The login page loses token 5"))) == 3
    assert ids(await desk.create_ticket(title="Quite another matter")) == []


async def test_a_resolved_ticket_is_shown_too(desk: Desk) -> None:
    there = await desk.make_ticket(title="The login page loses the token")
    await desk.resolve_ticket(ticket_id=there)
    created = await desk.create_ticket(title="The login page loses the token")
    assert created["similar_tickets"][0]["status"] == "done"


async def test_another_workflow_is_not_shown(desk: Desk) -> None:
    await desk.configure_board(workflow_id="other")
    await desk.make_ticket(title="The login page", workflow_id="other")
    assert ids(await desk.create_ticket(title="The login page")) == []


async def test_a_repetition_is_refused_where_that_is_wanted(desk: Desk) -> None:
    there = await desk.make_ticket(title="Straße  gesperrt")
    with pytest.raises(DuplicateTicket) as refusal:
        await desk.create_ticket(title="STRASSE gesperrt", on_duplicate="refuse")
    assert f"{there} 'Straße gesperrt' (backlog)" in str(refusal.value)
    assert (await desk.get_tickets())["total_count"] == 1
    assert ids(await desk.create_ticket(title="Strasse gesperrt")) == [there]


async def test_a_resolved_ticket_or_another_workflow_is_no_repetition(desk: Desk) -> None:
    await desk.configure_board(workflow_id="other")
    await desk.make_ticket(title="Once more", workflow_id="other")
    await desk.resolve_ticket(ticket_id=await desk.make_ticket(title="Once more"))
    await desk.create_ticket(title="Once more", on_duplicate="refuse")


async def test_of_two_at_once_that_refuse_a_repetition_one_passes(
    desk: Desk, database_url: URL
) -> None:
    async with open_desks(database_url, desk, 2) as (one, other):
        for number in range(10):
            title = f"Once more {number}"
            outcomes = await together(
                one.create_ticket(title=title, on_duplicate="refuse"),
                other.create_ticket(title=title.upper(), on_duplicate="refuse"),
            )
            assert len(replies(outcomes)) == 1
            assert isinstance(refusals(outcomes)[0], DuplicateTicket)


async def test_one_that_refuses_waits_for_one_that_only_warns(
    desk: Desk, database_url: URL, sql: Sql
) -> None:
    async with open_desks(database_url, desk, 2) as (one, other):
        _, second = await meeting(
            sql,
            (one, "create_ticket", {"title": "Once more"}),
            other.create_ticket(title="once  more", on_duplicate="refuse"),
        )
    assert isinstance(second, DuplicateTicket)


async def test_a_creation_waits_a_moment_for_the_embedder_and_holds_no_connection(
    desk: Desk, indexer: Indexer, embedder: FakeEmbedder, sql: Sql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "SECONDS", 0.3)
    there = await desk.make_ticket(title="The login page")
    await indexed(indexer)
    embedder.waits_for = anyio.Event()
    began = time.monotonic()
    created: list[Json] = []
    async with anyio.create_task_group() as tasks:

        async def create() -> None:
            created.append(await desk.create_ticket(title="The login page fails"))

        tasks.start_soon(create)
        await until_waited_for(embedder.waits_for)
        held = sql.one(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND state LIKE 'idle in transaction%'"
        )
        assert held == 0
    assert time.monotonic() - began < 5
    assert ids(created[0]) == [there]

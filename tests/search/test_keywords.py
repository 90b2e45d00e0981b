from __future__ import annotations

import pytest
from finding import by_words
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hephaestus_tickets.domain.errors import Invalid
from tests.factories import Desk
from tests.services.actors import Sql
from tests.services.rows import number_of

TEXT = "AuthTokenService loses the auth-token in src/auth/token.py:42: error[E0308]"


@pytest.mark.parametrize(
    "query",
    [
        "auth-token",
        "AuthTokenService",
        "token service",
        "src/auth/token.py:42",
        "token.py",
        "E0308",
        "lose",
        "does AuthTokenService lose something",
    ],
)
async def test_a_ticket_is_found_by_its_words_and_identifiers(desk: Desk, query: str) -> None:
    ticket = await desk.make_ticket(title="Login fails", description=TEXT)
    await desk.make_ticket(title="Dark mode")
    assert await by_words(desk, query) == [ticket]


@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("Не удалось сохранить файл", "файлы"),  # noqa: RUF001 - Russian
        ("无法打开文件", "打开"),
        ("Größe der Datei", "GRÖSSE"),
    ],
    ids=["Russian", "Chinese", "German"],
)
async def test_other_scripts_are_found(desk: Desk, title: str, query: str) -> None:
    ticket = await desk.make_ticket(title=title)
    assert await by_words(desk, query) == [ticket]


async def test_what_is_written_is_found_by_the_very_next_call(desk: Desk) -> None:
    ticket = await desk.make_ticket(title="The zebra")
    assert await by_words(desk, "zebra") == [ticket]
    await desk.update_ticket(
        ticket_id=ticket, updates={"title": "The okapi", "add_tags": ["stripes"]}
    )
    assert await by_words(desk, "zebra") == []
    assert await by_words(desk, "okapi") == [ticket]
    assert await by_words(desk, "stripes") == [ticket]
    await desk.update_ticket(
        ticket_id=ticket, updates={"tags": None, "description": "Of the forest"}
    )
    assert await by_words(desk, "stripes") == []
    assert await by_words(desk, "forest") == [ticket]


async def test_a_change_keeps_the_postings_of_comments(desk: Desk) -> None:
    ticket = await desk.make_ticket(title="The zebra")
    await desk.add_comment(ticket_id=ticket, comment_text="Seen by a giraffe")
    await desk.update_ticket(ticket_id=ticket, updates={"title": "The okapi"})
    assert await by_words(desk, "giraffe") == [ticket]


async def test_comments_are_looked_into_unless_they_are_not_wanted(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    await desk.change_status(ticket_id=ticket, new_status="review", comment="A giraffe did it")
    assert await by_words(desk, "giraffe") == [ticket]
    assert await by_words(desk, "giraffe", include_comments=False) == []


async def test_a_word_of_the_title_counts_for_more_than_one_of_the_text_or_a_comment(
    desk: Desk,
) -> None:
    filler = "Some more words that say nothing"
    commented = await desk.make_ticket(title="One", description=filler)
    await desk.add_comment(ticket_id=commented, comment_text=f"okapi {filler}")
    described = await desk.make_ticket(title="Two", description=f"okapi {filler}")
    titled = await desk.make_ticket(title="okapi", description=filler)
    assert await by_words(desk, "okapi") == [titled, described, commented]


async def test_an_original_id_within_a_query_is_found(desk: Desk, sql: Sql) -> None:
    ticket = await desk.make_ticket(title="From elsewhere")
    sql.run("UPDATE tickets SET external_ref = 'bd-0088' WHERE id = :id", id=number_of(ticket))
    await desk.reindex_ticket(ticket_id=ticket)
    assert await by_words(desk, "what became of bd-0088") == [ticket]


async def test_another_workflow_is_not_looked_into(desk: Desk) -> None:
    await desk.configure_board(workflow_id="other")
    other = await desk.make_ticket(title="zebra", workflow_id="other")
    ticket = await desk.make_ticket(title="zebra")
    assert await by_words(desk, "zebra") == [ticket]
    assert await by_words(desk, "zebra", workflow_id="other") == [other]


async def test_a_filter_is_applied_before_the_best_are_chosen(desk: Desk) -> None:
    wanted = await desk.make_ticket(title="A zebra among many other words", priority="low")
    for _ in range(60):
        await desk.make_ticket(title="zebra")
    assert wanted not in await by_words(desk, "zebra", limit=50)
    assert await by_words(desk, "zebra", filters={"priority": "low"}) == [wanted]


async def test_a_filter_that_does_not_exist_is_refused(desk: Desk) -> None:
    for filters in ({"state": "x"}, {"status": "nowhere"}, {"ticket_type": "story"}):
        with pytest.raises(Invalid):
            await by_words(desk, "zebra", filters=filters)


async def test_terms_of_nearly_every_ticket_are_passed_over_for_others(
    desk: Desk, sql: Sql
) -> None:
    """A thousand tickets are the fewest of which a term can be common."""
    for _ in range(5):
        await desk.make_ticket(title="The common word")
    rare = await desk.make_ticket(title="A rare one")
    sql.run(
        "INSERT INTO tickets (workflow_id, title, ticket_type, priority, status, created_by, "
        "word_count) SELECT 'default', 'x', 'task', 1, 'backlog', 'x', 3 "
        "FROM generate_series(1, 1200)"
    )
    sql.run(
        "INSERT INTO keyword_postings SELECT 1, 'common', id, 0, 3, 3 FROM tickets "
        "WHERE title = 'x'"
    )
    assert await by_words(desk, "common rare") == [rare]
    assert len(await by_words(desk, "common", limit=50)) == 50


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(query=st.text(min_size=1).filter(lambda text: text.strip() and "\x00" not in text))
async def test_any_text_is_a_query(desk: Desk, query: str) -> None:
    try:
        await by_words(desk, query)
        await desk.hybrid_search(query_text=query)
    except Invalid as refusal:
        assert "surrogate" in str(refusal)  # noqa: PT017 - whatever else is refused is a fault


async def test_a_query_of_blanks_is_refused(desk: Desk) -> None:
    with pytest.raises(Invalid):
        await by_words(desk, "   ")


async def test_postings_say_what_the_texts_say(desk: Desk, sql: Sql) -> None:
    """After every kind of write, as if each ticket were indexed anew."""
    ticket = await desk.make_ticket(title="One two", description="two three", tags=["four"])
    await desk.update_ticket(
        ticket_id=ticket,
        updates={"title": "Two five", "remove_tags": ["four"]},
        update_comment="six",
    )
    await desk.resolve_ticket(ticket_id=ticket, resolution_comment="seven")
    before = postings(sql)
    sql.run("DELETE FROM keyword_postings")
    sql.run("UPDATE tickets SET word_count = NULL")
    await desk.reindex_ticket(ticket_id=ticket)
    assert postings(sql) == before
    assert {row[0] for row in before} == {"two", "five", "three", "six", "seven"}


def postings(sql: Sql) -> list[tuple[object, ...]]:
    return sql.rows(
        "SELECT term, ticket_id, comment_id > 0, frequency, length, workflow "
        "FROM keyword_postings ORDER BY 1, 2, 3"
    )

from __future__ import annotations

import math

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hephaestus_tickets.domain.cursor import encode_cursor
from hephaestus_tickets.domain.errors import Invalid, NotFound, TicketError
from hephaestus_tickets.domain.text import normalise
from tests.factories import BY_NAME, Desk, Json
from tests.services.replies import sent, whole_description, whole_text

SOME = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    # A failure is shown as it was met: each step of making it smaller is a round of real calls.
    phases=[Phase.explicit, Phase.generate],
    # The desk is the same for every example: each makes a ticket of its own.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD = [
    "",
    " ",
    "a\x00b",
    "x\udfffy",
    "[1, 2",
    '{"title": "x"}',
    '["a"]',
    "null",
    "'; DROP TABLE tickets; --",
    "%s %(x)s :name {0}",
    "\\u0000",
    "שלום \u202eabc\u202c",
    "漢字かな交じり文" * 60,
    "👩‍👩‍👧‍👦🏳️‍🌈" * 50,
    "\x01\x1f\x7f\x85\u2028\ufeff",
    "\t\r\n",
    "\ufdfa" * 40,
    "İ" * 50,
    "e\u0301" * 300,
    "</script><!-- ]]>",
    "🔥" * 50_000,
    "\x01" * 100_000,
    "y" * 100_001,
]


def json_of(leaves: st.SearchStrategy[Json]) -> st.SearchStrategy[Json]:
    return st.recursive(
        leaves,
        lambda part: st.lists(part, max_size=3) | st.dictionaries(any_text, part, max_size=3),
        max_leaves=8,
    )


# Any code points: lone surrogates and U+0000 are among them.
any_character = st.characters(exclude_categories=())
any_text = st.one_of(st.sampled_from(ODD), st.text(any_character, max_size=300))
exact_json = json_of(st.none() | st.booleans() | st.integers() | any_text)
any_json = json_of(st.none() | st.booleans() | st.integers() | st.floats() | any_text)


def storable(*texts: str) -> bool:
    return not any(
        char == "\x00" or "\ud800" <= char <= "\udfff" for text in texts for char in text
    )


def one_line_of(text: str) -> str:
    controls = {*range(32), *range(0x7F, 0xA0)}
    return " ".join("".join(" " if ord(char) in controls else char for char in text).split())


@SOME
@given(title=any_text, description=any_text)
async def test_a_created_ticket_is_read_back_exactly_or_was_refused(
    desk: Desk, title: str, description: str
) -> None:
    created = await sent(desk, "create_ticket", title=title, description=description)
    wanted = one_line_of(title)
    fits = 0 < len(wanted) <= 500 and len(description) <= 100_000
    if not fits or not storable(title, description):
        assert isinstance(created, Invalid)
        return
    ticket_id = created["ticket_id"]
    assert (await sent(desk, "get_ticket", ticket_id=ticket_id))["ticket"]["title"] == wanted
    assert await whole_description(desk, ticket_id) == description


@SOME
@given(
    updates=st.fixed_dictionaries(
        {},
        optional={
            "title": any_text,
            "description": any_text,
            "tags": st.lists(any_text, max_size=4),
            "add_tags": st.lists(any_text, max_size=4),
            "related_task_ids": st.lists(any_text, max_size=4),
            "assigned_agent_id": any_text,
        },
    ),
    comment=any_text,
)
async def test_an_update_is_taken_whole_or_leaves_the_ticket_as_it_was(
    desk: Desk, updates: Json, comment: str
) -> None:
    ticket_id = await desk.make_ticket(tags=["first"])
    before = await desk.get_ticket(ticket_id=ticket_id)
    updated = await sent(
        desk, "update_ticket", ticket_id=ticket_id, updates=updates, update_comment=comment
    )
    after = await sent(desk, "get_ticket", ticket_id=ticket_id)
    if isinstance(updated, TicketError):
        assert isinstance(updated, Invalid)
        assert after == before
        return
    tags = [
        normalise(tag) for tag in [*updates.get("tags", ["first"]), *updates.get("add_tags", [])]
    ]
    assert after["ticket"].get("tags", []) == list(dict.fromkeys(tags))
    assert "" not in tags
    assert await whole_description(desk, ticket_id) == updates.get("description", "")
    if comment.strip():
        text = await whole_text(desk, ticket_id, updated["comment_id"], "comment_text")
        assert text == comment


@SOME
@given(text=any_text, words=st.lists(any_text, max_size=3))
async def test_a_comment_is_read_back_exactly_or_was_refused(
    desk: Desk, text: str, words: list[str]
) -> None:
    ticket_id = await desk.make_ticket()
    added = await sent(desk, "add_comment", ticket_id=ticket_id, comment_text=text, mentions=words)
    if isinstance(added, TicketError):
        assert isinstance(added, Invalid)
        assert "comments" not in await sent(desk, "get_ticket", ticket_id=ticket_id)
        return
    assert storable(text, *words)
    assert await whole_text(desk, ticket_id, added["comment_id"], "comment_text") == text


@SOME
@given(old=any_text, metadata=st.dictionaries(any_text, exact_json, max_size=3))
async def test_a_recorded_change_is_read_back_exactly_or_was_refused(
    desk: Desk, old: str, metadata: Json
) -> None:
    ticket_id = await desk.make_ticket()
    arguments = {"old_value": old, "change_description": old, "metadata": metadata}
    recorded = await sent(
        desk, "record_change", ticket_id=ticket_id, change_type="external.sync", **arguments
    )
    if isinstance(recorded, TicketError):
        assert isinstance(recorded, Invalid)
        return
    assert await whole_text(desk, ticket_id, recorded["change_id"], "old_value") == old
    page = await sent(
        desk, "get_ticket_history", ticket_id=ticket_id, entry_id=recorded["change_id"]
    )
    assert page["entries"][0].get("metadata", {}) == metadata


@settings(SOME, max_examples=80)
@given(data=st.data())
async def test_whatever_is_sent_is_answered_or_refused_in_words(
    desk: Desk, data: st.DataObject
) -> None:
    operation = BY_NAME[data.draw(st.sampled_from(sorted(BY_NAME)))]
    known = {"ticket_id": await desk.make_ticket()}
    names = sorted(operation.arguments.model_fields)
    arguments: Json = {
        name: known[name] if name in known and data.draw(st.booleans()) else data.draw(any_json)
        for name in data.draw(st.lists(st.sampled_from(names), unique=True))
    }
    if data.draw(st.booleans()):
        arguments[data.draw(any_text)] = data.draw(any_json)
    await sent(desk, operation.name, **arguments)


def forged(order: str, *position: str | int) -> Json:
    return {"sort_by": order, "cursor": encode_cursor(f"tickets:{order}:desc", [*position])}


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("get_tickets", {"workflow_id": "a\x00b"}),
        ("get_tickets", {"cursor": "\ud800"}),
        ("get_tickets", forged("created_at", "x", 1)),
        ("get_tickets", forged("created_at", "2026-01-01", 2**70)),
        ("get_tickets", forged("priority", 2**65, 1)),
        ("list_workflows", {"cursor": encode_cursor("workflows", ["a\x00b"])}),
        ("get_tickets", {"filters": {"created_after": "0001-01-01T00:00:00+14:00"}}),
        ("get_tickets", {"filters": {"created_before": "9999-12-31T23:59:59-14:00"}}),
        ("get_tickets", {"filters": {"\ud800": 1}}),
        ("get_tickets", {"filters": {"tags": "\x00"}}),
        ("get_tickets", {"offset": 2**70}),
        ("get_tickets", {"\udfff" * 70_000: 1}),
        ("create_ticket", {"title": "x", "priority": "\ud800"}),
        ("create_ticket", {"title": "x", "tags": ["\x00"] * 100_000}),
        ("create_ticket", {"title": "x", "tags": ["\ufdfa" * 50]}),
        ("create_ticket", {"title": "x", "tags": ["   "]}),
        ("create_ticket", {"title": "\u200b\x00"}),
        ("configure_board", {"workflow_id": "new", "settings": {"transitions": {"\x00": []}}}),
    ],
)
async def test_what_no_honest_client_sends_is_refused_as_invalid(
    desk: Desk, operation: str, arguments: Json
) -> None:
    assert isinstance(await sent(desk, operation, **arguments), Invalid)


@pytest.mark.parametrize(
    "board",
    [
        {"settings": {"transitions": {"done": ["漢" * 100] * 5_000}}},
        {"settings": {"transitions": {"done": ["backlog"] * 5_000}}},
        {
            "ticket_types": [f"{'漢' * 97}{number}" for number in range(50)],
            "columns": [
                {"id": f"{'漢' * 97}{number}", "name": "漢" * 100, "category": category}
                for number, category in enumerate(["todo", "done"] * 25)
            ],
        },
    ],
    ids=["unknown statuses", "one status again and again", "long names"],
)
async def test_a_board_that_fits_no_reply_is_refused(desk: Desk, board: Json) -> None:
    workflow_id = desk.caller.default_workflow
    refusal = await sent(desk, "configure_board", workflow_id=workflow_id, **board)
    assert isinstance(refusal, Invalid)


@pytest.mark.parametrize(
    "metadata",
    [
        {"a": math.nan},
        {"a": [math.inf]},
        {"a": {"b": "\x00"}},
        {"\ud800": 1},
        {"a": ["\udc00"]},
        {"a": "x" * 4_000},
        {"a": "漢" * 1_400},
    ],
    ids=["nan", "infinity", "null byte", "key", "surrogate", "long", "wide"],
)
async def test_metadata_that_json_in_a_database_cannot_hold_is_refused(
    desk: Desk, metadata: Json
) -> None:
    ticket_id = await desk.make_ticket()
    refusal = await sent(
        desk, "record_change", ticket_id=ticket_id, change_type="external.x", metadata=metadata
    )
    assert isinstance(refusal, Invalid)


async def test_metadata_nested_past_all_reason_is_refused(desk: Desk) -> None:
    deep: Json = {}
    for _ in range(5_000):
        deep = {"a": deep}
    ticket_id = await desk.make_ticket()
    refusal = await sent(
        desk, "record_change", ticket_id=ticket_id, change_type="external.x", metadata=deep
    )
    assert isinstance(refusal, Invalid)


@pytest.mark.parametrize(
    "ticket_id",
    [
        "ticket-9223372036854775808",
        "ticket-0",
        "٣",
        "ticket-1e3",
        "-1",
        "[1]",
        '{"a": 1}',
        "漢" * 200,
    ],
)
async def test_an_id_that_names_no_ticket_is_not_found(desk: Desk, ticket_id: str) -> None:
    assert isinstance(await sent(desk, "get_ticket", ticket_id=ticket_id), NotFound)


async def test_a_version_past_every_number_is_a_conflict(desk: Desk) -> None:
    ticket_id = await desk.make_ticket()
    refusal = await sent(
        desk, "update_ticket", ticket_id=ticket_id, updates={}, expected_version=10**30
    )
    assert refusal.code == "version_conflict"


@pytest.mark.parametrize("text", ['["a", "b"]', '{"title": "x"}', "null", "12", "true", '"quoted"'])
async def test_text_that_looks_like_json_stays_text(desk: Desk, text: str) -> None:
    ticket_id = await desk.make_ticket(title=text, description=text)
    await desk.add_comment(ticket_id=ticket_id, comment_text=text)
    details = await desk.get_ticket(ticket_id=ticket_id)
    assert details["ticket"]["title"] == text
    assert details["ticket"]["description"] == text
    assert details["comments"][0]["comment_text"] == text

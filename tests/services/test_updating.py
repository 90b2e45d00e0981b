from __future__ import annotations

import pytest

from hephaestus_tickets.domain.blockers import (
    BlockerCycle,
    ForeignBlocker,
    ParentCycle,
    SelfReference,
)
from hephaestus_tickets.domain.board import UnknownTicketType
from hephaestus_tickets.domain.changes import (
    ReadOnlyField,
    TooMany,
    UnknownField,
    VersionConflict,
)
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.operations import InvalidArguments
from hephaestus_tickets.services.edges import ResolvedCannotBeBlocked
from hephaestus_tickets.services.lookup import TicketNotFound
from hephaestus_tickets.services.updating import NotNullable
from tests.factories import Desk, Json


async def changes(desk: Desk, ticket_id: str) -> list[Json]:
    """(field, old, new) of every change after the creation."""
    entries = (await desk.get_ticket_history(ticket_id=ticket_id, limit=100))["entries"]
    return [
        (entry["field_name"], entry.get("old_value"), entry.get("new_value"))
        for entry in entries
        if entry.get("field_name")
    ]


async def test_each_changed_field_is_one_history_row_with_its_real_values(desk: Desk) -> None:
    parent = await desk.make_ticket()
    ticket = await desk.make_ticket(title="Old", tags=["one"], description="Before")
    updated = await desk.speaking_as("editor").update_ticket(
        ticket_id=ticket,
        updates={
            "title": "New",
            "description": "After",
            "ticket_type": "bug",
            "priority": "high",
            "assigned_agent_id": "agent-7",
            "parent_ticket_id": parent,
            "tags": ["two"],
            "related_task_ids": ["task-1"],
        },
    )
    assert updated["version"] == 2
    assert updated["changed"] == [name for name, _, _ in await changes(desk, ticket)]
    assert await changes(desk, ticket) == [
        ("title", "Old", "New"),
        ("description", "Before", "After"),
        ("ticket_type", "task", "bug"),
        ("priority", "medium", "high"),
        ("assigned_agent_id", None, "agent-7"),
        ("parent_ticket_id", None, parent),
        ("tags", ["one"], ["two"]),
        ("related_task_ids", None, ["task-1"]),
    ]
    entries = (await desk.get_ticket_history(ticket_id=ticket))["entries"]
    assert {entry["agent_id"] for entry in entries[1:]} == {"editor"}
    assert {entry["metadata"]["version"] for entry in entries[1:]} == {2}


async def test_values_that_are_the_same_leave_no_trace(desk: Desk) -> None:
    ticket = await desk.make_ticket(title="Same", tags=["one"], priority="low")
    before = await desk.get_ticket(ticket_id=ticket)
    updated = await desk.update_ticket(
        ticket_id=ticket,
        updates={"title": " Same ", "tags": ["ONE"], "priority": "low", "add_tags": ["one"]},
    )
    assert updated == {"ticket_id": ticket, "version": 1}
    assert await desk.get_ticket(ticket_id=ticket) == before


async def test_null_clears_and_absent_keeps(desk: Desk) -> None:
    parent = await desk.make_ticket()
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(
        description="Text",
        assigned_agent_id="agent-7",
        parent_ticket_id=parent,
        tags=["one"],
        related_task_ids=["task-1"],
        blocked_by_ticket_ids=[blocker],
    )
    await desk.update_ticket(ticket_id=ticket, updates={"title": "Renamed"})
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["assigned_agent_id"] == "agent-7"
    clearable = [
        "description",
        "assigned_agent_id",
        "parent_ticket_id",
        "tags",
        "related_task_ids",
        "blocked_by_ticket_ids",
        "links",
    ]
    await desk.update_ticket(ticket_id=ticket, updates=dict.fromkeys(clearable))
    details = await desk.get_ticket(ticket_id=ticket)
    assert details["ticket"].keys().isdisjoint(clearable)
    assert details.keys().isdisjoint({"blocked_by", "omitted"})


@pytest.mark.parametrize("field", ["title", "ticket_type", "priority"])
async def test_what_a_ticket_always_has_cannot_be_cleared(desk: Desk, field: str) -> None:
    ticket = await desk.make_ticket()
    with pytest.raises(NotNullable, match=f"{field} cannot be null"):
        await desk.update_ticket(ticket_id=ticket, updates={field: None})


@pytest.mark.parametrize(
    ("updates", "refusal", "sentence"),
    [
        ({"status": "done"}, ReadOnlyField, "use change_status or resolve_ticket"),
        ({"version": 1, "created_by": "me"}, ReadOnlyField, "version, created_by"),
        ({"summary": "x", "status": "done"}, UnknownField, "does not know summary"),
        ({"ticket_type": "epic"}, UnknownTicketType, "bug, feature"),
        ({"priority": "urgent"}, InvalidArguments, "'updates.priority'"),
        ({"add_blocked_by_ticket_ids": ["ticket-999999"]}, TicketNotFound, "ticket-999999"),
        ({"links": [{"ticket_id": "ticket-999999"}]}, TicketNotFound, "ticket-999999"),
        ({"links": [{"ticket_id": "ticket-1", "kind": "causes"}]}, InvalidArguments, "kind"),
        ({"tags": ["\x00"]}, InvalidArguments, "U+0000"),
    ],
)
async def test_what_cannot_be_updated_is_refused_before_anything_is_written(
    desk: Desk, updates: Json, refusal: type[TicketError], sentence: str
) -> None:
    ticket = await desk.make_ticket()
    before = await desk.get_ticket(ticket_id=ticket)
    with pytest.raises(refusal) as refused:
        await desk.update_ticket(
            ticket_id=ticket, updates={"title": "Half", **updates}, update_comment="Half"
        )
    assert sentence in str(refused.value)
    assert await desk.get_ticket(ticket_id=ticket) == before


async def test_tags_are_added_and_removed_one_by_one(desk: Desk) -> None:
    ticket = await desk.make_ticket(tags=["keep", "drop"])
    await desk.update_ticket(
        ticket_id=ticket, updates={"add_tags": ["New", "keep"], "remove_tags": ["DROP", "absent"]}
    )
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["tags"] == ["keep", "new"]


async def test_tags_added_past_their_number_are_refused(desk: Desk) -> None:
    ticket = await desk.make_ticket(tags=[f"tag-{number}" for number in range(30)])
    with pytest.raises(TooMany, match="31 entries; 30 are the most"):
        await desk.update_ticket(ticket_id=ticket, updates={"add_tags": ["one too many"]})


async def test_blockers_are_added_and_removed_one_by_one(desk: Desk) -> None:
    first, second = await desk.make_ticket(), await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[first])
    added = await desk.update_ticket(
        ticket_id=ticket, updates={"add_blocked_by_ticket_ids": [second]}
    )
    assert (added["changed"], added["is_blocked"]) == (["blocked_by_ticket_ids"], True)
    await desk.update_ticket(ticket_id=ticket, updates={"remove_blocked_by_ticket_ids": [first]})
    removed = await desk.update_ticket(
        ticket_id=ticket, updates={"remove_blocked_by_ticket_ids": [second, first]}
    )
    assert "is_blocked" not in removed
    assert await changes(desk, ticket) == [
        ("blocked_by_ticket_ids", [first], [first, second]),
        ("blocked_by_ticket_ids", [first, second], [second]),
        ("blocked_by_ticket_ids", [second], None),
    ]


async def test_a_removed_blocker_lets_the_ticket_move(desk: Desk) -> None:
    blocker = await desk.make_ticket()
    ticket = await desk.make_ticket(blocked_by_ticket_ids=[blocker])
    await desk.update_ticket(ticket_id=ticket, updates={"blocked_by_ticket_ids": []})
    await desk.change_status(ticket_id=ticket, new_status="in_progress")
    assert await desk.status_of(ticket) == "in_progress"


async def test_blockers_and_parents_form_no_cycle_and_the_error_names_the_path(desk: Desk) -> None:
    a = await desk.make_ticket()
    b = await desk.make_ticket(blocked_by_ticket_ids=[a], parent_ticket_id=a)
    c = await desk.make_ticket(blocked_by_ticket_ids=[b], parent_ticket_id=b)
    with pytest.raises(BlockerCycle, match=f"{a} → {c} → {b} → {a}"):
        await desk.update_ticket(ticket_id=a, updates={"blocked_by_ticket_ids": [c]})
    with pytest.raises(ParentCycle, match=f"{a} → {c} → {b} → {a}"):
        await desk.update_ticket(ticket_id=a, updates={"parent_ticket_id": c})


@pytest.mark.parametrize(
    "field", ["add_blocked_by_ticket_ids", "blocked_by_ticket_ids", "parent_ticket_id", "links"]
)
async def test_no_ticket_is_related_to_itself_or_to_another_workflows(
    desk: Desk, field: str
) -> None:
    other = f"{desk.caller.default_workflow}-other"
    await desk.configure_board(workflow_id=other)
    ticket, foreign = await desk.make_ticket(), await desk.make_ticket(workflow_id=other)

    def naming(one: str) -> Json:
        values = {"parent_ticket_id": one, "links": [{"ticket_id": one}]}
        return {field: values.get(field, [one])}

    with pytest.raises(SelfReference):
        await desk.update_ticket(ticket_id=ticket, updates=naming(ticket))
    with pytest.raises(ForeignBlocker):
        await desk.update_ticket(ticket_id=ticket, updates=naming(foreign))


async def test_a_resolved_ticket_takes_resolved_blockers_only(desk: Desk) -> None:
    done, still_open = await desk.make_ticket(), await desk.make_ticket()
    ticket = await desk.make_ticket()
    await desk.resolve_ticket(ticket_id=done)
    await desk.resolve_ticket(ticket_id=ticket)
    await desk.update_ticket(ticket_id=ticket, updates={"add_blocked_by_ticket_ids": [done]})
    with pytest.raises(ResolvedCannotBeBlocked, match=f"{still_open} cannot block it"):
        await desk.update_ticket(
            ticket_id=ticket, updates={"add_blocked_by_ticket_ids": [still_open]}
        )


async def test_links_are_replaced_and_seen_from_both_ends(desk: Desk) -> None:
    first, second = await desk.make_ticket(), await desk.make_ticket(title="Twin")
    ticket = await desk.make_ticket(title="This")
    await desk.update_ticket(ticket_id=ticket, updates={"links": [{"ticket_id": first}]})
    twin = {"ticket_id": second, "kind": "duplicates"}
    await desk.update_ticket(ticket_id=ticket, updates={"links": [twin, twin]})
    assert (await desk.get_ticket(ticket_id=ticket))["ticket"]["links"] == [
        {**twin, "title": "Twin", "status": "backlog", "direction": "out"}
    ]
    assert (await desk.get_ticket(ticket_id=second))["ticket"]["links"] == [
        {
            "ticket_id": ticket,
            "kind": "duplicates",
            "title": "This",
            "status": "backlog",
            "direction": "in",
        }
    ]
    assert "links" not in (await desk.get_ticket(ticket_id=first))["ticket"]
    assert await changes(desk, ticket) == [
        ("links", None, [{"ticket_id": first, "kind": "relates_to"}]),
        ("links", [{"ticket_id": first, "kind": "relates_to"}], [twin]),
    ]


async def test_a_stale_write_is_refused_and_told_what_changed(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    rename = {"title": "Mine", "priority": "low"}
    await desk.speaking_as("other").update_ticket(ticket_id=ticket, updates=rename)
    with pytest.raises(VersionConflict) as refused:
        await desk.update_ticket(ticket_id=ticket, updates={"title": "x"}, expected_version=1)
    assert f"{ticket} is at version 2, not 1" in str(refused.value)
    assert 'title by other, now "Mine"; priority by other, now "low"' in str(refused.value)
    updated = await desk.update_ticket(ticket_id=ticket, updates={"title": "x"}, expected_version=2)
    assert updated["version"] == 3


async def test_an_update_comment_is_stored_as_a_general_comment(desk: Desk) -> None:
    ticket = await desk.make_ticket()
    updated = await desk.update_ticket(
        ticket_id=ticket, updates={"priority": "high"}, update_comment="Customers wait"
    )
    (comment,) = (await desk.get_ticket(ticket_id=ticket))["comments"]
    assert comment["comment_id"] == updated["comment_id"]
    assert (comment["comment_type"], comment["comment_text"]) == ("general", "Customers wait")

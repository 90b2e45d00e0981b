from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.exchange.exporting import BATCH, export_workflow
from hephaestus_tickets.server.calls import Calls
from tests.exchange.trackers import broken_rules, contents, exported, import_own, silent
from tests.factories import Desk
from tests.services.actors import Sql


@pytest.fixture
async def elsewhere(other_url: URL) -> AsyncGenerator[Calls]:
    async with open_calls(other_url) as opened:
        yield opened


@pytest.fixture
async def everything(desk: Desk) -> dict[str, str]:
    """A workflow in which everything happened; tickets of another lie between its own."""
    await desk.configure_board(workflow_id="other", name="Between")
    await desk.configure_board(workflow_id="default", name="Ours", ticket_types=["task", "epic"])
    made: dict[str, str] = {}
    for name in ("epic", "late", "blocker", "work"):
        made[name] = await desk.make_ticket(title=name, description="See ticket-1.", tags=["one"])
        await desk.make_ticket(workflow_id="other")
    await _work_on(desk, made)
    await _record(desk, made["work"])
    return made


async def _work_on(desk: Desk, made: dict[str, str]) -> None:
    work, late, blocker = made["work"], made["late"], made["blocker"]
    await desk.update_ticket(
        ticket_id=work,
        update_comment="ticket-3 is why",
        updates={
            "parent_ticket_id": made["epic"],
            "blocked_by_ticket_ids": [blocker, late],
            "links": [{"ticket_id": late, "kind": "duplicates"}],
            "tags": [],
            "related_task_ids": ["gh-7"],
        },
    )
    await desk.update_ticket(ticket_id=work, updates={"add_tags": ["two"], "title": "ticket-2"})
    await desk.assign_ticket(ticket_id=work, assigned_agent_id="bob")
    await desk.resolve_ticket(ticket_id=blocker, resolution_comment="ok", commit_sha="abcdef1")
    await desk.resolve_ticket(ticket_id=late)
    await desk.change_status(ticket_id=blocker, new_status="in_progress", comment="not ok")
    await desk.link_commit(ticket_id=work, commit_sha="0123456789", commit_message="A start")


async def _record(desk: Desk, work: str) -> None:
    await desk.add_comment(
        ticket_id=work,
        comment_text="Ünï\u0001code",
        comment_type="clarification",
        mentions=["bob"],
        attachments=["a/b.txt"],
    )
    await desk.record_change(
        ticket_id=work,
        change_type="external.linked",
        field_name="parent_ticket_id",
        old_value="ticket-1",
        metadata={"ticket": "ticket-1", "nested": [1, 2.5, None, {}, []]},
    )
    await desk.record_status_transition(ticket_id=work, from_status="a", to_status="b")


def tickets(export: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in export.splitlines()[1:]]


async def test_export_import_export_compares_equal_in_an_empty_home(
    calls: Calls, elsewhere: Calls, everything: dict[str, str], other_url: URL, tmp_path: Path
) -> None:
    first = await exported(calls, "default")
    path = tmp_path / "export.jsonl"
    path.write_bytes(first)
    report = await import_own(elsewhere, path)
    assert report.tickets == 4
    assert await exported(elsewhere, "default") == first
    with Sql.on(other_url) as sql:
        assert broken_rules(sql) == []


async def test_an_export_holds_all_there_is(
    calls: Calls, sql: Sql, everything: dict[str, str]
) -> None:
    found = tickets(await exported(calls, "default"))
    kinds = {change["change_type"] for ticket in found for change in ticket["history"]}
    assert kinds == {
        "created",
        "field_changed",
        "assigned",
        "resolved",
        "reopened",
        "blocked",
        "unblocked",
        "external.linked",
        "external.status_transition",
    }
    changes = sql.one(
        "SELECT count(*) FROM ticket_history h JOIN tickets t ON t.id = ticket_id"
        " WHERE workflow_id = 'default'"
    )
    assert sum(len(ticket["history"]) for ticket in found) == changes
    work = found[3]
    assert (work["parent"], work["assigned_agent_id"]) == ("ticket-1", "bob")
    assert [edge["blocker"] for edge in work["blockers"]] == ["ticket-2", "ticket-3"]
    assert [(link["target"], link["kind"]) for link in work["links"]] == [
        ("ticket-2", "duplicates")
    ]
    assert [commit["commit_sha"] for commit in work["commits"]] == ["0123456789"]


async def test_an_empty_list_and_no_value_stay_apart_in_history(
    calls: Calls, everything: dict[str, str]
) -> None:
    work = tickets(await exported(calls, "default"))[3]
    tags = [change for change in work["history"] if change.get("field_name") == "tags"]
    assert [(change["old_value"], change["new_value"]) for change in tags] == [
        (["one"], []),
        ([], ["two"]),
    ]


async def test_ids_in_history_follow_the_tickets_and_words_of_agents_do_not(
    calls: Calls, elsewhere: Calls, everything: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(await exported(calls, "default"))
    there = Desk(elsewhere, Caller(agent_id="tester"))
    for _ in range(10):
        await there.make_ticket()
    await import_own(elsewhere, path, "moved")
    listed = await there.get_tickets(workflow_id="moved", include_completed=True)
    ids = {ticket["title"]: ticket["ticket_id"] for ticket in listed["tickets"]}
    story = await there.get_ticket_history(ticket_id=ids["ticket-2"], limit=100)
    changes = {
        (entry["change_type"], entry.get("field_name")): entry
        for entry in story["entries"]
        if "change_type" in entry
    }
    assert changes["field_changed", "parent_ticket_id"]["new_value"] == ids["epic"]
    blocked_by = changes["field_changed", "blocked_by_ticket_ids"]["new_value"]
    assert blocked_by == [ids["late"], ids["blocker"]]
    assert changes["field_changed", "links"]["new_value"] == [
        {"ticket_id": ids["late"], "kind": "duplicates"}
    ]
    assert changes["unblocked", None]["change_description"] == f"{ids['late']} was resolved"
    assert changes["external.linked", "parent_ticket_id"]["old_value"] == "ticket-1"
    assert changes["field_changed", "title"]["new_value"] == "ticket-2"
    (remark,) = [it for it in story["entries"] if it.get("comment_text") == "ticket-3 is why"]
    assert remark["comment_type"] == "general"


async def test_a_workflow_with_tickets_is_refused_and_not_touched(
    calls: Calls, sql: Sql, everything: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(await exported(calls, "default"))
    before = contents(sql)
    with pytest.raises(SetupError, match="has tickets already"):
        await import_own(calls, path)
    assert contents(sql) == before


async def test_the_board_and_the_status_of_the_workflow_come_along(
    calls: Calls, desk: Desk, tmp_path: Path
) -> None:
    columns = [
        {"id": "new", "name": "New", "category": "todo"},
        {"id": "busy", "name": "Busy", "category": "doing", "wip_limit": 2},
        {"id": "over", "name": "Over", "category": "done"},
    ]
    rules = {"allow_reopen": False, "transitions": {"new": ["busy"]}}
    await desk.configure_board(
        workflow_id="first", columns=columns, initial_status="new", settings=rules
    )
    await desk.make_ticket(workflow_id="first")
    await desk.configure_board(workflow_id="first", workflow_status="archived")
    path = tmp_path / "export.jsonl"
    path.write_bytes(await exported(calls, "first"))
    await import_own(calls, path, "second")
    old = await desk.get_board_config(workflow_id="first")
    new = await desk.get_board_config(workflow_id="second")
    told = ("name", "workflow_status", "columns", "ticket_types", "settings", "initial_status")
    assert [new.get(field) for field in told] == [old.get(field) for field in told]


async def test_an_export_is_one_moment_however_much_is_written_meanwhile(
    calls: Calls, desk: Desk, sql: Sql
) -> None:
    sql.run(
        "INSERT INTO tickets (workflow_id, title, ticket_type, priority, status, created_by)"
        " SELECT 'default', 'one', 'task', 1, 'backlog', 'ada' FROM generate_series(1, :count)",
        count=BATCH + 1,
    )
    last = sql.one("SELECT max(id) FROM tickets")
    lines: list[bytes] = []

    def write(data: bytes) -> None:
        if not lines:
            sql.run("UPDATE tickets SET title = 'two' WHERE id = :last", last=last)
        lines.append(data)

    run = export_workflow("default", write, silent)
    assert await calls.units.run(Caller(agent_id="exporter"), run) == BATCH + 1
    assert {ticket["title"] for ticket in tickets(b"".join(lines))} == {"one"}


def damaged(lines: list[bytes], place: int, **changes: object) -> bytes:
    fields = {**json.loads(lines[place]), **changes}
    changed = json.dumps(fields).encode()
    return b"\n".join([*lines[:place], changed, *lines[place + 1 :]])


@pytest.mark.parametrize(
    "damage",
    [
        (0, {"format": "other"}, "not the header"),
        (0, {"format_version": 2}, "format version 2"),
        (0, {"ticket_count": 5}, "cut short or was edited"),
        (1, {"key": "ticket-9"}, "Line 2 .*its key is 'ticket-9', not 'ticket-1'"),
        (1, {"status": "nowhere"}, "no column 'nowhere'"),
        (1, {"status": "done"}, "resolved does not go with"),
        (1, {"parent": "ticket-1"}, "names 'ticket-1', which is no other ticket"),
        (1, {"parent": "ticket-99"}, "names 'ticket-99'"),
        (1, {"parent": "ticket-4"}, "not whole: parent that closes a cycle"),
        (1, {"title": ""}, "Line 2 .*title"),
        (1, {"surplus": 1}, "Line 2 .*surplus"),
        (1, {"tags": ["\x00"]}, "Line 2 .*tags"),
    ],
)
async def test_a_damaged_export_is_refused_in_one_sentence_and_nothing_is_imported(
    calls: Calls,
    sql: Sql,
    everything: dict[str, str],
    tmp_path: Path,
    damage: tuple[int, dict[str, object], str],
) -> None:
    place, changes, sentence = damage
    lines = (await exported(calls, "default")).splitlines()
    path = tmp_path / "export.jsonl"
    path.write_bytes(damaged(lines, place, **changes))
    before = contents(sql)
    with pytest.raises(SetupError, match=sentence):
        await import_own(calls, path, "target")
    assert contents(sql) == before


async def test_of_two_imports_into_one_workflow_one_is_refused(
    calls: Calls, sql: Sql, everything: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "export.jsonl"
    path.write_bytes(await exported(calls, "default"))
    refused: list[SetupError] = []

    async def run() -> None:
        try:
            await import_own(calls, path, "target")
        except SetupError as error:
            refused.append(error)

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            tasks.start_soon(run)
    assert len(refused) == 1
    assert sql.one("SELECT count(*) FROM tickets WHERE workflow_id = 'target'") == 4

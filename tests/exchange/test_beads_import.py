from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from hephaestus_tickets.domain.errors import SetupError
from hephaestus_tickets.domain.lifecycle import TicketBlocked
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.services.lookup import WorkflowNotActive
from tests.exchange.trackers import (
    broken_rules,
    closed,
    contents,
    import_beads,
    issue,
    needs,
    reasons,
    written,
)
from tests.factories import Desk, Json
from tests.services.actors import Sql


async def tracker(desk: Desk, ref: str) -> Json:
    return await desk.get_ticket(ticket_id=ref)


async def test_an_issue_is_found_by_its_original_id_with_all_that_belongs_to_it(
    calls: Calls, desk: Desk, tmp_path: Path
) -> None:
    path = written(
        tmp_path / "t.jsonl",
        issue("x-1", issue_type="epic"),
        issue("x-2", priority=0, labels=["API"], assignee="bob"),
        issue(
            "x-3",
            dependencies=[
                needs("x-2"),
                needs("x-1", "parent-child"),
                needs("x-4", "discovered-from"),
            ],
            comments=[{"author": "eve", "text": "Hm", "created_at": "2026-01-05T12:00:00Z"}],
        ),
        closed("x-4", close_reason="Done in 1.2"),
    )
    report = await import_beads(calls, path)
    assert (report.tickets, report.blockers, report.parents, report.links) == (4, 1, 1, 1)

    found = await tracker(desk, "x-3")
    epic = (await tracker(desk, "x-1"))["ticket"]
    assert found["ticket"]["workflow_id"] == "imported"
    assert found["ticket"]["parent_ticket_id"] == epic["ticket_id"]
    assert epic["ticket_type"] == "epic"
    assert [blocker["title"] for blocker in found["blocked_by"]] == ["Title of x-2"]
    assert [(link["kind"], link["title"]) for link in found["ticket"]["links"]] == [
        ("discovered_from", "Title of x-4")
    ]
    assert [(it["agent_id"], it["comment_text"]) for it in found["comments"]] == [("eve", "Hm")]
    assert found["ticket"]["created_at"] == "2026-01-05T10:00:00Z"
    assert [(it["change_type"], it["agent_id"]) for it in found["history"]] == [("created", "ada")]

    urgent = (await tracker(desk, "x-2"))["ticket"]
    assert (urgent["priority"], urgent["tags"]) == ("critical", ["api"])
    assert urgent["assigned_agent_id"] == "bob"
    over = await tracker(desk, "x-4")
    assert (over["ticket"]["status"], over["ticket"]["is_resolved"]) == ("done", True)
    assert [it["comment_type"] for it in over["comments"]] == ["resolution"]


async def test_imported_work_obeys_the_rules(calls: Calls, desk: Desk, tmp_path: Path) -> None:
    path = written(tmp_path / "t.jsonl", issue("x-1"), issue("x-2", dependencies=[needs("x-1")]))
    await import_beads(calls, path)
    with pytest.raises(TicketBlocked):
        await desk.change_status(ticket_id="x-2", new_status="in_progress")
    resolved = await desk.resolve_ticket(ticket_id="x-1")
    blocked = (await tracker(desk, "x-2"))["ticket"]
    assert resolved["unblocked_tickets"] == [blocked["ticket_id"]]
    assert "is_blocked" not in blocked


async def test_a_blocked_issue_under_way_keeps_its_column(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    under_way = issue("x-2", status="in_progress", dependencies=[needs("x-1")])
    await import_beads(calls, written(tmp_path / "t.jsonl", issue("x-1"), under_way))
    found = (await tracker(desk, "x-2"))["ticket"]
    assert (found["status"], found["is_blocked"]) == ("in_progress", True)
    assert broken_rules(sql) == []


async def test_importing_again_changes_nothing(calls: Calls, sql: Sql, tmp_path: Path) -> None:
    path = written(
        tmp_path / "t.jsonl",
        issue("x-1", issue_type="chore", dependencies=[needs("x-2"), needs("gone")]),
        closed("x-2", close_reason="ok"),
    )
    await import_beads(calls, path)
    before = contents(sql)
    report = await import_beads(calls, path)
    assert contents(sql) == before
    assert (report.tickets, report.already_there, report.newer_in_file) == (0, 2, 0)


async def test_a_newer_issue_in_the_file_does_not_overwrite_local_work(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    path = written(tmp_path / "t.jsonl", issue("x-1", dependencies=[needs("x-2")]), issue("x-2"))
    await import_beads(calls, path)
    await desk.update_ticket(ticket_id="x-1", updates={"remove_blocked_by_ticket_ids": ["x-2"]})
    await desk.update_ticket(ticket_id="x-1", updates={"title": "Ours"})
    before = contents(sql)
    newer = {"title": "Theirs", "updated_at": "2099-01-01T00:00:00Z"}
    changed = issue("x-1", **newer, dependencies=[needs("x-2")])
    report = await import_beads(calls, written(path, changed, issue("x-2")))
    assert contents(sql) == before
    assert (report.already_there, report.newer_in_file) == (2, 1)


async def test_a_new_issue_may_block_one_that_is_there_and_its_history_says_so(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    path = tmp_path / "t.jsonl"
    waiting = issue("x-1", dependencies=[needs("x-2"), needs("x-3", "parent-child")])
    await import_beads(calls, written(path, waiting))
    await import_beads(calls, written(path, waiting, issue("x-2"), issue("x-3")))
    found = await tracker(desk, "x-1")
    assert found["ticket"]["is_blocked"] is True
    assert [(it["change_type"], it.get("field_name")) for it in found["history"]] == [
        ("created", None),
        ("field_changed", "blocked_by_ticket_ids"),
        ("field_changed", "parent_ticket_id"),
    ]
    assert (found["ticket"]["version"], found["history"][-1]["agent_id"]) == (2, "importer")
    assert broken_rules(sql) == []


async def test_a_broken_line_is_reported_with_its_number_and_loses_nothing_else(
    calls: Calls, tmp_path: Path
) -> None:
    path = written(tmp_path / "t.jsonl", issue("x-1"), '{"id": "x-2", "tit', "", issue("x-3"))
    report = await import_beads(calls, path)
    assert report.tickets == 2
    assert reasons(report, "refused") == {"not a JSON object": 1}
    assert report.notes["refused"]["not a JSON object"].examples == ["line 2"]


@pytest.mark.parametrize("batch", [1, 2, 1_000])
async def test_edges_that_cannot_stand_are_dropped_and_counted(
    calls: Calls, sql: Sql, tmp_path: Path, batch: int
) -> None:
    path = written(
        tmp_path / "t.jsonl",
        issue("x-1", dependencies=[needs("x-2"), needs("x-2", "parent-child")]),
        issue("x-2", dependencies=[needs("x-3"), needs("x-1", "parent-child")]),
        issue("x-3", dependencies=[needs("x-1"), needs("gone"), needs("external:y", "tracks")]),
    )
    report = await import_beads(calls, path, batch=batch)
    assert (report.tickets, report.blockers, report.parents) == (3, 2, 1)
    assert reasons(report, "dropped") == {
        "blocker that closes a cycle": 1,
        "parent that closes a cycle": 1,
        "blocker that is neither in the file nor in the workflow": 1,
        "link that is neither in the file nor in the workflow": 1,
    }
    assert broken_rules(sql) == []


async def test_of_two_lines_with_one_id_the_newer_stands(
    calls: Calls, desk: Desk, tmp_path: Path
) -> None:
    newer = issue("x-1", title="Newer", updated_at="2026-01-09T00:00:00Z")
    report = await import_beads(calls, written(tmp_path / "t.jsonl", newer, issue("x-1")))
    assert (await tracker(desk, "x-1"))["ticket"]["title"] == "Newer"
    assert reasons(report, "dropped") == {"the same id again: the newer line stands": 1}


async def test_gzip_is_read_and_a_cut_file_is_said_in_one_sentence(
    calls: Calls, sql: Sql, tmp_path: Path
) -> None:
    plain = written(tmp_path / "t.jsonl", *[issue(f"x-{number}") for number in range(500)])
    packed = tmp_path / "t.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert (await import_beads(calls, packed)).tickets == 500
    packed.write_bytes(packed.read_bytes()[:-40])
    before = contents(sql)
    with pytest.raises(SetupError, match="damaged or cut short"):
        await import_beads(calls, packed, "another")
    assert contents(sql) == before


async def test_another_board_is_fitted_not_changed_but_for_new_types(
    calls: Calls, desk: Desk, sql: Sql, tmp_path: Path
) -> None:
    columns = [
        {"id": "new", "category": "todo"},
        {"id": "busy", "category": "doing"},
        {"id": "shipped", "category": "done"},
    ]
    await desk.configure_board(
        workflow_id="imported",
        columns=columns,
        ticket_types=["story"],
        default_ticket_type="story",
        initial_status="new",
    )
    path = written(
        tmp_path / "t.jsonl",
        issue("x-1", status="in_progress"),
        issue("x-2", status="tombstone"),
        issue("x-3", status="review"),
    )
    report = await import_beads(calls, path)
    rows = sql.rows("SELECT status, ticket_type FROM tickets ORDER BY external_ref")
    assert rows == [("busy", "task"), ("shipped", "task"), ("busy", "task")]
    assert report.new_types == ["task"]
    assert broken_rules(sql) == []


async def test_types_past_what_a_board_holds_become_the_default(
    calls: Calls, sql: Sql, tmp_path: Path
) -> None:
    issues = [issue(f"x-{number}", issue_type=f"type-{number}") for number in range(60)]
    report = await import_beads(calls, written(tmp_path / "t.jsonl", *issues))
    assert (
        sql.one(
            "SELECT jsonb_array_length(to_jsonb(ticket_types)) FROM board_configs"
            " WHERE workflow_id = 'imported'"
        )
        == 50
    )
    assert sum(reasons(report, "repaired").values()) == 15


async def test_a_file_without_tickets_creates_no_workflow(
    calls: Calls, sql: Sql, tmp_path: Path
) -> None:
    report = await import_beads(calls, written(tmp_path / "t.jsonl", "nonsense"))
    assert report.holds_none
    assert sql.one("SELECT count(*) FROM workflows") == 1


async def test_a_workflow_that_is_not_active_is_not_written(
    calls: Calls, desk: Desk, tmp_path: Path
) -> None:
    await desk.configure_board(workflow_id="imported", workflow_status="archived")
    with pytest.raises(WorkflowNotActive):
        await import_beads(calls, written(tmp_path / "t.jsonl", issue("x-1")))

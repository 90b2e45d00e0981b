from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hephaestus_tickets.exchange.beads import Mapped, map_line
from hephaestus_tickets.exchange.reading import Line, decoded
from hephaestus_tickets.exchange.records import TicketRecord
from tests.exchange.trackers import closed, issue, needs

NOW = datetime(2026, 2, 1, tzinfo=UTC)


def mapped(fields: object, number: int = 1) -> Mapped:
    return map_line(Line(number, json.dumps(fields)), NOW)


def record(fields: object) -> TicketRecord:
    found = mapped(fields).record
    assert found is not None
    return found


def notes(fields: object) -> set[tuple[str, str]]:
    return {(note.verdict, note.reason) for note in mapped(fields).notes}


def test_a_plain_issue_goes_over_without_a_note() -> None:
    outcome = mapped(issue("x-1"))
    assert outcome.notes == []
    assert outcome.record is not None
    assert outcome.record.model_dump(mode="json") == {
        "key": "x-1",
        "external_ref": "x-1",
        "title": "Title of x-1",
        "description": "",
        "ticket_type": "task",
        "priority": "medium",
        "status": "backlog",
        "created_by": "ada",
        "created_at": "2026-01-05T10:00:00Z",
        "updated_at": "2026-01-06T10:00:00.123456Z",
        "version": 1,
        "history": [
            {
                "agent_id": "ada",
                "change_type": "created",
                "changed_at": "2026-01-05T10:00:00Z",
                "change_description": "imported from beads: x-1",
                "metadata": {"version": 1},
            }
        ],
    }


@pytest.mark.parametrize(
    ("status", "closed_at", "column"),
    [
        ("open", None, "backlog"),
        ("in_progress", None, "in_progress"),
        ("closed", "2026-01-06T10:00:00Z", "done"),
        ("blocked", None, "backlog"),
        ("hooked", None, "in_progress"),
        ("pinned", None, "backlog"),
        ("tombstone", None, "cancelled"),
        ("completed", None, "done"),
        ("Pending Review", None, "review"),
        ("wontfix", None, "cancelled"),
        ("never heard of", None, "backlog"),
        ("never heard of", "2026-01-06T10:00:00Z", "done"),
        ("", None, "backlog"),
        (7, None, "backlog"),
        (["closed"], None, "backlog"),
    ],
)
def test_every_status_finds_its_column(status: object, closed_at: object, column: str) -> None:
    found = record(issue("x-1", status=status, closed_at=closed_at))
    assert found.status == column
    assert found.is_resolved == (column in ("done", "cancelled"))


@pytest.mark.parametrize(
    ("priority", "word"),
    [
        (0, "critical"),
        (1, "high"),
        (2, "medium"),
        (3, "low"),
        (4, "low"),
        ("P1", "high"),
        ("0", "critical"),
        (5, "medium"),
        (-1, "medium"),
        (True, "medium"),
        (1.5, "medium"),
        ("urgent", "medium"),
        (None, "medium"),
    ],
)
def test_every_priority_finds_its_word(priority: object, word: str) -> None:
    assert record(issue("x-1", priority=priority)).priority == word


@pytest.mark.parametrize(
    ("kind", "blocker", "parent", "link"),
    [
        ("blocks", "y-1", None, None),
        ("blocked-by", "y-1", None, None),
        ("conditional-blocks", "y-1", None, None),
        ("waits-for", "y-1", None, None),
        ("parent-child", None, "y-1", None),
        ("parent", None, "y-1", None),
        ("related", None, None, "relates_to"),
        ("relates-to", None, None, "relates_to"),
        ("discovered-from", None, None, "discovered_from"),
        ("duplicates", None, None, "duplicates"),
        ("supersedes", None, None, "supersedes"),
        ("tracks", None, None, "relates_to"),
        ("unheard-of", None, None, "relates_to"),
        ("", None, None, "relates_to"),
    ],
)
def test_every_kind_of_dependency_finds_its_edge(
    kind: str, blocker: str | None, parent: str | None, link: str | None
) -> None:
    found = record(issue("x-1", dependencies=[needs("y-1", kind)]))
    assert [edge.blocker for edge in found.blockers] == ([blocker] if blocker else [])
    assert found.parent == parent
    assert [(edge.target, edge.kind) for edge in found.links] == ([("y-1", link)] if link else [])


@pytest.mark.parametrize(
    ("dependencies", "reason"),
    [
        ([needs("x-1")], "dependency of an issue on itself"),
        ([{"type": "blocks"}], "dependency that names no issue"),
        ([{"depends_on_id": 5, "type": "blocks"}], "dependency that names no issue"),
        ([needs("y-1"), needs("y-1")], "the same dependency again"),
        ([{**needs("y-1"), "issue_id": "z-1"}], "dependency that belongs to another issue"),
        ([needs("y\x00")], "dependency on an id that cannot be one"),
        (["y-1"], "an entry of 'dependencies' is not an object"),
        ("y-1", "'dependencies' is not a list"),
    ],
)
def test_a_dependency_that_cannot_stand_is_dropped_and_said(
    dependencies: object, reason: str
) -> None:
    assert ("dropped", reason) in notes(issue("x-1", dependencies=dependencies))


def test_a_second_parent_becomes_a_link() -> None:
    two = [needs("y-1", "parent-child"), needs("y-2", "parent-child")]
    found = record(issue("x-1", dependencies=two))
    assert found.parent == "y-1"
    assert [link.target for link in found.links] == ["y-2"]


def test_the_parent_field_stands_where_no_dependency_names_one() -> None:
    assert record(issue("x-1", parent="y-1")).parent == "y-1"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("", "not a JSON object"),
        ("{", "not a JSON object"),
        ("[1]", "not a JSON object"),
        ("null", "not a JSON object"),
        ("[" * 100_000, "not a JSON object"),
        ('{"a":' * 100_000, "not a JSON object"),
        ('{"id": ' + "9" * 5_000 + "}", "not a JSON object"),
        ("{}", "without a usable id"),
        ('{"id": 5, "title": "x"}', "without a usable id"),
        ('{"id": "", "title": "x"}', "without a usable id"),
        ('{"id": "a\\u0000b", "title": "x"}', "without a usable id"),
        ('{"id": "\\ud800", "title": "x"}', "without a usable id"),
        ('{"id": "' + "x" * 201 + '"}', "without a usable id"),
        ('{"_type": "memory", "key": "k"}', "of another kind: _type 'memory'"),
    ],
    ids=range(14),
)
def test_a_line_that_is_no_issue_is_refused_with_its_number(line: str, reason: str) -> None:
    outcome = map_line(Line(12, line), NOW)
    assert outcome.record is None
    assert [(note.verdict, note.reason, note.example) for note in outcome.notes] == [
        ("refused", reason, "line 12")
    ]


def test_control_characters_are_taken_out_and_said() -> None:
    fields = issue("x-1", title="one\ntwo\x00", description="a\x00b\x1b[1m\tc\nd\ud800")
    found = record(fields)
    assert (found.title, found.description) == ("one two", "ab[1m\tc\nd\ufffd")
    assert ("repaired", "control characters taken out of 'description'") in notes(fields)
    assert ("repaired", "title made one line") in notes(fields)


def test_what_is_too_long_loses_nothing() -> None:
    title, text = "t" * 600, "d" * 250_000
    found = record(issue("x-1", title=title, description=text))
    assert len(found.title) == 500
    assert found.description.startswith(title)
    whole = found.description + "".join(comment.comment_text for comment in found.comments)
    assert whole == f"{title}\n\n{text}"


def test_a_long_comment_is_kept_in_parts() -> None:
    text = "word " * 25_000
    comments = record(issue("x-1", comments=[{"author": "bob", "text": text}])).comments
    assert [len(comment.comment_text) for comment in comments] == [50_000, 50_000, 25_000]
    assert "".join(comment.comment_text for comment in comments) == text


def test_design_acceptance_criteria_and_notes_become_sections() -> None:
    found = record(issue("x-1", description="What", design="How", notes="Why"))
    assert found.description == "What\n\n## Design\n\nHow\n\n## Notes\n\nWhy"


def test_a_close_reason_is_the_resolution_at_the_time_and_by_the_assignee() -> None:
    found = record(closed("x-1", assignee="bob", close_reason="Fixed in 1.2"))
    (comment,) = found.comments
    assert (comment.comment_type, comment.comment_text) == ("resolution", "Fixed in 1.2")
    assert (comment.agent_id, comment.created_at) == ("bob", found.resolved_at)
    assert [(change.change_type, change.agent_id) for change in found.history] == [
        ("created", "ada"),
        ("resolved", "bob"),
    ]


def test_a_tombstone_is_cancelled_with_its_reason_and_its_type_before() -> None:
    found = record(
        issue(
            "x-1",
            status="tombstone",
            issue_type="tombstone",
            original_type="bug",
            deleted_at="2026-01-07T00:00:00Z",
            deleted_by="cleaner",
            delete_reason="a duplicate",
        )
    )
    assert (found.status, found.ticket_type) == ("cancelled", "bug")
    assert found.resolved_at == datetime(2026, 1, 7, tzinfo=UTC)
    assert [(it.agent_id, it.comment_text) for it in found.comments] == [("cleaner", "a duplicate")]


def test_a_started_and_closed_issue_tells_both_in_its_history() -> None:
    found = record(closed("x-1", started_at="2026-01-05T12:00:00Z"))
    assert [(it.old_value, it.new_value, it.metadata) for it in found.history] == [
        (None, None, {"version": 1}),
        ("backlog", "in_progress", {"version": 2}),
        ("in_progress", "done", {"version": 3}),
    ]
    assert found.version == 3


@pytest.mark.parametrize(
    ("times", "created", "resolved"),
    [
        ({}, "2026-01-05T10:00:00", "2026-01-06T10:00:00"),
        ({"closed_at": "2026-01-01T00:00:00Z"}, "2026-01-05T10:00:00", "2026-01-05T10:00:00"),
        ({"closed_at": None}, "2026-01-05T10:00:00", "2026-01-06T10:00:00.123456"),
        ({"created_at": "0001-01-01T00:00:00Z"}, "2026-01-06T10:00:00", "2026-01-06T10:00:00"),
        ({"created_at": "soon"}, "2026-01-06T10:00:00", "2026-01-06T10:00:00"),
        ({"created_at": 5, "updated_at": {}, "closed_at": []}, "2026-02-01", "2026-02-01"),
        ({"created_at": "2026-01-05T12:00:00+02:00"}, "2026-01-05T10:00:00", "2026-01-06T10:00:00"),
        (
            {"created_at": "2026-01-05T10:00:00.123456789Z"},
            "2026-01-05T10:00:00.123456",
            "2026-01-06T10:00:00",
        ),
    ],
)
def test_times_are_kept_or_put_in_an_order_that_can_be_true(
    times: dict[str, object], created: str, resolved: str
) -> None:
    found = record(closed("x-1", **times))
    assert found.created_at == datetime.fromisoformat(created).replace(tzinfo=UTC)
    assert found.resolved_at == datetime.fromisoformat(resolved).replace(tzinfo=UTC)
    assert found.updated_at >= found.created_at


def test_labels_become_tags_as_create_ticket_would_keep_them() -> None:
    labels = ["API", "api", "two\nlines", "x" * 60, 5, "", *[f"n{number}" for number in range(40)]]
    fields = issue("x-1", labels=labels)
    tags = record(fields).tags
    assert tags[:3] == ["api", "two lines", "x" * 49 + "…"]
    assert len(tags) == 30
    assert ("dropped", "labels past the 30 a ticket can carry") in notes(fields)


def test_what_has_no_place_is_kept_with_the_creation() -> None:
    fields = issue("x-1", status="hooked", priority=4, spec_id="a/b", timeout=5, waiters=["z"])
    (created, _) = record(fields).history
    assert created.metadata == {
        "version": 1,
        "imported": {"status": "hooked", "priority": 4, "spec_id": "a/b", "timeout": 5},
    }
    assert ("dropped", "'waiters' has no place in a ticket") in notes(fields)


def test_a_fault_is_noted_once_however_often_its_field_is_read() -> None:
    fields = closed("x-1", assignee="a\x00b", title="\x00" + "t" * 500)
    told = [note.reason for note in mapped(fields).notes]
    assert told.count("control characters taken out of 'assignee'") == 1
    assert told.count("control characters taken out of 'title'") == 1


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=30)
    | st.sampled_from(["2026-01-01T00:00:00Z", "closed", "x-1", "blocks", "\ud800", "\x00"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = sorted(
    {*issue("x"), "closed_at", "close_reason", "labels", "dependencies", "comments", "parent"}
    | {"notes", "design", "external_ref", "started_at", "deleted_by", "_type", "assignee"}
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.booleans())
def test_no_hostile_issue_raises_and_each_is_a_record_or_a_reason(
    fields: dict[str, Any], has_id: bool
) -> None:
    outcome = mapped({**fields, "id": "x-1", "_type": "issue"} if has_id else fields)
    assert (outcome.record is not None) == has_id or outcome.notes
    if outcome.record is not None:
        assert outcome.record.version == len(outcome.record.history)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_no_hostile_bytes_raise(block: bytes) -> None:
    outcome = map_line(decoded(1, block), NOW)
    assert outcome.record is not None or outcome.notes

from __future__ import annotations

import pytest

from hephaestus_tickets.domain.changes import (
    READ_ONLY_FIELDS,
    Change,
    ReadOnlyField,
    RecordedChange,
    UnknownField,
    Value,
    VersionConflict,
    check_field_names,
    diff,
    patched_list,
)

VALID = ["title", "priority", "tags"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="none"),
        pytest.param(["title"], id="one"),
        pytest.param(["tags", "title", "priority"], id="all-in-any-order"),
    ],
)
def test_known_fields_pass(names: list[str]) -> None:
    check_field_names(names, VALID)


@pytest.mark.parametrize(
    ("names", "unknown"),
    [
        pytest.param(["colour"], ("colour",), id="alone"),
        pytest.param(["title", "colour", "size"], ("colour", "size"), id="among-known-ones"),
        pytest.param(["Title"], ("Title",), id="case-counts"),
        pytest.param(["status", "colour"], ("colour",), id="unknown-comes-before-read-only"),
    ],
)
def test_unknown_fields_are_refused_by_name(names: list[str], unknown: tuple[str, ...]) -> None:
    with pytest.raises(UnknownField) as refusal:
        check_field_names(names, VALID)
    assert refusal.value.names == unknown


def test_an_unknown_field_is_answered_with_the_valid_ones() -> None:
    with pytest.raises(UnknownField) as refusal:
        check_field_names(iter(["colour", "size"]), VALID)
    assert str(refusal.value) == (
        "update_ticket does not know colour, size. Nothing was changed. "
        "Fields it takes: title, priority, tags."
    )


def test_an_unknown_field_is_quoted_short_and_on_one_line() -> None:
    refusal = UnknownField(["bad\nname", "x" * 100], VALID)
    assert f"does not know bad name, {'x' * 59}…. Nothing" in str(refusal)


def test_up_to_forty_valid_fields_are_named() -> None:
    valid = [f"field_{number}" for number in range(1, 42)]
    assert str(UnknownField(["colour"], valid)).endswith("field_39, field_40 and 1 more.")


@pytest.mark.parametrize("name", READ_ONLY_FIELDS)
def test_a_read_only_field_is_refused_with_another_way(name: str) -> None:
    with pytest.raises(ReadOnlyField) as refusal:
        check_field_names(["title", name], VALID)
    assert refusal.value.names == (name,)


def test_read_only_fields_are_what_the_tracker_keeps_itself() -> None:
    assert READ_ONLY_FIELDS == {
        "ticket_id": "an id never changes",
        "id": "an id never changes",
        "workflow_id": "a ticket stays in its workflow",
        "status": "use change_status or resolve_ticket",
        "is_resolved": "use resolve_ticket, or change_status to reopen",
        "is_blocked": "it follows from blocked_by_ticket_ids",
        "version": "the tracker counts it; expected_version is an argument of its own",
        "created_by": "the tracker sets it",
        "created_at": "the tracker sets it",
        "updated_at": "the tracker sets it",
        "started_at": "the tracker sets it",
        "completed_at": "the tracker sets it",
        "resolved_at": "the tracker sets it",
        "external_ref": "the import sets it",
        "comments": "use add_comment",
        "commits": "use link_commit",
    }


def test_several_read_only_fields_each_get_their_way() -> None:
    with pytest.raises(ReadOnlyField) as refusal:
        check_field_names(["status", "comments"], VALID)
    assert str(refusal.value) == (
        "update_ticket does not set status, comments. Nothing was changed. "
        "status: use change_status or resolve_ticket; comments: use add_comment."
    )


def test_a_read_only_name_that_the_caller_takes_is_no_fault() -> None:
    check_field_names(["status"], ["status"])


@pytest.mark.parametrize(
    ("before", "after", "changes"),
    [
        pytest.param({"title": "a"}, {"title": "a"}, [], id="the-same-value"),
        pytest.param({"tags": ["a", "b"]}, {"tags": ["a", "b"]}, [], id="an-equal-list"),
        pytest.param({"title": "a", "size": 1}, {}, [], id="absent-keeps"),
        pytest.param({}, {"parent": None}, [], id="nothing-cleared"),
        pytest.param({"title": "a"}, {"title": "b"}, [("title", "a", "b")], id="another-value"),
        pytest.param({"parent": "t"}, {"parent": None}, [("parent", "t", None)], id="cleared"),
        pytest.param({}, {"parent": "t"}, [("parent", None, "t")], id="set"),
        pytest.param(
            {"tags": ["a", "b"]},
            {"tags": ["b", "a"]},
            [("tags", ["a", "b"], ["b", "a"])],
            id="another-order",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": 3},
            {"c": 4, "b": 2, "a": 5},
            [("c", 3, 4), ("a", 1, 5)],
            id="one-change-per-field-in-the-order-of-the-patch",
        ),
    ],
)
def test_a_diff_holds_what_really_differs(
    before: dict[str, Value], after: dict[str, Value], changes: list[tuple[str, Value, Value]]
) -> None:
    assert diff(before, after) == [
        Change(field_name=name, old_value=old, new_value=new) for name, old, new in changes
    ]


@pytest.mark.parametrize(
    ("replacement", "added", "removed", "result"),
    [
        pytest.param(None, [], [], ["a", "b"], id="nothing-said"),
        pytest.param(["x"], [], [], ["x"], id="replaced"),
        pytest.param([], [], [], [], id="emptied"),
        pytest.param(None, ["c"], [], ["a", "b", "c"], id="added-at-the-end"),
        pytest.param(None, ["a"], [], ["a", "b"], id="added-again"),
        pytest.param(None, [], ["a"], ["b"], id="removed"),
        pytest.param(None, [], ["z"], ["a", "b"], id="removed-what-is-not-there"),
        pytest.param(None, ["c"], ["a"], ["b", "c"], id="added-and-removed"),
        pytest.param(None, ["c"], ["c"], ["a", "b"], id="removing-wins-over-adding"),
        pytest.param(["x", "y", "x"], ["z"], ["y"], ["x", "z"], id="replaced-then-patched"),
    ],
)
def test_a_list_after_a_patch(
    replacement: list[str] | None, added: list[str], removed: list[str], result: list[str]
) -> None:
    assert patched_list(["a", "b"], replacement, iter(added), iter(removed)) == result


def test_a_patched_list_is_a_new_one() -> None:
    current = ["a"]
    patched_list(current, None, ["b"], ["a"])
    assert current == ["a"]


def test_a_stale_version_is_told_what_changed_since() -> None:
    refusal = VersionConflict(
        "ticket-12",
        3,
        5,
        [
            RecordedChange(field_name="title", agent_id="ada", value='"New"'),
            RecordedChange(field_name="status", agent_id="bob"),
        ],
    )
    assert (refusal.ticket_id, refusal.expected, refusal.actual) == ("ticket-12", 3, 5)
    assert str(refusal) == (
        'ticket-12 is at version 5, not 3. Changed since: title by ada, now "New"; status by bob. '
        "Read it again with get_ticket, then repeat the call with the version it has now."
    )


def test_a_stale_version_without_known_changes_says_only_the_versions() -> None:
    assert str(VersionConflict("ticket-12", 3, 5, [])) == (
        "ticket-12 is at version 5, not 3. "
        "Read it again with get_ticket, then repeat the call with the version it has now."
    )

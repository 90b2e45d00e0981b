from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from hephaestus_tickets.domain.board import BoardSettings, UnknownStatus
from hephaestus_tickets.domain.lifecycle import (
    AlreadyResolved,
    Move,
    OpenBlocker,
    ReopenNotAllowed,
    TicketBlocked,
    TicketFacts,
    TransitionNotAllowed,
    plan_move,
    plan_resolution,
)
from tests.domain.boards import board

MONDAY = datetime(2026, 3, 2, 9, tzinfo=UTC)
TUESDAY = datetime(2026, 3, 3, 9, tzinfo=UTC)
NOW = datetime(2026, 3, 4, 9, tzinfo=UTC)

BLOCKERS = [OpenBlocker(ticket_id="ticket-7", title="Fix login", status="in_progress")]


def ticket(status: str, *, started_at: datetime | None = None) -> TicketFacts:
    return TicketFacts(ticket_id="ticket-12", title="Ship it", status=status, started_at=started_at)


def resolved(status: str) -> TicketFacts:
    return TicketFacts(
        ticket_id="ticket-12",
        title="Ship it",
        status=status,
        is_resolved=True,
        started_at=MONDAY,
        completed_at=TUESDAY,
        resolved_at=TUESDAY,
    )


def move(
    way: str, started_at: datetime | None, over_at: datetime | None, outcome: str = ""
) -> Move:
    """`way` reads `from > to`; a ticket is over, completed and resolved together."""
    from_status, to_status = way.split(" > ")
    return Move(
        from_status=from_status,
        to_status=to_status,
        is_resolved=over_at is not None,
        started_at=started_at,
        completed_at=over_at,
        resolved_at=over_at,
        resolves=outcome == "resolves",
        reopens=outcome == "reopens",
    )


@pytest.mark.parametrize(
    ("facts", "planned"),
    [
        pytest.param(ticket("backlog"), move("backlog > ready", None, None), id="not-started"),
        pytest.param(
            ticket("backlog"), move("backlog > in_progress", NOW, None), id="doing-starts-it"
        ),
        pytest.param(
            ticket("in_progress", started_at=MONDAY),
            move("in_progress > review", MONDAY, None),
            id="started-once",
        ),
        pytest.param(
            ticket("review", started_at=MONDAY),
            move("review > backlog", MONDAY, None),
            id="going-back-keeps-the-start",
        ),
        pytest.param(
            ticket("review", started_at=MONDAY),
            move("review > done", MONDAY, NOW, "resolves"),
            id="done-resolves",
        ),
        pytest.param(
            ticket("backlog"),
            move("backlog > cancelled", None, NOW, "resolves"),
            id="any-done-column-resolves-and-does-not-start",
        ),
        pytest.param(
            resolved("done"),
            move("done > cancelled", MONDAY, TUESDAY),
            id="between-done-columns-nothing-is-resolved-again",
        ),
        pytest.param(
            resolved("done"),
            move("done > review", MONDAY, None, "reopens"),
            id="leaving-done-reopens-and-clears-both-times",
        ),
        pytest.param(
            resolved("cancelled"),
            move("cancelled > backlog", MONDAY, None, "reopens"),
            id="reopened-to-the-start",
        ),
        pytest.param(
            ticket("review", started_at=MONDAY), move("review > review", MONDAY, None), id="staying"
        ),
        pytest.param(resolved("done"), move("done > done", MONDAY, TUESDAY), id="staying-resolved"),
    ],
)
def test_a_move_decides_the_new_standing(facts: TicketFacts, planned: Move) -> None:
    assert plan_move(facts, board(), [], planned.to_status, NOW) == planned


@pytest.mark.parametrize(
    ("way", "changes"),
    [
        pytest.param("review > done", True, id="moved"),
        pytest.param("done > done", False, id="kept"),
    ],
)
def test_only_another_column_changes_the_status(way: str, changes: bool) -> None:
    assert move(way, None, None).changes_status is changes


@pytest.mark.parametrize("status", ["ready", "in_progress", "review", "done", "cancelled"])
def test_a_ticket_with_an_open_blocker_cannot_move(status: str) -> None:
    with pytest.raises(TicketBlocked) as refusal:
        plan_move(ticket("backlog"), board(), iter(BLOCKERS), status, NOW)
    assert refusal.value.blockers == tuple(BLOCKERS)


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        pytest.param(ticket("review"), "backlog", id="back-to-the-initial-column"),
        pytest.param(resolved("done"), "backlog", id="reopened-to-the-initial-column"),
        pytest.param(ticket("review"), "review", id="to-where-it-stands"),
    ],
)
def test_a_blocked_ticket_may_go(facts: TicketFacts, status: str) -> None:
    assert plan_move(facts, board(), BLOCKERS, status, NOW).to_status == status


def test_an_unknown_status_is_refused_before_anything_else() -> None:
    with pytest.raises(UnknownStatus):
        plan_move(ticket("backlog"), board(), BLOCKERS, "doing", NOW)


def test_a_status_that_left_the_board_is_unknown_even_to_a_ticket_in_it() -> None:
    with pytest.raises(UnknownStatus):
        plan_move(ticket("doing"), board(), [], "doing", NOW)


NO_REOPENING = board(settings=BoardSettings(allow_reopen=False))


def test_a_board_may_forbid_reopening() -> None:
    with pytest.raises(ReopenNotAllowed) as refusal:
        plan_move(resolved("done"), NO_REOPENING, BLOCKERS, "review", NOW)
    assert refusal.value.ticket_id == "ticket-12"
    assert str(refusal.value) == (
        "ticket-12 is resolved (status 'done') and this board does not reopen tickets. "
        "Create a new ticket and link it instead."
    )


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        pytest.param(resolved("done"), "cancelled", id="from-one-end-to-the-other"),
        pytest.param(ticket("review"), "backlog", id="an-open-ticket-going-back"),
    ],
)
def test_forbidding_reopening_forbids_nothing_else(facts: TicketFacts, status: str) -> None:
    assert plan_move(facts, NO_REOPENING, [], status, NOW).to_status == status


def with_transitions(transitions: Mapping[str, tuple[str, ...]]) -> BoardSettings:
    return BoardSettings(transitions=transitions)


@pytest.mark.parametrize(
    ("transitions", "status"),
    [
        pytest.param({"review": ("done", "backlog")}, "done", id="a-listed-way"),
        pytest.param({"done": ()}, "ready", id="a-column-that-is-not-listed-leads-anywhere"),
        pytest.param({"review": ()}, "review", id="staying"),
    ],
)
def test_transitions_let_through(transitions: dict[str, tuple[str, ...]], status: str) -> None:
    settings = with_transitions(transitions)
    assert (
        plan_move(ticket("review"), board(settings=settings), [], status, NOW).to_status == status
    )


@pytest.mark.parametrize(
    ("allowed", "ways"),
    [
        pytest.param(("done", "backlog"), "done, backlog", id="the-ways-are-named"),
        pytest.param((), "nowhere", id="a-dead-end"),
    ],
)
def test_a_move_outside_the_transitions_is_refused(allowed: tuple[str, ...], ways: str) -> None:
    strict = board(settings=with_transitions({"review": allowed}))
    with pytest.raises(TransitionNotAllowed) as refusal:
        plan_move(ticket("review"), strict, BLOCKERS, "ready", NOW)
    assert (refusal.value.ticket_id, refusal.value.allowed) == ("ticket-12", allowed)
    assert str(refusal.value) == (
        "ticket-12 cannot move from 'review' to 'ready' on this board. "
        f"From 'review' it can move to: {ways}."
    )


def test_a_resolution_moves_to_the_first_done_column() -> None:
    planned = plan_resolution(ticket("review", started_at=MONDAY), board(), [], NOW)
    assert planned == move("review > done", MONDAY, NOW, "resolves")


def test_resolving_twice_is_refused() -> None:
    with pytest.raises(AlreadyResolved) as refusal:
        plan_resolution(resolved("cancelled"), board(), BLOCKERS, NOW)
    assert refusal.value.ticket_id == "ticket-12"
    assert str(refusal.value) == (
        "ticket-12 is already resolved (status 'cancelled'). "
        "Nothing to do; to work on it again, reopen it with change_status."
    )


def test_a_ticket_with_an_open_blocker_cannot_be_resolved() -> None:
    with pytest.raises(TicketBlocked) as refusal:
        plan_resolution(ticket("review"), board(), iter(BLOCKERS), NOW)
    assert refusal.value.blockers == tuple(BLOCKERS)


def test_a_resolution_keeps_to_the_transitions() -> None:
    strict = board(settings=with_transitions({"review": ("backlog", "cancelled")}))
    with pytest.raises(TransitionNotAllowed):
        plan_resolution(ticket("review"), strict, [], NOW)


def test_a_blocked_ticket_is_told_what_blocks_it() -> None:
    refusal = TicketBlocked("ticket-12", BLOCKERS)
    assert refusal.ticket_id == "ticket-12"
    assert str(refusal) == (
        "ticket-12 is blocked by ticket-7 'Fix login' (in_progress). "
        "Resolve what blocks it first (resolve_ticket), or remove the blocker "
        "(update_ticket with remove_blocked_by_ticket_ids)."
    )


@pytest.mark.parametrize(
    ("count", "ending"),
    [
        pytest.param(2, "ticket-1 'T1' (review); ticket-2 'T2' (review). Resolve", id="two"),
        pytest.param(10, "ticket-10 'T10' (review). Resolve", id="ten-are-named"),
        pytest.param(11, "ticket-10 'T10' (review) and 1 more. Resolve", id="the-rest-is-counted"),
    ],
)
def test_ten_blockers_are_named_and_the_rest_counted(count: int, ending: str) -> None:
    blockers = [
        OpenBlocker(ticket_id=f"ticket-{number}", title=f"T{number}", status="review")
        for number in range(1, count + 1)
    ]
    assert ending in str(TicketBlocked("ticket-12", blockers))
    assert len(TicketBlocked("ticket-12", blockers).blockers) == count


def test_a_blockers_title_stays_on_one_short_line() -> None:
    blocker = OpenBlocker(ticket_id="ticket-7", title="two\nlines " + "x" * 100, status="review")
    assert f"ticket-7 'two lines {'x' * 69}…' (review)" in str(TicketBlocked("t", [blocker]))

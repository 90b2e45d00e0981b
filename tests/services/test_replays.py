"""The same write again is answered with the reply of the first, and does nothing."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import anyio
import pytest
import pytest_asyncio
from sqlalchemy import URL

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import Conflict
from hephaestus_tickets.domain.retry import Effect
from hephaestus_tickets.operations import KEY, OPERATIONS
from hephaestus_tickets.services.unit_of_work import UnitOfWork, Units
from tests.factories import BY_NAME, Desk, Json
from tests.services.actors import (
    SECONDS,
    Outcome,
    Sql,
    open_desks,
    outcome_of,
    refusals,
    replies,
    together,
    until_someone_waits,
)

T = TypeVar("T")

REPEATS = 32
ONCE = {KEY: "once"}
WRITES = [operation.name for operation in OPERATIONS if operation.kind == "write"]
ELSEWHERE = ["scan_commits"]  # repeated where there is a repository: in test_scanning.py
# What each write is called with, on a ticket that the caller has claimed.
ARGUMENTS: dict[str, Json] = {
    "create_ticket": {"title": "New"},
    "update_ticket": {"updates": {"title": "Other"}},
    "change_status": {"new_status": "review", "comment": "Look"},
    "assign_ticket": {"assigned_agent_id": "another"},
    "add_comment": {"comment_text": "Seen"},
    "link_commit": {"commit_sha": "abcdef1"},
    "resolve_ticket": {"resolution_comment": "Done"},
    "configure_board": {"name": "Renamed"},
    "record_change": {"change_type": "external.seen"},
    "record_status_transition": {"from_status": "open", "to_status": "shut"},
    "record_commit_link": {"commit_sha": "abcdef2"},
    "index_ticket": {},
    "reindex_ticket": {},
    "claim_ticket": {},
    "renew_claim": {},
    "release_claim": {"hand_over": {"left": ["The rest"]}},
    "force_release": {"reason": "It is wanted"},
    "create_tickets": {"tickets": [{"title": "New"}, {"title": "Newer"}]},
    "update_tickets": {"updates": [{"ticket_id": "it", "updates": {"title": "Other"}}]},
    "resolve_tickets": {"ticket_ids": ["it"]},
}
# What has grown wherever a write was done.
TRACES = """
    SELECT (SELECT count(*) FROM tickets WHERE workflow_id = :workflow_id),
           (SELECT sum(version) FROM tickets WHERE workflow_id = :workflow_id),
           (SELECT count(*) FROM ticket_history h JOIN tickets t ON t.id = h.ticket_id
            WHERE workflow_id = :workflow_id),
           (SELECT count(*) FROM ticket_comments c JOIN tickets t ON t.id = c.ticket_id
            WHERE workflow_id = :workflow_id),
           (SELECT max(version) FROM index_jobs),
           (SELECT max(claim_ends_at) FROM tickets WHERE workflow_id = :workflow_id),
           (SELECT version FROM board_configs WHERE workflow_id = :workflow_id)
"""


@pytest_asyncio.fixture(loop_scope="session")
async def own(desk: Desk) -> Desk:
    """An agent that no other test has keys of, in a session of its own."""
    name = f"agent of {desk.caller.default_workflow}"
    caller = replace(desk.caller, agent_id=name, session="a session", is_bound=True)
    return replace(desk, caller=caller)


@pytest_asyncio.fixture(loop_scope="session")
async def pools(shared_url: URL, own: Desk) -> AsyncGenerator[list[Desk]]:
    """The same agent over four pools of connections."""
    async with open_desks(shared_url, own, 4) as desks:
        yield [each.speaking_as(own.caller.agent_id) for each in desks]


def traces(sql: Sql, desk: Desk) -> tuple[Json, ...]:
    return sql.rows(TRACES, workflow_id=desk.caller.default_workflow)[0]


def grow_older(sql: Sql, desk: Desk, seconds: int) -> None:
    """All that the agent of the desk has written under a key."""
    sql.run(
        "UPDATE idempotency_keys SET created_at = created_at - make_interval(secs => :seconds) "
        "WHERE principal = :agent",
        seconds=seconds,
        agent=desk.caller.agent_id,
    )


@pytest.mark.parametrize("key", [ONCE, {}], ids=["one key", "no key"])
async def test_a_creation_repeated_at_once_makes_one_ticket(
    pools: list[Desk], own: Desk, sql: Sql, key: dict[str, str]
) -> None:
    outcomes = await together(
        *[pools[number % 4].create_ticket(title="The one", **key) for number in range(REPEATS)]
    )
    assert refusals(outcomes) == []
    assert len({reply["ticket_id"] for reply in outcomes}) == 1
    assert sorted(reply.get("replayed", False) for reply in outcomes) == [False] + 31 * [True]
    assert traces(sql, own)[:3] == (1, 1, 1)


@pytest.mark.parametrize("operation", ARGUMENTS)
async def test_a_write_repeated_under_its_key_answers_the_same_and_does_nothing(
    own: Desk, sql: Sql, operation: str
) -> None:
    ticket = await own.make_ticket()
    if operation != "claim_ticket":
        await own.claim_ticket(ticket_id=ticket)
    arguments = {**arguments_of(operation, ticket, own.caller.default_workflow), **ONCE}
    first = await own.call(operation, **arguments)
    before = traces(sql, own)
    assert "replayed" not in first
    assert await own.call(operation, **arguments) == {**first, "replayed": True}
    assert traces(sql, own) == before


def arguments_of(operation: str, ticket: str, workflow_id: str) -> Json:
    named: Json = {"ticket_id": ticket, "workflow_id": workflow_id}
    taken = BY_NAME[operation].arguments.model_fields
    given = json.loads(json.dumps(ARGUMENTS[operation]).replace('"it"', f'"{ticket}"'))
    return {name: value for name, value in named.items() if name in taken} | given


def test_every_write_takes_a_key_and_no_read_does() -> None:
    assert sorted([*ARGUMENTS, *ELSEWHERE]) == sorted(WRITES)
    taking = {operation.name for operation in OPERATIONS if KEY in operation.arguments.model_fields}
    assert taking == set(WRITES)


@pytest.mark.parametrize(
    ("operation", "other"),
    [
        ("add_comment", {"comment_text": "Another"}),
        ("add_comment", {"comment_text": "Seen", "comment_type": "blocker"}),
        ("update_ticket", {"updates": {"title": "Another"}}),
        ("resolve_ticket", {}),
    ],
    ids=["other text", "one argument more", "another operation", "one without arguments"],
)
async def test_a_key_used_for_another_call_is_refused_and_changes_nothing(
    own: Desk, sql: Sql, operation: str, other: Json
) -> None:
    ticket = await own.make_ticket()
    await own.add_comment(ticket_id=ticket, comment_text="Seen", **ONCE)
    before = traces(sql, own)
    refusal = await outcome_of(own.call(operation, ticket_id=ticket, **other, **ONCE))
    assert refusal.code == "idempotency_key_reused"
    assert traces(sql, own) == before


async def test_a_refused_call_stores_nothing_so_that_its_key_may_be_used(own: Desk) -> None:
    blocker = await own.make_ticket()
    ticket = await own.make_ticket(blocked_by_ticket_ids=[blocker])
    refusal = await outcome_of(own.resolve_ticket(ticket_id=ticket, **ONCE))
    assert refusal.code == "ticket_blocked"
    await own.resolve_ticket(ticket_id=blocker)
    assert "replayed" not in await own.resolve_ticket(ticket_id=ticket, **ONCE)
    refusal = await outcome_of(own.add_comment(ticket_id=ticket, comment_text="Seen", **ONCE))
    assert refusal.code == "idempotency_key_reused"


@pytest.mark.parametrize(("seconds", "is_new"), [(86_300, False), (86_401, True)])
async def test_a_key_holds_for_a_day(own: Desk, sql: Sql, seconds: int, *, is_new: bool) -> None:
    first = await own.create_ticket(title="The one", **ONCE)
    grow_older(sql, own, seconds)
    again = await own.create_ticket(title="The one", **ONCE)
    assert (again["ticket_id"] != first["ticket_id"]) is is_new
    assert again.get("replayed", False) is not is_new


async def test_a_key_that_is_a_day_old_may_be_used_for_another_call(own: Desk, sql: Sql) -> None:
    await own.create_ticket(title="The one", **ONCE)
    grow_older(sql, own, 86_401)
    other = await own.create_ticket(title="Another", **ONCE)
    assert "replayed" not in other
    again = await own.create_ticket(title="Another", **ONCE)
    assert again == {**other, "replayed": True}


@pytest.mark.parametrize(("seconds", "is_new"), [(50, False), (61, True)])
async def test_the_same_remark_without_a_key_is_a_repetition_for_a_minute(
    own: Desk, sql: Sql, seconds: int, *, is_new: bool
) -> None:
    ticket = await own.make_ticket()
    first = await own.add_comment(ticket_id=ticket, comment_text="Seen")
    grow_older(sql, own, seconds)
    again = await own.add_comment(ticket_id=ticket, comment_text="Seen")
    assert (again["comment_id"] != first["comment_id"]) is is_new
    assert again.get("replayed", False) is not is_new


async def test_another_remark_or_another_agent_is_no_repetition(own: Desk) -> None:
    ticket = await own.make_ticket()
    other = own.speaking_as(f"other {own.caller.agent_id}")
    made = [
        await own.add_comment(ticket_id=ticket, comment_text="Seen"),
        await own.add_comment(ticket_id=ticket, comment_text="Seen!"),
        await other.add_comment(ticket_id=ticket, comment_text="Seen"),
    ]
    assert len({reply["comment_id"] for reply in made}) == 3


async def test_two_agents_may_use_the_same_key(own: Desk) -> None:
    other = own.speaking_as(f"other {own.caller.agent_id}")
    one, another = (
        await own.create_ticket(title="Mine", **ONCE),
        await other.create_ticket(title="Mine too", **ONCE),
    )
    assert one["ticket_id"] != another["ticket_id"]
    assert "replayed" not in another


class Held(Units):
    """Its first unit is done but not committed until it is told how to end."""

    def __init__(self, like: Units, *, fails: bool) -> None:
        super().__init__(like.database)
        self.is_done, self.may_end = anyio.Event(), anyio.Event()
        self._fails = fails

    async def run(
        self,
        caller: Caller,
        work: Callable[[UnitOfWork], Awaitable[T]],
        *,
        effect: Effect = Effect.ROWS,
    ) -> T:
        async def held(unit: UnitOfWork) -> T:
            result = await work(unit)
            self.is_done.set()
            await self.may_end.wait()
            if self._fails:
                raise Conflict("It failed in the end.")
            return result

        return await super().run(caller, held, effect=effect)


async def in_flight(sql: Sql, desk: Desk, *, fails: bool) -> tuple[Outcome, Outcome]:
    """A creation and the same again, which waits for the end of the first."""
    units = Held(desk.calls.units, fails=fails)
    leading = replace(desk, calls=replace(desk.calls, units=units))
    outcomes: dict[str, Outcome] = {}

    async def create(name: str, by: Desk) -> None:
        outcomes[name] = await outcome_of(by.create_ticket(title="The one", **ONCE))

    with anyio.fail_after(SECONDS):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(create, "first", leading)
            await units.is_done.wait()
            tasks.start_soon(create, "second", desk)
            await until_someone_waits(sql)
            units.may_end.set()
    return outcomes["first"], outcomes["second"]


async def test_a_repetition_waits_for_the_first_under_way_and_reads_its_reply(
    own: Desk, sql: Sql
) -> None:
    first, second = await in_flight(sql, own, fails=False)
    assert second == {**first, "replayed": True}
    assert traces(sql, own)[0] == 1


async def test_a_repetition_of_what_fails_under_way_does_it_itself(own: Desk, sql: Sql) -> None:
    first, second = await in_flight(sql, own, fails=True)
    assert refusals([first, second]) == [first]
    assert [reply.get("replayed") for reply in replies([first, second])] == [None]
    assert traces(sql, own)[0] == 1


async def test_who_comes_again_under_another_name_repeats_itself_all_the_same(desk: Desk) -> None:
    """A session without AGENT_ID has a name of its own each time."""
    key = desk.caller.default_workflow
    first, again = [
        await desk.speaking_as(f"agent-{number}").create_ticket(title="x", idempotency_key=key)
        for number in range(2)
    ]
    assert again == {**first, "replayed": True}

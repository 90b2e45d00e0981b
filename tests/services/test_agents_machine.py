"""Agents do whatever comes to mind; each outcome is what a small model of the rules says."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import URL

from hephaestus_tickets.app import open_calls
from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.domain.vocabulary import Priority
from hephaestus_tickets.server.calls import Calls
from hephaestus_tickets.upkeep import Upkeep
from tests.factories import Desk, Json
from tests.services.actors import Sql, outcome_of
from tests.services.claim_model import BOARD, Model, Refused, Ticket
from tests.services.invariants import ready_by_force, violations
from tests.services.rows import number_of
from tests.services.stories import TICKETS, Session, Step, acts, steps, writer_of

STATES = """
    SELECT 'ticket-' || id, status, assigned_agent_id, open_blockers > 0,
           claim_holder, claim_session, claim_token,
           claim_ends_at <= clock_timestamp(),
           claim_ends_at < clock_timestamp() + interval '10 minutes'
    FROM tickets WHERE workflow_id = :workflow_id ORDER BY id
"""
# What happens at all in these runs; what is refused is no less the tracker's doing.
REFUSALS = {
    "already_resolved",
    "claim_held",
    "claim_lost",
    "not_claimed",
    "nothing_ready",
    "self_reference",
    "ticket_blocked",
}


@dataclass
class World:
    """A database with its clients, and what came of all that was tried."""

    runner: asyncio.Runner
    calls: Calls
    sql: Sql
    seen: Counter[str] = field(default_factory=Counter[str])
    numbers: Iterator[int] = field(default_factory=lambda: count(1))


class Agents(RuleBasedStateMachine):
    def __init__(self, world: World) -> None:
        super().__init__()
        self.world = world
        self.workflow_id = f"workflow-{next(world.numbers)}"
        self.model = Model()
        self.tokens: dict[str, list[int]] = {}
        columns = [{"id": status, "category": category} for status, category in BOARD.items()]
        self._ask(("admin", "x"), "configure_board", columns=columns)

    @initialize()
    def begin(self) -> None:
        for priority in ("low", "high", "low", "high"):
            self._create(("ann", "a"), Priority(priority), [])

    @rule(act=acts, step=steps)
    def act(self, act: str, step: Step) -> None:
        getattr(self, act)(step)
        self._agree()

    def create(self, step: Step) -> None:
        if len(self.model.tickets) < TICKETS:
            places = {step.place, step.other} if step.resumes else set[int]()
            self._create(step.by, step.priority, sorted({self._at(each) for each in places}))

    def _create(self, by: Session, priority: Priority, blockers: list[str]) -> None:
        title = f"Ticket {next(self.world.numbers)}"
        made = self._ask(
            by, "create_ticket", title=title, priority=priority, blocked_by_ticket_ids=blockers
        )
        self.model.create(made["ticket_id"], priority.rank, blockers)

    def claim(self, step: Step) -> None:
        ticket = self._at(step.place)
        asked = {"resume": step.resumes, "move": step.moves}
        outcome = self._ask(step.by, "claim_ticket", ticket_id=ticket, **asked)
        self._check(outcome, lambda: self._claimed(step, ticket, outcome, moves=step.moves))

    def claim_best(self, step: Step) -> None:
        outcome = self._ask(step.by, "claim_ticket", resume=step.resumes)
        best = self.model.best_for(step.writer, resumes=step.resumes)
        if isinstance(outcome, TicketError):
            assert None in best
            self._check(outcome, _nothing_is_ready)
            return
        ticket: str = outcome["ticket_id"]
        assert ticket in best
        self._check(outcome, lambda: self._claimed(step, ticket, outcome, moves=True))

    def _claimed(self, step: Step, ticket: str, outcome: Json, *, moves: bool) -> None:
        token = 0 if isinstance(outcome, TicketError) else outcome["claim_token"]
        self.model.claim(ticket, step.writer, token, resumes=step.resumes, moves=moves)
        given = self.tokens.setdefault(ticket, [])
        if token not in given:
            every = [each for tokens in self.tokens.values() for each in tokens]
            assert token > max(every, default=0)
            given.append(token)

    def renew(self, step: Step) -> None:
        self._write(step, "renew_claim", self.model.renew)

    def release(self, step: Step) -> None:
        self._write(step, "release_claim", self.model.release)

    def force_release(self, step: Step) -> None:
        ticket = self._at(step.place)
        outcome = self._ask(step.by, "force_release", ticket_id=ticket, reason="It is wanted")
        self._check(outcome, lambda: self.model.force_release(ticket))

    def resolve(self, step: Step) -> None:
        before = self.model.blocked()
        outcome = self._write(step, "resolve_ticket", self.model.resolve)
        if not isinstance(outcome, TicketError):
            freed = before - self.model.blocked()
            assert set(outcome.get("unblocked_tickets", [])) == freed

    def change_status(self, step: Step) -> None:
        before = self.model.blocked() | {self._at(step.place)}
        wanted = {"new_status": step.status}
        outcome = self._write(step, "change_status", self.model.change_status, **wanted)
        if not isinstance(outcome, TicketError):
            caught = self.model.blocked() - before
            assert set(outcome.get("blocked_tickets", [])) == caught

    def update(self, step: Step) -> None:
        updates = {"title": f"Ticket {next(self.world.numbers)}"}
        self._write(step, "update_ticket", self.model.update, updates=updates)

    def set_blocker(self, step: Step) -> None:
        ticket, blocker = self._at(step.place), self._at(step.other)
        name = "add_blocked_by_ticket_ids" if step.moves else "remove_blocked_by_ticket_ids"
        outcome = self._ask(step.by, "update_ticket", ticket_id=ticket, updates={name: [blocker]})
        decide = self.model.block if step.moves else self.model.unblock
        self._check(outcome, lambda: decide(ticket, step.writer, blocker))

    def assign(self, step: Step) -> None:
        assignee = {"assigned_agent_id": step.to[0]}
        self._write(step, "assign_ticket", self.model.assign, **assignee)

    def comment(self, step: Step) -> None:
        text = {"comment_text": f"Remark {next(self.world.numbers)}"}
        ticket = self._at(step.place)
        outcome = self._ask(step.by, "add_comment", ticket_id=ticket, **text)
        self._check(outcome, lambda: self.model.comment(ticket, step.writer))

    def lapse(self, step: Step) -> None:
        for ticket in self._held(step.place):
            self._set_end(ticket, -1)
            self.model.lapse(ticket)

    def draw_near(self, step: Step) -> None:
        for ticket in self._held(step.place):
            self._set_end(ticket, 300)
            self.model.draw_near_to_the_end(ticket)

    def expire(self, _: Step) -> None:
        while self.world.runner.run(Upkeep(self.world.calls.units).expire()):
            pass
        self.model.expire()

    def look(self, step: Step) -> None:
        found = self._ask(step.by, "get_ready_tickets", limit=100).get("tickets", [])
        told = [each["ticket_id"] for each in found]
        assert told == list(self._ready())

    def teardown(self) -> None:
        assert violations(self.world.sql, self.workflow_id) == []

    def _at(self, place: int) -> str:
        tickets = list(self.model.tickets)
        return tickets[place % len(tickets)]

    def _held(self, place: int) -> list[str]:
        """One ticket that is, if any."""
        held = [each.ticket_id for each in self.model.tickets.values() if each.is_held]
        return held[place % len(held) :][:1] if held else []

    def _set_end(self, ticket: str, seconds: int) -> None:
        self.world.sql.run(
            "UPDATE tickets SET claim_ends_at = clock_timestamp() + make_interval(secs => :seconds)"
            " WHERE id = :id AND claim_ends_at > clock_timestamp()",
            seconds=seconds,
            id=number_of(ticket),
        )

    def _write(
        self, step: Step, operation: str, decide: Callable[..., None], **arguments: Json
    ) -> Json:
        """A write that may show a token."""
        ticket = self._at(step.place)
        tokens = self.tokens.get(ticket, [])
        token = tokens[-1 if step.shows == "latest" else 0] if step.shows and tokens else None
        outcome = self._ask(step.by, operation, ticket_id=ticket, claim_token=token, **arguments)
        said = [value for value in arguments.values() if isinstance(value, str)]
        self._check(outcome, lambda: decide(ticket, writer_of(step.by, token), *said))
        return outcome

    def _ask(self, by: Session, operation: str, **arguments: Json) -> Json:
        if operation == "configure_board":
            arguments["workflow_id"] = self.workflow_id
        agent_id, session = by
        caller = Caller(agent_id=agent_id, session=session, default_workflow=self.workflow_id)
        call = Desk(self.world.calls, caller).call(operation, **arguments)
        return self.world.runner.run(outcome_of(call))

    def _check(self, outcome: Json, decide: Callable[[], None]) -> None:
        """The model comes to the same, and so does the database."""
        expected = ""
        try:
            decide()
        except Refused as refusal:
            expected = refusal.code
        actual = outcome.code if isinstance(outcome, TicketError) else ""
        assert actual == expected
        self.world.seen[actual] += 1

    def _agree(self) -> None:
        rows = self.world.sql.rows(STATES, workflow_id=self.workflow_id)
        blocked = self.model.blocked()
        expected = [_state(each, blocked) for each in self.model.tickets.values()]
        assert rows == expected
        assert ready_by_force(self.world.sql, self.workflow_id) == self._ready()

    def _ready(self) -> list[str]:
        best_first = sorted(self.model.ready(), key=lambda each: each.rank)
        return [each.ticket_id for each in best_first]


def _nothing_is_ready() -> None:
    raise Refused("nothing_ready")


def _state(ticket: Ticket, blocked: set[str]) -> tuple[Json, ...]:
    claim = ticket.claim
    return (
        ticket.ticket_id,
        ticket.status,
        ticket.assignee,
        ticket.ticket_id in blocked,
        *((claim.holder, claim.session, claim.token) if claim else (None, None, None)),
        *((claim.is_lapsed, claim.has_little_time) if claim else (None, None)),
    )


@contextmanager
def world_on(url: URL) -> Generator[World]:
    with asyncio.Runner() as runner, Sql.on(url) as sql:
        stack = AsyncExitStack()
        calls = runner.run(stack.enter_async_context(open_calls(url)))
        try:
            yield World(runner, calls, sql)
        finally:
            runner.run(stack.aclose())


def test_whatever_agents_do_the_rules_decide(database_url: URL) -> None:
    with world_on(database_url) as world:

        class Here(Agents):
            def __init__(self) -> None:
                super().__init__(world)

        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=30,
                stateful_step_count=25,
                derandomize=True,
                deadline=None,
                database=None,
                phases=[Phase.generate],  # the shortest story takes minutes: Phase.shrink tells it
                suppress_health_check=[HealthCheck.too_slow],
            ),
        )
        assert world.seen.keys() >= REFUSALS

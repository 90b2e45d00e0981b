"""Many agents and no collisions: races for ready tickets, and `kill -9` in the middle of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta
from functools import partial
from itertools import islice, pairwise
from pathlib import Path

import pytest
from commands import settings_of
from crowds import told
from hosts import Host, hosted
from lines import started
from racing import (
    NOTHING,
    Racer,
    at_once,
    claim_all_in_one,
    claiming,
    claims_in_history,
    faults,
    held,
    insert_ready,
    sessions,
)
from servers import until
from sqlalchemy import URL
from victims import database_of, kill, moments, server_of

from tests.services.actors import Sql

RACERS, TICKETS = 16, 200
LEASE = timedelta(seconds=2)
NOTICED = timedelta(seconds=5)  # from the end of a lease until the history has it
RACING_S = 0.3  # how long at most all go on before a kill
CLAIMING_S = 30.0  # until all is claimed, on a busy machine
STORY = """
    SELECT ticket_id, agent_id, change_type, changed_at FROM ticket_history
    WHERE change_type LIKE 'claim%' ORDER BY id
"""


@pytest.fixture
def host() -> Iterator[Host]:
    with hosted("") as host:
        yield told(host, CLAIM_SHORTEST_SECONDS="1")


def crowd(count: int, name: str = "agent", **lease: int) -> list[Racer]:
    return [Racer(f"{name}-{number}", lease) for number in range(count)]


def test_sessions_of_one_local_server_win_each_ticket_once(host: Host) -> None:
    racers = crowd(RACERS)
    with sessions(host, racers) as racing, Sql.on(database_of(host.paths)) as sql:
        tickets = insert_ready(sql, TICKETS)
        at_once(*[each.claim_all for each in racing])
        assert faults(sql, racers, tickets) == []
    assert [racer.refusals for racer in racers] == RACERS * [[NOTHING]]


def test_two_server_processes_on_one_database_win_each_ticket_once(
    database_url: URL, tmp_path: Path
) -> None:
    racers = crowd(RACERS)
    with ExitStack() as stack, Sql.on(database_url) as sql:
        settings = settings_of(database_url)
        servers = [stack.enter_context(started(tmp_path, **settings)) for _ in range(2)]
        for server in servers:
            server.greet()
        tickets = insert_ready(sql, TICKETS)
        halves = zip(servers, (racers[::2], racers[1::2]), strict=True)
        at_once(*[partial(claim_all_in_one, server, half) for server, half in halves])
        assert faults(sql, racers, tickets) == []
        assert [server.end().status for server in servers] == [0, 0]
    assert [racer.refusals for racer in racers] == RACERS * [[NOTHING]]


def test_a_client_killed_in_mid_claim_loses_nothing_but_its_lease(host: Host) -> None:
    victims = crowd(4, "victim", lease_seconds=round(LEASE.total_seconds()))
    heirs = crowd(4, "heir")
    with sessions(host, [*victims, *heirs]) as racing, Sql.on(database_of(host.paths)) as sql:
        tickets = insert_ready(sql, TICKETS // 2)
        with claiming(racing):
            for each, moment in zip(racing[:4], moments(RACING_S), strict=False):
                until(lambda racer=each.racer: racer.wins != [])
                kill(each.pid, moment)
            until(lambda: _are_all_held_by(sql, heirs, tickets), CLAIMING_S)
        assert faults_of_leases(sql, victims) == []
        assert held(sql) == {win for heir in heirs for win in heir.wins}
        assert {code for heir in heirs for code in heir.refusals} <= {NOTHING}


def _are_all_held_by(sql: Sql, racers: list[Racer], tickets: list[str]) -> bool:
    names = {racer.agent_id for racer in racers}
    return {ticket for holder, ticket, _ in held(sql) if holder in names} == set(tickets)


def faults_of_leases(sql: Sql, victims: list[Racer]) -> list[str]:
    """What a victim did without being told is at most the one claim it was killed in."""
    names = {victim.agent_id for victim in victims}
    told_of = Counter((agent, ticket) for each in victims for agent, ticket, _ in each.wins)
    kept = Counter({each: n for each, n in claims_in_history(sql).items() if each[0] in names})
    untold = Counter(agent for agent, _ in (kept - told_of).elements())
    stories: defaultdict[int, list[tuple[str, str, datetime]]] = defaultdict(list)
    for ticket, *event in sql.rows(STORY):
        stories[ticket].append((event[0], event[1], event[2]))
    return [
        *(f"{claim} is gone" for claim in told_of - kept),
        *(f"{agent} claimed {count} untold" for agent, count in untold.items() if count > 1),
        *(f"{ticket}: {fault}" for ticket in stories for fault in _breaks(stories[ticket], names)),
    ]


def _breaks(story: list[tuple[str, str, datetime]], victims: set[str]) -> Iterator[str]:
    """A claim of a victim ends after its lease and soon; only then comes another."""
    for (agent, kind, began), (_, following, ended) in pairwise(story):
        if (kind, following) == ("claim_expired", "claimed"):
            continue
        if (kind, following) != ("claimed", "claim_expired") or agent not in victims:
            yield f"{following} follows {kind} of {agent}"
        elif not LEASE <= ended - began <= LEASE + NOTICED:
            yield f"the claim of {agent} ended after {ended - began}"


def test_what_a_killed_server_had_acknowledged_is_still_claimed_after_its_restart(
    host: Host, rounds: int
) -> None:
    racers: list[Racer] = []
    tickets: list[str] = []
    for number, moment in enumerate(islice(moments(RACING_S), max(rounds // 5, 1))):
        racers += crowd(6, f"round-{number}")
        with sessions(host, racers[-6:]) as racing:
            with Sql.on(database_of(host.paths)) as sql:
                tickets += insert_ready(sql, TICKETS)
            with claiming(racing):
                until(lambda racing=racing: all(each.racer.wins for each in racing))
                kill(server_of(host.paths), moment)
                until(lambda racing=racing: all(each.has_ended() for each in racing))
        with sessions(host, [Racer("next")]) as [following]:
            with Sql.on(database_of(host.paths)) as sql:
                assert faults_after_a_kill(sql, racers, tickets) == []
            following.claim()
            assert len(following.racer.wins) == 1


def faults_after_a_kill(sql: Sql, racers: list[Racer], tickets: list[str]) -> list[str]:
    told_of = {win for racer in racers for win in racer.wins}
    kept = {win for win in held(sql) if win[0] != "next"}
    untold = Counter(agent for agent, _, _ in kept - told_of)
    there = {f"ticket-{row[0]}" for row in sql.rows("SELECT id FROM tickets")}
    claimed = {claim for claim in claims_in_history(sql) if claim[0] != "next"}
    return [
        *(f"{ticket} is gone" for ticket in tickets if ticket not in there),
        *(f"{win} is lost" for win in told_of - kept),
        *(f"{agent} holds {count} untold" for agent, count in untold.items() if count > 1),
        *(f"{claim} is half done" for claim in claimed ^ {(a, t) for a, t, _ in kept}),
    ]

"""`kill -9` during writes: sessions work again, and all that was acknowledged is there, whole.

`--rounds 50` kills each victim as often; the figures are in the output (`-rP`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from statistics import median

import pytest
from acknowledged import Acknowledgements, Outcome
from commands import is_one_sentence
from lines import Ending, opening
from servers import directory_of, until
from victims import (
    backends_of,
    database_of,
    kill,
    moments,
    postmasters_of,
    server_of,
    starting_on,
    until_nothing_remains,
)
from writers import IDLE_SECONDS, Client, client, writing

from hephaestus_tickets.local.ending import stopped
from hephaestus_tickets.local.home import Home, home_at
from tests.services.actors import Sql

PROMISED_S = 5.0  # from a kill until a new session works
WRITING_S = 0.4  # how long at most all write before the kill
STARTING_S = 2.0  # likewise of a start
LEAVING_S = 10.0  # an idle server's end on a busy machine
UNAVAILABLE = {"database_unavailable", "database_busy", "outcome_unknown"}


@dataclass
class Trial:
    """A home, all that was ever written to it, and how long new sessions had to wait."""

    home: Home
    log: Acknowledgements
    shared: str = ""
    waits: list[float] = field(default_factory=list[float])

    @contextmanager
    def new_session(self, since: float) -> Generator[None]:
        """It works soon after a kill; at the block's end, what the database holds is checked."""
        with client(self.home, self.log) as session:
            session.greet()
            self.shared = _made_by(session, since + PROMISED_S)
            self.waits.append(time.monotonic() - since)
            yield
            with Sql.on(database_of(self.home)) as sql:
                assert self.log.faults(sql) == []

    def ends(self) -> None:
        """After the idle time nothing is left, and new sessions had not to wait too long.

        The output has the worst; beside other work any one start may wait for the processor.
        """
        until_nothing_remains(self.home, IDLE_SECONDS + LEAVING_S)
        assert median(self.waits) <= PROMISED_S


def _made_by(session: Client, deadline: float) -> str:
    """A ticket that can be read; it may be refused as long as nothing more is promised."""
    made = session.write("create_ticket")
    while made.refusal_code in UNAVAILABLE and time.monotonic() < deadline:
        made = session.write("create_ticket")
    assert made.outcome is Outcome.ACKNOWLEDGED, made.refusal
    found = session.call("get_ticket", ticket_id=made.ticket_id)
    assert found["structuredContent"]["ticket"]["title"] == made.text
    return made.ticket_id


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """One home for this file; not a throw-away one, whose PostgreSQL would not sync."""
    with directory_of("") as directory:
        home = home_at(directory / "home")
        try:
            yield home
        finally:
            stopped(home)


@pytest.fixture(scope="module")
def log() -> Acknowledgements:
    return Acknowledgements()


@pytest.fixture
def trial(home: Home, log: Acknowledgements, request: pytest.FixtureRequest) -> Iterator[Trial]:
    """Its server is up when the test begins; the figures are printed when it ends."""
    trial, before = Trial(home, log), log.outcomes()
    with client(home, log) as first:
        first.greet()
        trial.shared = _made_by(first, time.monotonic())
    yield trial
    written = (log.outcomes() - before).items()
    print(  # noqa: T201 - for pytest -rP
        f"{request.node.name}: {len(trial.waits)} rounds; writes:",
        ", ".join(f"{count} {outcome.name.lower()}" for outcome, count in written),
        f"; a new session worked after {median(trial.waits or [0]):.2f} seconds,",
        f"at worst {max(trial.waits, default=0):.2f}",
    )


def test_a_killed_server_ends_its_sessions_in_one_sentence(trial: Trial, rounds: int) -> None:
    sentence = f"The local server of {trial.home.root} ended; start the session again."
    for _, moment in zip(range(rounds), moments(WRITING_S), strict=False):
        with writing(trial.home, trial.log, trial.shared) as writers:
            since = kill(server_of(trial.home), moment)
            with trial.new_session(since):
                ended = [_said(writer.end()) for writer in writers]
                assert ended == 3 * [(1, f"hephaestus-tickets: {sentence}\n")]
    trial.ends()


@pytest.mark.parametrize("victims_of", [postmasters_of, backends_of])
def test_sessions_go_on_when_postgresql_is_killed(
    trial: Trial, rounds: int, victims_of: Callable[[Home], list[int]]
) -> None:
    for number, moment in zip(range(rounds), moments(WRITING_S), strict=False):
        with writing(trial.home, trial.log, trial.shared) as writers:
            victims = victims_of(trial.home)
            since = kill(victims[number % len(victims)], moment)
            with trial.new_session(since):
                for writer in writers:
                    writer.goes_on(since)
                assert [_said(writer.end()) for writer in writers] == 3 * [(0, "")]
                refused = {write.refusal_code for writer in writers for write in writer.refused}
                assert refused <= UNAVAILABLE
    trial.ends()


def test_a_killed_shim_is_noticed_by_no_other(trial: Trial, rounds: int) -> None:
    for number, moment in zip(range(rounds), moments(WRITING_S), strict=False):
        with writing(trial.home, trial.log, trial.shared) as writers:
            victim = writers.pop(number % len(writers))
            since = kill(victim.pid, moment)
            with trial.new_session(since):
                for writer in writers:
                    writer.goes_on(since)
                assert [_said(writer.end()) for writer in writers] == 2 * [(0, "")]
                assert [write for writer in writers for write in writer.refused] == []
                assert _said(victim.end()) == (-signal.SIGKILL, "")
    trial.ends()


def test_a_server_killed_while_it_starts_is_replaced(trial: Trial, rounds: int) -> None:
    for _, moment in zip(range(max(rounds // 5, 3)), moments(STARTING_S), strict=False):
        stopped(trial.home)
        with ExitStack() as stack:
            waiting = [stack.enter_context(client(trial.home, trial.log)) for _ in range(3)]
            for session in waiting:
                session.lines.send(opening())
            since = _kill_while_it_starts(trial.home, moment)
            with trial.new_session(since):
                assert [end for end in map(_ended, waiting) if not _is_clear(end)] == []
    trial.ends()


def _kill_while_it_starts(home: Home, moment: float) -> float:
    """After so long a start, or a little sooner: when it listens."""
    until(lambda: starting_on(home) != [])
    deadline = time.monotonic() + moment
    until(lambda: home.socket.exists() or time.monotonic() > deadline)
    return max(kill(pid) for pid in starting_on(home))


def _ended(session: Client) -> Ending:
    return session.lines.end()


def _said(ending: Ending) -> tuple[int, str]:
    return ending.status, ending.err


def _is_clear(ending: Ending) -> bool:
    """A session that waited for the start was served by the next server, or says why not."""
    if ending.status == 0:
        return [answer["id"] for answer in ending.answers] == [1] and not ending.err
    return ending.status == 1 and is_one_sentence(ending.err) and not ending.out

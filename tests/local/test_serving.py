"""`serve` over HTTP: what it refuses before it listens."""

from __future__ import annotations

import socket
from collections.abc import Generator

import pytest
from commands import is_one_sentence, lead_to, run, say
from sqlalchemy import URL

from hephaestus_tickets import cli
from hephaestus_tickets.app.listening import listening
from hephaestus_tickets.local.ending import throwaway_tracker

EVERYBODY = "0.0.0.0"  # noqa: S104 - it is refused


@pytest.fixture
def taken() -> Generator[str]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield str(listener.getsockname()[1])


def test_a_replica_that_would_be_open_to_everybody_is_refused_in_one_sentence(
    database_url: URL, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lead_to(database_url, monkeypatch)
    monkeypatch.setenv("HTTP_HOST", EVERYBODY)
    status, out, err = say(capsys, "serve")
    assert (status, out) == (1, "")
    assert is_one_sentence(err)
    assert "token create" in err


def test_a_replica_on_a_port_that_is_taken_is_refused_in_one_sentence(
    database_url: URL,
    taken: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lead_to(database_url, monkeypatch)
    monkeypatch.setenv("HTTP_PORT", taken)
    status, out, err = say(capsys, "serve")
    assert (status, out) == (1, "")
    assert is_one_sentence(err)
    assert taken in err


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"HTTP_PORT": "18420", "HTTP_HOST": EVERYBODY}, "token create"),
        ({"HTTP_PORT": "many"}, "HTTP_PORT"),
    ],
    ids=["open to everybody", "no number"],
)
def test_so_is_a_local_server(settings: dict[str, str], told: str) -> None:
    with throwaway_tracker() as home:
        status, out, err = run(home.root, "serve", **settings)
    assert (status, out) == (1, "")
    last = f"{err.splitlines()[-1]}\n"  # below its log
    assert is_one_sentence(last)
    assert told in last
    assert "Traceback" not in err


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    with (
        listening("127.0.0.1", 0, "HTTP_PORT") as listener,
        socket.create_connection(listener.getsockname()),
        listener.accept()[0] as accepted,
    ):
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_fault_of_ours_beside_one_of_theirs_is_not_hidden_by_it() -> None:
    theirs, ours = cli.SetupError("It is so."), RuntimeError("a fault")
    told = cli._sentence  # pyright: ignore[reportPrivateUsage] - no command has both
    assert told(ExceptionGroup("", [ExceptionGroup("", [theirs])])) == "It is so."
    assert told(ExceptionGroup("", [theirs, ours])) == ""

"""What a session's own process is: a light one, and one that says in a sentence what is wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from crowds import log_of, state_of, told
from hosts import Host, hosted

import hephaestus_tickets

ROOT = Path(hephaestus_tickets.__file__).parents[1]
OURS = {
    "hephaestus_tickets",
    "hephaestus_tickets.__main__",
    "hephaestus_tickets.domain",
    "hephaestus_tickets.domain.setup_error",
    "hephaestus_tickets.local",
    "hephaestus_tickets.local.endpoint",
    "hephaestus_tickets.local.shim",
}
# Each takes as long to import as all that a session's start needs, or longer.
HEAVY = {
    "argparse", "asyncio", "collections", "contextlib", "dataclasses", "enum", "functools",
    "importlib.metadata", "inspect", "json", "logging", "pathlib", "re", "signal", "socket",
    "subprocess", "tempfile", "threading", "typing", "warnings",
}  # fmt: skip
# Without site, whose own imports would hide ours.
BARE = (sys.executable, "-P", "-S", "-X", "importtime", "-c")


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted("") as host:
        assert host.works()
        yield host


def _imported(program: str, home: Path, sent: bytes = b"") -> set[str]:
    done = subprocess.run(
        [*BARE, program],
        input=sent,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HEPHAESTUS_HOME": str(home)},
        capture_output=True,
        check=True,
        timeout=60,
    )
    times = re.compile(r"^import time: +\d+ \| +\d+ \| *([\w.]+)$", re.MULTILINE)
    return set(times.findall(done.stderr.decode()))


def _is_light(imported: set[str]) -> bool:
    package = {name for name in imported if name.startswith("hephaestus_tickets")}
    foreign = {name.partition(".")[0] for name in imported - package} - sys.stdlib_module_names
    assert package == OURS
    assert foreign == set()
    assert imported & HEAVY == set()
    return True


def test_its_import_loads_little_and_nothing_but_the_standard_library(host: Host) -> None:
    program = "import hephaestus_tickets.__main__, hephaestus_tickets.local.shim"
    assert _is_light(_imported(program, host.home))


def test_a_whole_session_with_a_running_server_loads_no_more(host: Host) -> None:
    program = "from hephaestus_tickets.__main__ import main; main()"
    before = len(log_of(host, "session of"))
    assert _is_light(_imported(program, host.home))
    assert len(log_of(host, "session of")) == before + 2


@pytest.mark.parametrize(
    ("setting", "value", "fault"),
    [
        ("TOOLSETS", "core,nope", "input should be 'core', 'plan' or 'admin'"),
        ("AGENT_ID", "one\ntwo", "value error, contains control characters"),
        ("AGENT_ID", "x" * 201, "value should have at most 200 items after validation, not 201"),
        ("WORKFLOW_ID", "\x1b[2J", "value error, contains control characters"),
    ],
    ids=["TOOLSETS", "lines", "long", "control"],
)
def test_a_bad_setting_of_a_session_is_named_in_one_sentence(
    host: Host, setting: str, value: str, fault: str
) -> None:
    server = host.server()
    assert told(host, **{setting: value}).refusal() == (
        f"A setting in the environment is not valid: {setting} ({fault})."
    )
    assert host.server() == server


def test_a_bad_setting_of_the_server_is_named_in_one_sentence_by_who_would_start_it(
    host: Host,
) -> None:
    other = told(host.named("other"), HEPHAESTUS_IDLE_SECONDS="abc")
    assert other.refusal() == (
        "A setting in the environment is not valid: HEPHAESTUS_IDLE_SECONDS "
        "(input should be a valid number, unable to parse string as a number)."
    )
    assert not other.paths.socket.exists()


@pytest.mark.parametrize("value", ["33", "abc"])
def test_a_setting_that_the_running_server_does_not_have_is_a_warning(
    host: Host, value: str
) -> None:
    with told(host, HEPHAESTUS_IDLE_SECONDS=value).shim() as shim:
        shim.greet()
        assert state_of(host)["idle_seconds"] == 20
        ending = shim.end()
    assert (ending.status, ending.out) == (0, b"")
    assert ending.err == (
        "hephaestus-tickets: HEPHAESTUS_IDLE_SECONDS differs from what the running local server "
        "started with, which holds; `hephaestus-tickets stop` ends it, and the next start reads "
        "yours.\n"
    )


def test_the_same_settings_are_no_warning(host: Host) -> None:
    assert host.said().err == ""


@pytest.mark.parametrize("agent", ['a "b" \\', "ü 🔥", "'; --"])
def test_an_agent_may_have_any_printable_name(host: Host, agent: str) -> None:
    with told(host, AGENT_ID=agent).shim() as shim:
        shim.greet()
        made = shim.call("create_ticket", title="Mine")["structuredContent"]
        found = shim.call("get_ticket", ticket_id=made["ticket_id"])["structuredContent"]
        assert found["ticket"]["created_by"] == agent
        assert [each["name"] for each in state_of(host)["connections"]] == [agent]
        assert shim.end().status == 0

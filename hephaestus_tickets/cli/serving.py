"""`serve`: the local server in the foreground."""

from __future__ import annotations

import os

from hephaestus_tickets.app import local_server
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import edition
from hephaestus_tickets.local.home import prepare_home
from hephaestus_tickets.local.locks import RESTART_S, only_server
from hephaestus_tickets.local.postgres import running_postgres
from hephaestus_tickets.local.settings import HomeSettings


def serve() -> None:
    """Run the home's local server in the foreground; it stays until it is stopped.

    Sessions and commands start one by themselves; use this to keep it up, or under a supervisor.
    It logs to standard error.
    """
    os.umask(0o077)  # whatever the shell's is: what it makes is for nobody else
    terms = local_server.terms(Edition.of(edition()), stays=True)
    home = prepare_home(HomeSettings().home)
    with only_server(home, RESTART_S), running_postgres(home) as postgres:
        local_server.serve(home, postgres, terms)

from __future__ import annotations

import pytest

from hephaestus_tickets.server import build_server
from hephaestus_tickets.server.calls import Calls
from tests.server.wires import CORE, Server


@pytest.fixture
def server(calls: Calls) -> Server:
    """One for all sessions of a test, as in the local server."""
    return build_server(calls, CORE)

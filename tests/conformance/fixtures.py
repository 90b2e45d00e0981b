"""What the suite asks for by name, beside the catalogue: on no server but the one it tests."""

from __future__ import annotations

from mcp.server.mcpserver import MCPServer

from hephaestus_tickets.server.calls import Session
from tests.conformance import answers, asking, methods, rounds


def add_fixtures(server: MCPServer[Session]) -> None:
    answers.add_to(server)
    asking.add_to(server)
    rounds.add_to(server)
    methods.add_to(server)

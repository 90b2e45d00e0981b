"""How the suite's tools see the request that calls them."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver import Context

from hephaestus_tickets.server.calls import Session

# Any: nothing is known of the request but its session.
SessionContext = Context[Session, Any]

"""One client's session on a server that others share."""

from __future__ import annotations

import logging

from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_dual_era_loop

from hephaestus_tickets.server.calls import Session
from hephaestus_tickets.server.streams import Input, Output, Work

logger = logging.getLogger("hephaestus_tickets.session")


async def run_session(
    server: MCPServer[Session], session: Session, reading: int, writing: int
) -> None:
    """Serves until the input ends or nobody reads the answers; leaves the descriptors open.

    For a socket both are the same non-blocking descriptor; pipes and files may block.
    """
    work = Work()
    output = Output(writing, work)
    # MCPServer itself only runs on the process's own stdin and stdout.
    lowlevel = server._lowlevel_server  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - see above
    try:
        await serve_dual_era_loop(
            lowlevel,
            Input(reading, work, output),
            output,
            lifespan_state=session,
            init_options=lowlevel.create_initialization_options(),
        )
    except Exception:  # the edge: what goes wrong with one session is no other's concern
        logger.exception("the session of %s ended by a fault", session.caller.agent_id)

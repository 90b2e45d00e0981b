"""`python -m tests.conformance`: what others' programs say of our MCP.

A command of its own, as it needs npm's registry: the tests run where there is none.
"""

from __future__ import annotations

import logging
import sys
import warnings

import anyio
from mcp.shared.exceptions import MCPDeprecationWarning
from sqlalchemy import URL

from tests.conformance import inspector, suite
from tests.conformance.application import database
from tests.conformance.node import Node, installed


def main() -> int:
    warnings.simplefilter("ignore", MCPDeprecationWarning)  # the older era has what is deprecated
    with installed() as node, database() as url:
        faults = anyio.run(_faults, node, url)
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


async def _faults(node: Node, url: URL) -> list[str]:
    return [*await suite.faults(node, url), *await inspector.faults(node)]


if __name__ == "__main__":
    logging.getLogger("mcp").setLevel(logging.ERROR)  # what the suite provokes is told there
    sys.exit(main())

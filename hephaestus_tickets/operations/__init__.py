"""The catalogue; it knows neither MCP nor HTTP."""

from hephaestus_tickets.operations.catalogue import OPERATIONS, UnknownTool, operations_of
from hephaestus_tickets.operations.operation import (
    KEY,
    InvalidArguments,
    Operation,
    Toolset,
    UnknownArgument,
)

__all__ = [
    "KEY",
    "OPERATIONS",
    "InvalidArguments",
    "Operation",
    "Toolset",
    "UnknownArgument",
    "UnknownTool",
    "operations_of",
]

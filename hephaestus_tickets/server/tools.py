"""An operation as an MCP tool."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from hephaestus_tickets.domain.caller import Caller
from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.operations import Operation
from hephaestus_tickets.server.calls import Calls, compact


class OperationTool(Tool):
    """Calls the operation itself: its own validation, its own words for what is refused.

    The SDK would drop undeclared arguments silently and prefix every error.
    """

    _operation: Operation = PrivateAttr()
    _calls: Calls = PrivateAttr()
    _caller: Caller = PrivateAttr()

    @classmethod
    def of(cls, operation: Operation, calls: Calls, caller: Caller) -> OperationTool:
        tool = cls(
            fn=operation.method,
            name=operation.name,
            title=None,
            description=operation.description,
            parameters=operation.input_schema,
            fn_metadata=FuncMetadata(arg_model=ArgModelBase, output_schema=operation.output_schema),
            is_async=True,
            context_kwarg=None,
            annotations=annotations_of(operation),
        )
        tool._operation, tool._calls, tool._caller = operation, calls, caller
        return tool

    async def run(
        self,
        arguments: dict[str, Any],  # Any: JSON
        context: Any,  # noqa: ARG002 - the SDK's signature; our session is the caller
        convert_result: bool = False,  # noqa: ARG002 - as above: the result is always whole
    ) -> CallToolResult:
        try:
            reply = await self._calls.run(self._operation, arguments, self._caller)
        except TicketError as refusal:
            raise ToolError(f"{refusal.code}: {refusal}") from refusal
        except Exception as fault:  # the edge: of a fault of ours nothing may reach the caller
            raise UnexpectedToolError(
                f"internal_error: {self.name} failed inside the tracker. Look with get_ticket or "
                "get_tickets at what was saved before you try again."
            ) from fault
        return CallToolResult(
            content=[TextContent(type="text", text=compact(reply))],
            structured_content=reply.model_dump(mode="json"),
        )


def annotations_of(operation: Operation) -> ToolAnnotations:
    reads = operation.kind == "read"
    return ToolAnnotations(
        read_only_hint=reads,
        destructive_hint=operation.is_destructive,
        idempotent_hint=reads or operation.is_idempotent,
        open_world_hint=False,
    )

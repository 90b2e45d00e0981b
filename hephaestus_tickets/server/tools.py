"""An operation as an MCP tool."""

from __future__ import annotations

from typing import Any

from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase, FuncMetadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import PrivateAttr

from hephaestus_tickets.domain.errors import TicketError
from hephaestus_tickets.operations import Operation
from hephaestus_tickets.server.calls import Calls, Session, compact_text


class OperationTool(Tool):
    """Calls the operation itself: its own validation, its own words for what is refused.

    The SDK would drop undeclared arguments silently and prefix every error.
    """

    _operation: Operation = PrivateAttr()
    _calls: Calls = PrivateAttr()

    @classmethod
    def of(cls, operation: Operation, calls: Calls) -> OperationTool:
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
        tool._operation, tool._calls = operation, calls
        return tool

    async def run(
        self,
        arguments: dict[str, Any],  # Any: JSON
        context: Any,  # the SDK's signature; on our servers a Context[Session, Any]
        convert_result: bool = False,  # noqa: ARG002 - as above: the result is always whole
    ) -> CallToolResult:
        try:
            session: Session = context.request_context.lifespan_context
            reply = await self._calls.run_for(session, self._operation, arguments)
        except TicketError as refusal:
            raise ToolError(f"{refusal.code}: {refusal}") from refusal
        except Exception as fault:  # the edge: of a fault of ours nothing may reach the caller
            raise UnexpectedToolError(
                f"internal_error: {self.name} failed inside the tracker. Look with get_ticket or "
                "get_tickets at what was saved before you try again."
            ) from fault
        shown = reply.model_dump(mode="json")
        return CallToolResult(
            content=[TextContent(type="text", text=compact_text(shown))],
            structured_content=shown,
        )


def annotations_of(operation: Operation) -> ToolAnnotations:
    reads = operation.kind == "read"
    return ToolAnnotations(
        read_only_hint=reads,
        destructive_hint=operation.is_destructive,
        idempotent_hint=reads or operation.is_idempotent,
        open_world_hint=False,
    )

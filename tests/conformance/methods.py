"""Methods that the suite calls and the tracker has no use for."""

from __future__ import annotations

from typing import Any

from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    EmptyResult,
    PromptReference,
    RequestParams,
    ResourceTemplateReference,
    SetLevelRequestParams,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)

from hephaestus_tickets.server.calls import Session

_ACCEPTED: dict[str, type[RequestParams]] = {
    "logging/setLevel": SetLevelRequestParams,
    "resources/subscribe": SubscribeRequestParams,
    "resources/unsubscribe": UnsubscribeRequestParams,
}


def add_to(server: MCPServer[Session]) -> None:
    server.completion()(_nothing)
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage] - MCPServer has no other place for them
    for method, params in _ACCEPTED.items():
        lowlevel.add_request_handler(method, params, _accept)


async def _nothing(
    ref: PromptReference | ResourceTemplateReference,
    argument: CompletionArgument,
    context: CompletionContext | None,
) -> Completion:
    return Completion(values=[], total=0, has_more=False)


async def _accept(
    context: ServerRequestContext[Session, Any],  # Any: the SDK's signature
    params: RequestParams,
) -> EmptyResult:
    return EmptyResult()

"""Tools that tell or ask the client something while they work, as far as its era lets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio
from mcp import MCPError
from mcp.server.mcpserver import MCPServer
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ElicitResult,
    InputRequiredResult,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel, Field

from hephaestus_tickets.server.calls import Session
from tests.conformance.contexts import SessionContext
from tests.conformance.rounds import form

_STEP_S = 0.05
_NAMES = ("First", "Second", "Third")


def add_to(server: MCPServer[Session]) -> None:
    for tool in _TOOLS:
        server.tool(structured_output=False)(tool)


async def test_tool_with_logging(context: SessionContext) -> str:
    """Sends three log messages."""
    for text in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await _log(context, text)
        await anyio.sleep(_STEP_S)
    return "Logged."


async def test_logging_tool(context: SessionContext) -> str:
    """Sends a log message to a client that may not want any."""
    await _log(context, "Something")
    return "Logged."


async def test_tool_with_progress(context: SessionContext) -> str:
    """Reports its progress three times."""
    for done in (0, 50, 100):
        await context.report_progress(done, 100)
        await anyio.sleep(_STEP_S)
    return "Done."


async def test_sampling(prompt: str, context: SessionContext) -> str:
    """Asks the client's model."""
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    result = await context.session.create_message(messages=[asked], max_tokens=100)  # pyright: ignore[reportDeprecated] - the era that is tested has it
    return f"LLM response: {result.content}"


async def test_elicitation(message: str, context: SessionContext) -> str:
    """Asks the user for two texts."""
    return _told(await _elicited(context, message, _User))


async def test_elicitation_sep1034_defaults(context: SessionContext) -> str:
    """Asks the user with defaults of each primitive type."""
    return _told(await _elicited(context, "Please review these", _Defaults))


async def test_elicitation_sep1330_enums(context: SessionContext) -> str:
    """Asks the user to choose, in each way there is."""
    return _told(await _elicited(context, "Please choose", _Choices))


async def test_reconnection(context: SessionContext) -> str:
    """Closes its stream before it answers."""
    await context.close_sse_stream()
    await anyio.sleep(_STEP_S)
    return "Reconnected."


async def test_streaming_elicitation(context: SessionContext) -> InputRequiredResult:
    """Reports progress, and then needs input."""
    await context.report_progress(1, 2)
    return InputRequiredResult(input_requests={"name": form("What is your name?", name="string")})


async def test_missing_capability(context: SessionContext) -> str:
    """Needs a client that offers its model."""
    offered = context.client_capabilities
    if offered is None or offered.sampling is None:
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs the client's sampling.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    return "Offered."


async def test_trigger_tool_change(context: SessionContext) -> str:
    """Says that there are other tools now."""
    await context.notify_tools_changed()
    return "Said."


async def test_trigger_prompt_change(context: SessionContext) -> str:
    """Says that there are other prompts now."""
    await context.notify_prompts_changed()
    return "Said."


_TOOLS: tuple[Callable[..., Any], ...] = (  # Any: whatever a tool answers
    test_tool_with_logging,
    test_logging_tool,
    test_tool_with_progress,
    test_sampling,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_reconnection,
    test_streaming_elicitation,
    test_missing_capability,
    test_trigger_tool_change,
    test_trigger_prompt_change,
)


class _User(BaseModel):
    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


class _Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: Literal["active", "inactive", "pending"] = "active"
    verified: bool = True


def _titled(kind: Literal["oneOf", "anyOf"]) -> dict[str, Any]:  # Any: JSON
    options = enumerate(_NAMES, start=1)
    return {kind: [{"const": f"value{n}", "title": f"{name} Option"} for n, name in options]}


_Option = Literal["option1", "option2", "option3"]


class _Choices(BaseModel):
    untitledSingle: _Option
    titledSingle: Annotated[str, Field(json_schema_extra=_titled("oneOf"))]
    legacyEnum: Annotated[
        Literal["opt1", "opt2", "opt3"],
        Field(json_schema_extra={"enumNames": [f"{name} Option" for name in _NAMES]}),
    ]
    untitledMulti: list[_Option]
    titledMulti: Annotated[list[str], Field(json_schema_extra={"items": _titled("anyOf")})]


async def _elicited(context: SessionContext, message: str, asked: type[BaseModel]) -> ElicitResult:
    schema = {key: part for key, part in asked.model_json_schema().items() if key != "title"}
    return await context.session.elicit_form(message, schema, context.request_id)


def _told(result: ElicitResult) -> str:
    return f"Elicitation completed: action={result.action}, content={result.content}"


async def _log(context: SessionContext, text: str) -> None:
    await context.info(text)  # pyright: ignore[reportDeprecated] - the era that is tested has it

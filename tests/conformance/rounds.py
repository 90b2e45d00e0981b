"""Tools and a prompt that answer in several rounds: what they need is asked for in the answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp_types import (
    ClientCapabilities,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

from hephaestus_tickets.server.calls import Session
from tests.conformance.contexts import SessionContext

Asked = ElicitRequest | CreateMessageRequest | ListRootsRequest
_ROOTS = ListRootsRequest(method="roots/list")


def add_to(server: MCPServer[Session]) -> None:
    for tool in _TOOLS:
        server.tool(structured_output=False)(tool)
    server.prompt()(test_input_required_result_prompt)


def form(message: str, **fields: str) -> ElicitRequest:
    """Asks the user for these fields, all of them, each of a JSON type."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in fields.items()},
        "required": [*fields],
    }
    params = ElicitRequestFormParams(message=message, requested_schema=schema)
    return ElicitRequest(method="elicitation/create", params=params)


def _sampling(text: str) -> CreateMessageRequest:
    asked = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    params = CreateMessageRequestParams(messages=[asked], max_tokens=100)
    return CreateMessageRequest(method="sampling/createMessage", params=params)


async def test_input_required_result_elicitation(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Greets by the name that the user gives."""
    answer = (context.input_responses or {}).get("user_name")
    if isinstance(answer, ElicitResult) and answer.content and "name" in answer.content:
        return f"Hello, {answer.content['name']}!"
    return _needs(user_name=form("What is your name?", name="string"))


async def test_input_required_result_sampling(context: SessionContext) -> str | InputRequiredResult:
    """Repeats what the client's model says."""
    return _answered(context, capital_question=_sampling("What is the capital of France?"))


async def test_input_required_result_list_roots(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Repeats the client's roots."""
    return _answered(context, client_roots=_ROOTS)


async def test_input_required_result_request_state(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Knows in the second round what it said in the first."""
    if context.request_state == "asked":
        return "state-ok"
    return _needs("asked", confirm=form("Please confirm", ok="boolean"))


# The state is sealed by the SDK: the suite's forgery of it never gets here.
async def test_input_required_result_tampered_state(
    context: SessionContext,
) -> str | InputRequiredResult:
    """As the one before."""
    return await test_input_required_result_request_state(context)


async def test_input_required_result_multiple_inputs(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Needs three things at once."""
    return _answered(context, "asked", **_three())


async def test_input_required_result_multi_round(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Needs one thing after the other."""
    if context.request_state is None:
        return _needs("first", step1=form("Step 1: What is your name?", name="string"))
    if context.request_state == "first":
        return _needs("second", step2=form("Step 2: What is your favorite color?", color="string"))
    return "Both are known."


async def test_input_required_result_capabilities(
    context: SessionContext,
) -> str | InputRequiredResult:
    """Asks only for what the client offers."""
    offered = context.client_capabilities or ClientCapabilities()
    is_offered = {
        "user_name": offered.elicitation is not None,
        "greeting": offered.sampling is not None,
        "client_roots": offered.roots is not None,
    }
    return _answered(
        context, **{name: asked for name, asked in _three().items() if is_offered[name]}
    )


_TOOLS: tuple[Callable[..., Any], ...] = (  # Any: whatever a tool answers
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
)


async def test_input_required_result_prompt(context: SessionContext) -> str | InputRequiredResult:
    """A prompt about what the user says."""
    asked = form("What context should the prompt use?", context="string")
    return _answered(context, user_context=asked)


def _three() -> Mapping[str, Asked]:
    return {
        "user_name": form("What is your name?", name="string"),
        "greeting": _sampling("Generate a greeting"),
        "client_roots": _ROOTS,
    }


def _answered(
    context: SessionContext, state: str | None = None, /, **asked: Asked
) -> str | InputRequiredResult:
    """What the client said to all of it, or what it is asked."""
    answers = context.input_responses or {}
    if asked.keys() <= answers.keys():
        return str({name: answers[name].model_dump(mode="json") for name in asked})
    return _needs(state, **asked)


def _needs(state: str | None = None, /, **asked: Asked) -> InputRequiredResult:
    return InputRequiredResult(input_requests={**asked}, request_state=state)

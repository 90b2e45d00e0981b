"""Tools, resources and prompts that answer at once; their texts are the suite's own."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    AudioContent,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)
from pydantic import Field

from hephaestus_tickets.server.calls import Session

# One red pixel, and a WAV without a sample.
PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8"
    "z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
WAV = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA="

_IMAGE = ImageContent(type="image", data=PNG, mime_type="image/png")
_SCHEMA: dict[str, Any] = {  # Any: JSON
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}


def add_to(server: MCPServer[Session]) -> None:
    for tool in _TOOLS:
        server.tool(structured_output=False)(tool)
    _with_whole_schema(server)
    _add_resources(server)
    for prompt in _PROMPTS:
        server.prompt()(prompt)


def test_simple_text() -> str:
    """Text."""
    return "This is a simple text response for testing."


def test_image_content() -> ImageContent:
    """An image."""
    return _IMAGE


def test_audio_content() -> AudioContent:
    """A sound."""
    return AudioContent(type="audio", data=WAV, mime_type="audio/wav")


def test_embedded_resource() -> EmbeddedResource:
    """A resource within the answer."""
    text = "This is an embedded resource content."
    return _embedded("test://embedded-resource", text, "text/plain")


def test_multiple_content_types() -> list[ContentBlock]:
    """Text, image and resource in one answer."""
    return [
        TextContent(type="text", text="Multiple content types test:"),
        _IMAGE,
        _embedded(
            "test://mixed-content-resource", '{"test":"data","value":123}', "application/json"
        ),
    ]


def test_error_handling() -> str:
    """Is refused."""
    raise ToolError("This tool intentionally returns an error for testing")


def test_custom_headers(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
) -> str:
    """Takes an argument that the client repeats in a header."""
    return region


def json_schema_2020_12_tool() -> str:
    """Has an input schema with what JSON Schema 2020-12 offers."""
    return "ok"


_TOOLS: tuple[Callable[..., Any], ...] = (  # Any: whatever a tool answers
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_custom_headers,
    json_schema_2020_12_tool,
)


def _embedded(uri: str, text: str, mime_type: str) -> EmbeddedResource:
    resource = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=resource)


def _with_whole_schema(server: MCPServer[Session]) -> None:
    manager = server._tool_manager  # pyright: ignore[reportPrivateUsage] - the SDK derives every schema from a signature, which cannot say this one
    tool = manager.get_tool(json_schema_2020_12_tool.__name__)
    assert tool
    tool.parameters = _SCHEMA


def _add_resources(server: MCPServer[Session]) -> None:
    @server.resource("test://static-text", description="A text.", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", description="An image.", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PNG)

    @server.resource("test://watched-resource", description="A text.", mime_type="text/plain")
    def watched() -> str:
        return "Watched."

    @server.resource(
        "test://template/{id}/data", description="By its id.", mime_type="application/json"
    )
    def by_id(id: str) -> str:  # noqa: A002 - the template's own name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    _ = static_text, static_binary, watched, by_id


def test_simple_prompt() -> str:
    """Text."""
    return "This is a simple prompt for testing."


def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
    """Repeats its arguments."""
    return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"


def test_prompt_with_embedded_resource(
    resourceUri: str,
) -> list[UserMessage]:
    """A resource within a message."""
    text = "Embedded resource content for testing."
    return [
        UserMessage(_embedded(resourceUri, text, "text/plain")),
        UserMessage("Please process the embedded resource above."),
    ]


def test_prompt_with_image() -> list[UserMessage]:
    """An image within a message."""
    return [UserMessage(_IMAGE), UserMessage("Please analyze the image above.")]


_PROMPTS: tuple[Callable[..., Any], ...] = (  # Any: whatever a prompt answers
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
)

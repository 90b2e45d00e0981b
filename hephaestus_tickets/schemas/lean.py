"""JSON schemas as small as they can be: no titles, no references, no empty defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

# A JSON schema, or a part of one.
Schema = dict[str, Any]
_DEFINITIONS = "#/$defs/"
SHORT_WORD = 300


def lean_schema(model: type[BaseModel]) -> Schema:
    """The model's schema with every definition inlined; some clients do not follow `$ref`.

    `X | null` is shown as X: an absent argument says the same, and null is accepted all the same.
    """
    schema = model.model_json_schema(mode="validation")
    definitions: dict[str, Schema] = schema.pop("$defs", {})
    lean = _lean(schema, definitions)
    lean.pop("description", None)
    return lean


def _lean(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    merged = _without_null(_inlined(schema, definitions))
    if merged is not schema:
        merged = _inlined(merged, definitions)
    kept = {key: value for key, value in merged.items() if not _is_noise(key, value)}
    default = merged.get("default")
    if default not in (None, "", [], {}, False):
        kept["default"] = default
    return {key: _lean_part(key, value, definitions) for key, value in kept.items()}


def _is_noise(key: str, value: Any) -> bool:  # Any: JSON
    """What costs a model tokens and tells it nothing: limits that no honest value meets."""
    if key in ("title", "default", "minLength", "maxItems", "format"):
        return True
    return key == "maxLength" and value <= SHORT_WORD


def _lean_part(key: str, value: Any, definitions: Mapping[str, Schema]) -> Any:  # Any: JSON
    if key == "properties":
        return {name: _lean(part, definitions) for name, part in value.items()}
    if key in ("anyOf", "oneOf", "allOf"):
        return [_lean(part, definitions) for part in value]
    if key in ("items", "additionalProperties", "propertyNames") and isinstance(value, dict):
        return _lean(value, definitions)  # pyright: ignore[reportUnknownArgumentType] - JSON
    return value


def _inlined(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    reference = schema.get("$ref")
    if reference is None:
        return schema
    definition = definitions[str(reference).removeprefix(_DEFINITIONS)]
    # A definition's own description is its class docstring: written for us, not for an agent.
    target = {key: value for key, value in definition.items() if key != "description"}
    return {**target, **{key: value for key, value in schema.items() if key != "$ref"}}


def _without_null(schema: Schema) -> Schema:
    options = schema.get("anyOf")
    if options is None:
        return schema
    kept = [option for option in options if option.get("type") != "null"]
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    return {**kept[0], **rest} if len(kept) == 1 else {**rest, "anyOf": kept}

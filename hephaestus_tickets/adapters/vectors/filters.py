"""Which points may be hits, in the words of Qdrant's REST interface; both stores read them."""

from __future__ import annotations

from typing import Any

from hephaestus_tickets.adapters.vectors.points import (
    BOOLEAN_FIELDS,
    INTEGER_FIELDS,
    KEYWORD_FIELDS,
    TENANT_FIELD,
    Narrowed,
)

Condition = dict[str, Any]  # Any: JSON

# What a payload is searched by, and as what: a server may refuse to filter by anything else.
INDEXED = {
    TENANT_FIELD: "keyword",
    **dict.fromkeys(KEYWORD_FIELDS, "keyword"),
    **dict.fromkeys(INTEGER_FIELDS, "integer"),
    **dict.fromkeys(BOOLEAN_FIELDS, "bool"),
}


def filter_of(workflow_id: str, narrowed: Narrowed) -> Condition:
    tenant = {"key": TENANT_FIELD, "match": {"value": workflow_id}}
    if narrowed.only is not None:
        return {"must": [tenant, {"has_id": list(narrowed.only)}]}
    fits: list[Condition] = [
        {"key": name, "match": {"any": values}} for name, values in narrowed.lists().items()
    ]
    fits += [{"key": name, "match": {"value": flag}} for name, flag in narrowed.flags().items()]
    if fits and narrowed.besides:
        fits = [{"should": [{"has_id": list(narrowed.besides)}, {"must": fits}]}]
    return {"must": [tenant, *fits]}

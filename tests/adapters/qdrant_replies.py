"""What a stand-in for Qdrant holds and answers: exact cosines, and the filters that we send."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

Json = dict[str, Any]  # Any: what a client sends as JSON


@dataclass(slots=True, kw_only=True)
class Collection:
    made: Json
    points: dict[int, Json] = field(default_factory=dict[int, Json])
    indexes: dict[str, Any] = field(default_factory=dict[str, Any])  # Any: a name, or JSON

    @property
    def size(self) -> int:
        return int(self.made["vectors"]["size"])


class Refused(Exception):
    def __init__(self, status: int, error: str) -> None:
        self.status = status
        super().__init__(error)


@dataclass(slots=True, kw_only=True)
class Held:
    collections: dict[str, Collection] = field(default_factory=dict[str, Collection])
    aliases: dict[str, str] = field(default_factory=dict[str, str])

    def answer(self, what: str, body: Json) -> object:
        """To a request such as `GET /collections`. Raises Refused."""
        for pattern, reply in _REPLIES.items():
            if match := re.fullmatch(pattern, what):
                return reply(self, body, *match.groups())
        raise Refused(404, "not found")

    def collection(self, name: str) -> Collection:
        if name not in self.collections:
            raise Refused(404, f"Not found: Collection `{name}` doesn't exist!")
        return self.collections[name]


def _names(held: Held, _: Json) -> object:
    return {"collections": [{"name": name} for name in held.collections]}


def _exists(held: Held, _: Json, name: str) -> object:
    return {"exists": name in held.collections}


def _make(held: Held, body: Json, name: str) -> object:
    if name in held.collections:
        raise Refused(409, f"Wrong input: Collection `{name}` already exists!")
    held.collections[name] = Collection(made=body)
    return True


def _describe(held: Held, _: Json, name: str) -> object:
    there = held.collection(name)
    indexes = {key: {"data_type": _kind(told), "points": 0} for key, told in there.indexes.items()}
    return {
        "status": "green",
        "optimizer_status": "ok",
        "segments_count": 1,
        "points_count": len(there.points),
        "payload_schema": indexes,
        "config": {
            "params": {"vectors": there.made["vectors"]},
            "hnsw_config": {"m": 16, "ef_construct": 100, "full_scan_threshold": 10_000},
            "optimizer_config": {
                "deleted_threshold": 0.2,
                "vacuum_min_vector_number": 1_000,
                "default_segment_number": 0,
                "flush_interval_sec": 5,
            },
        },
    }


def _kind(told: Any) -> str:  # Any: a name, or JSON
    return told if isinstance(told, str) else str(told["type"])


def _lose(held: Held, _: Json, name: str) -> object:
    return held.collections.pop(name, None) is not None


def _index(held: Held, body: Json, name: str) -> object:
    held.collection(name).indexes[body["field_name"]] = body["field_schema"]
    return {"operation_id": 1, "status": "completed"}


def _upsert(held: Held, body: Json, name: str) -> object:
    there = held.collection(name)
    for point in body["points"]:
        _check(there, point["vector"])
    there.points.update({point["id"]: point for point in body["points"]})
    return {"operation_id": 1, "status": "completed"}


def _query(held: Held, body: Json, name: str) -> object:
    there = held.collection(name)
    wanted = body["query"]["nearest"]
    _check(there, wanted)
    hits = [
        {"id": number, "version": 1, "score": cosine(wanted, point["vector"])}
        for number, point in there.points.items()
        if holds(body.get("filter") or {}, point)
    ]
    hits.sort(key=lambda hit: (-hit["score"], hit["id"]))
    return {"points": hits[: body["limit"]]}


def _count(held: Held, _: Json, name: str) -> object:
    return {"count": len(held.collection(name).points)}


def _aliases(held: Held, _: Json) -> object:
    pairs = held.aliases.items()
    return {"aliases": [{"alias_name": name, "collection_name": what} for name, what in pairs]}


def _change_aliases(held: Held, body: Json) -> object:
    for action in body["actions"]:
        if made := action.get("create_alias"):
            held.collection(made["collection_name"])
            held.aliases[made["alias_name"]] = made["collection_name"]
        else:
            held.aliases.pop(action["delete_alias"]["alias_name"], None)
    return True


_REPLIES: dict[str, Callable[..., object]] = {
    "GET /collections": _names,
    "GET /aliases": _aliases,
    "POST /collections/aliases": _change_aliases,
    "GET /collections/([^/]+)/exists": _exists,
    "PUT /collections/([^/]+)": _make,
    "GET /collections/([^/]+)": _describe,
    "DELETE /collections/([^/]+)": _lose,
    "PUT /collections/([^/]+)/index": _index,
    "PUT /collections/([^/]+)/points": _upsert,
    "POST /collections/([^/]+)/points/query": _query,
    "POST /collections/([^/]+)/points/count": _count,
}


def _check(there: Collection, vector: list[float]) -> None:
    if len(vector) != there.size:
        raise Refused(
            400,
            f"Wrong input: Vector dimension error: expected {there.size}, got {len(vector)}",
        )


def cosine(one: list[float], other: list[float]) -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other))


def holds(condition: Json, point: Json) -> bool:
    """A filter, or one of its conditions. Raises KeyError for what we do not send."""
    if "has_id" in condition:
        return point["id"] in condition["has_id"]
    if "key" in condition:
        return _matches(condition["match"], point["payload"].get(condition["key"]))
    assert condition.keys() <= {"must", "should"}, condition
    let_in = condition.get("should")
    return all(holds(each, point) for each in condition.get("must") or ()) and (
        not let_in or any(holds(each, point) for each in let_in)
    )


def _matches(match: Json, stands: object) -> bool:
    there = cast("list[object]", stands) if isinstance(stands, list) else [stands]
    wanted: list[object] = match["any"] if "any" in match else [match["value"]]
    return any(type(one) is type(other) and one == other for one in there for other in wanted)

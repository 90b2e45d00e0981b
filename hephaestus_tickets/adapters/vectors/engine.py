"""Qdrant's engine in a process of its own, which reads questions and writes answers.

It is none of the server's threads because the engine holds the interpreter while it works (40 to
150 ms for each flush), and because a write to its mapped files on a full disk, or a read of a file
that was cut short, ends the whole process.

It ends when its input does.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import qdrant_edge as qdrant

from hephaestus_tickets.adapters.vectors.discarding import HALF, discard
from hephaestus_tickets.adapters.vectors.framing import HEAD, TAKEN, frame

Json = dict[str, Any]  # Any: JSON
_LOCK = ".lock"


class Refused(Exception):
    """`kind` says what is to be done about it: gone, spoiled, full, other_dimension."""

    def __init__(self, kind: str, reason: str) -> None:
        self.kind = kind
        super().__init__(reason)


class Shards:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._open: dict[str, qdrant.EdgeShard] = {}
        self._sizes: dict[str, int] = {}

    def answer(self, asked: Json, floats: array[float]) -> object:
        does: dict[str, Callable[[Json, array[float]], object]] = {
            "ensure": self._ensure,
            "upsert": self._upsert,
            "nearest": self._nearest,
            "count": self._count,
            "drop": self._drop,
        }
        try:
            return does[asked["do"]](asked, floats)
        except Refused:
            raise
        except BaseException as error:  # a panic of the engine is no Exception
            self._open.pop(asked["key"], None)
            raise Refused(_kind(error), str(error)) from error

    def close(self) -> None:
        for shard in self._open.values():
            shard.close()

    def _ensure(self, asked: Json, _: array[float]) -> bool:
        if (self._directory / asked["key"]).is_dir():
            self._shard(asked)
            return False
        self._make(asked)
        return True

    def _make(self, asked: Json) -> None:
        """Aside first: what has the name of a shard is whole."""
        self._check_disk(asked)
        half = self._directory / f"{asked['key']}{HALF}"
        shutil.rmtree(half, ignore_errors=True)
        vectors = qdrant.EdgeVectorParams(size=asked["dimension"], distance=qdrant.Distance.Cosine)
        # Without a log it does not grow when points are overwritten. What a kill tears was not
        # acknowledged yet, and is written again.
        config = qdrant.EdgeConfig(vectors=vectors, max_search_threads=1, wal_enabled=False)
        shard = qdrant.EdgeShard.create(str(half), config)
        types = qdrant.PayloadSchemaType
        kinds = {"keyword": types.Keyword, "integer": types.Integer, "bool": types.Integer}
        for field, kind in asked["indexed"].items():
            shard.update(qdrant.UpdateOperation.create_field_index(field, kinds[kind]))
        shard.flush()
        shard.close()
        half.rename(self._directory / asked["key"])

    def _shard(self, asked: Json) -> qdrant.EdgeShard:
        key, place = asked["key"], self._directory / asked["key"]
        if not place.is_dir():
            self._open.pop(key, None)
            raise Refused("gone", "there is no such collection")
        if key not in self._open:
            written = json.loads((place / "edge_config.json").read_text())
            self._sizes[key] = written["vectors"][""]["size"]
            self._open[key] = qdrant.EdgeShard.load(str(place))
        if self._sizes[key] != asked["dimension"]:
            raise Refused("other_dimension", str(self._sizes[key]))
        return self._open[key]

    def _upsert(self, asked: Json, floats: array[float]) -> None:
        shard, size = self._shard(asked), asked["dimension"]
        self._check_disk(asked)
        numbers = floats.tolist()
        points = [
            qdrant.Point(ticket, numbers[place * size : (place + 1) * size], _stored(payload))
            for place, (ticket, payload) in enumerate(asked["points"])
        ]
        shard.update(qdrant.UpdateOperation.upsert_points(points))
        shard.flush()

    def _check_disk(self, asked: Json) -> None:
        if shutil.disk_usage(self._directory).free < asked["reserve"]:
            raise Refused("full", "the disk is full")

    def _nearest(self, asked: Json, floats: array[float]) -> list[tuple[object, float]]:
        request = qdrant.QueryRequest(
            limit=asked["limit"],
            query=qdrant.Query.Nearest(floats.tolist()),
            filter=_filter(asked["filter"]),
            with_payload=False,
            params=qdrant.SearchParams(exact=True),
        )
        return [(point.id, point.score) for point in self._shard(asked).query(request)]

    def _count(self, asked: Json, _: array[float]) -> int:
        return self._shard(asked).count(qdrant.CountRequest(exact=True))

    def _drop(self, asked: Json, _: array[float]) -> None:
        shard = self._open.pop(asked["key"], None)
        if shard is not None:
            shard.close()
        discard(self._directory / asked["key"])


def _stored(payload: Json) -> Json:
    """Flags as numbers: the engine (0.9) takes the True of a condition for 1, which no True is."""
    return {key: int(value) if isinstance(value, bool) else value for key, value in payload.items()}


def _filter(asked: Json) -> qdrant.Filter:
    conditions: dict[str, list[Any]] = {  # Any: a list is of all kinds of conditions or of one
        kind: [_condition(each) for each in asked[kind]] for kind in asked
    }
    return qdrant.Filter(must=conditions.get("must"), should=conditions.get("should"))


def _condition(asked: Json) -> qdrant.Filter | qdrant.HasIdCondition | qdrant.FieldCondition:
    if "has_id" in asked:
        return qdrant.HasIdCondition(set(asked["has_id"]))
    if "key" not in asked:
        return _filter(asked)
    match, several = asked["match"], asked["match"].get("any")
    value = match.get("value")
    one = int(value) if isinstance(value, bool) else value
    fits = qdrant.MatchValue(one) if several is None else qdrant.MatchAny(several)
    return qdrant.FieldCondition(asked["key"], match=fits)


def _kind(error: BaseException) -> str:
    """The engine has one class of errors for everything; that the disk is full it only words."""
    says_full = "No space left" in str(error) or "os error 28" in str(error)
    return "full" if says_full else "spoiled"


def serve(shards: Shards, questions: IO[bytes], answers: IO[bytes]) -> None:
    while head := questions.read(HEAD.size):
        said, floats = HEAD.unpack(head)
        asked = json.loads(questions.read(said))
        vectors = array("f", questions.read(floats))
        try:
            reply: Json = {"is": shards.answer(asked, vectors)}
        except Refused as refused:
            reply = {"refused": refused.kind, "reason": str(refused)}
        answers.write(frame(reply))
        answers.flush()


def main() -> int:
    directory, patience = Path(sys.argv[1]), float(sys.argv[2])
    os.umask(0o077)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / _LOCK).open("wb") as lock:
        if not _took(lock, patience):
            return TAKEN
        for half in directory.glob(f"*{HALF}"):
            shutil.rmtree(half, ignore_errors=True)
        shards = Shards(directory)
        serve(shards, sys.stdin.buffer, sys.stdout.buffer)
        shards.close()
    return 0


def _took(lock: IO[bytes], patience: float) -> bool:
    """An engine whose server was killed ends soon, by itself."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())

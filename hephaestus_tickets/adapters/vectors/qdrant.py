"""What we ask of a Qdrant server; imported late, as its client takes a second to load."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http import HTTPStatus

from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from hephaestus_tickets.adapters.embeddings import Space, Vector
from hephaestus_tickets.adapters.vectors.filters import INDEXED, Condition
from hephaestus_tickets.adapters.vectors.points import (
    TENANT_FIELD,
    CollectionGone,
    Near,
    Point,
    VectorsUnavailable,
    other_dimension,
)

ALIAS = "hephaestus_tickets"
_PREFIX = f"{ALIAS}_"
# Each tenant has a graph of its own, beside the one of all.
_GRAPHS = models.HnswConfigDiff(payload_m=16)
_TENANT = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
_MISCONFIGURED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}


def connect(url: str, api_key: str, seconds: float) -> AsyncQdrantClient:
    return AsyncQdrantClient(
        url=url,
        # Not as `api_key`: the client would warn of it on plain HTTP at each start.
        headers={"api-key": api_key} if api_key else None,
        timeout=max(1, round(seconds)),
        prefer_grpc=False,
        check_compatibility=False,
    )


class Collections:
    """Raises what the client raises: see `explained`."""

    def __init__(self, client: AsyncQdrantClient) -> None:
        self._client = client

    async def ensure(self, space: Space) -> bool:
        is_there = await self._client.collection_exists(_name(space))
        is_new = not is_there and await self._make(space)
        found = await self._client.get_collection(_name(space))
        vectors = found.config.params.vectors
        size = vectors.size if isinstance(vectors, models.VectorParams) else "several kinds"
        if size != space.dimension:
            raise other_dimension(space, size)
        # Those that are missing: whoever made it may have been stopped in between.
        for field in INDEXED.keys() - found.payload_schema.keys():
            await self._client.create_payload_index(_name(space), field, _index(field))
        return is_new

    async def _make(self, space: Space) -> bool:
        vectors = models.VectorParams(size=space.dimension, distance=models.Distance.COSINE)
        try:
            await self._client.create_collection(
                _name(space), vectors_config=vectors, hnsw_config=_GRAPHS
            )
        except UnexpectedResponse as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            return False  # another server was first
        return True

    async def upsert(self, space: Space, points: Sequence[Point]) -> None:
        structs = [
            models.PointStruct(id=point.ticket, vector=point.vector, payload=point.payload)
            for point in points
        ]
        await self._client.upsert(_name(space), structs, wait=True)

    async def nearest(
        self, space: Space, vector: Vector, condition: Condition, *, limit: int, is_exact: bool
    ) -> list[Near]:
        found = await self._client.query_points(
            _name(space),
            query=vector,
            query_filter=models.Filter.model_validate(condition),
            limit=limit,
            with_payload=False,
            search_params=models.SearchParams(exact=True) if is_exact else None,
        )
        return [Near(ticket=int(point.id), cosine=point.score) for point in found.points]

    async def count(self, space: Space) -> int:
        return (await self._client.count(_name(space), exact=True)).count

    async def serve(self, space: Space) -> None:
        """The alias goes over in one step: at no time is there none."""
        aliases = (await self._client.get_aliases()).aliases
        there = {alias.alias_name: alias.collection_name for alias in aliases}
        if there.get(ALIAS) == _name(space):
            return
        create = models.CreateAlias(collection_name=_name(space), alias_name=ALIAS)
        delete = models.DeleteAlias(alias_name=ALIAS)
        actions: list[models.CreateAliasOperation | models.DeleteAliasOperation] = [
            models.DeleteAliasOperation(delete_alias=delete),
            models.CreateAliasOperation(create_alias=create),
        ]
        await self._client.update_collection_aliases(actions if ALIAS in there else actions[1:])

    async def drop(self, space: Space) -> None:
        await self._client.delete_collection(_name(space))

    async def aclose(self) -> None:
        await self._client.close()


def _name(space: Space) -> str:
    return f"{_PREFIX}{space.key}"


def _index(field: str) -> models.KeywordIndexParams | models.PayloadSchemaType:
    return _TENANT if field == TENANT_FIELD else models.PayloadSchemaType(INDEXED[field])


@contextmanager
def explained(seconds: float) -> Generator[None]:
    """What a call raises, in our words; neither an address nor a key is among them."""
    try:
        yield
    except TimeoutError as error:
        raise VectorsUnavailable(f"Qdrant did not answer within {seconds:g} seconds") from error
    except UnexpectedResponse as error:
        raise _refused(error.status_code) from error
    except ResourceExhaustedResponse as error:
        reason = "Qdrant is asked too much"
        raise VectorsUnavailable(reason, retry_after=error.retry_after_s) from error
    except ResponseHandlingException as error:
        raise VectorsUnavailable(_unreached(error.source)) from error
    except (QdrantException, ValueError, AssertionError) as error:  # so the client calls nonsense
        raise VectorsUnavailable("Qdrant's answer could not be read") from error


def _refused(status: int | None) -> VectorsUnavailable:
    if status == HTTPStatus.NOT_FOUND:
        return CollectionGone()
    if status in _MISCONFIGURED:
        return VectorsUnavailable("Qdrant refuses QDRANT_API_KEY", is_misconfigured=True)
    return VectorsUnavailable(f"Qdrant answered with status {status}")


def _unreached(source: Exception) -> str:
    if isinstance(source, ValueError):
        return "Qdrant's answer could not be read"
    return "Qdrant cannot be reached, or broke off"

"""The bundled model as an OpenAI-compatible server: `POST /v1/embeddings`."""

from __future__ import annotations

import asyncio
import base64
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Literal, cast

from pydantic import BaseModel, Field, ValidationError, field_validator
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hephaestus_tickets.adapters.embeddings.local import LocalEmbedder
from hephaestus_tickets.adapters.embeddings.minilm import LOCAL_SPACE, Embedded
from hephaestus_tickets.adapters.embeddings.space import EmbeddingUnavailable, Vector
from hephaestus_tickets.domain.text import quotable

_MODELS = (LOCAL_SPACE.model, f"sentence-transformers/{LOCAL_SPACE.model}")
_MOST_TEXTS = 2_048
_MOST_BYTES = 8 * 1024 * 1024
_TYPES = {503: "server_error"}


class _Refused(Exception):
    """An answer in OpenAI's form of an error."""

    def __init__(self, status: int, message: str, *, param: str = "", code: str = "") -> None:
        self.status = status
        self.error = {
            "message": message,
            "type": _TYPES.get(status, "invalid_request_error"),
            "param": param or None,
            "code": code or None,
        }
        super().__init__(message)


class _Question(BaseModel):
    input: list[str] = Field(min_length=1, max_length=_MOST_TEXTS)
    model: str
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Literal[384] | None = None

    @field_validator("input", mode="before")
    @classmethod
    def _texts(cls, given: object) -> object:
        if isinstance(given, str):
            return [given]
        if isinstance(given, list):
            listed = cast("list[object]", given)  # of what, is the question
            if any(isinstance(each, int | list) for each in listed):
                raise ValueError("token ids are not taken: send texts")
        return cast("object", given)  # as above


def embeddings_app(embedder: LocalEmbedder) -> Starlette:
    """Serves the embedder, and closes it at its end."""

    async def embeddings(request: Request) -> Response:
        question = _question(await _body(request))
        work = asyncio.create_task(embedder.embed_counted(question.input))
        try:
            await _done_or_left(work, request)
            return JSONResponse(_answer(question, await work))
        except EmbeddingUnavailable as error:
            raise _Refused(503, str(error)) from error
        finally:
            work.cancel()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncGenerator[None]:
        yield
        await embedder.aclose()

    return Starlette(
        routes=[
            Route("/v1/embeddings", embeddings, methods=["POST"]),
            Route("/v1/models", _models, methods=["GET"]),
            Route("/healthz", _healthz, methods=["GET"]),
        ],
        exception_handlers={_Refused: _refused, HTTPException: _http_refused},
        lifespan=lifespan,
    )


async def _models(_request: Request) -> Response:
    models = [
        {"id": model, "object": "model", "created": 0, "owned_by": "sentence-transformers"}
        for model in _MODELS
    ]
    return JSONResponse({"object": "list", "data": models})


async def _healthz(_request: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _done_or_left(work: asyncio.Task[Embedded], request: Request) -> None:
    """Raises _Refused where the client left: it will ask again, and would wait for itself."""
    # Once the body is read, nothing else comes from a client.
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait({work, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            raise _Refused(499, "The client left.")
    finally:
        leaving.cancel()


async def _body(request: Request) -> bytes:
    """The whole of it; a larger one is refused before it is held."""
    parts, size = list[bytes](), int(request.headers.get("content-length", "0"))
    if size <= _MOST_BYTES:
        size = 0
        async for part in request.stream():
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                break
    if size > _MOST_BYTES:
        raise _Refused(413, f"A request may have at most {_MOST_BYTES:,} bytes.")
    return b"".join(parts)


def _question(body: bytes) -> _Question:
    try:
        question = _Question.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        param = str(fault["loc"][0]) if fault["loc"] else ""
        message = fault["msg"].removeprefix("Value error, ")
        raise _Refused(400, f"{param or 'The request'}: {message}.", param=param) from error
    if question.model not in _MODELS:
        raise _Refused(
            404,
            f"The model '{quotable(question.model)}' does not exist; this server has "
            f"{LOCAL_SPACE.model}.",
            param="model",
            code="model_not_found",
        )
    return question


def _answer(question: _Question, embedded: Embedded) -> dict[str, object]:
    data = [
        {"object": "embedding", "index": index, "embedding": _written(vector, question)}
        for index, vector in enumerate(embedded.vectors)
    ]
    return {
        "object": "list",
        "data": data,
        "model": question.model,
        "usage": {"prompt_tokens": embedded.tokens, "total_tokens": embedded.tokens},
    }


def _written(vector: Vector, question: _Question) -> Vector | str:
    if question.encoding_format == "float":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


async def _refused(_request: Request, error: Exception) -> Response:
    if not isinstance(error, _Refused):
        raise error
    return JSONResponse({"error": error.error}, status_code=error.status)


async def _http_refused(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    return await _refused(request, _Refused(error.status_code, error.detail))

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import math
import signal
import struct
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import anyio
import pytest
from starlette.types import Message

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable, Space
from hephaestus_tickets.adapters.embeddings.local import LocalEmbedder
from hephaestus_tickets.adapters.embeddings.remote import RemoteEmbedder
from hephaestus_tickets.adapters.embeddings.served import embeddings_app

MODEL = "all-MiniLM-L6-v2"
COMMAND = [sys.executable, "-m", "hephaestus_tickets", "embeddings-server", "--port"]
Json = dict[str, Any]  # Any: a reply's JSON, as the test expects it


@dataclass(frozen=True, slots=True)
class Server:
    process: subprocess.Popen[str]
    base_url: str

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        """One request as it is, without any library's opinion."""
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=30)
        connection.request(method, path, body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        status, content = reply.status, reply.read()
        connection.close()
        return status, content

    def embeds(self, **question: object) -> tuple[int, Json]:
        body = json.dumps({"model": MODEL, **question}).encode()
        status, content = self.ask("POST", "/v1/embeddings", body)
        return status, json.loads(content)


def started() -> Server:
    process = subprocess.Popen([*COMMAND, "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    said = process.stdout.readline()
    return Server(process, said.removeprefix("Serving ").strip().removesuffix("/embeddings"))


def ended(server: Server, sign: signal.Signals = signal.SIGTERM) -> int:
    server.process.send_signal(sign)
    server.process.communicate(timeout=20)
    return server.process.returncode


@pytest.fixture(scope="module")
def server() -> Generator[Server]:
    running = started()
    yield running
    assert ended(running) == 0


@pytest.fixture
async def local() -> AsyncGenerator[LocalEmbedder]:
    opened = LocalEmbedder()
    yield opened
    await opened.aclose()


def remote(server: Server, *, dimension: int = 384) -> RemoteEmbedder:
    space = Space(provider="openai", model=MODEL, dimension=dimension, base_url=server.base_url)
    return RemoteEmbedder(space, "any", pause=0.01)


async def test_its_vectors_are_those_of_the_model_itself(
    server: Server, local: LocalEmbedder
) -> None:
    texts = ["login fails", "", "日本語", "a long story " * 300, *(f"text {n}" for n in range(80))]
    embedder = remote(server)
    with anyio.fail_after(60):
        there, here = await embedder.embed(texts), await local.embed(texts)
    await embedder.aclose()
    assert [
        sum(map(math.prod, zip(*pair, strict=True))) for pair in zip(there, here, strict=True)
    ] == (pytest.approx([1.0] * len(texts), abs=1e-3))


async def test_another_dimension_is_found_out_at_the_first_text(server: Server) -> None:
    embedder = remote(server, dimension=512)
    with (
        anyio.fail_after(30),
        pytest.raises(EmbeddingUnavailable, match="but one of 384") as refused,
    ):
        await embedder.embed(["a"])
    await embedder.aclose()
    assert refused.value.is_misconfigured


def test_one_text_and_a_list_are_taken_and_their_tokens_counted(server: Server) -> None:
    status, one = server.embeds(input="one two three")
    _, many = server.embeds(input=["one two three", ""], dimensions=384, user="somebody")
    assert status == 200
    assert one["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    assert many["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert (one["object"], one["model"]) == ("list", MODEL)
    assert [item["index"] for item in many["data"]] == [0, 1]
    assert many["data"][0]["embedding"] == pytest.approx(one["data"][0]["embedding"], abs=1e-5)


def test_base64_is_the_same_vector_in_little_endian_floats(server: Server) -> None:
    _, plain = server.embeds(input="login fails")
    _, packed = server.embeds(input="login fails", encoding_format="base64")
    content = base64.b64decode(packed["data"][0]["embedding"])
    assert struct.unpack("<384f", content) == pytest.approx(plain["data"][0]["embedding"], abs=1e-6)


REFUSED: dict[str, tuple[Json, int, str, str]] = {
    "token ids": ({"input": [1, 2]}, 400, "input", "token ids are not taken: send texts"),
    "lists of token ids": ({"input": [[1], [2]]}, 400, "input", "token ids are not taken"),
    "nothing": ({}, 400, "input", "Field required"),
    "no texts": ({"input": []}, 400, "input", "at least 1 item"),
    "too many texts": ({"input": [""] * 2_049}, 400, "input", "at most 2048 items"),
    "a dimension": ({"input": "a", "dimensions": 256}, 400, "dimensions", "384"),
    "a format": ({"input": "a", "encoding_format": "int8"}, 400, "encoding_format", "'base64'"),
    "a model": ({"input": "a", "model": "gpt-9"}, 404, "model", "'gpt-9' does not exist"),
}


@pytest.mark.parametrize(("question", "status", "param", "message"), REFUSED.values(), ids=REFUSED)
def test_what_it_does_not_take_is_refused_as_openai_does(
    server: Server, question: Json, status: int, param: str, message: str
) -> None:
    answered, reply = server.embeds(**question)
    error = reply["error"]
    assert answered == status
    assert message in error["message"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert error["code"] == ("model_not_found" if status == 404 else None)


BARE: dict[str, tuple[str, str, bytes | None, int]] = {
    "no JSON": ("POST", "/v1/embeddings", b'{"input":', 400),
    "half a character": (
        "POST", "/v1/embeddings", b'{"input": "\\ud800", "model": "all-MiniLM-L6-v2"}', 400,
    ),
    "no object": ("POST", "/v1/embeddings", b"[]", 400),
    "too large": ("POST", "/v1/embeddings", b" " * (8 * 1024 * 1024 + 1), 413),
    "no page": ("GET", "/v1/nothing", None, 404),
    "another method": ("GET", "/v1/embeddings", None, 405),
}  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body", "status"), BARE.values(), ids=BARE)
def test_what_is_no_request_for_embeddings_is_refused_in_the_same_form(
    server: Server, method: str, path: str, body: bytes | None, status: int
) -> None:
    answered, content = server.ask(method, path, body)
    assert answered == status
    assert set(json.loads(content)["error"]) == {"message", "type", "param", "code"}


def test_it_says_which_models_it_has_and_that_it_is_well(server: Server) -> None:
    _, content = server.ask("GET", "/v1/models")
    assert MODEL in [model["id"] for model in json.loads(content)["data"]]
    assert server.ask("GET", "/healthz") == (200, b"ok\n")


async def test_texts_of_a_client_that_left_are_embedded_for_nobody(local: LocalEmbedder) -> None:
    body = json.dumps({"model": MODEL, "input": ["a long story " * 100] * 2_048}).encode()
    coming = [{"type": "http.request", "body": body}, {"type": "http.disconnect"}]
    sent: list[Message] = []
    scope: Json = {
        "type": "http", "method": "POST", "path": "/v1/embeddings", "query_string": b"",
        "headers": [(b"content-length", str(len(body)).encode())],
    }  # fmt: skip

    async def receive() -> Message:
        return coming.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    with anyio.fail_after(20):  # all of the texts take longer
        await embeddings_app(local)(scope, receive, send)
        while local._turns._is_taken:  # noqa: ASYNC110  # pyright: ignore[reportPrivateUsage] - proves that nothing is left, which nobody tells
            await asyncio.sleep(0.01)
    assert sent[0]["status"] == 499


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_well_by_a_signal(sign: signal.Signals) -> None:
    server = started()
    assert server.embeds(input="a")[0] == 200
    assert ended(server, sign) == 0


def test_a_port_in_use_is_told_in_a_sentence(server: Server) -> None:
    port = str(urlsplit(server.base_url).port)
    refused = subprocess.run([*COMMAND, port], capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"hephaestus-tickets: Cannot listen on 127.0.0.1, port {port}")
    assert refused.stderr.count("\n") == 1

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable, Vector
from hephaestus_tickets.adapters.embeddings.local import LocalEmbedder
from hephaestus_tickets.adapters.embeddings.minilm import installed_weights
from hephaestus_tickets.adapters.embeddings.turns import Turns

BUG = "Login fails with an expired auth token"
SAME_BUG = "Users cannot sign in once their session token has run out"
OTHER_BUG = "The export of a board to CSV drops the last column"


@pytest.fixture(scope="module", autouse=True)
def _warm() -> None:
    """The libraries' import, about a second, is no test's."""
    asyncio.run(_embed_once())


async def _embed_once() -> None:
    embedder = LocalEmbedder()
    await embedder.embed([""])
    await embedder.aclose()


@pytest.fixture
async def embedder() -> AsyncGenerator[LocalEmbedder]:
    opened = LocalEmbedder()
    yield opened
    await opened.aclose()


def cosine(one: Vector, other: Vector) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_vector_has_384_numbers_and_unit_length(embedder: LocalEmbedder) -> None:
    for vector in await embedder.embed([BUG, "", " ", "x", "日本語のチケット", "\ud800", "\x00"]):
        assert len(vector) == 384
        assert math.hypot(*vector) == pytest.approx(1, abs=1e-9)


async def test_no_texts_make_no_vectors_and_load_nothing(embedder: LocalEmbedder) -> None:
    assert await embedder.embed([]) == []
    assert not embedder.is_loaded


async def test_texts_of_one_meaning_are_nearer_than_others(embedder: LocalEmbedder) -> None:
    bug, same, other = await embedder.embed([BUG, SAME_BUG, OTHER_BUG])
    assert cosine(bug, same) > 0.5
    assert cosine(bug, other) < 0.2


async def test_vectors_come_in_the_order_of_their_texts_whatever_the_batches(
    embedder: LocalEmbedder,
) -> None:
    texts = [
        f"ticket {number} " + "about a slow query " * (number * 7 % 31) for number in range(30)
    ]
    alone = [(await embedder.embed([text]))[0] for text in texts]
    together = await embedder.embed(texts)
    assert [cosine(*pair) for pair in zip(alone, together, strict=True)] == pytest.approx(
        [1.0] * 30, abs=1e-5
    )


async def test_a_text_has_the_same_vector_each_time(embedder: LocalEmbedder) -> None:
    assert await embedder.embed([BUG]) == await embedder.embed([BUG])


async def test_what_lies_beyond_128_tokens_is_not_read(embedder: LocalEmbedder) -> None:
    whole, cut, shorter = await embedder.embed(["word " * 126 + "x", "word " * 800, "word " * 60])
    # 126 and the two marks at the ends.
    assert cosine(whole, cut) == pytest.approx(1, abs=1e-5)
    assert cosine(whole, shorter) < 0.99999


async def test_what_lies_beyond_4000_characters_is_not_read(embedder: LocalEmbedder) -> None:
    blank = " " * 3_999
    [read, unread, nothing] = await embedder.embed([blank + "a", blank + " a", ""])
    assert cosine(unread, nothing) == pytest.approx(1, abs=1e-5)
    assert cosine(read, nothing) < 0.9


async def test_the_tokens_that_were_read_are_counted(embedder: LocalEmbedder) -> None:
    assert (await embedder.embed_counted(["one two three", ""])).tokens == 3 + 2 + 2
    assert (await embedder.embed_counted(["word " * 800])).tokens == 128


async def test_many_first_texts_at_once_load_the_model_once(embedder: LocalEmbedder) -> None:
    with anyio.fail_after(30):
        vectors = await asyncio.gather(*[embedder.embed([BUG]) for _ in range(8)])
    assert len(vectors) == 8
    assert embedder.loads == 1


async def test_a_query_goes_before_all_that_waits_to_be_indexed(embedder: LocalEmbedder) -> None:
    ended: list[str] = []

    async def embed(name: str, texts: list[str]) -> None:
        await embedder.embed(texts)
        ended.append(name)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(embed("long", [f"{BUG} {number} " * 10 for number in range(12)]))
        for _ in range(3):
            tasks.create_task(embed("short", [BUG, OTHER_BUG]))
        await asyncio.sleep(0)
        tasks.create_task(embed("query", [BUG]))
    assert ended == ["query", "short", "short", "short", "long"]


async def test_a_cancelled_call_leaves_the_model_to_the_others(embedder: LocalEmbedder) -> None:
    cancelled = asyncio.create_task(embedder.embed([f"{BUG} {n}" for n in range(200)]))
    waiting = asyncio.create_task(embedder.embed([OTHER_BUG, BUG]))
    await asyncio.sleep(0)
    cancelled.cancel()
    with anyio.fail_after(30):
        assert len(await waiting) == 2
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_a_model_that_is_not_used_is_forgotten_and_loaded_again() -> None:
    embedder = LocalEmbedder(idle_seconds=0)
    first = await embedder.embed([BUG])
    with anyio.fail_after(5):
        while embedder.is_loaded:  # noqa: ASYNC110 - nobody tells: it is a timer of 0 seconds
            await asyncio.sleep(0)
    assert await embedder.embed([BUG]) == first
    assert embedder.loads == 2
    await embedder.aclose()


async def test_a_closed_embedder_refuses_and_leaves_no_thread(embedder: LocalEmbedder) -> None:
    await embedder.embed([BUG])
    waiting = asyncio.create_task(embedder.embed([BUG] * 200))
    await asyncio.sleep(0)
    with anyio.fail_after(30):
        await embedder.aclose()
        with pytest.raises(EmbeddingUnavailable):
            await waiting
    assert not [each for each in threading.enumerate() if each.name.startswith("embedding")]


async def test_a_missing_model_is_told_without_its_path(tmp_path: Path) -> None:
    embedder = LocalEmbedder(weights=tmp_path / "model.onnx")
    with pytest.raises(EmbeddingUnavailable) as refused:
        await embedder.embed([BUG])
    assert refused.value.is_misconfigured
    assert refused.value.reason == "the bundled model all-MiniLM-L6-v2 cannot be read"
    assert str(tmp_path) not in str(refused.value)
    await embedder.aclose()


async def test_a_damaged_model_is_never_run(tmp_path: Path) -> None:
    damaged = bytearray(installed_weights().read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "model.onnx").write_bytes(damaged)
    embedder = LocalEmbedder(weights=tmp_path / "model.onnx")
    with pytest.raises(EmbeddingUnavailable, match="is damaged") as refused:
        await embedder.embed([BUG])
    assert refused.value.is_misconfigured
    assert not embedder.is_loaded
    await embedder.aclose()


async def test_those_in_a_hurry_go_before_those_who_came_earlier() -> None:
    turns, served = Turns(), list[str]()

    async def come(name: str, *, hurried: bool) -> None:
        async with turns.turn(hurried=hurried):
            served.append(name)

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks, turns.turn(hurried=False):
        for name in ("patient", "hurried", "as patient", "as hurried"):
            tasks.create_task(come(name, hurried="hurried" in name))
        await asyncio.sleep(0)
    assert served == ["hurried", "as hurried", "patient", "as patient"]


async def test_a_turn_given_up_while_it_is_handed_over_goes_to_the_next() -> None:
    turns, served = Turns(), list[str]()

    async def come(name: str, *, hurried: bool) -> None:
        async with turns.turn(hurried=hurried):
            served.append(name)

    async with turns.turn(hurried=False):
        patient = asyncio.create_task(come("patient", hurried=False))
        hurried = asyncio.create_task(come("hurried", hurried=True))
        gone = asyncio.create_task(come("gone", hurried=True))
        await asyncio.sleep(0)
        gone.cancel()
    hurried.cancel()  # its turn has come, but it does not know yet
    with anyio.fail_after(5):
        await asyncio.wait([patient, hurried, gone])
        async with turns.turn(hurried=False):
            assert served == ["patient"]


def test_the_runtime_keeps_no_record_of_its_use(tmp_path: Path) -> None:
    load = (
        "from hephaestus_tickets.adapters.embeddings.minilm import MiniLM, installed_weights; "
        "MiniLM(installed_weights()).embed(['a text'])"
    )
    environment = {"HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", load], check=True, env=environment, timeout=60)
    assert list(tmp_path.rglob("*")) == []

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest

from hephaestus_tickets.adapters.embeddings import EmbeddingUnavailable, Space, Vector
from hephaestus_tickets.adapters.embeddings.remote import RemoteEmbedder
from tests.adapters.openai_stub import (
    CUT,
    FINE,
    GARBAGE,
    NAN,
    RESET,
    SHUFFLED,
    Behaviour,
    Stub,
    failing,
    limited,
    openai_stub,
    words_vector,
)

KEY = "sk-not-to-be-told"
TEXT = "the payroll of our company is 12345"
Opens = Callable[..., RemoteEmbedder]


@pytest.fixture
def stub() -> Generator[Stub]:
    with openai_stub(dimension=8) as running:
        yield running


@pytest.fixture
async def opens(stub: Stub) -> AsyncGenerator[Opens]:
    """Embedders of the stub, quick to give up: `opens(model="m", patience=1)`."""
    opened: list[RemoteEmbedder] = []

    def opens(
        *, model: str = "m", dimension: int = 8, seconds: float = 5, patience: float = 10
    ) -> RemoteEmbedder:
        space = Space(provider="openai", model=model, dimension=dimension, base_url=stub.base_url)
        opened.append(RemoteEmbedder(space, KEY, seconds=seconds, patience=patience, pause=0.001))
        return opened[-1]

    yield opens
    for embedder in opened:
        await embedder.aclose()


@pytest.fixture
def embedder(opens: Opens) -> RemoteEmbedder:
    return opens()


def unit(vector: Vector) -> Vector:
    return [number / math.hypot(*vector) for number in vector]


async def refusal(embedder: RemoteEmbedder, *texts: str) -> EmbeddingUnavailable:
    with anyio.fail_after(15), pytest.raises(EmbeddingUnavailable) as refused:
        await embedder.embed(texts or (TEXT,))
    assert KEY not in str(refused.value)
    assert TEXT not in str(refused.value)
    assert "\n" not in str(refused.value)
    return refused.value


async def test_texts_go_out_as_openai_specifies_it(stub: Stub, embedder: RemoteEmbedder) -> None:
    await embedder.embed(["one", "two"])
    [asked] = stub.requests
    assert (asked.path, asked.key, asked.model) == ("/v1/embeddings", KEY, "m")
    assert asked.input == ["one", "two"]
    assert (asked.dimensions, asked.encoding_format) == (8, "float")


async def test_vectors_come_back_with_unit_length(embedder: RemoteEmbedder) -> None:
    [vector] = await embedder.embed(["one two"])
    assert vector == pytest.approx(unit(words_vector("one two", 8)))


async def test_the_order_is_the_one_of_the_texts_and_not_of_the_reply(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    stub.always(SHUFFLED)
    vectors = await embedder.embed(["one", "two", "three"])
    assert vectors[0] == pytest.approx(unit(words_vector("one", 8)))
    assert vectors[2] == pytest.approx(unit(words_vector("three", 8)))


async def test_no_texts_ask_nothing(stub: Stub, embedder: RemoteEmbedder) -> None:
    assert await embedder.embed([]) == []
    assert stub.requests == []


async def test_an_empty_text_and_half_a_character_are_sent_as_servers_take_them(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    await embedder.embed(["", "a\ud800"])
    assert stub.requests[0].input == [" ", "a?"]


async def test_a_long_text_is_cut_to_what_openai_takes_in_any_script(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    await embedder.embed(["x" * 9_000, "語" * 9_000])
    latin, han = stub.requests[0].input
    assert latin == "x" * 8_000
    # A token of OpenAI's has at least one byte, and 8,192 are the most.
    assert han == "語" * (8_000 // 3)


async def test_many_texts_go_in_several_requests(stub: Stub, embedder: RemoteEmbedder) -> None:
    vectors = await embedder.embed([f"text {number}" for number in range(130)])
    assert [len(asked.input) for asked in stub.requests] == [64, 64, 2]
    assert vectors[129] == pytest.approx(unit(words_vector("text 129", 8)))


async def test_a_request_has_a_bounded_size(stub: Stub, embedder: RemoteEmbedder) -> None:
    await embedder.embed(["x" * 8_000] * 60)
    assert [len(asked.input) for asked in stub.requests] == [25, 25, 10]


async def test_a_dimension_that_the_model_has_anyway_is_not_asked_for(
    stub: Stub, opens: Opens
) -> None:
    await opens(model="text-embedding-3-small", dimension=512).embed(["a"])
    stub.dimension = 1536
    await opens(model="text-embedding-ada-002", dimension=1536).embed(["a"])
    assert [asked.dimensions for asked in stub.requests] == [512, None]


async def test_a_server_that_takes_no_dimensions_is_asked_without_from_then_on(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    stub.next(failing(400, 'Model "m" does not support matryoshka representation.'))
    await embedder.embed(["a"])
    await embedder.embed(["b"])
    assert [asked.dimensions for asked in stub.requests] == [8, None, None]


async def test_a_text_too_long_for_a_server_is_cut_until_it_takes_it_also_the_next_time(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    too_long = failing(413, "inputs must have less than 512 tokens. Given: 1600")
    stub.next(too_long, too_long)
    await embedder.embed(["x" * 9_000])
    await embedder.embed(["y" * 9_000])
    assert [len(asked.input[0]) for asked in stub.requests] == [8_000, 4_000, 2_000, 2_000]


async def test_a_refusal_that_cutting_does_not_mend_ends_and_cuts_no_other_text(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    stub.always(failing(400, "Unknown token."))
    await refusal(embedder, "x" * 9_000)
    assert [len(asked.input[0]) for asked in stub.requests] == [8_000, 4_000, 2_000, 1_000, 500]
    stub.always(FINE)
    await embedder.embed(["x" * 9_000])
    assert len(stub.requests[-1].input[0]) == 8_000


PASSING = {
    "reset": RESET,
    "cut": CUT,
    "garbage": GARBAGE,
    "408": failing(408),
    "429": limited(),
    "429 with a pause": limited("0"),
    **{str(status): failing(status) for status in (500, 502, 503, 504)},
}


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
async def test_what_may_pass_is_tried_again(
    stub: Stub, embedder: RemoteEmbedder, behaviour: Behaviour
) -> None:
    stub.next(behaviour, behaviour)
    assert len(await embedder.embed(["a"])) == 1
    assert len(stub.requests) == 3


@pytest.mark.parametrize("behaviour", PASSING.values(), ids=PASSING)
async def test_what_does_not_pass_is_told_after_three_attempts(
    stub: Stub, embedder: RemoteEmbedder, behaviour: Behaviour
) -> None:
    stub.always(behaviour)
    refused = await refusal(embedder)
    assert not refused.is_misconfigured
    assert "try again" in str(refused)
    assert len(stub.requests) == 3


LASTING = {
    "401": (failing(401, f"Incorrect API key provided: {KEY}"), "Set OPENAI_API_KEY"),
    "403": (failing(403), "Set OPENAI_API_KEY"),
    "404": (failing(404), "has no model 'm' (HTTP 404). Set EMBEDDING_MODEL"),
    "no quota": (
        failing(429, "You exceeded your current quota.", "insufficient_quota"),
        "no quota left (HTTP 429). Set OPENAI_API_KEY",
    ),
    "400": (failing(400, "Not an\nembedding model."), "(HTTP 400): Not an embedding model. Set"),
    "400 with the key": (failing(400, f"Bad: {KEY[:14]}***"), "request (HTTP 400). Set"),
    "400 with the text": (failing(400, f"Bad input '{TEXT[5:30]}'"), "request (HTTP 400). Set"),
    "422 at length": (failing(422, "ab " * 200), f"(HTTP 422): {'ab ' * 66}a…. Set"),
    "a page": (Behaviour(status=405, content=b"<html>no</html>"), "request (HTTP 405). Set"),
    "longer": (
        Behaviour(dimension=9),
        "of 8 numbers (EMBEDDING_DIM) should have come, but one of 9",
    ),
    "more": (
        Behaviour(count=1),
        "1 vector of 8 numbers (EMBEDDING_DIM) should have come, but there",
    ),
    "fewer": (Behaviour(count=-1), "Set EMBEDDING_MODEL and EMBEDDING_DIM"),
    "for another text": (Behaviour(index=1), "or not one for each text. Set EMBEDDING_MODEL"),
    "not a number": (NAN, "not finite, or all 0. Set EMBEDDING_MODEL and EMBEDDING_DIM"),
    "infinite": (Behaviour(number=math.inf), "not finite, or all 0"),
}


@pytest.mark.parametrize(("behaviour", "sentence"), LASTING.values(), ids=LASTING)
async def test_what_only_an_operator_can_mend_is_told_at_once(
    stub: Stub, embedder: RemoteEmbedder, behaviour: Behaviour, sentence: str
) -> None:
    stub.always(behaviour)
    refused = await refusal(embedder)
    assert refused.is_misconfigured
    assert sentence in str(refused)
    assert len(stub.requests) == 1


async def test_a_server_that_is_away_is_told_and_used_when_it_is_back(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    with stub.away():
        refused = await refusal(embedder)
    assert refused.reason == "the embedding server cannot be reached"
    assert not refused.is_misconfigured
    assert len(await embedder.embed(["a"])) == 1


async def test_a_pause_that_was_asked_for_is_kept(stub: Stub, embedder: RemoteEmbedder) -> None:
    stub.next(limited("0.3"))
    started = time.monotonic()
    await embedder.embed(["a"])
    assert time.monotonic() - started >= 0.3


async def test_a_pause_beyond_our_patience_is_passed_on_and_not_waited_for(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    stub.always(limited("60"))
    with anyio.fail_after(5):
        refused = await refusal(embedder)
    assert refused.retry_after == 60
    assert len(stub.requests) == 1


async def test_a_pause_until_a_date_is_reckoned_by_the_servers_clock(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    stub.always(limited(later))
    refused = await refusal(embedder)
    assert refused.retry_after == pytest.approx(3600, abs=10)


@pytest.mark.parametrize("asked", ["soon", "-5", "nan", "Fri, 99 Xyz"])
async def test_a_pause_that_nobody_understands_is_our_own(
    stub: Stub, embedder: RemoteEmbedder, asked: str
) -> None:
    stub.next(limited(asked))
    assert len(await embedder.embed(["a"])) == 1


async def test_a_slow_server_is_not_waited_for_longer_than_a_request_may_take(
    stub: Stub, opens: Opens
) -> None:
    embedder = opens(seconds=0.2)
    await embedder.embed(["the client is loaded"])
    stub.next(Behaviour(seconds=5))
    started = time.monotonic()
    assert len(await embedder.embed(["a"])) == 1
    assert time.monotonic() - started < 3


async def test_a_whole_call_ends_with_its_patience(stub: Stub, opens: Opens) -> None:
    embedder = opens(seconds=5, patience=0.5)
    stub.always(Behaviour(seconds=0.2))
    started = time.monotonic()
    refused = await refusal(embedder, *(f"text {number}" for number in range(1_000)))
    assert refused.reason == "the embedding server did not answer in time"
    assert time.monotonic() - started < 4
    assert len(stub.requests) <= 4


async def test_each_of_many_calls_at_once_gets_its_own_vectors(
    stub: Stub, embedder: RemoteEmbedder
) -> None:
    with anyio.fail_after(10):
        replies = await asyncio.gather(*[embedder.embed([f"text {n}"]) for n in range(20)])
    assert replies[19][0] == pytest.approx(unit(words_vector("text 19", 8)))
    assert len(stub.requests) == 20


async def test_a_stub_makes_texts_that_share_words_near(embedder: RemoteEmbedder) -> None:
    one, near, far = await embedder.embed(["login fails again", "login fails", "export a board"])
    products = [sum(a * b for a, b in zip(one, other, strict=True)) for other in (near, far)]
    assert products[0] > products[1]

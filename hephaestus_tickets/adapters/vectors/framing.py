"""How the store and its engine speak: JSON, and numbers as 32-bit floats."""

from __future__ import annotations

import json
import struct
from array import array
from collections.abc import Mapping

HEAD = struct.Struct("<II")  # the bytes of the JSON, and of the floats that follow
TAKEN = 3  # the engine's exit code where another process has the directory


def frame(said: Mapping[str, object], floats: array[float] | None = None) -> bytes:
    written = json.dumps(said).encode()
    numbers = b"" if floats is None else floats.tobytes()
    return HEAD.pack(len(written), len(numbers)) + written + numbers

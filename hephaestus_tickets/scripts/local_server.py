"""The local server as a session starts it: `python -m … LOCK HOME`, with the lock inherited.

What takes long to import is imported while PostgreSQL starts.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from types import FrameType

from hephaestus_tickets.domain.setup_error import SetupError
from hephaestus_tickets.local.editions import Edition
from hephaestus_tickets.local.endpoint import edition
from hephaestus_tickets.local.home import Home, home_at
from hephaestus_tickets.local.postgres import running_postgres

_HEAVY = "hephaestus_tickets.app.local_server"


def main(lock: int, home: Path) -> None:
    """Leaves at once; what stays is nobody's child, so that no client's end ends it."""
    if os.fork():
        os._exit(0)
    os.set_inheritable(lock, False)
    signal.signal(signal.SIGTERM, _end)
    try:
        _serve(home_at(home), Edition.of(edition()))
    except SetupError as error:
        sys.stderr.write(f"hephaestus-tickets: {error}\n")
        os._exit(1)
    sys.stderr.flush()
    os._exit(0)  # all is closed; taking the interpreter apart would only hold the lock longer


def _serve(home: Home, edition: Edition) -> None:
    heavy = threading.Thread(target=_import_heavy)
    heavy.start()
    with running_postgres(home) as postgres:
        heavy.join()
        local_server = import_module(_HEAVY)
        local_server.serve(home, postgres, local_server.terms(edition, stays=False))


def _import_heavy() -> None:
    """All of it stays for good: looking through it for garbage takes a tenth of the time."""
    gc.disable()
    import_module(_HEAVY)
    gc.freeze()
    gc.enable()


def _end(_signal: int, _frame: FrameType | None) -> None:
    sys.exit(143)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))

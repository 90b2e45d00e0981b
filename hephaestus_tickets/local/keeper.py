"""Ends PostgreSQL when its server is gone, where the kernel does not: a process of its own.

It reads process ids until its input ends, which only the server holds open; the last one counts.
"""

from __future__ import annotations

import os
import signal
import sys
import time

_PATIENCE_S = 5.0


def main() -> None:
    told = sys.stdin.read().split()
    if told:
        end(int(told[-1]))


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGQUIT)
        deadline = time.monotonic() + _PATIENCE_S
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()

"""The door."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and leave with its status."""
    from hephaestus_tickets.cli import run  # noqa: PLC0415 - the door itself stays light

    sys.exit(run())


if __name__ == "__main__":
    main()

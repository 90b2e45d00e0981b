"""The door: a session takes the light way, whatever a person types the other."""

from __future__ import annotations

import sys

from hephaestus_tickets.local import shim


def main() -> None:
    """Run the command line and leave with its status."""
    if shim.is_wanted(sys.argv[1:]):
        sys.exit(shim.run())
    from hephaestus_tickets.cli import run  # noqa: PLC0415 - the door itself stays light

    sys.exit(run())


if __name__ == "__main__":
    main()

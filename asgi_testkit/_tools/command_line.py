"""The commands of ``python -m asgi_testkit``, and which of them was asked for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from . import request
from .migrate import command as migrate


def main(argv: Sequence[str]) -> int:
    """Run the command that these arguments name. Return the status that the process is to end with.

    Raises:
        SystemExit: The arguments make no sense (status 2), or ask for help (0).
    """
    parser = argparse.ArgumentParser(prog="python -m asgi_testkit", description="Test ASGI apps, from the shell.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    request.add_to(commands, argv[:1])
    migrate.add_to(commands)
    options = parser.parse_args(argv)
    status: int = options.run(options)
    return status

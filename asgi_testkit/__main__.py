"""What the shell calls: ``python -m asgi_testkit``."""

from __future__ import annotations

import sys

from ._tools.command_line import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Runs pytest in folders that it reads the names of: each in a fork of this process, which has imported what most need.

To start Python and to import pytest, FastAPI and httpx anew for each page of the docs would take most of the time.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import aiosqlite  # noqa: F401 - imported before the fork
import fastapi  # noqa: F401
import httpx
import pytest
import trio  # noqa: F401 - anyio's plugin does

import asgi_testkit

#: What a reader has at hand. Other plugins are not loaded; these are named by their modules, which nobody has imported.
OPTIONS = (
    *("-p", "anyio.pytest_plugin", "-p", "pytest_asyncio.plugin", "-p", "asgi_testkit.pytest_plugin"),
    *("-p", "pytest_django.plugin", "-p", "xdist.plugin", "-p", "no:cacheprovider"),
    # A page that shows settings need not tell of this one, of which pytest-asyncio only warns.
    *("-W", 'ignore:The configuration option "asyncio_default_fixture_loop_scope":pytest.PytestDeprecationWarning'),
    *("-o", "python_files=*.py"),  # what is no test is imported at least
)


#: Seconds that a page may take; one takes a few. SIGALRM ends it then, whose number is the exit code, negative.
LONGEST = 300


def run(folder: str) -> int:
    """Run pytest in a folder, its output in a file there. Return its exit code."""
    child = os.fork()
    if not child:
        code = 70
        try:  # whatever happens, there is to be no second program that reads the input
            os.chdir(folder)
            sys.path.insert(0, folder)
            with Path("output.txt").open("wb") as output:
                for descriptor in (1, 2):  # the answers go over the first one: nothing of the page's may
                    os.dup2(output.fileno(), descriptor)
            signal.alarm(LONGEST)
            code = pytest.main([*OPTIONS])
            sys.stdout.flush()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> None:
    """Answer each line of input, a folder, by a line of output, the exit code."""
    for name in asgi_testkit.__all__:
        getattr(asgi_testkit, name)
    assert httpx.__version__
    for line in sys.stdin:
        sys.stdout.write(f"{run(line.rstrip())}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

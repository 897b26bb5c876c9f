"""Programs of their own, for what a test cannot do to the process that it runs in: end it, fork it, interrupt it."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parent.parent

#: Every warning is an error. It is not `-X dev`: asyncio's debug mode complains of each step of more than 100 ms, and
#: on a busy machine there are such steps.
PYTHON = (sys.executable, "-W", "error", "-X", "faulthandler")


def run_program(source: str, *arguments: str, timeout: float = 20, may_complain: bool = False) -> str:
    """Run a Python program, every warning an error, and return what it printed. It must neither fail nor complain.

    Args:
        source: The program.
        arguments: Its arguments.
        timeout: Seconds that it has.
        may_complain: Whether it may write to stderr.
    """
    command = [*PYTHON, "-c", textwrap.dedent(source), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode == 0, done.stderr
    assert may_complain or not done.stderr, done.stderr
    return done.stdout

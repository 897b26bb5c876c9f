"""What the commands of the suite share: ``python -m tests.benchmarks`` and ``python -m tests.downstream``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable
from fnmatch import fnmatch


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        msg = f"{number} is not 1 or more"
        raise argparse.ArgumentTypeError(msg)
    return number


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns matches the name, as a whole or in part."""
    return any(fnmatch(name, pattern) or pattern in name for pattern in patterns)


def show(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()

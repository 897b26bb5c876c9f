"""``python -m asgi_testkit migrate``: its arguments, what it prints, and how it ends."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import files

EPILOG = """\
Without --write, nothing is changed: a diff is shown. What cannot be done with certainty is left as it was, and listed
as file:line: what to do. The status is 0 if nothing is left for a person to do, 1 if something is listed (with --check,
also if a file would be changed), 2 if the command could not run."""


def add_to(commands: Any) -> None:
    """Add the command to those of ``python -m asgi_testkit``."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "migrate",
        help="move a suite that was written for another client to asgi_testkit",
        description="Move a suite that was written for another client to asgi_testkit.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="PATH", help="a file, or a folder with all that is in it"
    )
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--write", action="store_true", help="change the files")
    how.add_argument("--check", action="store_true", help="show no diff; end with 1 if there is anything to do")
    parser.add_argument("--async", action="store_true", dest="to_async", help="make blocking tests async, too")
    parser.add_argument(
        "--runner",
        choices=["anyio", "asyncio"],
        help="the plugin that runs async tests: anyio's, or pytest-asyncio (default: the suite's, or anyio's)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Move the suite, and tell what was done. Return the status of the process."""
    try:
        from .run import Result, migrated, steps
    except ModuleNotFoundError as error:
        if error.name != "libcst":
            raise
        return _failed('migrate needs libCST: pip install "asgi-testkit[migrate]"')
    read, listed = [], 0
    try:
        paths = list(files.found(options.paths))
    except FileNotFoundError as error:
        return _failed(f"there is no file or folder {error}")
    for path in paths:
        try:
            read.append(files.read(path))
        except (UnicodeDecodeError, OSError) as error:
            reason = "it is not in UTF-8" if isinstance(error, UnicodeDecodeError) else error.strerror
            listed += 1
            _say(f"{path}:1: the file was left alone: {reason}")
    results: list[Result] = migrated(read, steps(to_async=options.to_async, runner=options.runner))
    changed = [result for result in results if result.changed]
    for result in changed:
        if options.write:
            result.file.write(result.text)
        elif not options.check:
            sys.stdout.write(files.diff(result.file, result.text))
    for result in results:
        for note in result.notes_for(written=options.write):
            listed += 1
            _say(f"{result.file.path}:{note.line}: {note.sentence}")
    _say(_summary(len(changed), listed, written=options.write))
    return int(bool(listed) or bool(options.check and changed))


def _summary(changed: int, listed: int, *, written: bool) -> str:
    done = f"{changed} file{'s' * (changed != 1)} {'changed' if written else 'would be changed'}"
    left = f", {listed} place{'s' * (listed != 1)} to look at" if listed else ""
    hint = "; nothing is written without --write" if changed and not written else ""
    return f"{done}{left}{hint}"


def _failed(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return 2


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")

"""Suites in memory, and what `migrate` makes of them."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

from asgi_testkit._tools.migrate.files import File
from asgi_testkit._tools.migrate.run import Result, migrated, steps

#: Where suites in memory stand: nowhere, so that no settings are found.
FOLDER = Path("/nowhere/tests")


def results(files: dict[str, str], *, to_async: bool = False, runner: str | None = None) -> dict[str, Result]:
    """Return what becomes of files with these texts; a second run must find nothing more to do."""
    made = [File(FOLDER / name, dedent(text).lstrip("\n")) for name, text in files.items()]
    found = migrated(made, steps(to_async=to_async, runner=runner))
    again = migrated([File(result.file.path, result.text) for result in found], steps(to_async=to_async, runner=runner))
    assert [result.text for result in again] == [result.text for result in found]
    return dict(zip(files, found, strict=True))


def after(before: str, *, to_async: bool = False, runner: str | None = None) -> str:
    """Return what becomes of a file, of which nothing must be left to do."""
    result = results({"test_it.py": before}, to_async=to_async, runner=runner)["test_it.py"]
    assert result.notes == []
    return result.text


def told(before: str, *, to_async: bool = False) -> list[str]:
    """Return what is told of a file, each with its line in the text before."""
    result = results({"test_it.py": before}, to_async=to_async)["test_it.py"]
    return [f"{note.line}: {note.sentence}" for note in result.notes_for(written=False)]


def text(source: str) -> str:
    return dedent(source).lstrip("\n")

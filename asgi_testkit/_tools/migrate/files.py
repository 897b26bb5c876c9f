"""The files of a run: found, read, compared, written."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

#: Folders that are nobody's suite.
SKIPPED = {"__pycache__", "node_modules", "site-packages", "venv", "build", "dist"}


@dataclass(eq=False)
class File:
    """One Python file.

    Attributes:
        path: As it was named.
        text: What is in it now, with its own line ends.
        bom: Whether a byte order mark stands before the text.
    """

    path: Path
    text: str
    bom: bool = False

    def write(self, text: str) -> None:
        self.path.write_bytes(text.encode("utf-8-sig" if self.bom else "utf-8"))


def found(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the Python files below these paths, each once; a file that is named itself is one, whatever its name.

    Raises:
        FileNotFoundError: There is nothing at one of the paths.
    """
    seen = set()
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(path)
        inside = sorted(path.rglob("*.py")) if path.is_dir() else [path]
        for each in inside:
            below = each.relative_to(path).parts[:-1]
            skipped = any(name in SKIPPED or name.startswith(".") for name in below)
            if not skipped and each.is_file() and each.resolve() not in seen:
                seen.add(each.resolve())
                yield each


def read(path: Path) -> File:
    """Read a file.

    Raises:
        UnicodeDecodeError: It is not in UTF-8.
        OSError: It cannot be read.
    """
    data = path.read_bytes()
    bom = data.startswith(b"\xef\xbb\xbf")
    return File(path, data.decode("utf-8-sig" if bom else "utf-8"), bom)


def diff(file: File, text: str) -> str:
    """Return how the file differs from `text`, as ``diff -u`` would show it."""
    lines = difflib.unified_diff(
        file.text.splitlines(keepends=True),
        text.splitlines(keepends=True),
        str(file.path),
        str(file.path),
    )
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)

"""A stage in a folder, between the process of the server and that of the client."""

from __future__ import annotations

import json
import os
from pathlib import Path

from ..stage import Stage

#: The header that tells the app which run of which case a request belongs to.
RUN = b"x-run"


class FolderStage(Stage):
    """Where the ends of a case meet that are in two processes: two files."""

    patience = 1.0

    def __init__(self, folder: str | Path, run: str) -> None:
        self._notes = Path(folder, f"{run}.notes")
        self._gate = Path(folder, f"{run}.open")

    def note(self, kind: str, what: str = "") -> None:
        line = json.dumps([kind, what]).encode() + b"\n"
        descriptor = os.open(self._notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(descriptor, line)  # in one piece, whichever of an app's calls does it
        os.close(descriptor)

    def is_open(self) -> bool:
        return self._gate.exists()

    def open(self) -> None:
        self._gate.touch()

    def notes(self) -> list[tuple[str, str]]:
        if not self._notes.exists():
            return []
        notes = [json.loads(line) for line in self._notes.read_bytes().splitlines()]
        return [(kind, what) for kind, what in notes]

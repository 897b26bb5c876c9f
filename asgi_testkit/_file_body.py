"""Reads a file that an app wants sent as part of its response (pathsend, zerocopysend)."""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass
from inspect import iscoroutinefunction
from io import FileIO
from typing import Any

from ._types import Message

_PIECE = 65536  # bytes


@dataclass(frozen=True)
class FileBody:
    """What an app asks to send of a file.

    Attributes:
        file: The path of a file; or an open one, which stays open, or its file descriptor.
        offset: The byte to begin with; None: the position of the open file, which moves on then.
        count: The number of bytes, if there are as many; None: to the end of the file.
        more_body: Whether the body goes on after it.
    """

    file: Any
    offset: int | None
    count: int | None
    more_body: Any

    def messages(self) -> Generator[Message]:
        """Read the file, and yield the messages that an app without the extension would send.

        Raises:
            OSError: The file cannot be read.
        """
        is_open = not isinstance(self.file, str)
        source = self.file.fileno() if hasattr(self.file, "fileno") else self.file
        with FileIO(source, closefd=not is_open) as raw:
            # A file of Python's is ahead of its descriptor. One to be awaited cannot be asked: there, as for
            # os.sendfile, the descriptor counts.
            owner = self.file if hasattr(self.file, "seek") and not iscoroutinefunction(self.file.seek) else raw
            position = owner.tell() if self.offset is None else self.offset
            left = sys.maxsize if self.count is None else self.count
            while left and (piece := _read(raw, position, min(left, _PIECE))):
                position += len(piece)
                left -= len(piece)
                if self.offset is None:
                    owner.seek(position)
                yield {"type": "http.response.body", "body": piece, "more_body": True}
            yield {"type": "http.response.body", "more_body": self.more_body}


def _read(raw: FileIO, position: int, size: int) -> bytes:
    """Read at a position, and leave the file at its own."""
    before = raw.tell()
    raw.seek(position)
    try:
        return raw.read(size)
    finally:
        raw.seek(before)

"""Reads a file that an app wants sent as part of its response (pathsend, zerocopysend)."""

from __future__ import annotations

import sys
from collections.abc import Generator
from inspect import iscoroutinefunction
from io import FileIO

from .._protocol.extensions import FileBody
from .._types import Message

_PIECE = 65536  # bytes


def messages_of(body: FileBody) -> Generator[Message]:
    """Read a file, and yield the messages that an app without the extension would send.

    Raises:
        OSError: The file cannot be read.
    """
    is_open = not isinstance(body.file, str)
    source = body.file.fileno() if hasattr(body.file, "fileno") else body.file
    with FileIO(source, closefd=not is_open) as raw:
        # A file of Python's is ahead of its descriptor. One to be awaited cannot be asked: there, as for
        # os.sendfile, the descriptor counts.
        owner = body.file if hasattr(body.file, "seek") and not iscoroutinefunction(body.file.seek) else raw
        position = owner.tell() if body.offset is None else body.offset
        left = sys.maxsize if body.count is None else body.count
        while left and (piece := _read(raw, position, min(left, _PIECE))):
            position += len(piece)
            left -= len(piece)
            if body.offset is None:
                owner.seek(position)
            yield {"type": "http.response.body", "body": piece, "more_body": True}
        yield {"type": "http.response.body", "more_body": body.more_body}


def _read(raw: FileIO, position: int, size: int) -> bytes:
    """Read at a position, and leave the file at its own."""
    before = raw.tell()
    raw.seek(position)
    try:
        return raw.read(size)
    finally:
        raw.seek(before)

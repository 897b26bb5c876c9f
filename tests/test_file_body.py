"""What is read of a file, where from, and where the file stands then."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import anyio
import pytest

from asgi_testkit._conversation.file_body import messages_of
from asgi_testkit._protocol.extensions import FileBody

CONTENT = b"0123456789"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "digits"
    path.write_bytes(CONTENT)
    return path


def content(file: Any, offset: int | None = None, count: int | None = None) -> bytes:
    *parts, end = messages_of(FileBody(file, offset, count, more_body=False))
    assert all(part["more_body"] and part["body"] for part in parts)
    assert end == {"type": "http.response.body", "more_body": False}
    return b"".join(part["body"] for part in parts)


@pytest.fixture(params=["buffered", "raw", "text", "updating", "temporary"])
def opened(request: pytest.FixtureRequest, path: Path) -> Iterator[IO[Any]]:
    if request.param == "temporary":
        with tempfile.NamedTemporaryFile() as file:
            file.write(CONTENT)
            file.seek(0)
            yield file
    else:
        mode = {"text": "r", "updating": "r+b"}.get(request.param, "rb")
        with path.open(mode, buffering=0 if request.param == "raw" else -1) as file:
            yield file


def test_a_path_is_read_from_beginning_to_end(path: Path) -> None:
    assert content(str(path), 0) == CONTENT


@pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 200_000])
def test_a_file_is_read_in_pieces_of_64_kib(path: Path, size: int) -> None:
    path.write_bytes(b"x" * size)
    *parts, end = messages_of(FileBody(str(path), 0, None, more_body=True))
    assert [len(part["body"]) for part in parts[:-1]] == [65536] * ((size - 1) // 65536)
    assert sum(len(part["body"]) for part in parts) == size
    assert end["more_body"] is True


@pytest.mark.parametrize(
    "offset, count, seen",
    [
        (0, None, b"0123456789"),
        (4, None, b"456789"),
        (4, 3, b"456"),
        (8, 5, b"89"),
        (10, None, b""),
        (99, 1, b""),
        (2, 0, b""),
    ],
)
def test_an_offset_leaves_the_file_where_it_was(opened: IO[Any], offset: int, count: int | None, seen: bytes) -> None:
    opened.read(2)  # a buffered file reads ahead
    assert content(opened, offset, count) == seen
    assert opened.tell() == 2
    assert opened.read(1) in {"2", b"2"}


def test_without_an_offset_the_file_moves_on(opened: IO[Any]) -> None:
    opened.read(2)
    assert content(opened, count=3) == b"234"
    assert opened.tell() == 5
    assert content(opened, count=1) == b"5"
    assert opened.read(1) in {"6", b"6"}
    assert content(opened) == b"789"
    assert content(opened) == b""
    assert not opened.closed


def test_a_file_that_moved_is_read_from_there(opened: IO[Any]) -> None:
    opened.seek(7)
    assert content(opened) == b"789"


def test_a_file_descriptor_has_a_position_too(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.lseek(descriptor, 4, os.SEEK_SET)
        assert content(descriptor, 1, 2) == b"12"
        assert content(descriptor, count=2) == b"45"
        assert os.read(descriptor, 1) == b"6"
        assert content(descriptor) == b"789"
    finally:
        os.close(descriptor)


@pytest.mark.anyio
async def test_of_a_file_that_is_awaited_the_descriptor_counts(path: Path) -> None:
    async with await anyio.open_file(path, "rb") as file:
        assert content(file, 3, 2) == b"34"
        assert content(file, count=2) == b"01"
        assert content(file) == b"23456789"


def test_what_is_missing_or_no_file_is_an_error_of_the_system_s(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        content(str(tmp_path / "missing"), 0)
    with pytest.raises(IsADirectoryError):
        content(str(tmp_path), 0)


def test_a_pipe_has_no_position() -> None:
    descriptors = os.pipe()
    try:
        with pytest.raises(OSError, match="seek"):
            content(descriptors[0])
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def test_a_file_of_a_path_is_closed_however_far_it_was_read(path: Path) -> None:
    messages: Any = messages_of(FileBody(str(path), 0, None, more_body=False))
    next(messages)
    raw = messages.gi_frame.f_locals["raw"]
    assert not raw.closed
    messages.close()
    assert raw.closed

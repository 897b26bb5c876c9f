"""Cuts the body of a response into lines, and lines into server-sent events, as the parts of it come. Pure."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .._types import public


class Lines:
    """Cuts text into lines. Each ends with LF, CR LF or CR, wherever the parts of the text begin and end.

    A CR at the end of a part ends the line at once: what comes next may be long in coming. If that is an LF, it belongs
    to the CR.
    """

    def __init__(self, charset: str = "utf-8") -> None:
        """Begin with the body, which is in `charset`. What is not, is replaced by U+FFFD."""
        self._decoder = codecs.getincrementaldecoder(charset)(errors="replace")
        self._begun: list[str] = []  # of a line whose end has not come
        self._after_cr = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that end in the next part of the body."""
        return self._cut(self._decoder.decode(data))

    def finish(self) -> list[str]:
        """Return the line that the end of the body has broken off, if there is one."""
        rest = self._cut(self._decoder.decode(b"", final=True))
        begun, self._begun = "".join(self._begun), []
        return [*rest, begun] if begun else rest

    def _cut(self, text: str) -> list[str]:
        if not text:
            return []
        if self._after_cr and text[0] == "\n":
            text = text[1:]
        self._after_cr = text.endswith("\r") if text else False
        *ended, begun = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if ended:
            ended[0] = "".join([*self._begun, ended[0]])
            self._begun = []
        if begun:
            self._begun.append(begun)
        return ended


@public
@dataclass(frozen=True)
class ServerSentEvent:
    """An event of a stream, as a browser would get it (HTML standard, section 9.2.6).

    Attributes:
        event: Its type; ``"message"`` where the app has named none.
        data: Its data, lines of which are joined by a line feed.
        id: The id that the app has sent last, with this event or with one before; ``""`` for none.
        retry: After how many milliseconds the app wants a client to connect again, if it has said so since the event
            before this one; else None.
    """

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """Return what the data, which is JSON, stands for.

        Raises:
            ValueError: It is no JSON.
        """
        return json.loads(self.data)


class Events:
    """Makes events of lines. Comments are none; nor is what has no data, nor what the end of the stream breaks off."""

    def __init__(self) -> None:
        self._first = True
        self._type = ""
        self._data: list[str] = []
        self._id = ""
        self._retry: int | None = None

    def feed(self, lines: list[str]) -> Iterator[ServerSentEvent]:
        """Yield the events that end with these lines."""
        for line in lines:
            text = line.removeprefix("\ufeff") if self._first else line  # a byte order mark
            self._first = False
            if text:
                self._take(text)
                continue
            if self._data:
                yield ServerSentEvent(self._type or "message", "\n".join(self._data), self._id, self._retry)
                self._data, self._retry = [], None
            self._type = ""

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")  # a comment is a field without a name
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._type = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value)

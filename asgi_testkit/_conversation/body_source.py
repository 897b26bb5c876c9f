"""BodySource: the body of a response, cut into lines, JSON or events. To wait for the next one stops no app."""

from __future__ import annotations

import json
import zlib
from abc import abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from .._protocol.codings import decoder_of
from .._protocol.events import Events, Lines, ServerSentEvent
from .._protocol.patterns import shown
from .arrivals import Arrivals, Deadline
from .step import EndedError, Source

if TYPE_CHECKING:
    from .http import HTTPExchange

T = TypeVar("T")


class BodySource(Source[T]):
    """What comes of a body, as soon as it is whole."""

    noun = "line"
    conversation: HTTPExchange
    arrivals: Arrivals[Any]

    _failure: Exception | None = None  # what ended the body before its time
    _ended = False

    def __init__(self, exchange: HTTPExchange) -> None:
        """Take the body of `exchange`, which nobody else can read then.

        Raises:
            httpx.StreamConsumed: Somebody else reads it, or has.
            ValueError: It is in a content coding that is not undone here.
        """
        headers = {name.lower(): value.decode("latin-1") for name, value in exchange.headers}
        self._decode = decoder_of(headers.get(b"content-encoding", ""))
        exchange.claim()
        self.arrivals = Arrivals()
        self.conversation = exchange
        self._lines = Lines(self._charset(headers.get(b"content-type", "")))

    def _charset(self, content_type: str) -> str:  # noqa: ARG002 - for a body whose charset is not given by its format
        return "utf-8"

    @abstractmethod
    def cut(self, lines: list[str]) -> Iterable[Any]:
        """Return what the next lines of the body amount to."""

    def feed(self, chunks: Iterable[bytes]) -> None:
        """Take the next chunks of the body."""
        try:
            for chunk in chunks:
                self.arrivals.add(self.cut(self._lines.feed(self._decode(chunk))))
        except zlib.error as error:
            self._failure = self.conversation.undecodable(error)

    async def wait(self) -> None:
        """Wait for an item, at most as long as the client's read timeout.

        Raises:
            httpx.ReadTimeout: None came in time. Nothing is lost, and the app runs on.
            EndedError: None can come.
            BaseException: As `Source.fetch`.
        """
        timeout = self.conversation.read_timeout
        if not await self.fetch(-1, Deadline(timeout)):
            raise self.conversation.silent(timeout, f"waiting for {self.noun}s of the body")

    async def fetch(self, after: int, deadline: Deadline) -> bool:
        """Wait for an item; see `Source.fetch`."""
        exchange = self.conversation
        exchange.home.check()
        if not deadline.begin():
            return False
        has_waited = False
        while self._fetch_here(after) is None:
            left = deadline.left()
            if left == 0 and has_waited:  # comments came, perhaps
                return False
            has_waited = True
            try:
                in_time = await exchange.arrival(left)
            except Exception as error:
                self._failure = error
                raise
            if not in_time:
                return False
        return True

    def _fetch_here(self, after: int) -> object:
        """Fetch what is here. Return something if an item is, or None; raise the end where that is."""
        exchange = self.conversation
        self.feed(exchange.take_chunks())
        if (arrival := self.arrivals.after(after)) is not None:
            return arrival
        if self._failure is not None:
            raise self._failure
        if exchange.state.delivered:
            if self._ended:
                msg = "the response has come to its end"
                raise EndedError(msg)
            self._ended = True
            self.arrivals.add(self.cut(self._lines.finish()))
            return self._fetch_here(after)
        return None


class LineSource(BodySource[str]):
    """The lines of a body, without their ends."""

    def _charset(self, content_type: str) -> str:
        """Return the charset of the response, or UTF-8, as httpx has it."""
        for parameter in content_type.split(";")[1:]:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "charset":
                try:
                    b"-".decode(charset := value.strip().strip("\"'"), "replace")
                except (LookupError, ValueError):  # there is none, or it is no charset
                    break
                return charset
        return "utf-8"

    def cut(self, lines: list[str]) -> list[str]:
        """Return the lines."""
        return lines

    def view(self, arrival: str) -> str:
        """Return the line."""
        return arrival

    def json(self, arrival: str) -> Any:
        """Return what its JSON stands for."""
        return json.loads(arrival)


class JSONSource(BodySource[Any]):
    """The values of a body with JSON in each line. Empty lines are none."""

    def cut(self, lines: list[str]) -> list[str]:
        """Return the lines with something on them."""
        return [line for line in lines if line.strip()]

    def view(self, arrival: str) -> Any:
        """Return the value of a line."""
        try:
            return json.loads(arrival)
        except ValueError as error:
            error.add_note(f"The application sent the line {shown(arrival)}, which is no JSON. It is not lost.")
            raise

    json = view


class EventSource(BodySource[ServerSentEvent]):
    """The events of a body. What is not in UTF-8 is replaced, as browsers do."""

    noun = "event"

    def __init__(self, exchange: HTTPExchange) -> None:
        super().__init__(exchange)
        self._events = Events()

    def cut(self, lines: list[str]) -> list[ServerSentEvent]:
        """Return the events that end with these lines."""
        return list(self._events.feed(lines))

    def view(self, arrival: ServerSentEvent) -> ServerSentEvent:
        """Return the event."""
        return arrival

    def json(self, arrival: ServerSentEvent) -> Any:
        """Return what the JSON in its data stands for."""
        return arrival.json()

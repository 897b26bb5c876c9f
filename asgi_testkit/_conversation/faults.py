"""Faults: what stands between an app and its conversation where a test wants a network's whims.

Both sides talk to it as they would to each other, and an observer hears what the app gets of it. A client that is made
to go does so when the app next turns to it: so an app that is busy with what it has received is not cancelled for it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain
from random import Random
from typing import Any, Generic, TypeVar

from .._protocol.faults import (
    Disconnect,
    DropWebSocket,
    Fault,
    MissingKeys,
    NoneKeys,
    SlowReader,
    SplitBody,
)
from .._protocol.options import duration
from .._types import Message, SingleCallable
from .conversation import Conversation
from .errors import MakeError, Trouble
from .http import HTTPExchange
from .loop import call_later
from .observer import Observer, call
from .websocket import WebSocketConnection

C = TypeVar("C", bound=Conversation)
F = TypeVar("F", bound=Fault)


class Passing:
    """What has gone one way, and whether that makes the client go."""

    def __init__(self, faults: Sequence[Disconnect | DropWebSocket]) -> None:
        """Count for the faults that do not wait for a time."""
        self._faults = [fault for fault in faults if fault.after_seconds is None]
        self._bytes = 0
        self._messages = 0

    def room(self, size: int) -> int:
        """Return how many of so many bytes may pass before a client goes."""
        limits = [fault.after_bytes for fault in self._faults if isinstance(fault, Disconnect)]
        return min([size, *(limit - self._bytes for limit in limits if limit is not None)])

    def add(self, size: int) -> None:
        """Count a message of so many bytes."""
        self._bytes += size
        self._messages += 1

    def end(self) -> Disconnect | DropWebSocket | None:
        """Return the fault by which the client goes now; None if it stays."""
        return next(filter(self._is_due, self._faults), None)

    def _is_due(self, fault: Disconnect | DropWebSocket) -> bool:
        if isinstance(fault, Disconnect) and fault.after_bytes is not None:
            return self._bytes >= fault.after_bytes
        return self._messages >= (fault.after_messages or 0)


class Faults(ABC, Generic[C]):
    """The faults of one conversation, which an app is called through.

    Attributes:
        told: What they are, for a transcript.
    """

    _conversation: C

    def __init__(self, faults: Sequence[Fault], told: str, make_error: MakeError) -> None:
        """Take the faults; `make_error` makes what the client raises when one makes it go."""
        self.told: str = told
        self._faults = faults
        self._make_error = make_error
        self._keys: list[MissingKeys | NoneKeys] = [*self._of(NoneKeys), *self._of(MissingKeys)]
        self._pace = next(iter(self._of(SlowReader)), SlowReader())
        self._timers: list[Callable[[], object]] = []
        self._due: Disconnect | DropWebSocket | None = None  # the client goes when the app next turns to it
        self._has_gone = False

    def _of(self, kind: type[F]) -> list[F]:
        return [fault for fault in self._faults if isinstance(fault, kind)]

    def _leaving(self, during: str) -> list[Disconnect]:
        return [fault for fault in self._of(Disconnect) if fault.during == during]

    async def call(self, app: SingleCallable, conversation: Any, observer: Observer | None) -> None:
        """Call the app."""
        self._conversation = conversation
        self._begin()
        try:
            if observer is None:
                await app(conversation.scope, self.receive, self.send)
            else:
                await call(app, conversation, self.receive, self.send, observer)
            self._turn()
        finally:
            for call_off in self._timers:
                call_off()

    # The app's side

    @abstractmethod
    async def receive(self) -> Message:
        """Give the app the next message."""

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Take a message of the app."""

    def _with_keys(self, message: Message) -> Message:
        for fault in self._keys:
            message = fault.changed(message)
        return message

    # How the client goes

    @abstractmethod
    def _begin(self) -> None:
        """The app is about to be called."""

    @abstractmethod
    def _is_over(self, during: str) -> bool:
        """Whether that part of the conversation has ended."""

    def _turn(self) -> None:
        """The app turns to the client: if that is to go, it has gone."""
        fault, self._due = self._due, None
        if fault is not None:
            self._leave(fault)

    def _go(self, fault: Disconnect) -> None:
        """Have the client go when the app next turns to it, or its grace is over; at once if it is listening."""
        if self._due is None and not self._has_gone:
            self._due = fault
            if self._conversation.listening:
                self._turn()
            else:
                self._later(self._conversation.options.disconnect_grace, self._turn)

    def _go_in_time(self, faults: Sequence[Disconnect | DropWebSocket], during: str) -> None:
        """Have the client go when its time has come, unless that part of the conversation is over then."""

        def go(fault: Disconnect | DropWebSocket) -> None:
            if not self._is_over(during):
                self._leave(fault)

        for fault in faults:
            if fault.after_seconds is not None:
                self._later(fault.after_seconds, partial(go, fault))

    def _later(self, seconds: float, function: Callable[[], object]) -> None:
        limit = duration(seconds, "seconds")
        if limit is not None:
            self._timers.append(call_later(limit, function))

    def _leave(self, fault: Disconnect | DropWebSocket) -> None:
        conversation = self._conversation
        if not (self._has_gone or conversation.closed):
            self._has_gone = True
            uploading = isinstance(fault, Disconnect) and fault.during == "upload"
            msg = f"{conversation.name}: the client has gone, by the fault {fault!r}"
            error = self._make_error(Trouble.LOST_UPLOADING if uploading else Trouble.LOST, msg)
            conversation.lose(error, f"the fault {fault!r}")


class HTTPFaults(Faults[HTTPExchange]):
    """The faults of a request."""

    _uploaded = False  # whether the app has received all of the body

    def __init__(self, faults: Sequence[Fault], told: str, make_error: MakeError) -> None:
        super().__init__(faults, told, make_error)
        self._up = Passing(self._leaving("upload"))
        self._down = Passing(self._leaving("download"))
        self._splits = next(iter(self._of(SplitBody)), None)
        self._random = Random(self._splits.seed if self._splits is not None else 0)  # noqa: S311 - nothing secret
        self._parts: Iterator[Message] = iter(())

    def _begin(self) -> None:
        for during, passing in (("upload", self._up), ("download", self._down)):
            self._go_in_time(self._leaving(during), during)
            self._go_if(passing)

    def _go_if(self, passing: Passing) -> None:
        fault = passing.end()
        if isinstance(fault, Disconnect):
            self._go(fault)

    def _is_over(self, during: str) -> bool:
        return self._uploaded if during == "upload" else self._conversation.state.delivered

    async def receive(self) -> Message:
        """Give the app the next part of the request, as the faults have it, or the end."""
        self._turn()
        exchange = self._conversation
        message = None if exchange.deaf else next(self._parts, None)
        if message is None:
            message = await exchange.receive()
            if message["type"] != "http.request":
                return message
            if self._splits is not None:
                self._parts = chain(self._parts, self._splits.split(message, self._random))  # others may receive, too
                message = next(self._parts)
        return self._with_keys(self._limited(message))

    def _limited(self, message: Message) -> Message:
        """Return as much of a part as comes before the client goes."""
        body: bytes = message["body"]
        size = self._up.room(len(body))
        if size < len(body):
            message = {**message, "body": body[:size], "more_body": True}
        self._up.add(size)
        self._uploaded = not message["more_body"]
        if not self._uploaded:
            self._go_if(self._up)
        return message

    async def send(self, message: Message) -> None:
        """Take a message of the app, and let as much of it pass as the client reads before it goes."""
        self._turn()
        exchange = self._conversation
        carries = _size_of(message)
        if carries is None or exchange.state.delivered:
            await exchange.send(message)
            return
        if message["type"] == "http.response.body" and self._pace.seconds:
            await exchange.dawdle(self._pace.seconds)
        size = self._down.room(carries)
        is_cut = size < carries
        await exchange.send({**message, "body": message["body"][:size], "more_body": True} if is_cut else message)
        self._down.add(size)
        if not exchange.state.delivered:
            self._go_if(self._down)
        if is_cut:
            self._turn()
            await exchange.send(message)  # the rest of it, to nobody


def _size_of(message: Any) -> int | None:
    """Return how much of a body a message of the app brings; None if it is not one that counts."""
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "http.response.start":
        return 0
    body = message.get("body", b"") if kind == "http.response.body" else None
    return len(body) if isinstance(body, bytes | bytearray | memoryview) else None


class WebSocketFaults(Faults[WebSocketConnection]):
    """The faults of a WebSocket session."""

    def __init__(self, faults: Sequence[Fault], told: str, make_error: MakeError) -> None:
        super().__init__(faults, told, make_error)
        self._drops = self._of(DropWebSocket)
        self._both_ways = Passing(self._drops)

    def _begin(self) -> None:
        self._go_in_time(self._leaving("handshake"), "handshake")

    def _is_over(self, during: str) -> bool:
        return self._conversation.state.answered if during == "handshake" else self._conversation.state.closed

    async def receive(self) -> Message:
        """Give the app what the client sends, as the faults have it."""
        self._turn()
        message = await self._conversation.receive()
        kind = message.get("type") if isinstance(message, dict) else None  # a drop-in sends anything
        if kind == "websocket.connect":
            for fault in self._leaving("handshake"):
                if fault.after_seconds is None:
                    self._go(fault)
        elif kind == "websocket.receive":
            self._count()
        return self._with_keys(message) if kind is not None else message

    async def send(self, message: Message) -> None:
        """Take a message of the app."""
        self._turn()
        kind = message.get("type") if isinstance(message, dict) else None
        if kind == "websocket.send" and self._pace.seconds:
            await self._conversation.dawdle(self._pace.seconds)
        await self._conversation.send(message)
        if kind == "websocket.accept":
            self._go_in_time(self._drops, "session")
            self._drop()
        elif kind == "websocket.send":
            self._count()

    def _count(self) -> None:
        self._both_ways.add(0)
        self._drop()

    def _drop(self) -> None:
        fault = self._both_ways.end()
        if fault is not None and not self._is_over("session"):
            self._leave(fault)

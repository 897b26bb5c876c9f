"""Faults: what a network does to a server, as plain values, and what a seed draws of them.

What each means to an app is told in its class. The effects are those of `_conversation.faults`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from random import Random
from typing import Any, Literal, TypeAlias, TypeVar

from .._types import Message, public

K = TypeVar("K", bound="Fault")

#: When the client of a request goes.
During: TypeAlias = Literal["upload", "download", "handshake"]

#: How a body is split.
Parts: TypeAlias = Literal["one-byte", "empty", "random"]

_DURING = ("upload", "download", "handshake")
_PARTS = ("one-byte", "empty", "random")

#: Keys of messages to the app that may be missing (ASGI spec, "Optional"), and what stands for that.
_OPTIONAL: dict[str, dict[str, Any]] = {
    "http.request": {"body": b"", "more_body": False},
    "websocket.receive": {"text": None, "bytes": None},
    "websocket.disconnect": {"reason": ""},
}

_NOTHING: dict[str, Any] = {}

#: How many bytes a part of a random length has at most.
_LONGEST_PART = 64

#: Into how many parts of a random length a message is split at most: the last one has what is left.
_MOST_PARTS = 100


def _public(kind: type[K]) -> type[K]:
    return public(kind, "asgi_testkit.faults")


@_public
@dataclass(frozen=True, repr=False)
class Fault:
    """What all faults are: values, which can be compared, and never change."""

    def __repr__(self) -> str:
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        told = [f"{each.name}={given[each.name]!r}" for each in fields(self) if given[each.name] != each.default]
        return f"{type(self).__name__}({', '.join(told)})"


@_public
@dataclass(frozen=True, repr=False, kw_only=True)
class Disconnect(Fault):
    """The client goes in the middle of a request, or of a WebSocket handshake.

    When the app next turns to the client, by ``receive()`` or ``send()``, the client has gone: it gets
    ``http.disconnect``, or ``websocket.disconnect`` with code 1006. An app that does not within its
    ``disconnect_grace`` is cancelled. The test's call raises ``httpx.ReadError``, or, during an upload,
    ``httpx.WriteError``, whose text names the fault. Where that part of the request is over before, nothing happens.

    Attributes:
        during: ``"upload"``: until the app has received all of the body. ``"download"``: until the client has all of
            the response. ``"handshake"``: until the app has accepted a WebSocket, or has rejected it.
        after_bytes: Of the body, in that direction. What is beyond them is not delivered.
        after_messages: In that direction; the start of a response is one.
        after_seconds: Since the app was called. It is cancelled then, unless it is listening.

    At most one of the three is given. Without any, the client goes at once; in a handshake, when the app has received
    ``websocket.connect``.
    """

    during: During = "download"
    after_bytes: int | None = None
    after_messages: int | None = None
    after_seconds: float | None = None

    def __post_init__(self) -> None:
        _one_of(self.during, _DURING, "Disconnect(during=)")
        _one_limit(self, "after_bytes", "after_messages", "after_seconds")
        if self.during == "handshake" and not (self.after_bytes is None and self.after_messages is None):
            msg = "a handshake has no body and one message: Disconnect(during='handshake') takes after_seconds"
            raise ValueError(msg)


@_public
@dataclass(frozen=True, repr=False, kw_only=True)
class DropWebSocket(Fault):
    """A WebSocket connection is lost without a close frame, after it was accepted.

    The app receives ``websocket.disconnect`` with code 1005, as after ``session.abort()``, and its ``send()`` raises.
    The session raises `WebSocketDisconnect` with code 1006 when the test has received what came before.

    Attributes:
        after_messages: That have gone either way since the handshake.
        after_seconds: Since the handshake.

    At most one of the two is given. Without any, the connection is lost as soon as it was accepted.
    """

    after_messages: int | None = None
    after_seconds: float | None = None

    def __post_init__(self) -> None:
        _one_limit(self, "after_messages", "after_seconds")


@_public
@dataclass(frozen=True, repr=False)
class SlowReader(Fault):
    """The client reads slowly, so the app is held in its ``send()``.

    Attributes:
        seconds: How long it takes over each part of a body, and over each WebSocket message.
        write_buffer: How many bytes the app may be ahead of it, in place of the client's ``write_buffer`` if that is
            more. 0: each ``send()`` waits until the test has read what it brought.
    """

    seconds: float = 0.0
    write_buffer: int = 0

    def __post_init__(self) -> None:
        _number(self, "seconds", int | float)
        _number(self, "write_buffer", int)


@_public
@dataclass(frozen=True, repr=False)
class SplitBody(Fault):
    """The body of a request comes in other parts than it was sent in, as over a network.

    Attributes:
        parts: ``"one-byte"``: one byte in each. ``"empty"``: an empty part before each, and one at the end, which says
            that it is the end. ``"random"``: of any length, none included.
        seed: What random lengths are drawn by.
    """

    parts: Parts = "random"
    seed: int = 0

    def __post_init__(self) -> None:
        _one_of(self.parts, _PARTS, "SplitBody(parts=)")
        _seed(self)

    def split(self, message: Message, random: Random) -> Iterator[Message]:
        """Yield the messages that stand for one ``http.request``."""
        body: bytes = message["body"]
        last = not message["more_body"]
        pieces = [body]
        if self.parts == "one-byte":
            pieces = [body[place : place + 1] for place in range(len(body))] or [body]
        elif self.parts == "empty":
            pieces = [b"", body, b""] if last else [b"", body]
        else:
            pieces = list(_random_pieces(body, random))
        for number, piece in enumerate(pieces, 1):
            yield {**message, "body": piece, "more_body": not (last and number == len(pieces))}


def _random_pieces(body: bytes, random: Random) -> Iterator[bytes]:
    for _ in range(_MOST_PARTS):
        if not body:
            break
        size = random.randint(0, min(_LONGEST_PART, len(body)))
        yield body[:size]
        body = body[size:]
    yield body


@_public
@dataclass(frozen=True, repr=False)
class MissingKeys(Fault):
    """Messages to the app lack the keys that the ASGI spec calls optional, where they have the value that it names.

    ``body`` and ``more_body`` of ``http.request``, where it is empty or false; the one of ``text`` and ``bytes`` that
    is None; ``reason`` of ``websocket.disconnect``, where it is empty.
    """

    def changed(self, message: Message) -> Message:
        """Return a message without them."""
        optional = _OPTIONAL.get(message["type"], _NOTHING)
        return {key: value for key, value in message.items() if key not in optional or value != optional[key]}


@_public
@dataclass(frozen=True, repr=False)
class NoneKeys(Fault):
    """WebSocket messages to the app have the optional keys, with None as the value, as some servers send them.

    ``text`` beside bytes, ``bytes`` beside text, and an empty ``reason`` of ``websocket.disconnect``.
    """

    def changed(self, message: Message) -> Message:
        """Return a message with them."""
        if message["type"] == "websocket.receive":
            return {"type": "websocket.receive", "bytes": None, "text": None, **message}
        return {**message, "reason": None} if message.get("reason") == "" else message


@_public
@dataclass(frozen=True, repr=False)
class Chaos(Fault):
    """For each request, and each WebSocket session, other faults: what a seed draws.

    They are variations that an app has to cope with, and that leave the outcome as it is: the other faults of this
    module, but for `Disconnect` and `DropWebSocket`. What was drawn is in the transcript.

    It depends on the seed, the node id of the test, the number of the client in the test and of the request in the
    client (clients are counted in the order of their first requests in the test), and on nothing else.

    Attributes:
        seed: Any int.
        disconnects: Whether clients go as well, and WebSocket connections are lost.
    """

    seed: int
    disconnects: bool = False

    def __post_init__(self) -> None:
        _seed(self)
        if not isinstance(self.disconnects, bool):
            msg = f"Chaos(disconnects=) is a bool, not {self.disconnects!r}"
            raise TypeError(msg)

    def draw(self, kind: str, test: str, client: int, request: int) -> tuple[Fault, ...]:
        """Return the faults of a request.

        Args:
            kind: The type of its scope.
            test: The node id of the test.
            client: The number of the client in that.
            request: The number of the request in the client.
        """
        key = repr((self.seed, test, client, request))
        random = Random(int.from_bytes(hashlib.sha256(key.encode(errors="surrogatepass")).digest()))  # noqa: S311 - nothing secret
        drawn = _drawn_for_websocket(random) if kind == "websocket" else _drawn_for_http(random)
        going = _departure(kind, random)
        return (*drawn, *going) if self.disconnects else tuple(drawn)


def _drawn_for_http(random: Random) -> Iterator[Fault]:
    parts: Parts | None = random.choice([None, "one-byte", "empty", "random"])
    seed = random.randrange(10**6)
    if parts is not None:
        yield SplitBody(parts, seed if parts == "random" else 0)
    if random.random() < 0.5:
        yield MissingKeys()
    slow = SlowReader(write_buffer=random.choice([0, 1, 100, 1000]))
    if random.random() < 0.5:
        yield slow


def _drawn_for_websocket(random: Random) -> Iterator[Fault]:
    keys = random.choice([None, MissingKeys(), NoneKeys()])
    if keys is not None:
        yield keys
    if random.random() < 0.25:  # of the buffer, an app that sends to several depends
        yield SlowReader(seconds=0.001, write_buffer=65536)


def _departure(kind: str, random: Random) -> Iterator[Fault]:
    chance, number = random.random(), random.randrange(100)
    if kind == "websocket":
        if chance < 0.2:
            yield DropWebSocket(after_messages=number % 6)
        elif chance < 0.3:
            yield Disconnect(during="handshake")
    elif chance < 0.3:
        yield Disconnect(during="upload" if number % 2 else "download", after_bytes=number)


#: What the option ``faults`` takes.
GivenFaults: TypeAlias = Fault | Sequence[Fault] | None


def faults_of(value: Any) -> tuple[Fault, ...] | None:
    """Return what the option ``faults`` is as a tuple; None for what is not given.

    Raises:
        TypeError: There is something else than faults in it.
        ValueError: There are two of a kind.
    """
    if value is None:
        return None
    given = (value,) if isinstance(value, Fault) else tuple(value) if isinstance(value, list | tuple) else None
    if given is None or not all(isinstance(each, Fault) for each in given):
        msg = f"faults is a fault of asgi_testkit.faults, or a list of them, not {value!r}"
        raise TypeError(msg)
    single = [type(each) for each in given if not isinstance(each, Disconnect)]
    twice = {kind.__name__ for kind in single if single.count(kind) > 1}
    if twice:
        msg = f"faults has more than one {', '.join(sorted(twice))}: {value!r}"
        raise ValueError(msg)
    return given


def _one_of(value: object, known: Sequence[str], name: str) -> None:
    if value not in known:
        msg = f"{name} is one of {', '.join(map(repr, known))}, not {value!r}"
        raise ValueError(msg)


def _one_limit(fault: Fault, *names: str) -> None:
    given = [name for name in names if getattr(fault, name) is not None]
    if len(given) > 1:
        msg = f"{type(fault).__name__} takes one of {', '.join(names)}, and not {' and '.join(given)}"
        raise ValueError(msg)
    for name in given:
        _number(fault, name, int | float if name == "after_seconds" else int)


def _number(fault: Fault, name: str, kind: Any) -> None:
    value = getattr(fault, name)
    what = f"{type(fault).__name__}({name}=) is {'a number' if kind is int else 'in seconds'}, 0 or more, not {value!r}"
    if isinstance(value, bool) or not isinstance(value, kind):
        raise TypeError(what)
    if not value >= 0:  # nor is NaN
        raise ValueError(what)


def _seed(fault: SplitBody | Chaos) -> None:
    if isinstance(fault.seed, bool) or not isinstance(fault.seed, int):
        msg = f"{type(fault).__name__}(seed=) is an int, not {fault.seed!r}"
        raise TypeError(msg)

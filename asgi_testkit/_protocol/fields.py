"""What the three protocols share: the state machine, and checks for the fields of messages. Pure.

The functions raise `Illegal` for what no server would send.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, ClassVar, Generic, NoReturn, TypeVar

from .._errors import ASGIProtocolError
from .._types import Message

T = TypeVar("T")

#: RFC 9110 section 5.6.2: names of headers, and subprotocols.
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

#: Headers are checked once, and remembered up to this size in bytes, name and value: 1,024 of them weigh little.
REMEMBERED = 1024

# RFC 9110 section 5.5. Some servers send the other control characters, too.
_BAD_IN_VALUE = re.compile(rb"[\x00\x0a-\x0d]")
_BAD_IN_STRICT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Illegal(Exception):  # noqa: N818 - what is illegal, and what to check; never leaves the state tables
    """A message breaks a rule.

    Attributes:
        for_good: Whether nothing that follows could be right.
    """

    for_good = False


class Contradiction(Illegal):
    """A message belies what was sent before it."""

    for_good = True


class Quick(Enum):
    """An enum whose members are fast keys of a table: each is one object, and Enum's own hash is slow."""

    __hash__: ClassVar[Callable[[object], int]] = object.__hash__


class Automaton(ABC, Generic[T]):
    """A state machine given as a table. What the table has no transition for is refused.

    A message that is refused was never sent, as on servers: an app that handles the error may go on. Strictly, and
    after a contradiction, everything that follows is refused as well.

    Attributes:
        state: Where it is.
    """

    #: The table, and what the mistake usually is.
    transitions: ClassVar[Mapping[Any, Mapping[Any, Any]]]
    hints: ClassVar[Mapping[Any, str]]

    #: What a client calls a breach of the rules.
    violation: ClassVar[type[ASGIProtocolError]] = ASGIProtocolError

    state: Any
    _strict = True

    def handle(self, message: Message) -> T:
        """Take a message of the app, and return what it brings to the client, a copy: the app may reuse its buffers.

        Raises:
            ASGIProtocolError: The message is illegal.
        """
        before = self.state
        try:
            return self._take(self._kind_of(message), message)
        except Illegal as illegal:
            self._refuse(illegal, before)
        except BaseException:  # an iterator of headers that raises, say
            self.state = type(self.state).FAILED if self._strict else before
            raise

    def _kind_of(self, message: Any) -> Any:
        """Return the type of a message."""
        try:
            return message["type"]
        except (TypeError, KeyError, IndexError):
            raise Illegal(f"sent {message!r}, which is no ASGI message", "Messages are dicts with a 'type'.") from None

    @abstractmethod
    def _take(self, kind: Any, message: Message) -> T:
        """Do what `handle` does with a legal message, of this type; raise `Illegal` for another."""

    def _step(self, event: Any) -> None:
        state = self.state
        try:
            self.state = self.transitions[state][event]
        except KeyError:
            raise Illegal(f"sent {event.value} while {state.value}", self.hints.get((state, event), "")) from None

    def _refuse(self, illegal: Illegal, before: Any) -> NoReturn:
        self.state = type(self.state).FAILED if self._strict or illegal.for_good else before
        what, hint = illegal.args
        raise self.violation(f"application {what}. {hint}".rstrip()) from None


def octets(value: Any, what: str) -> bytes:
    """Return a copy of `value` as bytes."""
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    hint = f"Encode it: a {what} is bytes." if isinstance(value, str) else f"A {what} is bytes."
    raise Illegal(f"sent the {what} {value!r}", hint)


def header(name: Any, value: Any, *, strict: bool) -> tuple[bytes, bytes]:
    """Return a header as it goes to the client: the name as it is, the value without white space around it."""
    name = name if type(name) is bytes else octets(name, "header name")
    value = value if type(value) is bytes else octets(value, "header value")
    if not TOKEN.fullmatch(name):
        raise Illegal(f"sent a header named {name!r}", "Names are made of the characters that RFC 9110 5.6.2 allows.")
    if strict and name != name.lower():
        raise Illegal(f"sent a header named {name!r}", "ASGI asks for lower-cased names.")
    if (_BAD_IN_STRICT_VALUE if strict else _BAD_IN_VALUE).search(value):
        hint = "A value has no control characters (RFC 9110 5.5). Is something unchecked put into a header?"
        raise Illegal(f"sent the header {name!r} with the value {value!r}", hint)
    return name, value.strip(b" \t")


def headers_of(message: Message, *, strict: bool) -> list[tuple[bytes, bytes]]:
    """Return the headers of a message, as `header` has them."""
    headers = message.get("headers", ())
    try:
        return [header(name, value, strict=strict) for name, value in headers]
    except (TypeError, ValueError):
        raise not_pairs(headers) from None


def not_pairs(headers: Any) -> Illegal:
    """Return what is wrong with `headers` that cannot be gone through in pairs."""
    return Illegal(f"sent headers={headers!r}", "Headers are an iterable of [name, value] pairs of bytes.")


def stranger(kind: Any, known: Mapping[str, str]) -> Illegal:
    """Return what is wrong with a message of a type that does not belong here; `known` are usual mistakes."""
    hint = known.get(kind, "") if isinstance(kind, str) else "The type of a message is a string."
    return Illegal(f"sent a message of type {kind!r}, unknown here", hint)

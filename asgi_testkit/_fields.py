"""What the fields of an app's messages may hold, whatever the protocol. Pure."""

from __future__ import annotations

import re
from typing import Any

#: RFC 9110 section 5.6.2: names of headers, and subprotocols.
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")

#: Headers are checked once, and remembered up to this size in bytes, name and value: 1,024 of them weigh little.
REMEMBERED = 1024

# RFC 9110 section 5.5. Some servers send the other control characters, too.
_BAD_IN_VALUE = re.compile(rb"[\x00\x0a-\x0d]")
_BAD_IN_STRICT_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class Illegal(Exception):  # noqa: N818 - what is illegal, and what to check; never leaves the state tables
    """A message breaks a rule."""


def octets(value: Any, what: str) -> bytes:
    """Return a copy of `value` as bytes.

    Raises:
        Illegal: It is none of the kinds of bytes.
    """
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    hint = f"Encode it: a {what} is bytes." if isinstance(value, str) else f"A {what} is bytes."
    raise Illegal(f"sent the {what} {value!r}", hint)


def header(name: Any, value: Any, *, strict: bool) -> tuple[bytes, bytes]:
    """Return a header as it goes to the client: the name as it is, the value without white space around it.

    Raises:
        Illegal: No server would send it.
    """
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


def not_pairs(headers: Any) -> Illegal:
    """Return what is wrong with `headers` that cannot be gone through in pairs."""
    return Illegal(f"sent headers={headers!r}", "Headers are an iterable of [name, value] pairs of bytes.")


def kind_of(message: Any) -> Any:
    """Return the type of a message.

    Raises:
        Illegal: It has none.
    """
    try:
        return message["type"]
    except (TypeError, KeyError, IndexError):
        raise Illegal(f"sent {message!r}, which is no ASGI message", "Messages are dicts with a 'type'.") from None


def stranger(kind: Any, why: str) -> Illegal:
    """Return what is wrong with a message of a type that does not belong here."""
    return Illegal(
        f"sent a message of type {kind!r}, unknown here",
        why if isinstance(kind, str) else "The type of a message is a string.",
    )

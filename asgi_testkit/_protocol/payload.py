"""What a session sends and receives: text, bytes, JSON, and ASGI messages. Pure.

Data of another kind than is asked for is a TypeError; of the right kind, but with a value that cannot be sent, or is no
JSON, a ValueError. Both say what was there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from .._types import Message
from .websocket import MAX_REASON, NO_CODE, is_close_code

#: How JSON goes over the connection: in messages of text, or of bytes.
JSONMode: TypeAlias = Literal["text", "binary"]

Data: TypeAlias = str | bytes

#: What a message counts beside its data, so that empty ones fill a buffer, too.
MESSAGE_OVERHEAD = 16

#: How much of a message an error shows.
_SHOWN = 200


def text_message(data: str) -> Message:
    """Return the message to the app that carries a text."""
    if not isinstance(data, str):
        msg = f"send_text() takes a str, not {data!r}"
        raise TypeError(msg)
    if not data.isascii():
        data.encode()  # a lone surrogate is a UnicodeEncodeError, which is a ValueError
    return {"type": "websocket.receive", "text": data}


def bytes_message(data: bytes | bytearray | memoryview) -> Message:
    """Return the message to the app that carries bytes: a copy."""
    if not isinstance(data, bytes | bytearray | memoryview):
        msg = f"send_bytes() takes bytes, not {data!r}"
        raise TypeError(msg)
    return {"type": "websocket.receive", "bytes": bytes(data)}


def json_message(data: Any, mode: JSONMode) -> Message:
    """Return the message to the app that carries JSON: compact, and not restricted to ASCII."""
    _check_mode(mode)
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text_message(text) if mode == "text" else bytes_message(text.encode())


def data_of(message: Message) -> Data:
    """Return the data of a ``websocket.receive`` message."""
    text, data = message.get("text"), message.get("bytes")
    if (text is None) == (data is None):
        msg = f"websocket.receive carries either 'text' or 'bytes', and this does not: {message!r}"
        raise ValueError(msg)
    return text_message(text)["text"] if data is None else bytes_message(data)["bytes"]  # type: ignore[no-any-return, arg-type]  # the one that is not None


def any_message(message: Data | Message) -> Message:
    """Return the message to the app that `message` stands for: a copy of an ASGI message, or text and bytes in one."""
    if isinstance(message, str):
        return text_message(message)
    if not isinstance(message, Mapping):
        return bytes_message(message)
    kind = message.get("type")
    if kind == "websocket.receive":
        data = data_of(message)
        return {**message, "text" if isinstance(data, str) else "bytes": data}
    if kind != "websocket.disconnect":
        msg = f"a client sends websocket.receive and websocket.disconnect, not {kind!r}"
        raise ValueError(msg)
    return dict(message)


def size_of(message: Message) -> int:
    """Return what a message to the app counts in its buffer."""
    data = message.get("text")
    return len(message["bytes"] if data is None else data) + MESSAGE_OVERHEAD


def check_close(code: int | None, reason: str | None) -> int:
    """Check that a client can close with that, and return the code that it comes to: 1005 for None.

    Raises:
        TypeError: The reason is no text.
        ValueError: RFC 6455 does not allow the code (section 7.4), or the reason is longer than 123 bytes (5.5), or
            comes without a code.
    """
    if code is None and reason:
        msg = f"a close frame without a code has no room for the reason {reason!r} (RFC 6455 5.5.1)"
        raise ValueError(msg)
    if not (code is None or is_close_code(code)):
        msg = (
            f"no client closes with the code {code!r}: 1000 to 1003, 1007 to 1014 and 3000 to 4999 can be sent "
            "(RFC 6455 7.4). abort() is for a connection that is lost without a close frame"
        )
        raise ValueError(msg)
    if not isinstance(reason, str | None):
        msg = f"the reason of a close is a str, not {reason!r}"
        raise TypeError(msg)
    if reason is not None and len(reason.encode()) > MAX_REASON:
        msg = f"a close frame holds {MAX_REASON} bytes of reason in UTF-8 (RFC 6455 5.5), not {len(reason.encode())}"
        raise ValueError(msg)
    return NO_CODE if code is None else code


def as_data(data: Data) -> Data:
    """Return the data as it is."""
    return data


def as_message(data: Data) -> Message:
    """Return the ASGI message that the data came in."""
    return {"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data}


def as_text(data: Data) -> str:
    """Return the data, which is to be text."""
    if not isinstance(data, str):
        msg = f"the application sent bytes, not text: {_shown(data)}. It is not lost: receive_bytes() returns it"
        raise TypeError(msg)
    return data


def as_bytes(data: Data) -> bytes:
    """Return the data, which is to be bytes."""
    if isinstance(data, str):
        msg = f"the application sent text, not bytes: {_shown(data)}. It is not lost: receive_text() returns it"
        raise TypeError(msg)
    return data


def as_json(mode: JSONMode) -> Callable[[Data], Any]:
    """Return what decodes JSON."""
    _check_mode(mode)
    right_kind: Callable[[Data], Data] = as_text if mode == "text" else as_bytes

    def decode(data: Data) -> Any:
        try:
            return json.loads(right_kind(data))
        except ValueError as error:
            error.add_note(f"The application sent {_shown(data)}, which is no JSON. The message is not lost.")
            raise

    return decode


def _check_mode(mode: object) -> None:
    if mode not in ("text", "binary"):
        msg = f'mode is "text" or "binary", not {mode!r}'
        raise ValueError(msg)


def _shown(data: Data) -> str:
    shown = repr(data[:_SHOWN])
    return shown if len(data) <= _SHOWN else f"{shown}... ({len(data)} in all)"

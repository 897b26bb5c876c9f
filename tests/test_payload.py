"""What a session sends and receives: text, bytes, JSON and ASGI messages."""

from __future__ import annotations

import json
import re
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_testkit._protocol.payload import (
    MESSAGE_OVERHEAD,
    any_message,
    as_bytes,
    as_data,
    as_json,
    as_message,
    as_text,
    bytes_message,
    check_close,
    data_of,
    json_message,
    size_of,
    text_message,
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=8,
)

# To the app


@given(st.text(st.characters(codec="utf-8")))
def test_text_is_a_message(text: str) -> None:
    assert text_message(text) == {"type": "websocket.receive", "text": text}


@pytest.mark.parametrize("data", [b"bytes", 5, None, ["a"]], ids=repr)
def test_what_is_no_text_is_none(data: Any) -> None:
    with pytest.raises(TypeError, match=rf"^send_text\(\) takes a str, not {re.escape(repr(data))}$"):
        text_message(data)


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_utf_8_cannot_encode_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        text_message(text)


@pytest.mark.parametrize("kind", [bytes, bytearray, lambda data: memoryview(bytearray(data))])
def test_bytes_are_a_message_and_a_copy(kind: Any) -> None:
    data = kind(b"bytes")
    message = bytes_message(data)
    assert type(message["bytes"]) is bytes
    if kind is not bytes:
        data[:] = b"....."
    assert message == {"type": "websocket.receive", "bytes": b"bytes"}


@pytest.mark.parametrize("data", ["text", 5, None, [1]], ids=repr)
def test_what_is_no_bytes_is_none(data: Any) -> None:
    with pytest.raises(TypeError, match=rf"^send_bytes\(\) takes bytes, not {re.escape(repr(data))}$"):
        bytes_message(data)


@given(json_values)
def test_json_goes_there_and_back(value: Any) -> None:
    text, data = json_message(value, "text")["text"], json_message(value, "binary")["bytes"]
    assert data == text.encode()
    assert as_json("text")(text) == as_json("binary")(data) == value


def test_json_is_compact_and_not_restricted_to_ascii() -> None:
    value = {"caf\u00e9": [1, 2.5, None], "b": "\U0001f600"}
    text = '{"caf\u00e9":[1,2.5,null],"b":"\U0001f600"}'
    assert json_message(value, "text") == {"type": "websocket.receive", "text": text}
    assert json_message(value, "binary") == {"type": "websocket.receive", "bytes": text.encode()}


@pytest.mark.parametrize("mode", ["text", "binary"])
def test_what_has_no_json_is_an_error(mode: Any) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        json_message({1, 2}, mode)
    with pytest.raises(ValueError, match="surrogates not allowed"):
        json_message("\ud800", mode)


@pytest.mark.parametrize("mode", ["bytes", "", None, 5], ids=repr)
def test_an_unknown_mode_is_an_error(mode: Any) -> None:
    text = rf'^mode is "text" or "binary", not {mode!r}$'
    with pytest.raises(ValueError, match=text):
        json_message({}, mode)
    with pytest.raises(ValueError, match=text):
        as_json(mode)


@pytest.mark.parametrize(
    "message, data",
    [
        ({"type": "websocket.receive", "text": "a"}, "a"),
        ({"type": "websocket.receive", "text": ""}, ""),
        ({"type": "websocket.receive", "text": "a", "bytes": None}, "a"),
        ({"type": "websocket.receive", "bytes": b"a"}, b"a"),
        ({"type": "websocket.receive", "bytes": b"", "text": None}, b""),
        ({"type": "websocket.receive", "bytes": bytearray(b"a")}, b"a"),
    ],
)
def test_a_message_is_sent_as_it_is(message: Any, data: Any) -> None:
    assert data_of(message) == data
    sent = any_message(message)
    assert sent == message
    assert sent is not message
    assert size_of(sent) == len(data) + MESSAGE_OVERHEAD


@pytest.mark.parametrize(
    "message",
    [
        {"type": "websocket.receive"},
        {"type": "websocket.receive", "text": None, "bytes": None},
        {"type": "websocket.receive", "text": "a", "bytes": b"a"},
    ],
)
def test_a_message_carries_either_text_or_bytes(message: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"and this does not: {message!r}")):
        any_message(message)


@pytest.mark.parametrize(
    "message", [{"type": "websocket.receive", "text": b"a"}, {"type": "websocket.receive", "bytes": "a"}]
)
def test_a_message_carries_the_right_type(message: Any) -> None:
    with pytest.raises(TypeError, match="takes"):
        any_message(message)


@pytest.mark.parametrize("kind", ["websocket.send", "websocket.connect", "http.request", None, 5])
def test_a_message_that_no_client_sends_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=f"^a client sends websocket.receive and websocket.disconnect, not {kind!r}$"):
        any_message({"type": kind, "text": "a"})
    with pytest.raises(ValueError, match="not None"):
        any_message({})


def test_anything_else_is_text_bytes_or_an_error() -> None:
    assert any_message("a") == text_message("a")
    assert any_message(b"a") == bytes_message(b"a")
    close = {"type": "websocket.disconnect", "code": 1000}
    assert any_message(MappingProxyType(close)) == close  # type: ignore[arg-type]  # a mapping will do
    for nothing in (5, None, ["a"]):
        with pytest.raises(TypeError, match="takes bytes"):
            any_message(nothing)  # type: ignore[arg-type]  # which is the point


# From the app


def test_data_comes_as_it_is_or_in_its_message() -> None:
    assert (as_data("a"), as_data(b"a")) == ("a", b"a")
    assert as_message("a") == {"type": "websocket.send", "text": "a"}
    assert as_message(b"") == {"type": "websocket.send", "bytes": b""}


def test_the_right_kind_is_returned() -> None:
    assert (as_text(""), as_bytes(b"\xff")) == ("", b"\xff")


def test_the_other_kind_is_an_error_that_shows_it() -> None:
    with pytest.raises(TypeError) as of_bytes:
        as_text(b"\xff")
    assert str(of_bytes.value) == (
        r"the application sent bytes, not text: b'\xff'. It is not lost: receive_bytes() returns it"
    )
    with pytest.raises(TypeError) as of_text:
        as_bytes("a")
    assert str(of_text.value) == "the application sent text, not bytes: 'a'. It is not lost: receive_text() returns it"
    for mode, data in (("text", b"{}"), ("binary", "{}")):
        with pytest.raises(TypeError, match="It is not lost"):
            as_json(mode)(data)  # type: ignore[arg-type]  # mypy takes it for any string


@pytest.mark.parametrize("length, shown", [(200, f"{'x' * 200!r}"), (201, f"{'x' * 200!r}... (201 in all)")])
def test_an_error_shows_no_more_than_the_beginning(length: int, shown: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"not bytes: {shown}. It is not lost")):
        as_bytes("x" * length)


@pytest.mark.parametrize("mode, data", [("text", "no json"), ("binary", b"no json"), ("binary", b"\xff\xfe\xff")])
def test_what_is_no_json_is_an_error_that_shows_it(mode: Any, data: Any) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|codec can't decode") as caught:
        as_json(mode)(data)
    assert isinstance(caught.value, json.JSONDecodeError | UnicodeDecodeError)
    assert caught.value.__notes__ == [f"The application sent {data!r}, which is no JSON. The message is not lost."]


# The close


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
@pytest.mark.parametrize("reason", [None, "", "x" * 123, "\u00e9" * 61 + "x"], ids=["none", "empty", "long", "wide"])
def test_a_client_may_close_with_that(code: int, reason: str | None) -> None:
    assert check_close(code, reason) == code


@pytest.mark.parametrize("reason", [None, ""])
def test_a_client_may_close_without_a_code(reason: str | None) -> None:
    assert check_close(None, reason) == 1005
    with pytest.raises(ValueError, match="has no room for the reason 'bye'"):
        check_close(None, "bye")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.0, True, "1000"], ids=repr)
def test_a_client_may_not_close_with_that(code: Any) -> None:
    with pytest.raises(ValueError, match=rf"^no client closes with the code {re.escape(repr(code))}: 1000 to 1003,"):
        check_close(code, None)


@pytest.mark.parametrize("reason", ["x" * 124, "\u00e9" * 62])
def test_a_reason_that_a_close_frame_does_not_hold_is_an_error(reason: str) -> None:
    with pytest.raises(
        ValueError, match=r"^a close frame holds 123 bytes of reason in UTF-8 \(RFC 6455 5.5\), not 124$"
    ):
        check_close(1000, reason)


@pytest.mark.parametrize("reason", [5, b"bytes"])
def test_a_reason_that_is_no_text_is_an_error(reason: Any) -> None:
    with pytest.raises(TypeError, match=f"^the reason of a close is a str, not {reason!r}$"):
        check_close(1000, reason)


def test_a_reason_that_utf_8_cannot_encode_is_an_error() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        check_close(1000, "\ud800")


def test_the_bytes_of_a_message_are_copied() -> None:
    data = bytearray(b"abc")
    message = any_message({"type": "websocket.receive", "bytes": data, "text": None, "extra": 1})
    data[:] = b"xyz"
    assert message == {"type": "websocket.receive", "bytes": b"abc", "text": None, "extra": 1}

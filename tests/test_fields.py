"""What a message's fields may hold, where `test_http_state` does not show it: the functions themselves."""

from __future__ import annotations

from collections import UserDict
from typing import Any

import pytest

from asgi_testkit import ASGIProtocolError
from asgi_testkit._protocol import http, lifespan, websocket
from asgi_testkit._protocol.fields import TOKEN, Illegal, header, not_pairs, octets, stranger


@pytest.mark.parametrize(
    "value, seen",
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"\x00\xff", b"\x00\xff", id="bytes"),
        pytest.param(bytearray(b"ba"), b"ba", id="bytearray"),
        pytest.param(memoryview(b"mv"), b"mv", id="memoryview"),
        pytest.param(memoryview(b"mvmv").cast("H"), b"mvmv", id="memoryview of two-byte items"),
        pytest.param(memoryview(b"m-v-")[::2], b"mv", id="memoryview with gaps"),
    ],
)
def test_every_kind_of_bytes_becomes_bytes(value: Any, seen: bytes) -> None:
    taken = octets(value, "thing")
    assert taken == seen
    assert type(taken) is bytes


def test_a_buffer_that_is_used_again_does_not_change_what_was_taken() -> None:
    buffer = bytearray(b"before")
    taken = octets(memoryview(buffer), "thing")
    buffer[:] = b"after!"
    assert taken == b"before"


@pytest.mark.parametrize("value", ["text", 5, 0, None, [120], True], ids=repr)
def test_what_is_no_kind_of_bytes_is_illegal(value: object) -> None:
    with pytest.raises(Illegal) as caught:
        octets(value, "thing")
    what, hint = caught.value.args
    assert what == f"sent the thing {value!r}"
    assert hint == ("Encode it: a thing is bytes." if isinstance(value, str) else "A thing is bytes.")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("strict", [False, True])
def test_both_halves_of_a_header_may_be_any_kind_of_bytes(kind: type, strict: bool) -> None:
    pair = header(kind(b"x-name"), kind(b"\t value "), strict=strict)
    assert pair == (b"x-name", b"value")
    assert [type(half) for half in pair] == [bytes, bytes]


@pytest.mark.parametrize(
    "name, value", [("x-str", b"value"), (b"x-name", "str"), (None, b"value"), (b"x-name", 1)], ids=repr
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_header_that_is_not_of_bytes_is_illegal(name: Any, value: Any, strict: bool) -> None:
    with pytest.raises(Illegal, match=r"sent the header (name|value)"):
        header(name, value, strict=strict)


@pytest.mark.parametrize(
    "name, value, hint",
    [
        pytest.param(b"x name", b"", "RFC 9110 5.6.2", id="name"),
        pytest.param(b"x-name", b"a\r\nb: c", "RFC 9110 5.5", id="value"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_header_that_no_server_sends_is_illegal(name: bytes, value: bytes, hint: str, strict: bool) -> None:
    with pytest.raises(Illegal) as caught:
        header(name, value, strict=strict)
    assert hint in caught.value.args[1]


@pytest.mark.parametrize("name, value", [(b"X-Name", b""), (b"x-name", b"\x01")])
def test_a_header_that_servers_send_and_the_spec_forbids_is_illegal_in_strict_only(name: bytes, value: bytes) -> None:
    assert header(name, value, strict=False) == (name, value)
    with pytest.raises(Illegal):
        header(name, value, strict=True)


def test_a_token_has_the_characters_of_rfc_9110_and_no_others() -> None:
    allowed = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert {byte for byte in range(256) if TOKEN.fullmatch(bytes([byte]))} == set(allowed)
    assert TOKEN.fullmatch(allowed)
    assert not TOKEN.fullmatch(b"")


@pytest.mark.parametrize("message", [{"type": ["x"]}, UserDict({"type": ["x"]})], ids=["dict", "UserDict"])
def test_a_message_is_any_mapping_and_its_type_anything(message: Any) -> None:
    with pytest.raises(ASGIProtocolError, match=r"a message of type \['x'\], unknown here. The type of a message is a"):
        http.HTTPResponseState(method="GET").handle(message)


class Row:
    """What has a length and no keys: a row of a database, say."""

    def __getitem__(self, index: object) -> object:
        raise IndexError(index)

    def __repr__(self) -> str:
        return "Row()"


@pytest.mark.parametrize("message", [None, 5, "type", b"type", [], ("type",), {}, {"Type": "x"}, Row()], ids=repr)
def test_what_has_no_type_is_no_message(message: object) -> None:
    with pytest.raises(ASGIProtocolError) as caught:
        websocket.WebSocketState().handle(message)  # type: ignore[arg-type]
    text = f"application sent {message!r}, which is no ASGI message. Messages are dicts with a 'type'."
    assert str(caught.value) == text


def test_a_stranger_is_told_by_its_type_and_the_reason() -> None:
    assert stranger("x", {"x": "Why not."}).args == ("sent a message of type 'x', unknown here", "Why not.")


@pytest.mark.parametrize("kind", [None, 5, b"x", ["x"]], ids=repr)
def test_a_type_that_is_no_string_is_a_stranger_for_that(kind: object) -> None:
    what, hint = stranger(kind, {"x": "Why not."}).args
    assert what == f"sent a message of type {kind!r}, unknown here"
    assert hint == "The type of a message is a string."


def test_headers_that_are_no_pairs_are_shown() -> None:
    what, hint = not_pairs({b"x": b"1"}).args
    assert what == "sent headers={b'x': b'1'}"
    assert "[name, value] pairs" in hint


# The tables of the three automata


@pytest.mark.parametrize("automaton", [http, lifespan, websocket])
def test_a_table_has_a_row_for_every_state_and_none_leads_to_failure(automaton: Any) -> None:
    assert automaton.TRANSITIONS.keys() == set(automaton.State)
    assert all(automaton.State.FAILED not in row.values() for row in automaton.TRANSITIONS.values())


@pytest.mark.parametrize("automaton", [http, lifespan, websocket])
def test_hints_are_for_mistakes_only(automaton: Any) -> None:
    assert all(event not in automaton.TRANSITIONS[state] for state, event in automaton.HINTS)

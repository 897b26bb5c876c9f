"""The automaton of a WebSocket connection: every state against every event, and every check of a message."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Callable, Iterator
from enum import IntEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_testkit import ASGIProtocolError
from asgi_testkit._protocol.extensions import DENIAL
from asgi_testkit._protocol.websocket import (
    ABNORMAL,
    HINTS,
    MAX_REASON,
    NO_CODE,
    STRANGERS,
    TRANSITIONS,
    Event,
    State,
    WebSocketState,
    is_close_code,
)

from .tables import arrive, pairs, refusal_of

DENIAL_START, DENIAL_BODY = f"{DENIAL}.start", f"{DENIAL}.body"

#: What the errors of a denial response begin with.
DENYING = "application answered the handshake with a response, and "


def accept(*headers: tuple[object, object], **more: object) -> dict[str, Any]:
    return {"type": "websocket.accept", "headers": list(headers), **more}


def send(**data: object) -> dict[str, Any]:
    return {"type": "websocket.send", **data}


def close(**more: object) -> dict[str, Any]:
    return {"type": "websocket.close", **more}


def deny(*headers: tuple[object, object], status: object = 401) -> dict[str, Any]:
    return {"type": DENIAL_START, "status": status, "headers": list(headers)}


def body(content: object = b"", **more: object) -> dict[str, Any]:
    return {"type": DENIAL_BODY, "body": content, **more}


def fresh(*, strict: bool = False) -> WebSocketState:
    return WebSocketState(subprotocols=["chat", "v2.chat"], offered={DENIAL: {}}, strict=strict)


def after(*messages: dict[str, Any], strict: bool = False) -> WebSocketState:
    connection = fresh(strict=strict)
    for message in messages:
        connection.handle(message)
    return connection


def opened(*, strict: bool = False) -> WebSocketState:
    return after(accept(), strict=strict)


def refusal(connection: WebSocketState, message: Any) -> str:
    """Send what is illegal; return what the app is told. The connection is where it was, unless all is strict."""
    before = connection.state
    with pytest.raises(ASGIProtocolError) as caught:
        connection.handle(message)
    assert connection.state is (State.FAILED if connection._strict else before)
    return str(caught.value)


class Flags(NamedTuple):
    """What the client may rely on; none of it is ever taken back."""

    answered: bool = False
    accepted: bool = False
    rejected: bool = False
    closed: bool = False


def flags(connection: WebSocketState) -> Flags:
    return Flags(connection.answered, connection.accepted, connection.rejected, connection.closed)


MESSAGES: dict[Event, dict[str, Any]] = {
    Event.ACCEPT: accept((b"x-a", b"1"), subprotocol="chat"),
    Event.SEND: send(text="hello"),
    Event.CLOSE: close(code=4000, reason="bye"),
    Event.DENIAL_START: deny((b"x-a", b"1")),
    Event.DENIAL_BODY: body(b"part", more_body=True),
    Event.LAST_DENIAL_BODY: body(b"end"),
}

NONSENSE = {"type": "nonsense"}

#: What a fresh automaton is sent to get it there; the last message that leads to FAILED is the illegal one.
ROADS: dict[State, list[dict[str, Any]]] = {
    State.CONNECTING: [],
    State.OPEN: [accept()],
    State.DENYING: [deny()],
    State.DENIED: [deny(), body()],
    State.REJECTED: [close()],
    State.CLOSED: [accept(), close()],
    State.FAILED: [accept(), NONSENSE],
}

LEGAL = pairs(TRANSITIONS, Event, legal=True)
ILLEGAL = pairs(TRANSITIONS, Event, legal=False)


def arrived(state: State) -> WebSocketState:
    return arrive(fresh(strict=state is State.FAILED), state, ROADS[state], WebSocketState.handle)


# The tables


def test_strangers_are_no_messages_of_the_protocol_unless_they_have_to_be_offered() -> None:
    assert STRANGERS.keys() & {event.value for event in Event} == {DENIAL_START, DENIAL_BODY}


@pytest.mark.parametrize("state, event", LEGAL)
def test_a_legal_message_leads_where_the_table_says(state: State, event: Event) -> None:
    connection = arrived(state)
    connection.handle(MESSAGES[event])
    assert connection.state is TRANSITIONS[state][event]


@pytest.mark.parametrize("state, event", ILLEGAL)
def test_an_illegal_message_fails_and_the_text_says_what_and_when_and_why(state: State, event: Event) -> None:
    connection = arrived(state)
    before = flags(connection)
    text = refusal(connection, MESSAGES[event])
    assert text == refusal_of(state, event, HINTS)
    assert flags(connection) == before


@pytest.mark.parametrize("event", list(Event))
def test_strictly_a_failure_is_for_good(event: Event) -> None:
    connection = fresh(strict=True)
    refusal(connection, NONSENSE)
    assert State.FAILED.value in refusal(connection, MESSAGES[event])


@pytest.mark.parametrize("state, event", LEGAL)
def test_what_was_refused_was_never_sent(state: State, event: Event) -> None:
    connection = arrived(state)
    refusal(connection, NONSENSE)
    connection.handle(MESSAGES[event])
    assert connection.state is TRANSITIONS[state][event]


@pytest.mark.parametrize(
    "messages, hint",
    [
        pytest.param([send(text="a")], "Send websocket.accept first", id="send before accept"),
        pytest.param([body()], "Send websocket.http.response.start", id="denial's body before its start"),
        pytest.param([body(more_body=True)], "Send websocket.http.response.start", id="part of it before its start"),
        pytest.param([accept(), accept()], "middleware", id="second accept"),
        pytest.param([accept(), deny()], "in place of websocket.accept", id="denial after accept"),
        pytest.param([close(), accept()], "`return`", id="accept after a rejection"),
        pytest.param([close(), send(text="a")], "before websocket.accept rejects", id="send after a rejection"),
        pytest.param([deny(), accept()], "`return`", id="accept amid a denial"),
        pytest.param([deny(), close()], "ends with websocket.http.response.body", id="close amid a denial"),
        pytest.param([deny(), body(), close()], "nothing follows it", id="close after a denial"),
        pytest.param([accept(), close(), send(text="a")], "another task", id="send after close"),
        pytest.param([accept(), close(), close()], "in a handler", id="second close"),
    ],
)
def test_what_servers_refuse_is_refused_with_advice(messages: list[dict[str, Any]], hint: str) -> None:
    assert hint in refusal(after(*messages[:-1]), messages[-1])


# What the client may rely on


@pytest.mark.parametrize(
    "messages, expected",
    [
        pytest.param([], Flags(), id="nothing"),
        pytest.param([accept()], Flags(answered=True, accepted=True), id="accepted"),
        pytest.param([accept(), send(text="a")], Flags(answered=True, accepted=True), id="in use"),
        pytest.param([accept(), close()], Flags(answered=True, accepted=True, closed=True), id="closed"),
        pytest.param([close()], Flags(answered=True, rejected=True), id="rejected"),
        pytest.param([deny()], Flags(answered=True), id="denial begun"),
        pytest.param([deny(), body(b"a", more_body=True)], Flags(answered=True), id="denial under way"),
        pytest.param([deny(), body()], Flags(answered=True), id="denied"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_the_flags_tell_what_has_happened_and_no_illegal_message_changes_that(
    messages: list[dict[str, Any]], expected: Flags, strict: bool
) -> None:
    connection = after(*messages, strict=strict)
    assert flags(connection) == expected
    refusal(connection, NONSENSE)
    assert flags(connection) == expected


@pytest.mark.parametrize(
    "messages, delivered",
    [
        ([], False),
        ([accept()], False),
        ([accept(), close()], True),
        ([close()], True),
        ([deny()], False),
        ([deny((b"content-length", b"1"))], False),
        ([deny((b"content-length", b"1")), body(b"a", more_body=True)], True),
        ([deny(status=204)], True),
        ([deny(), body()], True),
    ],
)
def test_the_client_can_expect_no_more_after_the_last_word_or_all_of_a_denial_s_length(
    messages: list[dict[str, Any]], delivered: bool
) -> None:
    assert after(*messages).delivered == delivered


@pytest.mark.parametrize(
    "messages, expected",
    [
        pytest.param([accept(subprotocol="other")], Flags(), id="accept with a subprotocol"),
        pytest.param([accept((b"x-v", b"\n"))], Flags(), id="accept with a header"),
        pytest.param([close(code=1005)], Flags(), id="rejection"),
        pytest.param([deny(status=99)], Flags(), id="start of a denial"),
        pytest.param([deny(), body("text")], Flags(answered=True), id="end of a denial"),
        pytest.param([accept(), send()], Flags(answered=True, accepted=True), id="data"),
        pytest.param([accept(), close(code=1005)], Flags(answered=True, accepted=True), id="close"),
    ],
)
def test_a_message_that_is_refused_sets_no_flag(messages: list[dict[str, Any]], expected: Flags) -> None:
    connection = after(*messages[:-1], strict=True)
    refusal(connection, messages[-1])
    assert flags(connection) == expected


# Messages of other types, and what is no message


@pytest.mark.parametrize("state", [state for state in State if state is not State.FAILED])
@pytest.mark.parametrize("kind", [kind for kind in STRANGERS if kind not in {DENIAL_START, DENIAL_BODY}])
def test_a_message_from_elsewhere_is_refused_with_the_reason(kind: str, state: State) -> None:
    text = refusal(arrived(state), {"type": kind})
    assert repr(kind) in text
    assert STRANGERS[kind] in text


@pytest.mark.parametrize("kind", ["websocket.nope", "", "WEBSOCKET.ACCEPT", "websocket.ping"])
def test_an_unknown_type_is_refused(kind: str) -> None:
    assert repr(kind) in refusal(fresh(), {"type": kind})


@pytest.mark.parametrize("kind", [None, 5, b"websocket.accept", ["x"], {}], ids=repr)
def test_a_type_that_is_no_string_is_refused(kind: object) -> None:
    text = refusal(fresh(), {"type": kind})
    assert repr(kind) in text
    assert "is a string" in text


@pytest.mark.parametrize(
    "message", [None, {}, [], "websocket.accept", b"websocket.accept", 5, {"code": 1000}, ["websocket.close"]], ids=repr
)
@pytest.mark.parametrize("state", [State.CONNECTING, State.OPEN])
def test_what_is_no_message_is_refused(message: object, state: State) -> None:
    text = refusal(arrived(state), message)
    assert repr(message) in text
    assert "Messages are dicts with a 'type'." in text


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
def test_any_mapping_is_a_message(kind: Any) -> None:
    connection = fresh()
    connection.handle(kind(accept()))
    assert connection.handle(kind(send(text="a"))) == "a"
    connection.handle(kind(close(code=1001)))
    assert (connection.state, connection.close_code) == (State.CLOSED, 1001)


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
def test_any_mapping_is_a_message_of_a_denial(kind: Any) -> None:
    connection = fresh()
    connection.handle(kind(deny(status=403)))
    assert connection.handle(kind(body(b"no"))) == b"no"
    assert connection.denial.status == 403


def test_keys_that_mean_nothing_are_ignored() -> None:
    connection = after({**accept(), "mine": 1, "text": 5}, {**send(text="a"), "code": "x"}, strict=True)
    connection.handle({**close(), "mine": 1, "bytes": 5})
    assert connection.state is State.CLOSED


# The subprotocol of an accept


@pytest.mark.parametrize("subprotocol", ["chat", "v2.chat", None])
@pytest.mark.parametrize("strict", [False, True])
def test_one_of_the_subprotocols_may_be_chosen_or_none(subprotocol: str | None, strict: bool) -> None:
    connection = after(accept(subprotocol=subprotocol), strict=strict)
    assert connection.accepted
    assert connection.subprotocol == subprotocol


def test_a_subprotocol_may_be_left_out() -> None:
    assert opened().subprotocol is None


@pytest.mark.parametrize("container", [list, tuple, set, dict.fromkeys])
def test_subprotocols_may_be_in_any_container(container: Callable[[list[str]], Any]) -> None:
    connection = WebSocketState(subprotocols=container(["chat"]))
    connection.handle(accept(subprotocol="chat"))
    assert connection.subprotocol == "chat"


@pytest.mark.parametrize(
    "subprotocol", ["other", "", "CHAT", "cha", " chat", "chat, v2.chat", b"chat", 5, False, ["chat"]], ids=repr
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_subprotocol_that_was_not_offered_is_refused(subprotocol: object, strict: bool) -> None:
    connection = fresh(strict=strict)
    text = refusal(connection, accept(subprotocol=subprotocol))
    assert f"subprotocol {subprotocol!r}, which the client did not offer" in text
    assert "scope['subprotocols']" in text
    assert connection.subprotocol is None


@pytest.mark.parametrize("subprotocol", ["chat", ""])
def test_no_subprotocol_can_be_chosen_where_none_was_offered(subprotocol: str) -> None:
    assert repr(subprotocol) in refusal(WebSocketState(), accept(subprotocol=subprotocol))


# The headers of an accept


def one_by_one(*headers: object) -> Iterator[object]:
    yield from headers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([[b"x-a", b"1"], [b"x-b", b"2"]], id="lists"),
        pytest.param(((b"x-a", b"1"), (b"x-b", b"2")), id="tuples"),
        pytest.param({b"x-a": b"1", b"x-b": b"2"}.items(), id="items"),
        pytest.param([(bytearray(b"x-a"), bytearray(b"1")), (memoryview(b"x-b"), memoryview(b"2"))], id="buffers"),
    ],
)
def test_headers_may_be_any_iterable_of_pairs(headers: object) -> None:
    connection = after({"type": "websocket.accept", "headers": headers}, strict=True)
    assert connection.headers == [(b"x-a", b"1"), (b"x-b", b"2")]
    assert all(type(octets) is bytes for pair in connection.headers for octets in pair)


def test_headers_may_be_a_generator() -> None:
    connection = after({"type": "websocket.accept", "headers": one_by_one((b"x-a", b"1"), [b"x-b", b"2"])})
    assert connection.headers == [(b"x-a", b"1"), (b"x-b", b"2")]


@pytest.mark.parametrize("bad", [None, b"x-b", (b"x-b",), (b"x-b", b"2", b"3"), ("x-b", b"2"), ([], b"2")], ids=repr)
def test_a_generator_of_headers_is_checked_to_its_end(bad: object) -> None:
    refusal(fresh(), {**accept(), "headers": one_by_one((b"x-a", b"1"), bad)})
    refusal(fresh(), {**accept(), "headers": one_by_one(bad)})


def test_headers_may_be_left_out() -> None:
    assert not fresh().headers
    assert not after({"type": "websocket.accept"}, strict=True).headers


def test_headers_keep_their_order_case_and_duplicates() -> None:
    headers = [(b"x-b", b"2"), (b"X-A", b"1"), (b"x-b", b"3"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert after(accept(*headers)).headers == headers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param(None, id="None"),
        pytest.param(5, id="int"),
        pytest.param("ab", id="str"),
        pytest.param([b"x-a"], id="a name alone"),
        pytest.param([(b"x-a",)], id="1-tuple"),
        pytest.param([(b"x-a", b"1", b"2")], id="3-tuple"),
        pytest.param({b"x-a": b"1"}, id="dict"),
    ],
)
def test_headers_that_are_no_pairs_are_refused(headers: object) -> None:
    text = refusal(fresh(), {**accept(), "headers": headers})
    assert f"headers={headers!r}" in text
    assert "[name, value] pairs" in text


@pytest.mark.parametrize(
    "name", [b"x y", b"x\r\ny: z", b"", b"x:", b"\xe9", b" x", b"x\0", b":status", "x-str", 1, None], ids=repr
)
@pytest.mark.parametrize("strict", [False, True])
def test_an_illegal_header_name_is_refused(name: object, strict: bool) -> None:
    connection = fresh(strict=strict)
    assert repr(name) in refusal(connection, accept((b"x-a", b"1"), (name, b"v")))
    assert not connection.headers


@pytest.mark.parametrize("value", [b"a\r\nb: c", b"a\nb", b"a\rb", b"a\0b", b"a\n", "text", 1, None], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_an_illegal_header_value_is_refused(value: object, strict: bool) -> None:
    connection = fresh(strict=strict)
    assert repr(value) in refusal(connection, accept((b"x-a", b"1"), (b"x-v", value)))
    assert not connection.headers


@pytest.mark.parametrize("value, seen", [(b"", b""), (b"\xe9", b"\xe9"), (b" a\t", b"a"), (b"a\tb", b"a\tb")], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_legal_header_value_is_taken_without_the_blanks_around_it(value: bytes, seen: bytes, strict: bool) -> None:
    assert after(accept((b"x-v", value)), strict=strict).headers == [(b"x-v", seen)]


@pytest.mark.parametrize("name, value", [(b"X-Upper", b"v"), (b"x-v", b"\x01")], ids=["capitals", "control character"])
def test_strictly_headers_are_what_the_spec_says(name: bytes, value: bytes) -> None:
    assert after(accept((name, value))).headers == [(name, value)]
    refusal(fresh(strict=True), accept((name, value)))


def test_strictly_the_subprotocol_is_no_header() -> None:
    header = (b"sec-websocket-protocol", b"chat")
    assert after(accept(header)).headers == [header]
    text = refusal(fresh(strict=True), accept((b"x-a", b"1"), header, subprotocol="chat"))
    assert "sec-websocket-protocol as a header" in text
    assert "'subprotocol' of websocket.accept" in text


def test_an_iterator_of_headers_that_raises_is_no_answer() -> None:
    def headers() -> Iterator[tuple[bytes, bytes]]:
        yield (b"x-name", b"value")
        raise LookupError("mine")

    connection = fresh()
    with pytest.raises(LookupError, match="mine"):
        connection.handle({**accept(), "headers": headers()})
    assert flags(connection) == Flags()
    assert connection.state is State.CONNECTING


# Copies


def test_buffers_and_lists_that_the_app_uses_again_change_nothing() -> None:
    name, value, data = bytearray(b"x-name"), bytearray(b"value"), bytearray(b"data")
    pair = [name, value]
    headers = [pair]
    connection = fresh()
    connection.handle({**accept(), "headers": headers})
    sent = connection.handle(send(bytes=data)), connection.handle(send(bytes=memoryview(data)))
    name[:] = value[:] = data[:] = b"changed"
    pair[0] = bytearray(b"x-changed")
    headers.append(pair)
    assert connection.headers == [(b"x-name", b"value")]
    assert sent == (b"data", b"data")


def test_a_message_of_the_app_is_left_as_it_is() -> None:
    connection = fresh()
    for message in (deny((b"x-a", b"1")), body(b"a", more_body=True), body(b"b")):
        before = dict(message)
        connection.handle(message)
        assert message == before


# Data


@pytest.mark.parametrize(
    "data, seen",
    [
        pytest.param({"text": "hello"}, "hello", id="text"),
        pytest.param({"text": ""}, "", id="empty text"),
        pytest.param({"text": "h\xe9 \u20ac \N{SNOWMAN} \U0001f600 \0"}, "h\xe9 € ☃ 😀 \0", id="any text"),
        pytest.param({"text": "a", "bytes": None}, "a", id="text, and no bytes"),
        pytest.param({"bytes": b"hello"}, b"hello", id="bytes"),
        pytest.param({"bytes": b""}, b"", id="empty bytes"),
        pytest.param({"bytes": b"\x00\xff"}, b"\x00\xff", id="any bytes"),
        pytest.param({"bytes": b"a", "text": None}, b"a", id="bytes, and no text"),
        pytest.param({"bytes": bytearray(b"ba")}, b"ba", id="bytearray"),
        pytest.param({"bytes": memoryview(b"mv")}, b"mv", id="memoryview"),
        pytest.param({"bytes": memoryview(b"mvmv").cast("H")}, b"mvmv", id="memoryview of two-byte items"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_data_is_text_or_bytes_of_any_kind(data: dict[str, Any], seen: str | bytes, strict: bool) -> None:
    brought = opened(strict=strict).handle(send(**data))
    assert brought == seen
    assert type(brought) is type(seen)


def test_only_data_comes_back_from_messages_of_a_connection() -> None:
    connection = fresh()
    assert [connection.handle(message) for message in (accept(), send(text=""), send(bytes=b""), close())] == [
        None,
        "",
        b"",
        None,
    ]
    assert fresh().handle(close()) is None


@pytest.mark.parametrize("text", ["a", "", 5, b"a", "\ud800"], ids=ascii)
@pytest.mark.parametrize("data", [b"b", b"", bytearray(b"b")], ids=repr)
def test_bytes_win_over_text_and_strictly_it_is_the_one_or_the_other(text: object, data: bytes) -> None:
    assert opened().handle(send(text=text, bytes=data)) == data
    assert "both 'text' and 'bytes'" in refusal(opened(strict=True), send(text=text, bytes=data))


@pytest.mark.parametrize(
    "data", [{}, {"text": None}, {"bytes": None}, {"text": None, "bytes": None}, {"data": "a"}, {"json": {}}], ids=repr
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_message_without_data_is_refused(data: dict[str, Any], strict: bool) -> None:
    assert "neither 'text' nor 'bytes'" in refusal(opened(strict=strict), send(**data))


@pytest.mark.parametrize("text", [b"a", bytearray(b"a"), 5, 0, False, ["a"], {"a": 1}], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_text_that_is_none_is_refused(text: object, strict: bool) -> None:
    told = refusal(opened(strict=strict), send(text=text))
    assert f"text={text!r}" in told
    assert "'text' is a str" in told


@pytest.mark.parametrize("data", ["a", "", 5, 0, False, [120], {"a": 1}], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_bytes_that_are_none_are_refused(data: object, strict: bool) -> None:
    told = refusal(opened(strict=strict), send(bytes=data))
    assert repr(data) in told
    assert told.endswith("'bytes' is bytes; put a str into 'text'.")


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb", "\ud83d\ude00"], ids=ascii)
@pytest.mark.parametrize("strict", [False, True])
def test_text_that_utf_8_cannot_encode_is_refused(text: str, strict: bool) -> None:
    told = refusal(opened(strict=strict), send(text=text))
    assert "a text that UTF-8 cannot encode" in told
    assert "surrogates not allowed" in told
    told.encode()


# The code of a close


class Code(IntEnum):
    GOING_AWAY = 1001
    MINE = 4000
    ABNORMAL = 1006


def test_the_codes_of_a_close_frame_are_those_of_rfc_6455_and_iana() -> None:
    codes = {code for code in range(-2, 70_000) if is_close_code(code)}
    assert codes == {*range(1000, 1004), *range(1007, 1015), *range(3000, 5000)}


def test_the_codes_that_say_that_none_came_are_never_sent() -> None:
    assert (NO_CODE, ABNORMAL) == (1005, 1006)
    assert not is_close_code(NO_CODE)
    assert not is_close_code(ABNORMAL)


LEGAL_CODES = [1000, 1001, 1003, 1007, 1011, 1014, 3000, 3999, 4000, 4999, Code.GOING_AWAY, Code.MINE]
ILLEGAL_CODES: list[object] = [
    *(999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 0, -1, 65_535, 65_536, Code.ABNORMAL),
    *(True, False, 1000.0, float("nan"), "1000", b"1000", "", [1000], ()),
]


@pytest.mark.parametrize("code", LEGAL_CODES, ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_legal_code_closes_and_rejects(code: int, strict: bool) -> None:
    closed = after(accept(), close(code=code), strict=strict)
    assert (closed.closed, closed.close_code, closed.close_reason) == (True, code, "")
    rejected = after(close(code=code), strict=strict)
    assert (rejected.rejected, rejected.close_code, rejected.close_reason) == (True, code, "")


@pytest.mark.parametrize("code", ILLEGAL_CODES, ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_an_illegal_code_is_refused(code: object, strict: bool) -> None:
    assert not is_close_code(code)
    connection = opened(strict=strict)
    text = refusal(connection, close(code=code))
    assert f"code={code!r}" in text
    assert "RFC 6455 7.4" in text
    assert not connection.closed


@pytest.mark.parametrize("strict", [False, True])
def test_a_code_that_is_left_out_is_1000(strict: bool) -> None:
    assert after(accept(), close(), strict=strict).close_code == 1000
    assert after(close(), strict=strict).close_code == 1000


def test_none_is_a_close_frame_without_a_code_and_strictly_it_is_no_code() -> None:
    assert after(accept(), close(code=None)).close_code == NO_CODE == 1005
    assert after(close(code=None)).close_code == NO_CODE
    for connection in (opened(strict=True), fresh(strict=True)):
        assert "code=None" in refusal(connection, close(code=None))


# The reason of a close


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("", id="empty"),
        pytest.param("bye", id="short"),
        pytest.param("a" * 123, id="one-byte characters"),
        pytest.param("é" * 61 + "a", id="two-byte characters"),
        pytest.param("€" * 41, id="three-byte characters"),
        pytest.param("😀" * 30 + "abc", id="four-byte characters"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_reason_of_up_to_123_bytes_is_taken(reason: str, strict: bool) -> None:
    assert after(accept(), close(reason=reason), strict=strict).close_reason == reason
    assert after(close(code=4000, reason=reason), strict=strict).close_reason == reason


@pytest.mark.parametrize("strict", [False, True])
def test_no_reason_is_an_empty_one(strict: bool) -> None:
    assert after(accept(), close(reason=None), strict=strict).close_reason == ""
    assert after(close(reason=None), strict=strict).close_reason == ""
    assert opened(strict=strict).close_reason == ""


@pytest.mark.parametrize(
    "reason",
    [
        pytest.param("a" * 124, id="one-byte characters"),
        pytest.param("é" * 62, id="two-byte characters"),
        pytest.param("€" * 41 + "a", id="three-byte characters"),
        pytest.param("😀" * 31, id="four-byte characters"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_reason_of_124_bytes_is_refused(reason: str, strict: bool) -> None:
    text = refusal(opened(strict=strict), close(reason=reason))
    assert "a reason of 124 bytes" in text
    assert f"holds {MAX_REASON} bytes" in text


ILLEGAL_REASONS: list[object] = [5, 0, False, b"why", b"", ["why"], [], {}]


@pytest.mark.parametrize("reason", ILLEGAL_REASONS, ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_reason_that_is_no_string_is_refused(reason: object, strict: bool) -> None:
    connection = opened(strict=strict)
    text = refusal(connection, close(reason=reason))
    assert f"reason={reason!r}" in text
    assert "The reason is a str" in text
    assert not connection.closed


@pytest.mark.parametrize("strict", [False, True])
def test_a_reason_that_utf_8_cannot_encode_is_refused(strict: bool) -> None:
    text = refusal(opened(strict=strict), close(reason="a\ud800"))
    assert "a reason that UTF-8 cannot encode" in text
    assert "surrogates not allowed" in text


# Rejection


@pytest.mark.parametrize("code", ILLEGAL_CODES, ids=repr)
def test_a_rejection_may_have_any_code_unless_strictly(code: object) -> None:
    assert (after(close(code=code)).rejected, after(close(code=code)).close_code) == (True, code)
    assert f"code={code!r}" in refusal(fresh(strict=True), close(code=code))


@pytest.mark.parametrize("reason", [*ILLEGAL_REASONS, "a" * 124, "\ud800"], ids=ascii)
def test_a_rejection_may_have_any_reason_unless_strictly(reason: object) -> None:
    assert (after(close(reason=reason)).rejected, after(close(reason=reason)).close_reason) == (True, reason)
    assert "reason" in refusal(fresh(strict=True), close(reason=reason))


def test_a_connection_is_strict_only_where_it_is_told_to_be() -> None:
    connection = WebSocketState()
    connection.handle(close(code=99, reason=5))
    assert connection.rejected


# Denial


def test_a_denial_is_a_response_with_headers_and_a_body_in_parts() -> None:
    connection = fresh(strict=True)
    cookies = [(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert not connection.handle(deny(*cookies, (b"content-length", b"5"), status=403))
    assert not connection.over
    parts = [body(b"he", more_body=True), body(memoryview(b"llo"), more_body=True), body()]
    assert [connection.handle(part) for part in parts] == [b"he", b"llo", None]
    assert connection.denial.status == 403
    assert connection.denial.headers == [*cookies, (b"content-length", b"5")]
    assert connection.denial.over
    assert flags(connection) == Flags(answered=True)


def test_headers_and_body_of_a_denial_may_be_left_out() -> None:
    connection = fresh(strict=True)
    connection.handle({"type": DENIAL_START, "status": 401})
    assert connection.handle({"type": DENIAL_BODY}) is None
    assert (connection.state, connection.denial.status, connection.denial.headers) == (State.DENIED, 401, [])


def test_a_denial_without_a_body_has_none() -> None:
    connection = after(deny(status=204))
    assert connection.handle(body(b"a")) is None
    assert connection.over


@pytest.mark.parametrize("more_body", [True, 1, "yes", [0]], ids=repr)
def test_a_denial_goes_on_while_more_body_is_true(more_body: object) -> None:
    connection = after(deny(), body(b"a", more_body=more_body))
    assert (connection.state, connection.over) == (State.DENYING, False)


@pytest.mark.parametrize("more_body", [False, 0, None, ""], ids=repr)
def test_a_denial_ends_when_it_is_not(more_body: object) -> None:
    connection = after(deny(), body(b"a", more_body=more_body))
    assert (connection.state, connection.over) == (State.DENIED, True)


@pytest.mark.parametrize("status", [99, 100, 101, 199, 1000, "401", None, True], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_denial_with_an_impossible_status_is_refused(status: object, strict: bool) -> None:
    text = refusal(fresh(strict=strict), deny(status=status))
    assert text.startswith(DENYING)
    assert f"status={status!r}" in text


@pytest.mark.parametrize(
    "header",
    [("x-a", b"1"), (b"x-a", "1"), (b"x a", b"1"), (b"x-a", b"1\r\nb: c"), (b"content-length", b"many")],
    ids=repr,
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_denial_with_an_illegal_header_is_refused(header: tuple[object, object], strict: bool) -> None:
    connection = fresh(strict=strict)
    assert refusal(connection, deny(header)).startswith(DENYING)
    assert connection.denial.status == 0


@pytest.mark.parametrize("headers", [None, 5, {b"x-a": b"1"}, [b"x-a"]], ids=repr)
def test_a_denial_with_headers_that_are_no_pairs_is_refused(headers: object) -> None:
    text = refusal(fresh(), {**deny(), "headers": headers})
    assert text.startswith(DENYING)
    assert f"headers={headers!r}" in text


def test_an_iterator_of_headers_that_raises_is_no_denial() -> None:
    def headers() -> Iterator[tuple[bytes, bytes]]:
        yield (b"x-name", b"value")
        raise LookupError("mine")

    connection = fresh()
    with pytest.raises(LookupError, match="mine"):
        connection.handle({**deny(), "headers": headers()})
    assert connection.state is State.CONNECTING
    assert connection.denial.status == 0


@pytest.mark.parametrize("content", ["text", 5, [1, 2], {"a": 1}], ids=repr)
@pytest.mark.parametrize("more_body", [False, True])
def test_a_denial_with_a_body_that_is_not_bytes_is_refused(content: object, more_body: bool) -> None:
    connection = after(deny())
    text = refusal(connection, body(content, more_body=more_body))
    assert text.startswith(DENYING)
    assert repr(content) in text
    assert not connection.over


@pytest.mark.parametrize("length, told", [(b"3", "longer"), (b"9", "shorter")])
def test_a_denial_of_another_length_than_promised_is_refused(length: bytes, told: str) -> None:
    connection = after(deny((b"content-length", length)))
    assert f"{told} than its content-length" in refusal(connection, body(b"hello"))
    assert not connection.over


@pytest.mark.parametrize(
    "messages",
    [
        pytest.param([deny(status=600)], id="status"),
        pytest.param([deny((b"X-Upper", b"v"))], id="header"),
        pytest.param([deny(), body(None)], id="body"),
        pytest.param([deny(), body(b"a", more_body=1)], id="more_body"),
        pytest.param([deny(status=204), body(b"a")], id="a body where there is none"),
    ],
)
def test_strictly_a_denial_is_a_response_as_the_http_spec_says(messages: list[dict[str, Any]]) -> None:
    after(*messages)
    assert refusal(after(*messages[:-1], strict=True), messages[-1]).startswith(DENYING)


@pytest.mark.parametrize(
    "messages, told",
    [
        pytest.param(
            [{"type": DENIAL_START}],
            "sent http.response.start with no status. The status is an int.",
            id="that ends with a statement",
        ),
        pytest.param(
            [deny((b"content-length", b"5")), body(b"hell")],
            "ended a body shorter than its content-length, by 1 bytes. "
            "Was the body changed (compressed, say) after the header was set?",
            id="that ends with a question",
        ),
    ],
)
def test_what_is_wrong_with_a_denial_is_told_in_one_sentence_and_a_hint(
    messages: list[dict[str, Any]], told: str
) -> None:
    assert refusal(after(*messages[:-1]), messages[-1]) == DENYING + told


@pytest.mark.parametrize("offered", [(), {}, ["http.response.debug"], {"websocket.http": {}}], ids=repr)
@pytest.mark.parametrize("message", [deny(), body()], ids=["start", "body"])
def test_a_denial_is_a_stranger_where_it_is_not_offered(offered: Any, message: dict[str, Any]) -> None:
    text = refusal(WebSocketState(offered=offered), message)
    assert repr(message["type"]) in text
    assert "is not offered in scope['extensions']" in text


# Any sequence of anything

plain: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(990, 1020) | st.integers(-1, 5001),
    st.floats(),
    st.text(max_size=3) | st.text("é\ud800", max_size=70),
    st.binary(max_size=3) | st.builds(bytearray, st.binary(max_size=3)),
    st.sampled_from(["chat", "other", b"chat"]),
    st.lists(st.binary(max_size=3), max_size=3),
    st.dictionaries(st.binary(max_size=3), st.binary(max_size=3), max_size=2),
)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"X-B", b"content-length", b"sec-websocket-protocol", b"", "x-c"]),
        st.sampled_from([b"1", b"chat", b"a\nb", b"", None]),
    ),
    max_size=2,
)
fields = {
    "subprotocol": plain,
    "headers": headers | plain,
    "text": plain,
    "bytes": plain,
    "code": plain,
    "reason": plain,
    "status": st.integers(190, 600) | plain,
    "body": plain,
    "more_body": st.booleans() | plain,
}
kinds = sorted({*STRANGERS, *(message["type"] for message in MESSAGES.values())})
messages = st.one_of(
    st.sampled_from(list(MESSAGES.values())),
    st.fixed_dictionaries({"type": st.sampled_from(kinds)}, optional=fields),
    st.fixed_dictionaries({}, optional={"type": plain, **fields}),
    plain,
)


def event_of(message: Any) -> Event:
    going_on = message["type"] == DENIAL_BODY and message.get("more_body")
    return Event.DENIAL_BODY if going_on else Event(message["type"])


@example(sent=[accept(), send(text="a"), close(), NONSENSE, close()], strict=True)
@example(sent=[deny(), body(b"a", more_body=True), body(b"b"), None, body()], strict=False)
@given(sent=st.lists(messages, max_size=8), strict=st.booleans())
@settings(deadline=None)
def test_whatever_is_sent_is_refused_or_follows_the_table(sent: list[Any], strict: bool) -> None:
    connection = fresh(strict=strict)
    for message in sent:
        before, had = connection.state, flags(connection)
        try:
            data = connection.handle(message)
        except ASGIProtocolError:
            assert connection.state is (State.FAILED if strict else before)
            assert flags(connection) == had
        else:
            assert connection.state is TRANSITIONS[before][event_of(message)]
            assert data is None or type(data) in {str, bytes}
            assert all(now >= then for now, then in zip(flags(connection), had, strict=True))
        answers = [connection.accepted, connection.rejected, connection.denial.status > 0]
        assert answers.count(True) == connection.answered
        assert connection.accepted or not connection.closed


@given(reason=st.text(max_size=130), code=st.integers(-1, 6000) | st.sampled_from(LEGAL_CODES))
@example(reason="a" * MAX_REASON, code=1000)
@example(reason="a" * (MAX_REASON + 1), code=1000)
@settings(deadline=None)
def test_a_close_passes_if_and_only_if_a_frame_can_carry_it(reason: str, code: int) -> None:
    connection = opened()
    try:
        connection.handle(close(code=code, reason=reason))
    except ASGIProtocolError:
        assert len(reason.encode()) > MAX_REASON or not is_close_code(code)
    else:
        assert len(reason.encode()) <= MAX_REASON
        assert is_close_code(code)
        assert (connection.close_code, connection.close_reason) == (code, reason)

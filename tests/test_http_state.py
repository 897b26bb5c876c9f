"""The automaton of an HTTP response: every state against every event, and every check of a message."""

from __future__ import annotations

from collections import UserDict
from collections.abc import Iterator
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from asgi_testkit import ASGIProtocolError
from asgi_testkit._protocol.extensions import DEBUG, EARLY_HINT, HTTP, PATHSEND, PUSH, TRAILERS, ZEROCOPYSEND
from asgi_testkit._protocol.http import HINTS, STRANGERS, TRANSITIONS, Event, HTTPResponseState, State

from .tables import arrive, pairs, refusal_of

HERE = str(Path(__file__).resolve())


def start(*headers: tuple[object, object], status: object = 200) -> dict[str, Any]:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(content: object = b"", **more: object) -> dict[str, Any]:
    return {"type": "http.response.body", "body": content, **more}


def trailers(*headers: tuple[object, object], **more: object) -> dict[str, Any]:
    return {"type": TRAILERS, "headers": list(headers), **more}


def fresh(method: str = "GET", *, strict: bool = False) -> HTTPResponseState:
    return HTTPResponseState(method=method, offered=HTTP, strict=strict)


def started(
    *headers: tuple[object, object], method: str = "GET", status: int = 200, strict: bool = False
) -> HTTPResponseState:
    response = fresh(method, strict=strict)
    response.handle(start(*headers, status=status))
    return response


def refusal(response: HTTPResponseState, message: Any, *, for_good: bool = False) -> str:
    """Send what is illegal; return what the app is told. The response is where it was, unless that is for good."""
    before = response.state
    with pytest.raises(ASGIProtocolError) as caught:
        response.handle(message)
    assert response.state is (State.FAILED if for_good or response._strict else before)
    return str(caught.value)


MESSAGES: dict[Event, dict[str, Any]] = {
    Event.START: start(),
    Event.START_WITH_TRAILERS: {**start(), "trailers": True},
    Event.BODY: body(b"part", more_body=True),
    Event.LAST_BODY: body(b"end"),
    Event.TRAILERS: trailers(more_trailers=True),
    Event.LAST_TRAILERS: trailers(),
    Event.DEBUG: {"type": DEBUG, "info": {"template": "index.html"}},
    Event.EARLY_HINT: {"type": EARLY_HINT, "links": [b"</a.css>; rel=preload"]},
    Event.PUSH: {"type": PUSH, "path": "/a.css", "headers": []},
    Event.PATHSEND: {"type": PATHSEND, "path": HERE},
    Event.ZEROCOPYSEND: {"type": ZEROCOPYSEND, "file": 0, "more_body": True},
    Event.LAST_ZEROCOPYSEND: {"type": ZEROCOPYSEND, "file": 0},
}

#: What a fresh automaton is sent to get it there; the last message that leads to FAILED is the illegal one, for good.
ROADS: dict[State, list[dict[str, Any]]] = {
    State.AWAITING_START: [],
    State.SENDING_BODY: [start()],
    State.SENDING_BODY_BEFORE_TRAILERS: [{**start(), "trailers": True}],
    State.AWAITING_TRAILERS: [{**start(), "trailers": True}, body()],
    State.COMPLETE: [start(), body()],
    State.FAILED: [start((b"content-length", b"1")), body(b"too long")],
}

LEGAL = pairs(TRANSITIONS, Event, legal=True)
ILLEGAL = pairs(TRANSITIONS, Event, legal=False)


def arrived(state: State) -> HTTPResponseState:
    return arrive(fresh(), state, ROADS[state], HTTPResponseState.handle)


# The tables


def test_strangers_are_no_messages_of_the_protocol() -> None:
    """Those that an extension brings are strangers where it is not offered."""
    assert STRANGERS.keys() & {event.value for event in Event} == HTTP


@pytest.mark.parametrize("state, event", LEGAL)
def test_a_legal_message_leads_where_the_table_says(state: State, event: Event) -> None:
    response = arrived(state)
    response.handle(MESSAGES[event])
    if response.file is not None:
        assert response.state is state  # until the parts of the body come that the message stands for
        response.handle(body(b"part", more_body=True))
        response.handle(body(more_body=response.file.more_body))
    assert response.state is TRANSITIONS[state][event]


@pytest.mark.parametrize("state, event", ILLEGAL)
def test_an_illegal_message_fails_and_the_text_says_what_and_when_and_why(state: State, event: Event) -> None:
    text = refusal(arrived(state), MESSAGES[event])
    assert text == refusal_of(state, event, HINTS)


@pytest.mark.parametrize("event", list(Event))
def test_strictly_a_failure_is_for_good(event: Event) -> None:
    response = fresh(strict=True)
    refusal(response, {"type": "nonsense"})
    assert State.FAILED.value in refusal(response, MESSAGES[event])


@pytest.mark.parametrize("illegal", [start(), {"type": "nonsense"}, {}, body("x"), body("x", more_body=True)], ids=repr)
def test_what_was_refused_was_never_sent(illegal: Any) -> None:
    response = started((b"x-name", b"value"))
    refusal(response, illegal)
    assert (response.status, response.headers) == (200, [(b"x-name", b"value")])
    assert response.handle(body(b"all of it")) == b"all of it"
    assert response.over


def test_after_a_start_that_was_refused_there_may_be_another() -> None:
    response = fresh()
    refusal(response, start((b"content-length", b"five")))
    assert response.status == 0
    response.handle(start(status=404))
    assert response.handle(body(b"whatever its length")) == b"whatever its length"
    assert response.status == 404


@pytest.mark.parametrize("status, interim", [(100, 100), (103, 103), (199, 199), (99, 0), (1000, 0)])
def test_an_interim_status_is_kept(status: int, interim: int) -> None:
    response = fresh()
    refusal(response, start(status=status))
    assert response.interim == interim


@pytest.mark.parametrize(
    "messages, hint",
    [
        pytest.param([body()], "Send http.response.start", id="body before start"),
        pytest.param([body(more_body=True)], "Send http.response.start", id="part of the body before start"),
        pytest.param([start(), start()], "error handler", id="second start"),
        pytest.param([start(), body(b"a", more_body=True), start()], "error handler", id="start amid the body"),
        pytest.param([start(), body(), start()], "`return`", id="start after the end"),
        pytest.param([start(), body(), body()], "more_body=True", id="body after the end"),
        pytest.param([start(), body(), body(more_body=True)], "more_body=True", id="part of the body after the end"),
    ],
)
def test_what_every_server_refuses_is_refused_with_advice(messages: list[dict[str, Any]], hint: str) -> None:
    response = fresh()
    for message in messages[:-1]:
        response.handle(message)
    assert hint in refusal(response, messages[-1])


# Messages of other types, and what is no message


@pytest.mark.parametrize("state", [State.AWAITING_START, State.SENDING_BODY, State.COMPLETE])
@pytest.mark.parametrize("kind", sorted(STRANGERS.keys() - HTTP))
def test_a_message_from_elsewhere_is_refused_with_the_reason(kind: str, state: State) -> None:
    text = refusal(arrived(state), {"type": kind})
    assert repr(kind) in text
    assert STRANGERS[kind] in text


@pytest.mark.parametrize("messages", [[], [start()], [start(), body()]], ids=len)
@pytest.mark.parametrize("event", [event for event in Event if event.value in HTTP], ids=str)
def test_an_extension_is_a_stranger_where_it_is_not_offered(event: Event, messages: list[dict[str, Any]]) -> None:
    response = HTTPResponseState(method="GET", offered=HTTP - {event.value})
    for message in messages:
        response.handle(message)
    text = refusal(response, MESSAGES[event])
    assert f"The {event.value} extension is not offered" in text
    assert event.value not in response.extensions


@pytest.mark.parametrize("kind", ["http.nope", "", "HTTP.RESPONSE.START"])
def test_an_unknown_type_is_refused(kind: str) -> None:
    assert repr(kind) in refusal(fresh(), {"type": kind})


@pytest.mark.parametrize("kind", [None, 1, b"http.response.start", ["http.response.start"]], ids=repr)
def test_a_type_that_is_no_string_is_refused(kind: object) -> None:
    text = refusal(fresh(), {"type": kind})
    assert repr(kind) in text
    assert "is a string" in text


@pytest.mark.parametrize(
    "message", [None, {}, [], "http.response.start", b"http.response.start", 5, {"status": 200}], ids=repr
)
def test_what_is_no_message_is_refused(message: object) -> None:
    text = refusal(fresh(), message)
    assert repr(message) in text
    assert "Messages are dicts with a 'type'." in text


@pytest.mark.parametrize("kind", [UserDict, MappingProxyType])
def test_any_mapping_is_a_message(kind: Any) -> None:
    response = fresh()
    response.handle(kind(start()))
    assert response.handle(kind(body(b"x"))) == b"x"
    assert response.over


def test_keys_that_mean_nothing_are_ignored() -> None:
    response = fresh(strict=True)
    response.handle({**start(), "trailers": False, "mine": 1})
    response.handle({**body(), "mine": 1})
    assert response.state is State.COMPLETE


# Debug


def debug(info: object) -> dict[str, Any]:
    return {"type": DEBUG, "info": info}


def test_debug_info_is_kept_and_changes_nothing_else() -> None:
    response = fresh()
    seen: list[tuple[State, object]] = []
    for message in (debug(1), start(), debug(2), body()):
        assert response.handle(message) == b""
        seen.append((response.state, response.extensions[DEBUG]))
    assert seen == [(State.AWAITING_START, 1), (State.SENDING_BODY, 1), (State.SENDING_BODY, 2), (State.COMPLETE, 2)]


def test_there_is_no_debug_info_unless_it_was_sent() -> None:
    response = fresh()
    assert DEBUG not in response.extensions
    response.handle({"type": DEBUG})
    assert response.extensions[DEBUG] is None


@pytest.mark.parametrize("before", [debug({}), start()], ids=["another", "start"])
def test_strictly_debug_info_is_a_dict_that_comes_once_and_first(before: dict[str, Any]) -> None:
    response = fresh(strict=True)
    response.handle(before)
    assert "It comes once, and first" in refusal(response, debug({}))
    assert "info is a dict" in refusal(fresh(strict=True), debug(1))


# Early hints and pushes


def hints(links: object) -> dict[str, Any]:
    return {"type": EARLY_HINT, "links": links}


@pytest.mark.parametrize("strict", [False, True])
def test_early_hints_add_up(strict: bool) -> None:
    response = fresh(strict=strict)
    seen = response.extensions[EARLY_HINT]
    response.handle(hints([b" </a.css>; rel=preload; as=style ", b"</b.js>; rel=preload"]))
    response.handle(hints(link for link in (bytearray(b"</c>"),)))
    assert (seen, response.status) == ([b"</a.css>; rel=preload; as=style", b"</b.js>; rel=preload", b"</c>"], 0)


@pytest.mark.parametrize(
    "message",
    [{"type": EARLY_HINT}, *map(hints, (None, 5, b"</a>", "</a>", ["</a>"], [None], [b"</a>\r\nx: y"], [b"</a>\0"]))],
    ids=repr,
)
def test_links_are_checked_like_headers(message: dict[str, Any]) -> None:
    response = fresh()
    refusal(response, message)
    assert response.extensions[EARLY_HINT] == []


def push(path: object = "/a.css", headers: object = ()) -> dict[str, Any]:
    return {"type": PUSH, "path": path, "headers": headers}


@pytest.mark.parametrize("strict", [False, True])
def test_pushes_add_up(strict: bool) -> None:
    response = fresh(strict=strict)
    seen = response.extensions[PUSH]
    response.handle(push(headers=[[b"accept", b" text/css "], (b"x-a", bytearray(b"1"))]))
    response.handle(start())
    response.handle({"type": PUSH, "path": "/ü"})
    assert seen == [("/a.css", [(b"accept", b"text/css"), (b"x-a", b"1")]), ("/ü", [])]


@pytest.mark.parametrize("path", [None, b"/a.css", 5, "", "a.css", Path("/a.css"), "http://testserver/a.css"], ids=repr)
def test_a_push_is_of_a_path(path: object) -> None:
    response = fresh()
    assert f"sent http.response.push with path={path!r}" in refusal(response, push(path))
    assert response.extensions[PUSH] == []


@pytest.mark.parametrize("headers", [None, 5, "ab", [b"x-a"], [(b":scheme", b"http")], [(b"x-a", "1")]], ids=repr)
def test_the_headers_of_a_push_are_checked(headers: object) -> None:
    refusal(fresh(), push(headers=headers))
    assert "lower-cased" in refusal(fresh(strict=True), push(headers=[(b"X-A", b"1")]))


@pytest.mark.parametrize("kind", [EARLY_HINT, PUSH])
def test_what_is_offered_has_a_list_and_what_is_not_has_none(kind: str) -> None:
    assert HTTPResponseState(method="GET", offered=[kind]).extensions == {kind: []}


# Files


def file(name: str = HERE, **keys: Any) -> dict[str, Any]:
    return {"type": ZEROCOPYSEND if keys else PATHSEND, "path": name, **keys}


@pytest.mark.parametrize("path", [None, 5, "", "relative", "./a", b"/etc/hosts", Path(HERE)], ids=repr)
def test_a_path_to_send_is_an_absolute_one_and_a_str(path: Any) -> None:
    assert f"sent http.response.pathsend with path={path!r}" in refusal(started(), file(path))


@pytest.mark.parametrize("part", [body(more_body=True), body(b"a", more_body=True)], ids=["empty", "part"])
def test_a_path_is_not_mixed_with_parts_of_the_body(part: dict[str, Any]) -> None:
    response = started()
    response.handle(part)
    assert "The file is all of the body" in refusal(response, file())


@pytest.mark.parametrize("number", [-1, "1", 1.0, b"1"], ids=repr)
@pytest.mark.parametrize("name", ["offset", "count"])
def test_an_offset_and_a_count_are_numbers_of_bytes(name: str, number: object) -> None:
    assert f"with {name}={number!r}" in refusal(started(), {**file(file=0), name: number})
    response = started()
    response.handle({**file(file=0), name: 7})
    assert getattr(response.file, name) == 7


@pytest.mark.parametrize("bad", [None, HERE, Path(HERE), b"data", BytesIO(b"data"), -1, 1_000_000, True])
def test_a_file_to_send_is_one_of_the_system_s(bad: object) -> None:
    assert f"sent http.response.zerocopysend with file={bad!r}" in refusal(started(), file(file=bad))


def test_a_file_that_is_closed_is_refused() -> None:
    with Path(HERE).open("rb") as opened:
        started().handle(file(file=opened))
    assert "It is a file that is open" in refusal(started(), file(file=opened))


@pytest.mark.parametrize("message", [file(), file(file=0), file(file=0, count=5)], ids=["path", "file", "part"])
@pytest.mark.parametrize("method, status", [("HEAD", 200), ("GET", 204), ("GET", 304)])
def test_nothing_is_read_where_there_is_no_body(method: str, status: int, message: dict[str, Any]) -> None:
    for strict in (False, True):  # strictly, one byte is too much
        response = started(method=method, status=status, strict=strict)
        response.handle(message)
        assert response.file is not None
        assert response.file.count == int(strict)


# Trailers


def announced(*headers: tuple[object, object], method: str = "GET", strict: bool = False) -> HTTPResponseState:
    response = fresh(method, strict=strict)
    response.handle({**start(*headers), "trailers": True})
    return response


@pytest.mark.parametrize("strict", [False, True])
def test_trailers_grow_until_they_are_complete(strict: bool) -> None:
    response = announced(strict=strict)
    seen = response.trailers
    assert response.handle(body(b"all")) == b"all"
    assert (seen, response.over, response.delivered) == ([], False, False)
    response.handle(trailers((b"x-a", b" 1 "), more_trailers=True))
    assert (seen, response.over, response.delivered) == ([(b"x-a", b"1")], False, False)
    response.handle(trailers((b"x-b", b"2"), (b"x-a", b"3")))
    assert (seen, response.over, response.delivered) == (
        [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")],
        True,
        True,
    )


def test_there_are_no_trailers_unless_they_were_announced() -> None:
    assert fresh().trailers is None
    assert started().trailers is None


def test_a_content_length_that_is_reached_is_not_the_end_when_trailers_follow() -> None:
    response = announced((b"content-length", b"3"))
    response.handle(body(b"all", more_body=True))
    assert not response.delivered


def test_a_response_without_a_body_keeps_no_client_waiting_for_its_trailers() -> None:
    assert announced(method="HEAD").delivered


def test_trailers_are_not_announced_where_they_are_not_offered() -> None:
    response = HTTPResponseState(method="GET")
    response.handle({**start(), "trailers": True})
    response.handle(body())
    assert response.over
    assert response.trailers is None
    assert STRANGERS[TRAILERS] in refusal(response, trailers())


@pytest.mark.parametrize("headers", [None, 5, "ab", [b"x-a"], [(b"x-a", b"1", b"2")]], ids=repr)
def test_trailers_that_are_no_pairs_are_refused(headers: object) -> None:
    response = announced()
    response.handle(body())
    assert "[name, value] pairs" in refusal(response, {"type": TRAILERS, "headers": headers})


def test_a_trailer_is_checked_like_a_header() -> None:
    response = announced()
    response.handle(body())
    assert "x bad" in refusal(response, trailers((b"x bad", b"1")))


def test_strictly_the_flags_of_trailers_are_bools() -> None:
    assert "trailers is a bool" in refusal(fresh(strict=True), {**start(), "trailers": 1})
    response = announced(strict=True)
    response.handle(body())
    assert "more_trailers is a bool" in refusal(response, trailers(more_trailers="yes"))


def test_servers_take_the_flags_of_trailers_for_what_they_are_worth() -> None:
    response = fresh()
    for message in ({**start(), "trailers": 1}, body(), trailers(more_trailers="yes")):
        response.handle(message)
    assert response.state is State.AWAITING_TRAILERS


@pytest.mark.parametrize("name", [b"content-length", b"transfer-encoding", b"content-type"])
def test_strictly_what_has_to_be_known_before_the_body_is_no_trailer(name: bytes) -> None:
    for strict in (False, True):
        response = announced(strict=strict)
        response.handle(body())
        if strict:
            assert "RFC 9110 6.5.1" in refusal(response, trailers((name, b"1")))
        else:
            response.handle(trailers((name, b"1")))


# Status

SLACK_STATUSES: list[tuple[object, int]] = [(200.0, 200), (600, 600), (999, 999)]


@pytest.mark.parametrize("status", [200, 204, 304, 418, 599, HTTPStatus.NOT_FOUND], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_final_status_is_taken(status: int, strict: bool) -> None:
    response = started(status=status, strict=strict)
    assert response.status == status
    assert type(response.status) is int


@pytest.mark.parametrize("status, seen", SLACK_STATUSES)
def test_a_status_that_servers_let_pass_is_let_pass(status: object, seen: int) -> None:
    response = fresh()
    response.handle(start(status=status))
    assert response.status == seen
    assert type(response.status) is int


@pytest.mark.parametrize(
    "status",
    [99, 100, 101, 103, 199, 1000, -1, 0, True, False, "200", 200.5, float("nan"), float("inf"), None, [200]],
    ids=repr,
)
def test_an_impossible_status_is_refused(status: object) -> None:
    response = fresh()
    assert f"status={status!r}" in refusal(response, start(status=status))
    assert response.status == 0


@pytest.mark.parametrize("status", [status for status, _ in SLACK_STATUSES], ids=repr)
def test_strictly_a_status_has_three_digits_up_to_599_and_is_an_int(status: object) -> None:
    assert f"status={status!r}" in refusal(fresh(strict=True), start(status=status))


def test_a_start_without_a_status_is_refused() -> None:
    assert "status" in refusal(fresh(), {"type": "http.response.start", "headers": []})


# Headers


def one_by_one(*headers: object) -> Iterator[object]:
    yield from headers


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param([[b"x-a", b"1"], [b"x-b", b"2"]], id="lists"),
        pytest.param(((b"x-a", b"1"), (b"x-b", b"2")), id="tuples"),
        pytest.param({b"x-a": b"1", b"x-b": b"2"}.items(), id="items"),
    ],
)
def test_headers_may_be_any_iterable_of_pairs(headers: object) -> None:
    response = fresh(strict=True)
    response.handle({**start(), "headers": headers})
    assert response.headers == [(b"x-a", b"1"), (b"x-b", b"2")]


@pytest.mark.parametrize(
    "name", [b"x-b", bytearray(b"x-b"), memoryview(bytearray(b"x-b"))], ids=lambda name: type(name).__name__
)
def test_headers_may_be_a_generator(name: object) -> None:
    response = fresh(strict=True)
    response.handle({**start(), "headers": one_by_one((b"x-a", b"1"), (name, b"2"), (b"x-c", b"3"))})
    assert response.headers == [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-c", b"3")]


@pytest.mark.parametrize("bad", [None, b"x-b", (b"x-b",), (b"x-b", b"2", b"3"), ("x-b", b"2"), ([], b"2")], ids=repr)
def test_a_generator_of_headers_is_checked_to_its_end(bad: object) -> None:
    refusal(fresh(), {**start(), "headers": one_by_one((b"x-a", b"1"), bad)})
    refusal(fresh(), {**start(), "headers": one_by_one(bad)})


def test_headers_may_be_left_out() -> None:
    response = fresh(strict=True)
    response.handle({"type": "http.response.start", "status": 200})
    assert response.headers == []


def test_headers_keep_their_order_case_and_duplicates() -> None:
    headers = [(b"x-b", b"2"), (b"X-A", b"1"), (b"x-b", b"3"), (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")]
    assert started(*headers).headers == headers


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
    text = refusal(fresh(), {**start(), "headers": headers})
    assert f"headers={headers!r}" in text
    assert "[name, value] pairs" in text


@pytest.mark.parametrize("name", [b"_x", b"!#$%&'*+.^`~", b"x-1", bytearray(b"x-a"), memoryview(b"x-m")], ids=bytes)
@pytest.mark.parametrize("strict", [False, True])
def test_a_header_name_is_a_token(name: bytes, strict: bool) -> None:
    response = started((name, b"v"), strict=strict)
    assert response.headers == [(bytes(name), b"v")]
    assert type(response.headers[0][0]) is bytes


@pytest.mark.parametrize(
    "name",
    [
        *(b"", b"X Bad", b"x:y", b":status", b"\xe9", b"x\n", b"x\r\ny", b"x\0", b" x", b"x ", b"x\t", b"x\x7f"),
        *(b"x@y", b"x(y)", b"x/y", b"x=y", b'x"y', b"x,y", b"x;y"),
    ],
    ids=repr,
)
def test_an_illegal_header_name_is_refused(name: bytes) -> None:
    text = refusal(fresh(), start((name, b"v")))
    assert repr(name) in text
    assert "RFC 9110 5.6.2" in text


@pytest.mark.parametrize("name", ["x-str", 1, None], ids=repr)
def test_a_header_name_that_is_not_bytes_is_refused(name: object) -> None:
    text = refusal(fresh(), start((name, b"v")))
    assert repr(name) in text
    assert ("Encode it" in text) is isinstance(name, str)


def test_strictly_header_names_are_lower_case() -> None:
    assert started((b"X-Upper", b"v")).headers == [(b"X-Upper", b"v")]
    text = refusal(fresh(strict=True), start((b"X-Upper", b"v")))
    assert "b'X-Upper'" in text
    assert "lower-case" in text


@pytest.mark.parametrize(
    "value, seen",
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"tab\there", b"tab\there", id="tab inside"),
        pytest.param(b"\x80\xe9\xff", b"\x80\xe9\xff", id="latin-1"),
        pytest.param(b" \t padded \t ", b"padded", id="blanks around"),
        pytest.param(bytearray(b"ba"), b"ba", id="bytearray"),
        pytest.param(memoryview(b"mv"), b"mv", id="memoryview"),
        pytest.param(memoryview(bytearray(b"mv")), b"mv", id="memoryview of a bytearray"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_legal_header_value_is_taken_without_the_blanks_around_it(value: object, seen: bytes, strict: bool) -> None:
    response = started((b"x-v", value), strict=strict)
    assert response.headers == [(b"x-v", seen)]
    assert type(response.headers[0][1]) is bytes


@pytest.mark.parametrize(
    "value", [b"a\nb", b"a\rb", b"a\r\nb: c", b"a\r\n b", b"a\0b", b"a\x0bb", b"a\x0cb", b"a\n"], ids=repr
)
@pytest.mark.parametrize("strict", [False, True])
def test_line_breaks_and_nul_never_get_through_a_header_value(value: bytes, strict: bool) -> None:
    text = refusal(fresh(strict=strict), start((b"x-v", value)))
    assert "b'x-v'" in text
    assert repr(value) in text


@pytest.mark.parametrize("value", [b"\x01", b"a\x08b", b"a\x0eb", b"a\x1fb", b"\x7f"], ids=repr)
def test_strictly_no_control_character_does(value: bytes) -> None:
    assert started((b"x-v", value)).headers == [(b"x-v", value)]
    assert repr(value) in refusal(fresh(strict=True), start((b"x-v", value)))


@pytest.mark.parametrize("value", ["text", 1, None], ids=repr)
def test_a_header_value_that_is_not_bytes_is_refused(value: object) -> None:
    text = refusal(fresh(), start((b"x-v", value)))
    assert repr(value) in text
    assert ("Encode it" in text) is isinstance(value, str)


@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_bad_header_among_good_ones_is_found(position: int) -> None:
    headers: list[tuple[object, object]] = [(b"x-a", b"1"), (b"x-b", b"2")]
    headers.insert(position, (b"x-bad", b"\r\n"))
    refusal(fresh(), start(*headers))


def test_the_same_header_is_refused_each_time() -> None:
    for _ in range(2):
        refusal(fresh(), start((b"x-v", b"\n")))


def test_the_same_header_is_judged_by_the_strictness_at_hand() -> None:
    header = (b"X-Mixed", b"\x01")
    started(header)
    refusal(fresh(strict=True), start(header))
    assert started(header).headers == [header]


# Copies


def test_buffers_and_lists_that_the_app_uses_again_change_nothing() -> None:
    name, value, content = bytearray(b"x-name"), bytearray(b"value"), bytearray(b"content")
    pair = [name, value]
    headers = [pair]
    response = fresh()
    response.handle({"type": "http.response.start", "status": 200, "headers": headers})
    chunk = response.handle(body(content))
    name[:] = value[:] = content[:] = b"changed"
    pair[0] = bytearray(b"x-changed")
    headers.append(pair)
    assert response.headers == [(b"x-name", b"value")]
    assert chunk == b"content"
    assert type(chunk) is bytes


# Body


@pytest.mark.parametrize(
    "content, seen",
    [
        pytest.param(b"x", b"x", id="bytes"),
        pytest.param(b"", b"", id="empty"),
        pytest.param(bytearray(b"ba"), b"ba", id="bytearray"),
        pytest.param(memoryview(b"mv"), b"mv", id="memoryview"),
        pytest.param(memoryview(b"mvmv").cast("H"), b"mvmv", id="memoryview of two-byte items"),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_a_body_is_bytes_of_any_kind(content: object, seen: bytes, strict: bool) -> None:
    chunk = started(strict=strict).handle(body(content))
    assert chunk == seen
    assert type(chunk) is bytes


def test_a_body_may_be_left_out() -> None:
    response = started(strict=True)
    assert response.handle({"type": "http.response.body"}) == b""
    assert response.over


@pytest.mark.parametrize("content", ["text", 1, [1, 2], {"a": 1}], ids=repr)
@pytest.mark.parametrize("strict", [False, True])
def test_a_body_that_is_not_bytes_is_refused(content: object, strict: bool) -> None:
    text = refusal(started(strict=strict), body(content))
    assert repr(content) in text
    assert ("Encode it" in text) is isinstance(content, str)


@pytest.mark.parametrize("content", [None, "", 0, []], ids=repr)
def test_strictly_even_an_empty_body_is_bytes(content: object) -> None:
    assert started().handle(body(content)) == b""
    assert repr(content) in refusal(started(strict=True), body(content))


@pytest.mark.parametrize("more_body", [1, "yes", 0, "", None], ids=repr)
def test_strictly_more_body_is_a_bool(more_body: object) -> None:
    response = started()
    response.handle(body(b"x", more_body=more_body))
    assert response.over is not bool(more_body)
    assert f"more_body={more_body!r}" in refusal(started(strict=True), body(b"x", more_body=more_body))


@pytest.mark.parametrize("more_body", [True, False])
def test_the_response_is_complete_at_the_last_part_of_the_body(more_body: bool) -> None:
    response = started(strict=True)
    assert not response.over
    response.handle(body(b"x", more_body=more_body))
    assert response.over is not more_body


def test_an_illegal_message_after_the_end_leaves_the_response_complete() -> None:
    response = arrived(State.COMPLETE)
    refusal(response, start())
    assert response.over
    assert response.delivered


def test_a_body_that_is_refused_completes_nothing() -> None:
    response = started()
    refusal(response, body("text"))
    assert not response.over
    assert not response.delivered


# Responses without a body

BODYLESS = [
    pytest.param("HEAD", 200, id="HEAD"),
    pytest.param("GET", 204, id="204"),
    pytest.param("GET", 304, id="304"),
]


@pytest.mark.parametrize("method, status", BODYLESS)
@pytest.mark.parametrize("length", [None, b"5", b"3"])
def test_a_body_where_there_is_none_does_not_reach_the_client(method: str, status: int, length: bytes | None) -> None:
    headers = [] if length is None else [(b"content-length", length)]
    response = started(*headers, method=method, status=status)
    assert response.headers == headers
    assert response.handle(body(b"he", more_body=True)) == b""
    assert response.handle(body(b"llo")) == b""
    assert response.over


@pytest.mark.parametrize("method, status", BODYLESS)
def test_strictly_no_body_is_sent_where_there_is_none(method: str, status: int) -> None:
    response = started(method=method, status=status, strict=True)
    response.handle(body(b"", more_body=True))
    text = refusal(response, body(b"x"))
    assert method in text
    assert str(status) in text


def test_a_205_has_a_body_on_every_server() -> None:
    assert started(status=205).handle(body(b"x")) == b"x"


# Content-length


def test_a_body_of_the_promised_length_passes() -> None:
    response = started((b"content-length", b"5"), strict=True)
    assert response.handle(body(b"he", more_body=True)) == b"he"
    assert response.handle(body(b"llo", more_body=True)) == b"llo"
    assert response.handle(body()) == b""
    assert response.over


@pytest.mark.parametrize(
    "length, parts",
    [
        pytest.param(b"3", [b"hello"], id="at once"),
        pytest.param(b"5", [b"hell", b"o!!"], id="in the second part"),
        pytest.param(b"5", [b"hello", b"!!"], id="after all of it"),
        pytest.param(b"0", [b"!!"], id="nothing was promised"),
    ],
)
@pytest.mark.parametrize("more_body", [True, False])
def test_a_body_longer_than_promised_is_refused(length: bytes, parts: list[bytes], more_body: bool) -> None:
    response = started((b"content-length", length))
    for part in parts[:-1]:
        response.handle(body(part, more_body=True))
    text = refusal(response, body(parts[-1], more_body=more_body), for_good=True)
    assert "longer than its content-length, by 2 bytes" in text
    assert "compressed" in text


@pytest.mark.parametrize("parts", [[b"he"], [b"h", b"e"], [b"he", b""]], ids=repr)
def test_a_body_shorter_than_promised_is_refused_at_its_end(parts: list[bytes]) -> None:
    response = started((b"content-length", b"5"))
    for part in parts[:-1]:
        response.handle(body(part, more_body=True))
    assert "shorter than its content-length, by 3 bytes" in refusal(response, body(parts[-1]), for_good=True)
    assert not response.delivered


@pytest.mark.parametrize("value", [b"5", b" 5 ", b"05", b"5, 5", b"5,5", b"00000000000000000005"], ids=repr)
def test_a_content_length_is_one_decimal_number(value: bytes) -> None:
    assert started((b"Content-Length", value)).handle(body(b"hello")) == b"hello"
    refusal(started((b"Content-Length", value)), body(b"hell"), for_good=True)


@pytest.mark.parametrize(
    "value",
    [b"abc", b"", b",", b"-1", b"+5", b"5.0", b"0x5", b"5_0", b"5 0", b"5, 6", b"9" * 21, "٥".encode()],  # noqa: RUF001
    ids=repr,
)
def test_an_impossible_content_length_is_refused(value: bytes) -> None:
    text = refusal(fresh(), start((b"content-length", value)))
    assert "content-length" in text
    assert "one decimal number" in text


def test_a_content_length_may_be_repeated() -> None:
    response = started((b"content-length", b"5"), (b"Content-Length", b"5"))
    assert response.handle(body(b"hello")) == b"hello"
    assert response.over


@pytest.mark.parametrize("lengths", [[b"5", b"6"], [b"6", b"5"], [b"5", b"5", b"6"]], ids=repr)
def test_contradictory_content_lengths_are_refused(lengths: list[bytes]) -> None:
    text = refusal(fresh(), start(*((b"content-length", length) for length in lengths)))
    assert "content-length" in text
    assert "one decimal number" in text


# Transfer-encoding


@pytest.mark.parametrize("value", [b"chunked", b"Chunked", b" chunked "], ids=repr)
@pytest.mark.parametrize("first", [True, False])
def test_chunked_overrides_a_content_length(value: bytes, first: bool) -> None:
    headers = [(b"transfer-encoding", value), (b"content-length", b"3")]
    response = started(*(headers if first else reversed(headers)))
    assert response.handle(body(b"hello")) == b"hello"
    assert response.over


@pytest.mark.parametrize("value", [b"gzip", b"gzip, chunked", b"identity", b""], ids=repr)
def test_another_transfer_encoding_is_refused(value: bytes) -> None:
    text = refusal(fresh(), start((b"Transfer-Encoding", value)))
    assert f"transfer-encoding: {value!r}" in text
    assert "leave it out" in text


# Delivered


def test_nothing_is_delivered_before_the_start() -> None:
    assert not fresh("HEAD").delivered


def test_without_a_length_the_end_has_to_be_sent() -> None:
    response = started()
    response.handle(body(b"x", more_body=True))
    assert not response.delivered
    response.handle(body())
    assert response.delivered


def test_the_promised_length_ends_the_response_for_the_client() -> None:
    response = started((b"content-length", b"5"))
    response.handle(body(b"hell", more_body=True))
    assert not response.delivered
    response.handle(body(b"o", more_body=True))
    assert response.delivered
    assert not response.over


def test_what_was_delivered_stays_so_when_too_much_follows() -> None:
    response = started((b"content-length", b"5"))
    response.handle(body(b"hello", more_body=True))
    refusal(response, body(b"!"), for_good=True)
    assert response.delivered


def test_what_was_not_delivered_is_not_when_too_much_comes_at_once() -> None:
    response = started((b"content-length", b"3"))
    refusal(response, body(b"hello"), for_good=True)
    assert not response.delivered


@pytest.mark.parametrize("method, status", BODYLESS)
def test_a_response_without_a_body_is_delivered_at_its_start(method: str, status: int) -> None:
    assert started((b"content-length", b"5"), method=method, status=status).delivered


def test_an_empty_body_is_delivered_at_its_start() -> None:
    assert started((b"content-length", b"0")).delivered


def test_a_start_that_is_refused_delivers_nothing() -> None:
    response = fresh("HEAD")
    refusal(response, start((b"x-v", b"\n"), status=204))
    assert not response.delivered


# Any sequence of anything

values: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-1, 1000),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.lists(st.binary(max_size=3), max_size=3),
)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"x-a", b"X-B", b"content-length", b"transfer-encoding", b"", "x-c"]),
        st.sampled_from([b"1", b"2", b"chunked", b"a\nb", b"", None]),
    ),
    max_size=2,
)
messages = st.one_of(
    st.sampled_from(list(MESSAGES.values())),
    st.builds(start, status=st.one_of(st.integers(190, 210), values)),
    st.fixed_dictionaries(
        {"type": st.just("http.response.start"), "status": st.just(200), "headers": headers | values}
    ),
    st.builds(body, st.binary(max_size=3) | values, more_body=st.booleans() | values),
    st.dictionaries(st.sampled_from(["type", "status", "headers", "body", "more_body", "trailers", "info"]), values),
    st.builds(dict, type=st.sampled_from([*STRANGERS, *(event.value for event in Event)])),
    values,
)


def event_of(message: Any) -> Event:
    marked = {
        "http.response.start": "trailers",
        "http.response.body": "more_body",
        TRAILERS: "more_trailers",
        ZEROCOPYSEND: "more_body",
    }
    mark = marked.get(message["type"], "")
    return Event(f"{message['type']} with {mark}" if message.get(mark) else message["type"])


@example(sent=[start(), body(b"x")], method="GET", strict=True)
@example(sent=[start(), MESSAGES[Event.PATHSEND]], method="GET", strict=False)
@example(sent=[start(), MESSAGES[Event.ZEROCOPYSEND]], method="GET", strict=False)
@given(sent=st.lists(messages, max_size=8), method=st.sampled_from(["GET", "HEAD"]), strict=st.booleans())
@settings(deadline=None)
def test_whatever_is_sent_is_refused_or_follows_the_table(sent: list[Any], method: str, strict: bool) -> None:
    response = fresh(method, strict=strict)
    for message in sent:
        before = response.state
        try:
            chunk = response.handle(message)
            if response.file is not None:  # the parts of the file make the step
                more_body, response.file = response.file.more_body, None
                response.handle(body(more_body=more_body))
        except ASGIProtocolError:
            assert response.state in ({State.FAILED} if strict else {before, State.FAILED})
        else:
            assert response.state is TRANSITIONS[before][event_of(message)]
            assert type(chunk) is bytes


@given(parts=st.lists(st.binary(max_size=4), min_size=1, max_size=5), promised=st.integers(0, 12))
@settings(deadline=None)
def test_a_body_passes_if_and_only_if_its_length_is_the_promised_one(parts: list[bytes], promised: int) -> None:
    response = started((b"content-length", b"%d" % promised))
    last = len(parts) - 1
    seen = b""
    try:
        for number, part in enumerate(parts):
            seen += response.handle(body(part, more_body=number != last))
    except ASGIProtocolError:
        assert len(b"".join(parts)) != promised
        assert len(seen) <= promised
    else:
        assert seen == b"".join(parts)
        assert len(seen) == promised


@pytest.mark.parametrize("strict, state", [(False, State.AWAITING_START), (True, State.FAILED)])
def test_an_iterator_of_headers_that_raises_is_no_start(strict: bool, state: State) -> None:
    def headers() -> Any:
        yield (b"x-name", b"value")
        raise LookupError("mine")

    response = HTTPResponseState(method="GET", strict=strict)
    with pytest.raises(LookupError, match="mine"):
        response.handle({"type": "http.response.start", "status": 200, "headers": headers()})
    assert response.state is state
    assert response.status == 0

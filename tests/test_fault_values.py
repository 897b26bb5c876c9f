"""Faults as values: which make sense, how bodies are split, and what a seed draws."""

from __future__ import annotations

import math
import pickle
import re
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asgi_testkit import faults
from asgi_testkit._protocol.faults import faults_of
from asgi_testkit.faults import (
    Chaos,
    Disconnect,
    DropWebSocket,
    Fault,
    MissingKeys,
    NoneKeys,
    SlowReader,
    SplitBody,
)

EACH = [
    Disconnect(),
    Disconnect(during="upload", after_bytes=0),
    Disconnect(during="handshake", after_seconds=0.5),
    Disconnect(after_messages=3),
    DropWebSocket(),
    DropWebSocket(after_messages=2),
    DropWebSocket(after_seconds=1),
    SlowReader(),
    SlowReader(0.5, write_buffer=7),
    SplitBody(),
    SplitBody("one-byte"),
    SplitBody("random", seed=5),
    MissingKeys(),
    NoneKeys(),
    Chaos(7),
    Chaos(seed=-1, disconnects=True),
]


@pytest.mark.parametrize("fault", EACH, ids=repr)
def test_a_fault_is_a_value_whose_repr_makes_it_once_more(fault: Fault) -> None:
    assert eval(repr(fault), vars(faults)) == fault
    assert pickle.loads(pickle.dumps(fault)) == fault
    assert hash(fault) == hash(eval(repr(fault), vars(faults)))
    with pytest.raises(AttributeError):
        fault.during = "upload"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "kind, given, text",
    [
        (Disconnect, {"during": "night"}, "during=) is one of 'upload', 'download', 'handshake', not 'night'"),
        (
            Disconnect,
            {"after_bytes": 1, "after_messages": 1},
            "takes one of after_bytes, after_messages, after_seconds",
        ),
        (Disconnect, {"after_bytes": -1}, "Disconnect(after_bytes=) is a number, 0 or more, not -1"),
        (Disconnect, {"after_seconds": math.nan}, "Disconnect(after_seconds=) is in seconds, 0 or more, not nan"),
        (Disconnect, {"during": "handshake", "after_bytes": 1}, "Disconnect(during='handshake') takes after_seconds"),
        (Disconnect, {"during": "handshake", "after_messages": 1}, "(during='handshake') takes after_seconds"),
        (DropWebSocket, {"after_messages": 1, "after_seconds": 1}, "takes one of after_messages, after_seconds, and"),
        (SlowReader, {"seconds": -1}, "SlowReader(seconds=) is in seconds, 0 or more, not -1"),
        (SplitBody, {"parts": "halves"}, "SplitBody(parts=) is one of 'one-byte', 'empty', 'random', not 'halves'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(kind: Any, given: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=re.escape(text)):
        kind(**given)


@pytest.mark.parametrize(
    "kind, given, text",
    [
        (Disconnect, {"after_bytes": 1.5}, "Disconnect(after_bytes=) is a number, 0 or more, not 1.5"),
        (Disconnect, {"after_messages": True}, "Disconnect(after_messages=) is a number, 0 or more, not True"),
        (Disconnect, {"after_seconds": "1"}, "Disconnect(after_seconds=) is in seconds, 0 or more, not '1'"),
        (DropWebSocket, {"after_messages": "1"}, "DropWebSocket(after_messages=) is a number, 0 or more, not '1'"),
        (SlowReader, {"write_buffer": 0.5}, "SlowReader(write_buffer=) is a number, 0 or more, not 0.5"),
        (SplitBody, {"seed": "x"}, "SplitBody(seed=) is an int, not 'x'"),
        (Chaos, {"seed": "x"}, "Chaos(seed=) is an int, not 'x'"),
        (Chaos, {"seed": True}, "Chaos(seed=) is an int, not True"),
        (Chaos, {"seed": 1, "disconnects": 1}, "Chaos(disconnects=) is a bool, not 1"),
    ],
)
def test_a_fault_of_the_wrong_types_is_refused(kind: Any, given: dict[str, Any], text: str) -> None:
    with pytest.raises(TypeError, match=re.escape(text)):
        kind(**given)


def test_the_option_takes_one_fault_several_or_none() -> None:
    assert faults_of(None) is None
    assert faults_of(MissingKeys()) == (MissingKeys(),)
    assert faults_of([MissingKeys(), Chaos(1)]) == (MissingKeys(), Chaos(1))
    assert faults_of(()) == ()
    both_ways = [Disconnect(during="upload", after_bytes=1), Disconnect(after_bytes=1)]
    assert faults_of(both_ways) == tuple(both_ways)


@pytest.mark.parametrize("value", ["chaos", 7, Chaos, [Chaos(1), "chaos"], {"seed": 1}], ids=repr)
def test_the_option_takes_nothing_else(value: object) -> None:
    with pytest.raises(TypeError, match=r"^faults is a fault of asgi_testkit\.faults, or a list of them, not "):
        faults_of(value)


def test_two_of_a_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"^faults has more than one Chaos, SplitBody: "):
        faults_of([SplitBody(), Chaos(1), SplitBody("empty"), Chaos(2), MissingKeys()])


# Bodies


def split(fault: SplitBody, body: bytes, *, more_body: bool = False) -> list[dict[str, Any]]:
    message = {"type": "http.request", "body": body, "more_body": more_body}
    return [dict(each) for each in fault.split(message, Random(fault.seed))]


def test_one_byte_parts() -> None:
    assert [(each["body"], each["more_body"]) for each in split(SplitBody("one-byte"), b"abc")] == [
        (b"a", True),
        (b"b", True),
        (b"c", False),
    ]
    assert len(split(SplitBody("one-byte"), b"")) == 1


def test_empty_parts() -> None:
    assert [(each["body"], each["more_body"]) for each in split(SplitBody("empty"), b"abc")] == [
        (b"", True),
        (b"abc", True),
        (b"", False),
    ]
    assert [each["body"] for each in split(SplitBody("empty"), b"abc", more_body=True)] == [b"", b"abc"]


@given(st.sampled_from(["one-byte", "empty", "random"]), st.binary(max_size=20_000), st.integers(), st.booleans())
def test_all_parts_together_are_the_body(parts: Any, body: bytes, seed: int, more_body: bool) -> None:
    messages = split(SplitBody(parts, seed), body, more_body=more_body)
    assert b"".join(each["body"] for each in messages) == body
    assert [each["more_body"] for each in messages] == [*[True] * (len(messages) - 1), more_body]
    assert split(SplitBody(parts, seed), body, more_body=more_body) == messages


def test_a_large_body_is_not_split_into_ever_so_many_random_parts() -> None:
    messages = split(SplitBody(), bytes(100_000))
    assert len(messages) == 101
    assert b"".join(each["body"] for each in messages) == bytes(100_000)


# Keys


@pytest.mark.parametrize(
    "message, missing, none",
    [
        ({"type": "http.request", "body": b"", "more_body": False}, {"type": "http.request"}, None),
        ({"type": "http.request", "body": b"x", "more_body": True}, None, None),
        (
            {"type": "websocket.receive", "text": ""},
            None,
            {"type": "websocket.receive", "text": "", "bytes": None},
        ),
        (
            {"type": "websocket.receive", "bytes": b"", "text": None},
            {"type": "websocket.receive", "bytes": b""},
            None,
        ),
        (
            {"type": "websocket.disconnect", "code": 1000, "reason": ""},
            {"type": "websocket.disconnect", "code": 1000},
            {"type": "websocket.disconnect", "code": 1000, "reason": None},
        ),
        ({"type": "websocket.disconnect", "code": 1000, "reason": "why"}, None, None),
        ({"type": "websocket.disconnect", "code": 1005}, None, None),
        ({"type": "websocket.connect"}, None, None),
    ],
)
def test_optional_keys(message: dict[str, Any], missing: dict[str, Any] | None, none: dict[str, Any] | None) -> None:
    before = dict(message)
    assert MissingKeys().changed(message) == (message if missing is None else missing)
    assert NoneKeys().changed(message) == (message if none is None else none)
    assert message == before


# What a seed draws


@given(st.integers(), st.sampled_from(["http", "websocket"]), st.text(), st.integers(0, 9), st.integers(0, 999))
def test_the_same_place_has_the_same_faults(seed: int, kind: str, test: str, client: int, request: int) -> None:
    for chaos in (Chaos(seed), Chaos(seed, disconnects=True)):
        drawn = chaos.draw(kind, test, client, request)
        assert chaos.draw(kind, test, client, request) == drawn
        assert faults_of(drawn) == drawn


def test_what_a_seed_draws_stays_what_it_is() -> None:
    http = (SplitBody("one-byte"), MissingKeys(), SlowReader(write_buffer=1000))
    assert Chaos(7).draw("http", "test_shop.py::test_sale", 0, 0) == http
    assert Chaos(7).draw("websocket", "test_shop.py::test_sale", 0, 1) == (MissingKeys(),)


def all_drawn(kind: str, *, disconnects: bool = False) -> set[type[Fault]]:
    chaos = Chaos(1, disconnects=disconnects)
    return {type(fault) for number in range(300) for fault in chaos.draw(kind, "test", 0, number)}


def test_each_kind_of_fault_is_drawn_for_what_it_is_for_and_clients_go_if_that_is_asked_for() -> None:
    assert all_drawn("http") == {SplitBody, MissingKeys, SlowReader}
    assert all_drawn("websocket") == {MissingKeys, NoneKeys, SlowReader}
    assert all_drawn("http", disconnects=True) == {SplitBody, MissingKeys, SlowReader, Disconnect}
    assert all_drawn("websocket", disconnects=True) == {MissingKeys, NoneKeys, SlowReader, Disconnect, DropWebSocket}


def test_seed_test_client_and_request_each_make_a_difference() -> None:
    def draws(seed: int = 1, test: str = "a", client: int = 0, first: int = 0) -> list[tuple[Fault, ...]]:
        return [Chaos(seed).draw("http", test, client, first + number) for number in range(20)]

    assert draws() == draws()
    assert draws() not in (draws(seed=2), draws(test="b"), draws(client=1), draws(first=1))


def test_with_disconnects_all_else_is_drawn_as_without() -> None:
    for number in range(50):
        calm = Chaos(3).draw("http", "test", 0, number)
        assert Chaos(3, disconnects=True).draw("http", "test", 0, number)[: len(calm)] == calm

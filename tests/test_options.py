"""The options of an exchange: which values make sense, and which names exist."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

import anyio
import httpx
import pytest

from asgi_testkit import AsyncClient, LifespanManager, Receive, Scope, Send, TestClient
from asgi_testkit._protocol.options import ExchangeOptions, duration

from .faces import Face
from .messages import accept, body, hello, say, start


def test_the_defaults_make_sense() -> None:
    options = ExchangeOptions()
    assert options.checked() is options
    assert options == (True, 65536, "wait", 1.0, False, False, 16 * 1024 * 1024, None, None, True, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"background": "detach"},
        {"write_buffer": 0},
        {"disconnect_grace": 0},
        {"disconnect_grace": math.inf},
        {"max_message_size": 0},
        {"max_message_size": None},
    ],
    ids=repr,
)
def test_a_value_at_the_border_makes_sense(changes: dict[str, Any]) -> None:
    options = ExchangeOptions(**changes)
    assert options.checked() is options


@pytest.mark.parametrize(
    "changes, text",
    [
        ({"background": "later"}, 'background must be "wait" or "detach", not \'later\''),
        ({"background": None}, 'background must be "wait" or "detach", not None'),
        ({"write_buffer": -1}, "write_buffer is a number of bytes, 0 or more, not -1"),
        ({"disconnect_grace": -0.5}, "disconnect_grace is in seconds, 0 or more, not -0.5"),
        ({"max_message_size": -1}, "max_message_size is a number of bytes, 0 or more, or None, not -1"),
        ({"background": ["wait"]}, 'background must be "wait" or "detach", not [\'wait\']'),
        ({"write_buffer": "x"}, "write_buffer is a number of bytes, 0 or more, not 'x'"),
        ({"write_buffer": True}, "write_buffer is a number of bytes, 0 or more, not True"),
        ({"write_buffer": None}, "write_buffer is a number of bytes, 0 or more, not None"),
        ({"write_buffer": 1e6}, "write_buffer is a number of bytes, 0 or more, not 1000000.0"),
        ({"max_message_size": "x"}, "max_message_size is a number of bytes, 0 or more, or None, not 'x'"),
        ({"max_message_size": False}, "max_message_size is a number of bytes, 0 or more, or None, not False"),
        ({"disconnect_grace": "1"}, "disconnect_grace is in seconds, 0 or more, not '1'"),
        ({"disconnect_grace": None}, "disconnect_grace is in seconds, 0 or more, not None"),
        ({"disconnect_grace": True}, "disconnect_grace is in seconds, 0 or more, not True"),
        ({"disconnect_grace": math.nan}, "disconnect_grace is in seconds, 0 or more, not nan"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(changes: dict[str, Any], text: str) -> None:
    [value] = changes.values()
    kind = ValueError if "background" in changes or (type(value) in {int, float} and value != 1e6) else TypeError
    with pytest.raises(kind, match=f"^{re.escape(text)}$"):
        ExchangeOptions(**changes).checked()
    with pytest.raises(kind, match=f"^{re.escape(text)}$"):
        ExchangeOptions().overridden(changes)


@pytest.mark.parametrize(
    "name, value",
    [
        ("raise_server_exceptions", False),
        ("write_buffer", 1),
        ("background", "detach"),
        ("disconnect_grace", 0.5),
        ("strict", True),
        ("compression", True),
        ("max_message_size", 1),
        ("max_message_size", None),
    ],
)
def test_a_request_may_override_each_option_and_nothing_else_changes(name: str, value: object) -> None:
    options = ExchangeOptions()
    changed = options.overridden({name: value})
    assert changed._asdict() == {**options._asdict(), name: value}
    assert options == ExchangeOptions()


def test_a_request_that_overrides_nothing_has_the_options_of_its_client() -> None:
    options = ExchangeOptions(strict=True)
    assert options.overridden({}) == options


def test_an_unknown_option_is_refused_and_the_text_names_the_known_ones() -> None:
    text = (
        'extensions={"asgi": ...} knows scope, raise_server_exceptions, write_buffer, background, disconnect_grace, '
        "strict, compression, max_message_size, faults, expect_status, not 'bakcground', 'strcit'"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
        ExchangeOptions().overridden({"strcit": True, "strict": True, "bakcground": "wait"})


# Durations


@pytest.mark.parametrize(
    "value, expected",
    [(None, None), (0, 0), (0.5, 0.5), (5, 5), (-1, 0), (-math.inf, 0), (math.inf, None), (10**400, None)],
    ids=repr,
)
def test_a_duration_that_is_over_is_none_left_and_one_without_end_is_no_limit(value: Any, expected: float) -> None:
    assert duration(value, "timeout") == expected


@pytest.mark.parametrize("value", ["5", True, b"5", (1, 2), Decimal(5), object], ids=repr)
def test_a_duration_is_a_number(value: Any) -> None:
    with pytest.raises(TypeError, match=f"^timeout is in seconds, or None for no limit, not {re.escape(repr(value))}$"):
        duration(value, "timeout")


def test_no_duration_is_nan() -> None:
    with pytest.raises(ValueError, match=r"^timeout is in seconds, or None for no limit, not nan$"):
        duration(math.nan, "timeout")


class Waits:
    """An app that answers a first request or message, and no other."""

    def __init__(self) -> None:
        self.called = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.called += 1
        if scope["type"] == "websocket":
            await accept(send)
            await say(send, "first")
        else:
            await start(send)
            await body(send, b"first", more=True)
        await anyio.sleep_forever()


@pytest.mark.parametrize(
    "options, kind, text",
    [
        ({"timeout": "5"}, TypeError, "timeout= (connect) is in seconds, or None for no limit, not '5'"),
        (
            {"timeout": httpx.Timeout(5, read=True)},
            TypeError,
            "timeout= (read) is in seconds, or None for no limit, no",
        ),
        (
            {"extensions": {"timeout": {"read": 5, "write": "x"}}},
            TypeError,
            "timeout= (write) is in seconds, or None for no limit",
        ),
        ({"timeout": math.nan}, ValueError, "timeout= (connect) is in seconds, or None for no limit, not nan"),
        ({"extensions": {"timeout": 5}}, TypeError, 'extensions={"timeout": ...} is a dict, not 5'),
        ({"extensions": {"timeout": None}}, TypeError, 'extensions={"timeout": ...} is a dict, not None'),
        ({"extensions": {"target": "/x"}}, TypeError, "extensions={\"target\": ...} is bytes, not '/x'"),
        ({"extensions": {"asgi": None}}, TypeError, 'extensions={"asgi": ...} is a dict, not None'),
        ({"extensions": {"asgi": {"scope": 3}}}, TypeError, 'extensions={"asgi": {"scope": ...}} is a dict, not 3'),
        ({"extensions": {"asgi": {"write_buffer": "x"}}}, TypeError, "write_buffer is a number of bytes, 0 or more"),
        ({"extensions": {"asgi": {"scope": {"asgi": 3}}}}, TypeError, "scope['asgi'] is a dict, not 3"),
        (
            {"extensions": {"asgi": {"scope": {"asgi": {"spec_version": [2]}}}}},
            ValueError,
            "scope['asgi']['spec_version'] is a str such as '2.4', not '[2]'",
        ),
    ],
    ids=str,
)
def test_an_odd_value_of_a_request_is_named_before_the_app_is_called(
    face: Face, options: Any, kind: type[Exception], text: str
) -> None:
    app = Waits()
    with face.bare(app) as client:
        with pytest.raises(kind, match=re.escape(text)):
            client.get(**options)
        with pytest.raises(kind, match=re.escape(text)):
            client.connect(**options).__enter__()
    assert app.called == 0


@pytest.mark.parametrize("timeout", [-0.1, -math.inf, 0])
def test_a_deadline_that_has_passed_is_a_time_out_at_once_and_loses_nothing(face: Face, timeout: float) -> None:
    with face.open(Waits(), lifespan="off", timeout=5, disconnect_grace=0) as client:
        with client.stream() as stream:
            assert stream.next() == b"first"
            with pytest.raises(TimeoutError, match=r"has not ended within 0\.?0? seconds \(timeout=\)"):
                client.wait(stream.response, timeout)
        with client.connect() as socket:
            assert socket.receive_text() == "first"
            with pytest.raises(httpx.ReadTimeout, match=r": 0\.?0? seconds passed \(timeout=, read\)"):
                socket.receive(timeout=timeout)
            with pytest.raises(TimeoutError, match="has not ended within"):
                socket.wait(timeout)
        with pytest.raises(httpx.ReadTimeout, match="seconds passed"):
            client.get(timeout=timeout)
        with client.stream() as again:  # the first is kept: trio warns of a generator that is left to the collector
            assert again.next() == b"first"


@pytest.mark.parametrize("timeout, kind", [("1", TypeError), (True, TypeError), (math.nan, ValueError)])
def test_an_odd_timeout_of_a_wait_is_named(face: Face, timeout: Any, kind: type[Exception]) -> None:
    text = f"^timeout is in seconds, or None for no limit, not {timeout!r}$"
    with face.open(Waits(), lifespan="off", disconnect_grace=0) as client, client.connect() as socket:
        with pytest.raises(kind, match=text):
            socket.wait(timeout)
        with pytest.raises(kind, match=text):
            client.wait(socket.session.response, timeout)
        for verb in ("receive", "receive_text", "receive_bytes", "receive_json"):
            with pytest.raises(kind, match=text):
                socket.do(verb, timeout=timeout)
        assert socket.receive_text(timeout=math.inf) == "first"


def test_a_timeout_without_end_is_no_limit(face: Face) -> None:
    with face.bare(hello) as client:
        assert client.get(timeout=math.inf).text == "hello"


@pytest.mark.parametrize(
    "options, text",
    [
        ({"write_buffer": "x"}, "write_buffer is a number of bytes, 0 or more, not 'x'"),
        ({"max_message_size": "x"}, "max_message_size is a number of bytes, 0 or more, or None, not 'x'"),
        ({"disconnect_grace": "x"}, "disconnect_grace is in seconds, 0 or more, not 'x'"),
        ({"root_path": None}, "root_path is a str, not None"),
        ({"root_path": b"/x"}, "root_path is a str, not b'/x'"),
        ({"client": "x"}, "client is a pair of host and port, or None, not 'x'"),
        ({"client": ("x",)}, "client is a pair of host and port, or None, not ('x',)"),
        ({"scope": 3}, "scope is a dict, not 3"),
        ({"scope": ""}, "scope is a dict, not ''"),
        ({"asgi_extensions": 3}, "asgi_extensions maps the names of extensions to dicts; it is not 3"),
        ({"asgi_extensions": ["tls"]}, "asgi_extensions maps the names of extensions to dicts; it is not ['tls']"),
        ({"startup_timeout": "5"}, "startup_timeout is in seconds, or None for no limit, not '5'"),
        ({"shutdown_timeout": True}, "shutdown_timeout is in seconds, or None for no limit, not True"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [AsyncClient, TestClient])
def test_an_odd_value_of_a_client_is_named_where_it_is_made(kind: Any, options: Any, text: str) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        kind(hello, **options)


@pytest.mark.parametrize("options", [{"client": None}, {"client": ["::1", 1]}, {"scope": {}}, {"asgi_extensions": {}}])
def test_a_value_that_is_as_good_will_do(options: Any) -> None:
    with TestClient(hello, lifespan="off", **options) as client:
        assert client.get("/").text == "hello"


def test_nan_is_no_timeout_of_a_lifespan() -> None:
    with pytest.raises(ValueError, match=r"^startup_timeout is in seconds, or None for no limit, not nan$"):
        LifespanManager(hello, math.nan)


@pytest.mark.parametrize("lifespan", ["never", ["on"], None], ids=repr)
def test_an_odd_lifespan_is_named(lifespan: Any) -> None:
    with pytest.raises(ValueError, match=f'^lifespan must be "auto", "on" or "off", not {re.escape(repr(lifespan))}$'):
        LifespanManager(hello, lifespan=lifespan)

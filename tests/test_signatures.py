"""The blocking face cannot drift from the awaited one: what both offer, and how it is called, is compared."""

from __future__ import annotations

import inspect
import re
import typing
import warnings
from typing import Any

import httpx
import pytest

from asgi_testkit import (
    ASGITransport,
    AsyncBodyReader,
    AsyncClient,
    BlockingExchange,
    BodyReader,
    HTTPExchange,
    TestClient,
    WebSocketConnection,
)
from asgi_testkit._blocking.client import BlockingClient
from asgi_testkit._blocking.session import WebSocketSession
from asgi_testkit._blocking.steps import Steps
from asgi_testkit._client.client import AppClient, AwaitedClient
from asgi_testkit._client.options import ClientOptions
from asgi_testkit._client.session import AsyncWebSocketSession, Session
from asgi_testkit._conversation.steps import AsyncSteps
from asgi_testkit._protocol.options import TransportOptions

#: What one face has and the other has not, with the reason.
ONLY_BLOCKING_OPTIONS = {
    "backend": "the awaited client runs in the test's own loop",
    "backend_options": "the same",
}
ONLY_BLOCKING_NAMES = {
    "portal": "the awaited client needs no way into its loop",
}

#: Names of the protocol of context managers, and the like, on both sides.
TWINS = {
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "aclose": "close",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}

#: Where Starlette's signature says otherwise, in order: these may be given by position.
STARLETTE = {
    "app": inspect.Parameter.empty,
    "base_url": "http://testserver",
    "raise_server_exceptions": True,
    "root_path": "",
    "backend": "asyncio",
    "backend_options": None,
    "cookies": None,
    "headers": None,
    "follow_redirects": True,
    "client": ("testclient", 50000),
}


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    found = dict(inspect.signature(function).parameters)
    found.pop("self", None)
    return found


def own_names(kind: type) -> set[str]:
    """Return what a class itself defines for its users."""
    private = {name for name in vars(kind) if name.startswith("_")}
    return (set(vars(kind)) - private) | (private & {*TWINS, *TWINS.values(), "__init__", "__del__", "__test__"})


def call(function: Any) -> dict[str, tuple[Any, Any, Any]]:
    """Return how a function is called: kinds, defaults and types of its parameters."""
    return {name: (each.kind, each.default, each.annotation) for name, each in parameters(function).items()}


# The clients


def test_the_clients_take_the_same_options_with_the_same_defaults() -> None:
    awaited, blocking = parameters(AsyncClient), parameters(TestClient)
    assert blocking.keys() - awaited.keys() == ONLY_BLOCKING_OPTIONS.keys()
    assert awaited.keys() <= blocking.keys()
    # Each as in the client that it takes the place of: httpx's, and Starlette's.
    assert (awaited["follow_redirects"].default, blocking["follow_redirects"].default) == (False, True)
    for name, parameter in awaited.items():
        assert blocking[name].default == parameter.default or name == "follow_redirects", name
        assert blocking[name].annotation == parameter.annotation, name


def test_the_awaited_client_takes_only_the_app_by_position() -> None:
    first, *others, rest = parameters(AsyncClient).values()
    assert (first.name, first.kind) == ("app", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    assert {each.kind for each in others} == {inspect.Parameter.KEYWORD_ONLY}
    assert (rest.name, rest.kind) == ("options", inspect.Parameter.VAR_KEYWORD)


def test_the_blocking_client_takes_by_position_what_starlette_s_takes() -> None:
    by_position = [
        each for each in parameters(TestClient).values() if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
    ]
    assert {each.name: each.default for each in by_position} == STARLETTE
    assert [each.name for each in by_position] == list(STARLETTE)


def test_starlette_s_own_signature_is_the_one_that_is_followed() -> None:
    with warnings.catch_warnings(action="ignore"):  # it would rather have httpx2
        from starlette.testclient import TestClient as StarlettesClient
    theirs = {name: each.default for name, each in parameters(StarlettesClient).items()}
    assert theirs == STARLETTE
    assert list(theirs) == list(STARLETTE)


@pytest.mark.parametrize("kind", [AsyncClient, TestClient])
def test_a_client_takes_what_the_transport_takes(kind: Any) -> None:
    of_the_transport = parameters(ASGITransport)
    of_the_transport["raise_server_exceptions"] = of_the_transport.pop("raise_app_exceptions")
    of_the_transport.pop("client")  # the transport's is httpx's, the client's Starlette's
    of_the_client = parameters(kind)
    handed_on = typing.get_type_hints(TransportOptions)
    assert of_the_transport.keys() == handed_on.keys() | (of_the_client.keys() & of_the_transport.keys())
    for name, parameter in of_the_transport.items():
        if name in handed_on:
            assert typing.get_type_hints(ASGITransport.__init__)[name] == handed_on[name]
        else:
            assert of_the_client[name].default == parameter.default, name
            assert of_the_client[name].annotation == parameter.annotation, name


def test_a_client_hands_on_to_the_library_what_that_takes() -> None:
    of_the_client = typing.get_type_hints(ClientOptions).keys() | parameters(AsyncClient).keys()
    assert parameters(httpx.AsyncClient).keys() - of_the_client == {"transport"}


def test_the_transport_takes_by_position_what_httpx_s_takes() -> None:
    ours = [each for each in parameters(ASGITransport).values() if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    theirs = parameters(httpx.ASGITransport).values()
    assert [(each.name, each.default) for each in ours] == [(each.name, each.default) for each in theirs]


def test_the_clients_have_the_same_methods() -> None:
    awaited = {TWINS.get(name, name) for name in own_names(AwaitedClient)}
    blocking = own_names(BlockingClient)
    assert blocking - awaited == ONLY_BLOCKING_NAMES.keys()
    assert awaited <= blocking


@pytest.mark.parametrize("name", sorted(own_names(AwaitedClient) - {"__init__", "app"}))
def test_a_method_of_the_clients_is_called_alike(name: str) -> None:
    awaited, blocking = getattr(AsyncClient, name), getattr(TestClient, TWINS.get(name, name))
    assert call(awaited) == call(blocking)
    assert inspect.iscoroutinefunction(awaited) == (name not in {"__del__", "websocket_connect"})
    assert not inspect.iscoroutinefunction(blocking)


@pytest.mark.parametrize("kind", [AsyncClient, TestClient])
def test_every_option_of_a_client_is_documented(kind: Any) -> None:
    heads = re.findall(r"^    ([a-z_, ]+): ", inspect.getdoc(kind.__init__) or "", re.MULTILINE)
    documented = [name for head in heads for name in head.split(", ")]
    assert parameters(kind).keys() <= set(documented)
    assert len(documented) == len(set(documented))


@pytest.mark.parametrize("kind", [AsyncClient, TestClient])
def test_what_httpx_s_client_takes_is_still_taken(kind: Any) -> None:
    """``transport`` and ``app`` apart, every option of httpx's is ours or is passed on."""
    base = httpx.AsyncClient if kind is AsyncClient else httpx.Client
    theirs = parameters(base).keys() - {"transport"}
    kind(lambda scope, receive, send: None, **dict.fromkeys(theirs - DEMANDING))


#: Options that do not take None for "as usual".
DEMANDING = {"base_url", "default_encoding", "limits", "max_redirects", "trust_env"}


# The exchanges


def public(kind: type) -> set[str]:
    return {name for name in dir(kind) if not name.startswith("_")}


#: What the class docstring of HTTPExchange calls public; the rest of it is the transport's.
FOR_TESTS = {"scope", "done", "app_exception", "caused_by", "wait"}

#: What makes a reader of the body.
READERS = {"lines", "ndjson", "events"}


def test_the_blocking_exchange_offers_what_the_other_has_for_tests() -> None:
    assert public(BlockingExchange) == FOR_TESTS | READERS
    assert FOR_TESTS | READERS - {"scope"} <= public(HTTPExchange) | {"scope"}  # scope is an attribute


def test_waiting_for_the_end_is_called_alike() -> None:
    assert call(HTTPExchange.wait) == call(BlockingExchange.wait)
    assert inspect.iscoroutinefunction(HTTPExchange.wait)
    assert not inspect.iscoroutinefunction(BlockingExchange.wait)


@pytest.mark.parametrize("kind", [HTTPExchange, BlockingExchange])
@pytest.mark.parametrize("name", ["done", "app_exception"])
def test_what_is_read_is_a_property_of_the_same_type(kind: type, name: str) -> None:
    assert isinstance(inspect.getattr_static(kind, name), property)
    getters = [inspect.getattr_static(each, name).fget for each in (HTTPExchange, BlockingExchange)]
    assert getters[0].__annotations__ == getters[1].__annotations__


def test_a_connection_offers_what_an_exchange_has_for_tests() -> None:
    assert FOR_TESTS - {"scope"} <= public(WebSocketConnection)


# The sessions

SESSIONS = [AsyncWebSocketSession, WebSocketSession]

#: What a session knows without a word to the app.
ATTRIBUTES = {
    *("response", "headers", "subprotocol", "scope"),
    *("close_code", "close_reason", "app_exception", "done"),
}

METHODS = {
    *("send", "send_text", "send_bytes", "send_json"),
    *("receive", "receive_text", "receive_bytes", "receive_json"),
    *("close", "abort", "wait"),
}


def test_the_sessions_have_the_same_methods() -> None:
    awaited = {TWINS.get(name, name) for name in own_names(AsyncWebSocketSession)}
    assert awaited == own_names(WebSocketSession)
    assert awaited == METHODS | {"__init__", "__enter__", "__exit__", "__iter__", "__next__"}
    for kind in SESSIONS:
        assert public(kind) == METHODS | ATTRIBUTES | own_names(Steps)


@pytest.mark.parametrize("name", sorted(own_names(AsyncWebSocketSession) - {"__init__"}))
def test_a_method_of_the_sessions_is_called_alike(name: str) -> None:
    awaited, blocking = getattr(AsyncWebSocketSession, name), getattr(WebSocketSession, TWINS.get(name, name))
    assert call(awaited) == call(blocking)
    assert inspect.signature(awaited).return_annotation == inspect.signature(blocking).return_annotation
    assert inspect.iscoroutinefunction(awaited) == (name != "__aiter__")
    assert not inspect.iscoroutinefunction(blocking)


@pytest.mark.parametrize("kind", SESSIONS)
@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_an_attribute_of_a_session_is_the_same_property_of_both(kind: type, name: str) -> None:
    assert isinstance(inspect.getattr_static(kind, name), property)
    assert inspect.getattr_static(kind, name) is inspect.getattr_static(SESSIONS[0], name)


@pytest.mark.parametrize("kind", SESSIONS)
def test_every_receive_has_a_timeout_that_is_given_by_name(kind: type) -> None:
    for name in (name for name in METHODS if name.startswith("receive")):
        timeout = parameters(getattr(kind, name))["timeout"]
        assert (timeout.kind, timeout.default) == (inspect.Parameter.KEYWORD_ONLY, ...)


def test_the_sessions_take_by_position_what_starlette_s_takes() -> None:
    with warnings.catch_warnings(action="ignore"):  # it would rather have httpx2
        from starlette.testclient import TestClient as StarlettesClient
        from starlette.testclient import WebSocketTestSession
    by_position = inspect.Parameter.POSITIONAL_OR_KEYWORD
    for name in METHODS & set(vars(WebSocketTestSession)):
        theirs = list(parameters(getattr(WebSocketTestSession, name)).items())
        ours = [(each, parameter) for each, parameter in parameters(getattr(WebSocketSession, name)).items()]
        ours = [(each, parameter) for each, parameter in ours if parameter.kind is by_position]
        assert [(each, parameter.default) for each, parameter in ours] == [
            (each, parameter.default) for each, parameter in theirs
        ], name
    first_two = list(parameters(StarlettesClient.websocket_connect))[:2]
    assert list(parameters(TestClient.websocket_connect))[:2] == first_two


@pytest.mark.parametrize("name", sorted(own_names(AsyncWebSocketSession) - {"__init__", "__anext__"}))
def test_a_blocking_session_says_the_same_in_short_and_who_says_all(name: str) -> None:
    awaited = inspect.getdoc(getattr(AsyncWebSocketSession, name)) or ""
    blocking = inspect.getdoc(getattr(WebSocketSession, TWINS.get(name, name))) or ""
    assert re.split(r"[.,:;]", awaited)[0] == re.split(r"[.,:;]", blocking)[0]
    assert f"`AsyncWebSocketSession.{name}`" in blocking


# The steps, and the readers of bodies


def test_the_steps_are_the_same_awaited_and_blocking() -> None:
    assert own_names(AsyncSteps) == own_names(Steps)
    assert {TWINS.get(name, name) for name in own_names(AsyncBodyReader)} == own_names(BodyReader)
    assert public(AsyncBodyReader) == public(BodyReader) == own_names(Steps)


@pytest.mark.parametrize("name", sorted(own_names(AsyncSteps)))
def test_a_step_is_called_alike(name: str) -> None:
    awaited, blocking = getattr(AsyncSteps, name), getattr(Steps, name)
    assert call(awaited) == call(blocking)
    assert inspect.signature(awaited).return_annotation == inspect.signature(blocking).return_annotation
    assert inspect.iscoroutinefunction(awaited)
    assert not inspect.iscoroutinefunction(blocking)


@pytest.mark.parametrize("name", sorted(own_names(AsyncSteps)))
def test_a_blocking_step_says_the_same_in_short_and_who_says_all(name: str) -> None:
    awaited, blocking = (inspect.getdoc(getattr(kind, name)) or "" for kind in (AsyncSteps, Steps))
    assert re.split(r"[.;:]", awaited)[0].startswith(blocking.partition(";")[0])
    assert f"`AsyncWebSocketSession.{name}`" in blocking


@pytest.mark.parametrize("name", sorted(READERS))
def test_a_reader_is_made_alike(name: str) -> None:
    assert call(getattr(HTTPExchange, name)) == call(getattr(BlockingExchange, name)) == {}
    blocking = inspect.getdoc(getattr(BlockingExchange, name)) or ""
    assert (inspect.getdoc(getattr(HTTPExchange, name)) or "").startswith(blocking.partition(";")[0])
    assert f"`HTTPExchange.{name}`" in blocking


# Docstrings


@pytest.mark.parametrize(
    "kind, name",
    [
        (kind, name)
        for kind in (
            *(
                AppClient,
                AsyncClient,
                AwaitedClient,
                TestClient,
                BlockingClient,
                BlockingExchange,
                HTTPExchange,
                WebSocketConnection,
            ),
            *(AsyncSteps, Steps, AsyncBodyReader, BodyReader),
            *(Session, AsyncWebSocketSession, WebSocketSession),
        )
        for name in sorted(
            own_names(kind) - {"__del__", "__test__", *(["__init__"] if "Exchange" in str(kind) else [])}
        )
    ],
)
def test_everything_public_says_what_it_is(kind: type, name: str) -> None:
    documented = inspect.getattr_static(kind, name)
    assert (documented.__doc__ or "").strip(), f"{kind.__name__}.{name} has no docstring of its own"


@pytest.mark.parametrize("name", ["done", "app_exception", "wait"])
def test_the_exchanges_say_the_same(name: str) -> None:
    awaited, blocking = (
        inspect.getdoc(inspect.getattr_static(kind, name)) or "" for kind in (HTTPExchange, BlockingExchange)
    )
    assert awaited.replace(", and when the wait is cancelled", "") == blocking

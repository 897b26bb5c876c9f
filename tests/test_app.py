"""What the user hands over as the app: every form of an ASGI callable, and what is none."""

from __future__ import annotations

import functools
import inspect
import re
import types
from collections.abc import Awaitable, Callable, Generator
from typing import Any
from unittest.mock import AsyncMock
from wsgiref.simple_server import demo_app

import pytest
from a2wsgi import WSGIMiddleware

from asgi_testkit import ASGIProtocolError, Message, Receive, Scope, Send
from asgi_testkit._protocol.app import as_single_callable

# Apps that answer with the scope and the message that they were given


async def function(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"scope": scope, "received": await receive()})


async def with_options(option: str, scope: Scope, receive: Receive, send: Send, *, other: str = "") -> None:
    assert option == "given"
    await function(scope, receive, send)


async def with_defaults(scope: Scope, receive: Receive, send: Send, option: str = "default") -> None:
    assert option == "default"
    await function(scope, receive, send)


async def with_keywords(scope: Scope, receive: Receive, send: Send, *, option: str = "default") -> None:
    assert option == "default"
    await function(scope, receive, send)


def plain(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
    return function(scope, receive, send)


@types.coroutine
def generator(scope: Scope, receive: Receive, send: Send) -> Generator[Any, None, None]:
    yield from function(scope, receive, send).__await__()


@functools.wraps(function)
async def wrapped(*args: Any, **kwargs: Any) -> None:
    await function(*args, **kwargs)


async def anything(*args: Any) -> None:
    await function(*args)


class Methods:
    async def method(self, scope: Scope, receive: Receive, send: Send) -> None:
        await function(scope, receive, send)

    @classmethod
    async def of_class(cls, scope: Scope, receive: Receive, send: Send) -> None:
        await function(scope, receive, send)

    @staticmethod
    async def static(scope: Scope, receive: Receive, send: Send) -> None:
        await function(scope, receive, send)


class AsyncCall:
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await function(scope, receive, send)


class PlainCall:
    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return function(scope, receive, send)


class Awaited:
    """Called, it makes an instance; the instance is awaited."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.call = function(scope, receive, send)

    def __await__(self) -> Generator[Any, None, None]:
        return self.call.__await__()


def double(scope: Scope) -> Callable[[Receive, Send], Awaitable[None]]:
    async def instance(receive: Receive, send: Send) -> None:
        await function(scope, receive, send)

    return instance


class DoubleClass:
    def __init__(self, scope: Scope, option: str = "") -> None:
        self.scope = scope

    async def __call__(self, receive: Receive, send: Send) -> None:
        await function(self.scope, receive, send)


class DoubleInstance:
    def __call__(self, scope: Scope) -> DoubleClass:
        return DoubleClass(scope)


COMMON = [
    pytest.param(function, id="async function"),
    pytest.param(Methods().method, id="method"),
    pytest.param(Methods.of_class, id="classmethod"),
    pytest.param(Methods.static, id="staticmethod"),
    pytest.param(AsyncCall(), id="instance with async __call__"),
]
SINGLE = [
    *COMMON,
    pytest.param(with_defaults, id="async function with a default"),
    pytest.param(with_keywords, id="async function with a keyword"),
    pytest.param(plain, id="function that returns a coroutine"),
    pytest.param(generator, id="generator-based coroutine"),
    pytest.param(lambda scope, receive, send: function(*(scope, receive, send)), id="lambda"),
    pytest.param(wrapped, id="wrapped function"),
    pytest.param(anything, id="async function of *args"),
    pytest.param(lambda *args: function(args[0], args[1], args[2]), id="lambda of *args"),
    pytest.param(functools.partial(with_options, "given"), id="partial"),
    pytest.param(functools.partial(with_options, "given", other="x"), id="partial with a keyword"),
    pytest.param(PlainCall(), id="instance with __call__"),
    pytest.param(Awaited, id="class of awaitables"),
    pytest.param(AsyncMock(side_effect=function), id="mock"),
]
DOUBLE = [
    pytest.param(double, id="function"),
    pytest.param(DoubleClass, id="class"),
    pytest.param(DoubleInstance(), id="instance"),
]


async def answer(app: Any) -> Message:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app({"type": "http"}, receive, send)
    [message] = sent
    return message


@pytest.mark.anyio
@pytest.mark.parametrize("app", SINGLE)
async def test_every_form_of_an_asgi_3_app_is_called_with_scope_receive_and_send(app: Any) -> None:
    assert await answer(as_single_callable(app)) == {"scope": {"type": "http"}, "received": {"type": "http.request"}}


@pytest.mark.parametrize("app", COMMON)
def test_the_common_forms_are_taken_as_they_are(app: Any) -> None:
    assert as_single_callable(app) is app


@pytest.mark.anyio
@pytest.mark.parametrize("app", DOUBLE)
async def test_every_form_of_an_asgi_2_app_is_adapted(app: Any) -> None:
    assert await answer(as_single_callable(app)) == {"scope": {"type": "http"}, "received": {"type": "http.request"}}


@pytest.mark.anyio
async def test_what_an_asgi_2_app_raises_in_its_first_call_is_raised() -> None:
    def app(scope: Scope) -> Any:
        raise LookupError(scope["type"])

    with pytest.raises(LookupError, match=r"^http$"):
        await answer(as_single_callable(app))


@pytest.mark.anyio
async def test_a_builtin_that_does_not_tell_its_arguments_shows_at_its_first_call() -> None:
    with pytest.raises(ValueError, match=r"signature"):
        inspect.signature(getattr)
    with pytest.raises(TypeError, match="attribute name must be string"):
        await answer(as_single_callable(getattr))


@pytest.mark.anyio
@pytest.mark.parametrize("returned", [None, 5, [b"body"]], ids=repr)
async def test_an_app_that_returns_no_awaitable_is_told_so(returned: object) -> None:
    with pytest.raises(ASGIProtocolError, match=rf"^application returned {re.escape(repr(returned))} .* `async def`"):
        await answer(as_single_callable(lambda scope, receive, send: returned))  # type: ignore[arg-type]


@pytest.mark.parametrize("app", [None, "package.module:app", 5, {"type": "http"}, ...], ids=repr)
def test_what_cannot_be_called_is_no_app(app: Any) -> None:
    with pytest.raises(TypeError) as caught:
        as_single_callable(app)
    assert str(caught.value) == f"app must be an ASGI application, a callable of (scope, receive, send), not {app!r}"


# WSGI


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any: ...


class LikeFlask:
    def wsgi_app(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any: ...
    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any: ...


@pytest.mark.parametrize(
    "app",
    [
        pytest.param(demo_app, id="wsgiref's"),
        pytest.param(wsgi, id="function"),
        pytest.param(LikeFlask(), id="instance"),
        pytest.param(LikeFlask().wsgi_app, id="method"),
    ],
)
def test_a_wsgi_app_is_refused_and_the_text_says_what_to_wrap_it_in(app: Any) -> None:
    with pytest.raises(TypeError) as caught:
        as_single_callable(app)
    assert repr(app) in str(caught.value)
    assert "looks like a WSGI application" in str(caught.value)
    assert "a2wsgi.WSGIMiddleware(app)" in str(caught.value)


def test_a_wsgi_app_that_is_wrapped_so_is_taken() -> None:
    app: Any = demo_app  # typed as wsgiref and as a2wsgi see it, and they differ
    assert callable(as_single_callable(WSGIMiddleware(app)))


# Other arguments


async def no_arguments() -> None: ...
async def scope_alone(scope: Scope) -> None: ...
async def no_send(scope: Scope, receive: Receive) -> None: ...
async def four_arguments(scope: Scope, receive: Receive, send: Send, more: Any) -> None: ...
async def keyword_demanded(scope: Scope, receive: Receive, send: Send, *, more: Any) -> None: ...
async def keywords_alone(*, scope: Scope, receive: Receive, send: Send) -> None: ...


def plain_four_arguments(scope: Scope, receive: Receive, send: Send, more: Any) -> None: ...


class Unused:
    def __init__(self, scope: Scope, receive: Receive, send: Send, more: Any) -> None: ...


class Empty:
    """Takes nothing."""


@pytest.mark.parametrize(
    "app, takes",
    [
        pytest.param(no_arguments, "()", id="none"),
        pytest.param(scope_alone, "(scope: 'Scope')", id="scope alone"),
        pytest.param(no_send, "(scope: 'Scope', receive: 'Receive')", id="no send"),
        pytest.param(four_arguments, "more: 'Any')", id="four"),
        pytest.param(plain_four_arguments, "more: 'Any')", id="four, not async"),
        pytest.param(keyword_demanded, "*, more: 'Any')", id="a keyword is demanded"),
        pytest.param(keywords_alone, "(*, scope: 'Scope'", id="keywords alone"),
        pytest.param(Unused, "more: 'Any')", id="a class of four"),
        pytest.param(Empty, "()", id="a class of none"),
        pytest.param(DoubleClass({}), "(receive: 'Receive', send: 'Send')", id="the second half of an ASGI 2 app"),
    ],
)
def test_what_takes_other_arguments_is_no_app_and_the_text_shows_them(app: Any, takes: str) -> None:
    with pytest.raises(TypeError) as caught:
        as_single_callable(app)
    text = str(caught.value)
    assert text.startswith("app must be an ASGI application, a callable of (scope, receive, send); ")
    assert f"{app!r} takes {inspect.signature(app)}" in text
    assert takes in text

"""Every framework's app type-checks at every door, and what is no app does not. Mypy reads this, pytest runs it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol, TypedDict

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp as StarletteApp
from starlette.types import Receive as StarletteReceive
from starlette.types import Scope as StarletteScope
from starlette.types import Send as StarletteSend

from asgi_testkit import ASGIApp, ASGITransport, AsyncClient, LifespanManager, Message, Receive, Scope, Send, TestClient


class HTTPScope(TypedDict):
    """A scope as strictly typed as asgiref's."""

    type: str


class HTTPEvent(TypedDict):
    """A message as strictly typed as asgiref's."""

    type: str


class StrictApp(Protocol):
    """An app as strictly typed as hypercorn's and asgiref's."""

    async def __call__(
        self,
        scope: HTTPScope,
        receive: Callable[[], Awaitable[HTTPEvent]],
        send: Callable[[HTTPEvent], Awaitable[None]],
    ) -> None: ...


async def typed(scope: Scope, receive: Receive, send: Send) -> None: ...
async def starlette_typed(scope: StarletteScope, receive: StarletteReceive, send: StarletteSend) -> None: ...
async def mapping_typed(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None: ...
async def strict(
    scope: HTTPScope, receive: Callable[[], Awaitable[HTTPEvent]], send: Callable[[HTTPEvent], Awaitable[None]]
) -> None: ...
async def untyped(scope, receive, send): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as most apps are


class LikeDjango:
    """Its `__call__` is not annotated, as django.core.handlers.asgi.ASGIHandler's is not."""

    async def __call__(self, scope, receive, send): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204


class LikeQuart:
    """Its `__call__` has types of its own."""

    async def __call__(
        self,
        scope: HTTPScope,
        receive: Callable[[], Awaitable[HTTPEvent]],
        send: Callable[[HTTPEvent], Awaitable[None]],
    ) -> None: ...


def double(scope: Scope) -> Any: ...


anything: Any = typed
returning: Callable[[dict[str, Any], Callable[[], Awaitable[dict[str, Any]]], Send], Awaitable[bool]] = anything
strictly_typed: StrictApp = strict
starlette_app: StarletteApp = PlainTextResponse("")


@pytest.mark.parametrize("door", [AsyncClient, TestClient, ASGITransport, LifespanManager])
def test_every_app_type_checks(door: type[AsyncClient | TestClient | ASGITransport | LifespanManager]) -> None:
    door(typed)
    door(returning)
    door(starlette_typed)
    door(mapping_typed)
    door(strict)
    door(strictly_typed)
    door(untyped)
    door(LikeDjango())
    door(LikeQuart())
    door(double)
    door(Starlette())
    door(GZipMiddleware(Starlette()))
    door(starlette_app)
    door(FastAPI())


def test_each_door_type_checks_by_itself() -> None:
    AsyncClient(FastAPI(), base_url=httpx.URL("https://testserver"), cookies={"a": "1"}, timeout=1.5, lifespan="on")
    AsyncClient(app=Starlette())
    TestClient(FastAPI(), "https://testserver", backend_options={"use_uvloop": True}, background="detach")
    TestClient(app=Starlette())
    httpx.AsyncClient(transport=ASGITransport(FastAPI(), True, "/mount", ("127.0.0.1", 123)))
    httpx.AsyncClient(transport=ASGITransport(app=Starlette(), client=None, scope={"http_version": "2"}))
    LifespanManager(FastAPI(), None, None, lifespan="on")
    AsyncClient(LifespanManager(Starlette()).app)


@pytest.mark.parametrize("door", [AsyncClient, TestClient, ASGITransport, LifespanManager])
def test_what_is_no_app_does_not_type_check(
    door: type[AsyncClient | TestClient | ASGITransport | LifespanManager],
) -> None:
    def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any: ...

    with pytest.raises(TypeError):
        door("package.module:app")  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        door(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        door(wsgi)  # type: ignore[arg-type]


def test_options_that_make_no_sense_do_not_type_check() -> None:
    with pytest.raises(ValueError, match=r"^lifespan "):
        AsyncClient(typed, lifespan="maybe")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^background "):
        TestClient(typed, background="later")  # type: ignore[arg-type]


async def forwards(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """What a test author writes with the package's own types."""
    message: Message = await receive()
    await send({"type": message["type"], "seen": scope["type"]})


@pytest.mark.anyio
async def test_the_types_describe_what_they_name() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    await forwards(typed, {"type": "http"}, receive, send)
    assert sent == [{"type": "http.request", "seen": "http"}]

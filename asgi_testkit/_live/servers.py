"""The servers that an app can be run on in the test's own loop, each as a context manager."""

from __future__ import annotations

import logging
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from socket import socket
from typing import Any, NamedTuple

import anyio

from .._conversation.loop import asyncio_runs
from .._types import ServerFactory, SingleCallable

#: Seconds that a server waits for its connections to close.
_FOREVER = 600

#: Seconds that a connection is kept without a request. Ours are closed first, so it is never too soon.
_KEEP_ALIVE = 600


class Server(NamedTuple):
    """A server to run an app on.

    Attributes:
        name: What it is called in texts.
        factory: Runs it.
        on_trio: Whether it runs on trio as well.
    """

    name: str
    factory: ServerFactory
    on_trio: bool = True


def server_of(live: Any, *, context: ssl.SSLContext | None, http2: bool) -> Server:
    """Return the server that a test asks for.

    Args:
        live: Its name, or what runs it.
        context: What it is to speak TLS with.
        http2: Whether it is to speak HTTP/2 as well.

    Raises:
        ValueError: There is none by that name.
        TypeError: It is neither a name nor callable.
        ModuleNotFoundError: It is not installed. The text says how to.
    """
    if callable(live):
        return Server(getattr(live, "__qualname__", repr(live)), live)
    if not isinstance(live, str):
        msg = f"live= is the name of a server ({', '.join(_KNOWN)}), or what runs one, not {live!r}"
        raise TypeError(msg)
    if live not in _KNOWN:
        msg = f"live= is one of {', '.join(_KNOWN)}, or what runs a server, not {live!r}"
        raise ValueError(msg)
    if find_spec(live) is None:
        msg = f"live={live!r} needs {live}, which is not installed: pip install 'asgi-testkit[{live}]'"
        raise ModuleNotFoundError(msg, name=live)
    needs = [each for each in _FOR_HTTP2[live] if http2 and find_spec(each) is None]
    if needs:
        msg = f"HTTP/2 with live={live!r} needs {needs[0]}, which is not installed: pip install {needs[0]}"
        raise ModuleNotFoundError(msg, name=needs[0])
    if http2 and context is not None:
        context.set_alpn_protocols(["h2", "http/1.1"])
    factory = partial(_KNOWN[live], context=context, http2=http2)
    return Server(f"{live} {version(live)}", factory, on_trio=live != "uvicorn")


@asynccontextmanager
async def _uvicorn(
    app: SingleCallable, sock: socket, *, context: ssl.SSLContext | None, http2: bool
) -> AsyncIterator[None]:
    """Run uvicorn, by what its ``Server.serve`` is made of: that takes signals, and 100 ms to notice its end."""
    import asyncio

    import uvicorn

    protocol: dict[str, Any] = {"http": "zttp", "http2": True} if http2 else {}
    config = uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        loop="none",
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        **protocol,
    )
    config.load()
    config.ssl = context
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.on_tick(0)
    await server.startup(sockets=[sock])
    clock = asyncio.ensure_future(server.main_loop())  # which sets the date that responses have
    try:
        yield
    finally:
        clock.cancel()
        for listener in server.servers:
            listener.close()
        await _close_uvicorn(server.server_state)


async def _close_uvicorn(state: Any) -> None:
    for connection in list(state.connections):
        with suppress(Exception):  # a WebSocket that is closing already is in no state for that
            connection.shutdown()
    try:
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn tells nobody
            await anyio.sleep(0.002)
    finally:
        for connection in list(state.connections):
            connection.transport.abort()


@asynccontextmanager
async def _corn(
    app: SingleCallable,
    sock: socket,
    *,
    name: str,
    context: ssl.SSLContext | None,
    http2: bool,  # noqa: ARG001
) -> AsyncIterator[None]:
    """Run hypercorn, or anycorn, which began as a copy of it. They speak HTTP/2 where TLS has agreed upon that."""
    from importlib import import_module

    module: Any = import_module(name)
    config_class: Any = import_module(f"{name}.config").Config

    class Config(config_class):  # type: ignore[misc]
        @property
        def ssl_enabled(self) -> bool:
            return context is not None

        def create_ssl_context(self) -> ssl.SSLContext | None:
            return context

    config = Config()
    config.bind = [f"fd://{sock.fileno()}"]
    config.errorlog = logging.getLogger(f"{name}.error")
    config.accesslog = None
    config.graceful_timeout = _FOREVER  # we see to it that there is an end
    config.keep_alive_timeout = _KEEP_ALIVE
    config.keep_alive_max_requests = sys.maxsize
    if name == "hypercorn":
        module = import_module("hypercorn.asyncio" if asyncio_runs() else "hypercorn.trio")
    stop = anyio.Event()
    async with anyio.create_task_group() as group:
        group.start_soon(partial(module.serve, app, config, shutdown_trigger=stop.wait, mode="asgi"))
        try:
            yield
        finally:
            sock.detach()  # it is the server's now, and closed by that
            stop.set()


_KNOWN: dict[str, Callable[..., AbstractAsyncContextManager[object]]] = {
    "uvicorn": _uvicorn,
    "hypercorn": partial(_corn, name="hypercorn"),
    "anycorn": partial(_corn, name="anycorn"),
}

#: What each needs for HTTP/2.
_FOR_HTTP2 = {"uvicorn": ["zttp"], "hypercorn": ["h2"], "anycorn": ["h2"]}

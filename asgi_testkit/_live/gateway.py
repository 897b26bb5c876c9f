"""Gateway: takes the app's place in a client, and forwards what is said to a real server, which calls the app."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from typing import Any
from weakref import WeakMethod

import anyio

from .._conversation.loop import HomeLoop, asyncio_runs
from .._types import Receive, Scope, Send, SingleCallable
from .call import Call
from .http import HTTPCall
from .run import LiveRun
from .servers import Server
from .serving import Serving
from .tap import Visit
from .websocket import WebSocketCall


class Gateway:
    """The server of a client, while there is one, and the way to it.

    Attributes:
        server: Which it is.
        serving: It, between `start` and `stop`. Without it each call gets a server of its own.
        tls: Whether it speaks TLS.
        run: The run of tests that has asked for it, if it was not the test itself.
        in_process: Why the app stays in-process all the same; "" if it does not.
    """

    def __init__(
        self,
        server: Server,
        guests_app: SingleCallable,
        *,
        context: ssl.SSLContext | None,
        http2: bool,
        run: LiveRun | None = None,
        in_process: str = "",
    ) -> None:
        """Prepare it; `guests_app` is what calls get that no client of ours has made."""
        self.server: Server = server
        self.serving: Serving | None = None
        self.tls: bool = context is not None
        self.run: LiveRun | None = run
        self._short_lived: ShortLived | None = None
        self.in_process: str = in_process
        self._guests_app = WeakMethod(guests_app)  # of the owner of this
        self._context = context
        self._http2 = http2

    async def start(self) -> None:
        """Start the server, unless only a run has asked for it, and the app stays in-process.

        Raises:
            ValueError: It does not run on trio.
            BaseException: What the server raised. It does not run then.
        """
        if self.kept_in_process():
            return
        self.serving = await self._started()

    async def _started(self) -> Serving:
        if not (self.server.on_trio or asyncio_runs()):
            msg = f'{self.server.name} does not run on trio: live="hypercorn" and live="anycorn" do'
            raise ValueError(msg)
        guests_app: Any = self._guests_app()
        serving = Serving(self.server, guests_app, context=self._context, http2=self._http2)
        await serving.start()
        return serving

    async def stop(self, *, grace: float) -> None:
        """Stop the server, if it runs; see `Serving.stop`."""
        serving, self.serving = self.serving, None
        if serving is not None:
            await serving.stop(grace=grace)

    def kept_in_process(self) -> str:
        """Say why the app stays in-process, where only a run has asked for the server; "" if it does not."""
        if self.in_process or self.run is None:
            return self.in_process
        if self.run.paused and self.serving is None:  # whoever made the client, it is this test that asks
            return self.run.paused
        return "" if self.server.on_trio or asyncio_runs() else "on trio"

    def forget(self) -> None:
        """Forget the server: its loop has died."""
        if self.serving is not None:
            self.serving.forget()
            self.serving = None

    def for_a_call(self) -> AbstractAsyncContextManager[Serving]:
        """Have a server for one call: the one that runs, in this loop, or one that runs as long as calls use it."""
        if self.serving is not None and self.serving.home.here:
            return nullcontext(self.serving)
        short = self._short_lived
        if short is None or not short.home.here:
            short = self._short_lived = ShortLived(self._started)
        return short

    def forward(self, app: SingleCallable, *, raises: bool) -> Forward:
        """Return what takes the place of `app` in one conversation; `raises`: whether the test wants its exceptions."""
        if self.run is not None:
            self.run.requests += 1
        return Forward(self, app, raises=raises)


class ShortLived(AbstractAsyncContextManager[Serving]):
    """A server that runs as long as calls use it, each in a block of its own. The first starts it, the last stops it.

    It is no generator, since a call may be abandoned in the middle: Python 3.11 says that one is running already then.

    Attributes:
        home: The loop that it is in.
    """

    def __init__(self, start: Callable[[], Awaitable[Serving]]) -> None:
        self.home: HomeLoop = HomeLoop("server")
        self._start = start
        self._users = 0
        self._serving: Serving | None = None
        self._starting = anyio.Lock()

    async def __aenter__(self) -> Serving:
        self._users += 1
        try:
            async with self._starting:
                if self._serving is None:
                    self._serving = await self._start()
        except BaseException as error:
            await self.__aexit__(type(error))
            raise
        return self._serving

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_value: object = None, traceback: object = None
    ) -> None:
        self._users -= 1
        if self._users or self._serving is None:
            return
        serving, self._serving = self._serving, None
        if exc_type is GeneratorExit:  # the call is abandoned, and must not wait
            serving.forget()
            return
        with anyio.CancelScope(shield=True):
            await serving.stop(grace=0)


class Forward:
    """Takes the place of an app in one conversation: an ASGI app itself, which forwards to a server.

    What it raises is what the app raised; or a `LiveServerError`, which is never blamed on the app.

    Attributes:
        extensions: What is known of the response besides its message: ``http_version`` and ``reason_phrase``.
    """

    _visit: Visit | None = None

    def __init__(self, gateway: Gateway, app: SingleCallable, *, raises: bool) -> None:
        self.extensions: dict[str, Any] = {}
        self._gateway = gateway
        self._app = app
        self._raises = raises

    def where(self) -> str:
        """Say, for an error, where the app is suspended."""
        return "not called yet: its server has yet to start" if self._visit is None else self._visit.where()

    def hears(self) -> bool:
        """Whether the app waits for a message, or has heard of a disconnect."""
        visit = self._visit
        return visit is not None and (visit.listening > 0 or visit.unread > 0 or visit.disconnected)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        async with self._gateway.for_a_call() as serving:
            self._visit, header = serving.tap.expect(self._app, scope)
            call = Call(serving, self._visit, receive, send, self.extensions, raises=self._raises)
            target = bytes(scope["raw_path"]) + (b"?" + scope["query_string"] if scope["query_string"] else b"")
            headers = [header, *scope["headers"]]
            conversation = HTTPCall(call) if scope["type"] == "http" else WebSocketCall(call)
            try:
                await conversation.run(scope.get("method", "GET"), target, headers)
                await self._visit.wait()
            except BaseException as error:
                await _cancelled(self._visit)
                if isinstance(error, Exception) or self._visit.app_exception is None:
                    raise  # else the app has something to say to its cancellation
            finally:
                serving.tap.forget(header)
            if self._visit.app_exception is not None:
                raise self._visit.app_exception


async def _cancelled(visit: Visit) -> None:
    """Cancel the app, and wait until it has ended, however often this is cancelled meanwhile."""
    visit.cancel()
    with anyio.CancelScope(shield=True):
        while visit.begun and not visit.done:
            try:
                with suppress(anyio.get_cancelled_exc_class()):  # asyncio's own passes through a shield
                    await visit.wait()
            except GeneratorExit:
                visit.abandon()
                raise

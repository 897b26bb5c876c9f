"""Tap: what a live server serves. It knows which call of the app belongs to which of our requests."""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel

from .._conversation import observer
from .._conversation.suspended import mark_here, where_suspended
from .._types import Message, Receive, Scope, Send, SingleCallable

#: The header by which a request tells which of ours it is. The app does not get to see it.
HEADER = b"x-asgi-testkit-exchange"


class Visit:
    """One call of the app by a server.

    Attributes:
        scope: The scope that the app was called with.
        stand_in: Whether the client takes the place of another package's: not told here.
        begun: Whether the server has called the app.
        done: Whether the app has ended.
        ended: Set when it has.
        started: Whether the app has begun to answer: with a response, or by accepting a handshake.
        complete: Whether it has sent the end of its response.
        closed: Code and reason of its ``websocket.close``.
        disconnected: Whether it was told that the connection has ended.
    """

    stand_in: bool = False
    begun: bool = False
    done: bool = False
    started: bool = False
    complete: bool = False
    closed: tuple[Any, Any] | None = None
    disconnected: bool = False
    _exception: BaseException | None = None
    _returned = False
    _cancelled = False
    _coroutine: Any = None
    _mark: object = None

    def __init__(self, app: SingleCallable, scope: Scope) -> None:
        """Prepare it; `scope` is what the app is to have as its own: its state and its root path stay."""
        self.scope = scope
        self.ended: anyio.Event = anyio.Event()
        self._app = app
        self._limits: anyio.CancelScope = anyio.CancelScope()

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self._exception

    @property
    def app_returned(self) -> bool:
        """Whether the app has ended by returning."""
        return self._returned

    def where(self) -> str:
        """Say, for an error, where the app is suspended."""
        if not self.begun:
            return "not called yet: the server has not come to that"
        return where_suspended(self._coroutine, self._mark, leave_out={__name__})

    def cancel(self) -> None:
        """Cancel the app, which may not have been called yet."""
        self._cancelled = True
        self._limits.cancel()

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app as the server asks for. What it raises is kept, and raised."""
        kept = {name: self.scope[name] for name in ("state", "root_path") if name in self.scope}
        self.scope.clear()
        self.scope.update(scope)
        self.scope.update(kept)
        self.begun = True
        cancelled = anyio.get_cancelled_exc_class()
        try:
            with self._limits:
                self._mark = mark_here()
                self._coroutine = self._call(receive, send)
                await self._coroutine
                self._returned = True
        except cancelled:
            raise
        except BaseException as error:
            self._exception = error
            if isinstance(error, Exception):
                raise
            msg = f"the application raised {error!r}"  # which as it is would end the loop, and the server with it
            raise RuntimeError(msg) from error
        finally:
            self.done = True
            self.ended.set()

    async def _call(self, receive: Receive, send: Send) -> None:
        async def heard() -> Message:
            message = await receive()
            if message["type"] in {"http.disconnect", "websocket.disconnect"}:
                self.disconnected = True
            return message

        async def noted(message: Message) -> None:
            if message["type"] == "websocket.close" and self.closed is None:  # the client may hear of it in send()
                self.closed = message.get("code", 1000), message.get("reason") or ""
            await send(message)
            self._note(message)

        await self._app(self.scope, heard, noted)

    def _note(self, message: Message) -> None:
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start" | "websocket.accept":
                self.started = True
            case "http.response.body" | "websocket.http.response.body":
                self.complete = not message.get("more_body", False)


class Tap:
    """What a server serves: the app, for requests of ours and of others.

    Attributes:
        visits: The calls of the app that have not ended.
        failures: What the app has raised in calls that no client of ours has made.
        calls: How many calls of the app there were.
    """

    def __init__(self, guests_app: SingleCallable) -> None:
        """Prepare it; `guests_app` is what browsers, and whoever else may come, are served."""
        self.visits: set[Visit] = set()
        self.failures: list[BaseException] = []
        self.calls = 0
        self._guests_app = guests_app
        self._expected: dict[bytes, Visit] = {}
        self._numbers = count(1)

    def expect(self, app: SingleCallable, scope: Scope) -> tuple[Visit, tuple[bytes, bytes]]:
        """Return the call of an app that is to come, and the header that a request has to have for that."""
        number = str(next(self._numbers)).encode()
        visit = self._expected[number] = Visit(app, scope)
        return visit, (HEADER, number)

    def forget(self, header: tuple[bytes, bytes]) -> None:
        """Expect a call no longer."""
        self._expected.pop(header[1], None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None:
        if scope["type"] == "lifespan":  # ours runs elsewhere
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
            return
        self.calls += 1
        numbers = [value for name, value in scope["headers"] if name == HEADER]
        if not numbers:
            await self._serve_guest(scope, receive, send)
            return
        visit = self._expected.pop(numbers[0], None)
        if visit is None:  # the client has gone before the server came to call the app
            return
        scope["headers"] = [header for header in scope["headers"] if header[0] != HEADER]
        await self._run(visit, scope, receive, send)

    async def _run(self, visit: Visit, scope: Scope, receive: Receive, send: Send) -> None:
        self.visits.add(visit)
        try:
            await visit.run(scope, receive, send)
        finally:
            self.visits.discard(visit)

    async def _serve_guest(self, scope: Scope, receive: Receive, send: Send) -> None:
        listener = observer.current

        def app(scope: Scope, receive: Receive, send: Send) -> Awaitable[Any]:
            if listener is None:
                return self._guests_app(scope, receive, send)
            return observer.call(self._guests_app, visit, receive, send, listener)

        visit = Visit(app, {})
        try:
            await self._run(visit, scope, receive, send)
        except Exception as error:
            self.failures.append(error)
            raise
        finally:
            if listener is not None:
                listener.left(visit, None)
                listener.ended(visit)

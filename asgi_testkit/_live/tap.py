"""Tap: what a live server serves. It knows which call of the app belongs to which of our requests."""

from __future__ import annotations

from collections.abc import Awaitable
from itertools import count
from typing import Any

from .._conversation import causes, observer
from .._conversation.departure import names_departure
from .._conversation.loop import HomeLoop, checkpoint
from .._conversation.observer import Observer
from .._conversation.task import IndependentTask
from .._types import Message, Receive, Scope, Send, SingleCallable

#: The header by which a request tells which of ours it is. The app does not get to see it.
HEADER = b"x-asgi-testkit-exchange"


class Visit:
    """One call of the app by a server.

    Attributes:
        scope: The scope that the app was called with.
        stand_in: Whether the client takes the place of another package's: not told here.
        recorders: Who keeps it for a client of its own: nobody.
        started: Whether the app has begun to answer: with a response, or by accepting a handshake.
        complete: Whether it has sent the end of its response.
        closed: Code and reason of its ``websocket.close``.
        disconnected: Whether it was told that the connection has ended.
        listening: How many of its calls of ``receive()`` wait now.
        unread: How many bytes of a request, or messages of a WebSocket client, are on their way to it.
    """

    stand_in: bool = False
    recorders: tuple[Observer, ...] = ()
    started: bool = False
    complete: bool = False
    closed: tuple[Any, Any] | None = None
    disconnected: bool = False
    listening: int = 0
    unread: int = 0
    _task: IndependentTask[Any] | None = None

    def __init__(self, app: SingleCallable, scope: Scope, conversation: causes.Cause | None = None) -> None:
        """Prepare it.

        Args:
            app: The app.
            scope: What the app is to have as its own: its state and its root path stay.
            conversation: The conversation of ours that the call is a part of; None for that of a guest.
        """
        self.scope: Scope = scope
        self._app = app
        self._conversation = conversation

    @property
    def begun(self) -> bool:
        """Whether the server has called the app."""
        return self._task is not None

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self._task is not None and self._task.done

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return None if self._task is None else self._task.exception

    @property
    def app_returned(self) -> bool:
        """Whether the app has ended by returning."""
        return self._task is not None and self._task.returned

    @property
    def home(self) -> HomeLoop:
        """The event loop that the app is called in."""
        assert self._task is not None
        return HomeLoop("call", self._task.loop)

    def where(self) -> str:
        """Say, for an error, where the app is suspended."""
        return "not called yet: the server has not come to that" if self._task is None else self._task.where()

    async def wait(self) -> None:
        """Wait until the app has ended, if the server has called it."""
        if self._task is not None:
            await self._task.wait(None)

    def cancel(self) -> None:
        """Cancel the app, if the server has called it. It does so no more once the call is forgotten."""
        if self._task is not None:
            self._task.cancel(for_good=True)

    async def end(self) -> None:
        """See an app to its end that was cancelled.

        Raises:
            ApplicationStuckError: It does not end.
        """
        assert self._task is not None
        await self._task.end(grace=0)

    def abandon(self) -> None:
        """Leave an app to itself that was cancelled and goes on all the same."""
        assert self._task is not None
        self._task.abandon()

    async def run(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Call the app as the server asks for, in a task of its own. What it raises is kept, and raised."""
        kept = {name: self.scope[name] for name in ("state", "root_path") if name in self.scope}
        self.scope.clear()
        self.scope.update(scope)
        self.scope.update(kept)
        self._task = task = IndependentTask(lambda: self._call(receive, send), name=f"the app, for {scope['path']}")
        try:
            await task.wait(None)
        except BaseException:  # the server itself cancels
            await task.end(grace=0)
            raise
        error = task.exception
        if isinstance(error, Exception):
            raise error
        if error is not None:  # which as it is would end the loop, and the server with it
            msg = f"the application raised {error!r}"
            raise RuntimeError(msg) from error

    def _call(self, receive: Receive, send: Send) -> Awaitable[Any]:
        causes.begin(self._conversation or self)

        async def heard() -> Message:
            self.listening += 1
            try:
                message = await receive()
            finally:
                self.listening -= 1
            if message["type"] == "websocket.receive":
                self.unread -= 1
            self.unread -= len(message.get("body", b""))
            if message["type"] in {"http.disconnect", "websocket.disconnect"}:
                self.disconnected = True
            return message

        async def noted(message: Message) -> None:
            if message["type"] == "websocket.close" and self.closed is None:  # the client may hear of it in send()
                self.closed = message.get("code", 1000), message.get("reason")
            await send(message)
            self._note(message)
            # A server may take a message without a turn of the loop, all the more when its client has gone. An app that
            # sends for ever could not be cancelled then, nor would any timeout fire.
            await checkpoint()

        return self._app(self.scope, heard, noted)

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
    """

    def __init__(self, guests_app: SingleCallable) -> None:
        """Prepare it; `guests_app` is what browsers, and whoever else may come, are served."""
        self.visits: set[Visit] = set()
        self.failures: list[BaseException] = []
        self._guests_app = guests_app
        self._expected: dict[bytes, Visit] = {}
        self._numbers = count(1)

    def expect(self, app: SingleCallable, scope: Scope) -> tuple[Visit, tuple[bytes, bytes]]:
        """Return the call of an app that is to come, and the header that a request has to have for that.

        The conversation that it is a part of asks for it.
        """
        number = str(next(self._numbers)).encode()
        visit = self._expected[number] = Visit(app, scope, causes.current())
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
            if not (visit.disconnected and names_departure(error)):  # else it only says that a browser has gone
                self.failures.append(error)
            raise
        finally:
            if listener is not None:
                listener.left(visit, None)
                listener.ended(visit)

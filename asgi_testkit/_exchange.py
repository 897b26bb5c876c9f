"""One HTTP exchange: the app's call, what it receives and sends, and how the two sides part."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NoReturn

import anyio
import anyio.lowlevel
import httpx

from ._errors import ApplicationStuckError, ASGIProtocolError, ClientDisconnected, tell_beside
from ._http_state import HTTPResponseState, State
from ._options import ExchangeOptions
from ._request_body import RequestBody
from ._tasks import IndependentTask, Wakeup, one_round
from ._types import Message, Scope, SingleCallable

_WHAT_TO_CHECK = {
    State.AWAITING_START: "Does every branch of this path send a response?",
    State.SENDING_BODY: "Is the last http.response.body, the one without more_body, missing?",
}

#: How many bytes an app may be ahead of a reader who wants all of the body. There is a limit, so that the loop goes on.
_READ_AHEAD = 4 * 1024 * 1024

_NO_TIMEOUT: dict[str, float | None] = {}


class HTTPExchange:
    """One request to the app and its response. ``response.extensions["asgi"]`` is this object.

    For tests, four things are public: `scope`, `done`, `app_exception` and `wait`.

    Attributes:
        scope: The scope that the app was called with, and that it may have changed.
    """

    _task: IndependentTask[None]
    _buffered = 0  # bytes in _chunks
    _violation: ASGIProtocolError | None = None
    _listening = 0  # calls of the app that wait now, and that a disconnect ends
    _told = False  # whether one of them has told the app of the disconnect
    _disconnected = False
    _closed = False  # whether the client has let go
    _reported = False

    def __init__(
        self,
        app: SingleCallable,
        request: httpx.Request,
        scope: Scope,
        options: ExchangeOptions,
        on_settled: Callable[[HTTPExchange], object],
    ) -> None:
        """Prepare the exchange; `start` calls the app. `on_settled` is called when nothing of it is left to see to."""
        self.scope = scope
        self.name: str = f"{request.method} {scope['path']}"
        self._app = app
        self._request = request
        self._options = options
        self._limit = options.write_buffer
        self._on_settled = on_settled
        self._read_timeout: float | None = request.extensions.get("timeout", _NO_TIMEOUT).get("read")
        self._response = HTTPResponseState(
            method=request.method, offered=scope.get("extensions") or (), strict=options.strict
        )
        self._for_app = Wakeup()  # room in the buffer, a part of the request body, the client's departure
        self._for_client = Wakeup()  # the start, a part of the body, the app's end
        self._body = RequestBody(request, name=self.name, reader=self._for_app, waiter=self._for_client)
        self._chunks: deque[bytes] = deque()
        self._spec_version = _version(scope["asgi"].get("spec_version", "2.0"))
        self.began: float = time.perf_counter()

    # For tests

    @property
    def app_exception(self) -> BaseException | None:
        """What the app raised, as it is; None while it runs, or if it returned."""
        return self._task.exception

    @property
    def done(self) -> bool:
        """Whether the app has ended."""
        return self._task.done

    async def wait(self, timeout: float | None = 5.0) -> None:
        """Wait until the app has ended. What it raised is in `app_exception`; it is not raised here.

        Args:
            timeout: Seconds; None for no limit. The app runs on when it is over, and when the wait is cancelled.

        Raises:
            TimeoutError: The app has not ended in time. The text shows where it is suspended.
        """
        if not await self._task.wait(timeout):
            msg = f"{self.name}: the application has not ended within {timeout} seconds; it is {self._task.where()}"
            raise TimeoutError(msg)

    # The app's side

    async def receive(self) -> Message:
        """Give the app the next part of the request, or wait for the end (ASGI HTTP spec, "Request", "Disconnect")."""
        while not (self._gone or self._response.complete):
            if not self._body.finished:
                part = self._body.take()
                if part is not None:
                    chunk, more_body = part
                    return {"type": "http.request", "body": chunk, "more_body": more_body}
            await self._listen()
        self._told = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Take a message of the app, and hold the app back while the client has too much to read."""
        if self._gone:
            await self._send_to_nobody()
            return
        try:
            self._pass_on(self._response.handle(message))
        except ASGIProtocolError as error:
            self._violation = self._violation or error
            self._pass_on(self._response.tail)
            raise
        if self._response.complete:
            self._for_app.fire()
        while self._buffered > self._limit:
            if self._gone:
                await self._send_to_nobody()
                return
            await self._hold_back()

    def _pass_on(self, chunk: bytes) -> None:
        if chunk:
            self._chunks.append(chunk)
            self._buffered += len(chunk)
        self._for_client.fire()

    @property
    def _gone(self) -> bool:
        """Whether the client has gone, or has broken off in the middle of its request."""
        return self._disconnected or self._body.error is not None

    async def _listen(self) -> None:
        self._listening += 1
        try:
            await self._for_app.wait()
        finally:
            self._listening -= 1

    async def _hold_back(self) -> None:
        if self._raises_after_disconnect:
            await self._listen()
        else:
            await self._for_app.wait()

    async def _send_to_nobody(self) -> None:
        if self._raises_after_disconnect:
            self._told = True
            msg = f"{self.name}: the client has gone"
            raise ClientDisconnected(msg)
        # Not at once: an app that sends for ever would not let the loop go on, nor could it be cancelled.
        await anyio.lowlevel.checkpoint()

    @property
    def _raises_after_disconnect(self) -> bool:
        return self._spec_version >= (2, 4)

    # The client's side

    def _call_app(self) -> Awaitable[None]:
        return self._app(self.scope, self.receive, self.send)

    def start(self) -> None:
        """Call the app, in a task of its own."""
        self._task = IndependentTask(self._call_app, name=self.name, on_done=self._app_ended)

    def _app_ended(self) -> None:
        self._for_client.fire()
        if self._closed and not self._failed:  # it was detached, and has nothing to report
            self._on_settled(self)

    @property
    def closed(self) -> bool:
        """Whether the client has let go of the response."""
        return self._closed

    @property
    def response(self) -> HTTPResponseState:
        """What the app has sent."""
        return self._response

    async def started(self) -> bool:
        """Wait for the start of the response. Return whether it came; without one, a server's client gets a 500.

        Raises:
            httpx.ReadTimeout: The app was silent for longer than the read timeout. It has been stopped.
            BaseException: What the app raised before the start, where the test is to get it.
        """
        while not self._response.status:
            if self._over:
                await self._break_off()
                return False
            await self._await_app(State.AWAITING_START.value)
        return True

    async def gather(self) -> None:
        """Wait until all of the body is here, to be had by `take`, and (unless detached) the app has ended.

        The reader keeps up whatever comes, so the app may get well ahead. The rest is as with `next_chunk`.
        """
        step = max(self._limit, _READ_AHEAD) if self._limit else 0
        while not self._response.delivered:
            self._limit = self._buffered + step
            self._for_app.fire()
            await self._next_move()
        if not self._settled():
            self._limit = max(self._limit, self._buffered)  # the last chunk is as good as taken
            self._for_app.fire()
            await self._finish()

    async def next_chunk(self) -> bytes | None:
        """Wait for the next part of the body; None at its end, when (unless detached) the app has ended, too.

        Raises:
            httpx.ReadTimeout: The app was silent for longer than the read timeout. It has been stopped.
            httpx.RemoteProtocolError: The app ended before the body did (with ``raise_server_exceptions=False``).
            BaseException: What the app raised.
        """
        while not self._chunks:
            if self._response.delivered:
                if not self._settled():
                    await self._finish()
                return None
            await self._next_move()
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        self._for_app.fire()
        return chunk

    def take(self) -> list[bytes]:
        """Return what of the body is here already."""
        chunks = list(self._chunks)
        if chunks:
            self._chunks.clear()
            self._buffered = 0
            self._for_app.fire()
        return chunks

    async def _next_move(self) -> None:
        if self._over:
            await self._break_off()
            self._incomplete()
        await self._await_app(State.SENDING_BODY.value)

    async def close(self, reason: BaseException | None = None) -> None:
        """Let go of the response. An app that has not completed it sees the client disconnect.

        Unless detached, the app has ended when this returns. Cancelling does not cut that short.

        Args:
            reason: The exception that is under way. What the app raises is told beside it, not instead.

        Raises:
            BaseException: What the app raised, if there is no `reason`.
        """
        if self._closed:
            return
        held_back = self._buffered > self._limit
        if self._response.delivered and not held_back:
            await self._finish(reason)
        else:
            await self.part(reason)

    async def part(
        self, reason: BaseException | None, *, grace: float | None = None, detach: bool | None = None
    ) -> None:
        """See the app to its end, and raise what is left to raise.

        An app that still runs is told that the client has gone. If it listens, or takes notice at once, it has its
        grace to end by itself; then, or if it does not, it is cancelled. A detached one is left to itself until the
        client closes, and has its grace then in any case.

        Args:
            reason: The exception that is under way. What the app raises is told beside it, not instead.
            grace: Seconds, in place of ``disconnect_grace``.
            detach: In place of ``background``.
        """
        self._closed = True
        if not self._task.done:
            self._disconnected = True
            self._for_app.fire()
            self._for_client.fire()
            if self._detached if detach is None else detach:
                return
        grace = self._options.disconnect_grace if grace is None else grace
        stuck: BaseException | None = None
        try:
            await self._task.end(grace=grace, noticed=lambda: self._told or self._listening or self._detached)
        except ApplicationStuckError as error:
            stuck = error
        finally:
            await self._body.close(grace=grace)
        self._on_settled(self)
        failure = stuck or self._failure() or self._body.error
        if failure is None or failure is reason:
            return
        if reason is None:
            raise failure
        tell_beside(reason, failure)

    def _settled(self) -> bool:
        """Whether all went well to the end, so that there is nothing to wait for or to raise."""
        if self._closed or not self._task.done or not self._response.complete or self._failed or self._body.pumping:
            return False
        self._closed = True
        self._on_settled(self)
        return True

    async def _finish(self, reason: BaseException | None = None) -> None:
        """The client has the whole response: wait for the app's return, background work included."""
        self._closed = True
        if not (self._task.done or self._detached):
            try:
                in_time = await self._task.wait(self._read_timeout)
            except BaseException as interruption:
                await self.part(interruption)
                raise
            if not in_time:
                await self._time_out(
                    "waiting for the application to return after its response "
                    '(background="detach" does not wait for background work)'
                )
        if self._task.done:
            await self.part(reason)

    async def _await_app(self, awaited: str) -> None:
        """Wait until the app has moved on: for one round of the loop, cheap and often enough, then in earnest."""
        moves = self._for_client.count
        try:
            await one_round()
            in_time = self._for_client.count > moves or await self._for_client.wait(self._read_timeout)
        except BaseException as interruption:
            await self.part(interruption)
            raise
        if not in_time:
            await self._time_out(awaited)

    async def _time_out(self, awaited: str) -> NoReturn:
        where = self._task.where()
        msg = f"{self.name}: {self._read_timeout} seconds passed while {awaited}; the application is {where}"
        error = httpx.ReadTimeout(msg, request=self._request)
        await self.part(error)
        raise error

    async def _break_off(self) -> None:
        """The app or the client has ended before the response was whole. Raise why, if that is for the test to know."""
        reason = self._body.error
        await self.part(reason)
        if reason is not None:
            raise reason
        if self._disconnected:
            msg = f"{self.name}: the client was closed while it was reading the response"
            raise httpx.ReadError(msg, request=self._request)

    def _incomplete(self) -> NoReturn:
        error = self.app_exception
        ended = "returned" if error is None else f"raised {error!r}"
        msg = f"{self.name}: the response is incomplete: the application {ended} before the end of the body"
        raise httpx.RemoteProtocolError(msg, request=self._request) from error

    @property
    def _detached(self) -> bool:
        return self._options.background == "detach"

    @property
    def _over(self) -> bool:
        return self._task.done or self._closed or self._body.error is not None

    @property
    def _failed(self) -> bool:
        return self._task.exception is not None or self._violation is not None

    def _failure(self) -> BaseException | None:
        """Return what the app did wrong, if the test must hear of it and has not yet."""
        if self._reported:
            return None
        self._reported = True
        error = self._task.exception or self._violation
        told_to_raise = self._options.raise_server_exceptions
        if error is None:
            if self._response.complete or self._disconnected or not told_to_raise:
                return None
            state = self._response.state
            return ASGIProtocolError(
                f"application returned while {state.value}. {_WHAT_TO_CHECK.get(state, '')}".rstrip()
            )
        if self._disconnected and _is_departure(error):
            return None
        return error if told_to_raise or isinstance(error, KeyboardInterrupt | SystemExit) else None


@lru_cache
def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def _is_departure(error: BaseException) -> bool:
    """Whether `error` only passes on what ``send()`` said of the client's departure."""
    if isinstance(error, BaseExceptionGroup):
        return all(_is_departure(inner) for inner in error.exceptions)
    return isinstance(error, ClientDisconnected) or isinstance(error.__cause__, ClientDisconnected)

"""HTTPExchange: one HTTP request to the app, what the app receives and sends, and its end."""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import closing
from typing import TYPE_CHECKING, Any, ClassVar

from .._errors import ASGIProtocolError
from .._protocol.extensions import FileBody
from .._protocol.http import HTTPResponseState, State
from .._types import Message, public
from .conversation import Conversation
from .errors import Trouble
from .file_body import messages_of
from .loop import checkpoint
from .opening import Opening
from .request_body import Body, RequestBody

if TYPE_CHECKING:
    from .._protocol.events import ServerSentEvent
    from .body_reader import AsyncBodyReader

_WHAT_TO_CHECK = {
    State.AWAITING_START: "Does every branch of this path send a response?",
    State.SENDING_BODY: "Is the last http.response.body, the one without more_body, missing?",
    State.SENDING_BODY_BEFORE_TRAILERS: "Is the last http.response.body, the one without more_body, missing?",
    State.AWAITING_TRAILERS: "Is the last http.response.trailers, the one without more_trailers, missing?",
}

#: How many bytes an app may be ahead of a reader who wants all of the body. There is a limit, so that the loop goes on.
_READ_AHEAD = 4 * 1024 * 1024


@public
class HTTPExchange(Conversation):
    """One request to the app and its response. ``response.extensions["asgi"]`` is this object.

    For tests, there are `scope`, `done`, `app_exception`, `caused_by` and `wait`; and `lines`, `ndjson` and `events`,
    which read the body so that no wait stops the app.

    Attributes:
        scope: The scope that the app was called with, and that it may have changed.
    """

    noun = "request"
    ended_by = "its response"

    #: What decides on the app's messages.
    state_class: ClassVar[type[HTTPResponseState]] = HTTPResponseState

    _told_of_body = False  # whether the test has got the error of its request's body back
    _buffered = 0  # bytes in _chunks; where the app waits for each to be taken, an empty one counts as one byte

    def __init__(self, opening: Opening, body: Body) -> None:
        """Prepare the exchange; `start` calls the app."""
        scope, options = opening.scope, opening.options
        super().__init__(opening, f"{scope['method']} {scope['path']}")
        self._limit = options.write_buffer
        self.state: HTTPResponseState = self.state_class(
            method=scope["method"], offered=scope.get("extensions") or (), strict=options.strict
        )
        self._body = RequestBody(body, name=self.name, reader=self._for_app, waiter=self.for_client)
        self._chunks: deque[bytes] = deque()
        self.began: float = time.perf_counter()

    # For tests

    def lines(self) -> AsyncBodyReader[str]:
        """Read the body line by line: text without the LF, CR LF or CR at its end.

        The reader has the steps of a session, and no wait stops the app. There can be one reader of a response, and
        the library cannot read it then. ``content-encoding`` gzip and deflate are undone.

        Raises:
            httpx.StreamConsumed: Another reader, or the library, reads the body, or has.
            ValueError: It has a ``content-encoding`` that is not undone here.
        """
        from .body_source import LineSource  # few tests need it

        return _reader(LineSource(self))

    def ndjson(self) -> AsyncBodyReader[Any]:
        """Read the body value by value, with JSON in each line that is not empty. The rest is as with `lines`."""
        from .body_source import JSONSource

        return _reader(JSONSource(self))

    def events(self) -> AsyncBodyReader[ServerSentEvent]:
        """Read the body event by event, as a browser reads server-sent events. The rest is as with `lines`."""
        from .body_source import EventSource

        return _reader(EventSource(self))

    # The app's side

    async def receive(self) -> Message:
        """Give the app the next part of the request, or wait for the end (ASGI HTTP spec, "Request", "Disconnect")."""
        while not self.deaf:
            if not self._body.finished:
                part = self._body.take()
                if part is not None:
                    chunk, more_body = part
                    return {"type": "http.request", "body": chunk, "more_body": more_body}
            await self._listen()
        await self._tell()
        return {"type": "http.disconnect"}

    @property
    def deaf(self) -> bool:
        """Whether the app gets no more of the request, but a disconnect."""
        return self._gone or (self.state.over and not self._sending)  # a server's last send() returns first

    async def send(self, message: Message) -> None:
        """Take a message of the app, and hold the app back while the client has too much to read."""
        if self._gone and not self._called_off:
            await self._send_to_nobody()
            return
        try:
            chunk = self.state.handle(message)
        except ASGIProtocolError as error:
            self._refuse(error)
            tail, self.state.tail = self.state.tail, b""
            self._pass_on(tail)
            raise
        if self.state.file is not None:
            await self._send_file(self.state.file)
            return
        self._pass_on(chunk, always=not self._limit and message["type"] == "http.response.body")
        try:
            while self._held_back:
                if self._gone:
                    self._called_off = False  # nobody will take what is too much, so the response cannot become whole
                    await self._send_to_nobody()
                    return
                await self._hold_back()
        finally:
            if self.state.over and self._listening:
                self._for_app.fire()

    async def _send_file(self, file: FileBody) -> None:
        """Send what a file holds, part by part, as long as there is somebody to read it."""
        self.state.file = None
        send = self.send if self.faults is None else self.faults.send
        with closing(messages_of(file)) as parts:
            for part in parts:
                to_nobody = self._gone and not self._called_off
                await send(part)
                if to_nobody:
                    return

    def _pass_on(self, chunk: bytes, *, always: bool = False) -> None:
        if chunk or always:
            self._chunks.append(chunk)
            self._buffered += len(chunk) or 1
        self.for_client.fire()

    @property
    def _held_back(self) -> bool:
        return self._buffered > self._limit

    @property
    def _gone(self) -> bool:
        """Whether the client has gone, or has broken off in the middle of its request."""
        body = self._body
        return self._disconnected or body.error is not None or (body.stopped and not body.finished)

    # The client's side

    async def started(self) -> bool:
        """Wait for the start of the response. Return whether it came; without one, a server's client gets a 500."""
        while not self.state.status:
            if self._over:
                await self._end_early()
                self._look_for_interim()
                return False
            await self._await_app(State.AWAITING_START.value)
        return True

    def _look_for_interim(self) -> None:
        """Raise that there was but an informational response, where a client waits for the one that comes after it."""
        if self.state.interim:
            msg = f"{self.name}: the application answered with status {self.state.interim}, and then with no response"
            raise self._make_error(Trouble.BAD_RESPONSE, msg) from self.app_exception

    def take_whole(self) -> list[bytes] | None:
        """Return all of the body, if it is here, and nothing is left to wait for or to raise."""
        return self.take_chunks() if self._settled() else None

    async def read(self) -> list[bytes]:
        """Read all of the body; the rest is as with `next_chunk`.

        The reader keeps up whatever comes, so the app may get well ahead.
        """
        step = max(self._limit, _READ_AHEAD) if self._limit else 0
        while not self.state.delivered:
            self._limit = self._buffered + step
            self._for_app.fire()
            await self._next_move()
        if not self._settled():
            await self._finish()
        return self.take_chunks()

    async def next_chunk(self) -> bytes | None:
        """Wait for the next part of the body; None at its end, when (unless detached) the app has ended, too."""
        if not self.state.over:  # else there is an end to what can be taken without a turn of the loop
            await checkpoint()
        chunk = b""
        while not chunk:
            while not self._chunks:
                if self.state.delivered:
                    if not self._settled():
                        await self._finish()
                    return None
                await self._next_move()
            chunk = self._chunks.popleft()
            self._buffered -= len(chunk) or 1
            self._for_app.fire()
        return chunk

    async def arrival(self, timeout: float | None) -> bool:
        """Wait for something of the body, or its end. Return whether either may have come in time.

        Unlike the other waits, this one does not stop the app, be it cancelled, or in vain.
        """
        if self._over:
            await self._end_early()
            self._incomplete()
            return True
        return await self.for_client.wait(timeout)

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of the response, as they were sent; none without one."""
        return self.state.headers if self.state.status else []

    def claim(self) -> None:
        """Keep the body for a reader."""
        if self.begun or self.claimed:
            raise self._make_error(Trouble.CONSUMED, "")
        self.claimed = True

    def silent(self, seconds: float | None, awaited: str) -> Exception:
        """Return the error of a reader that has waited too long."""
        return self._timeout_error(seconds, awaited)

    def undecodable(self, error: Exception) -> Exception:
        """Return the error of a body that is not in the content coding that its headers name."""
        return self._make_error(
            Trouble.UNDECODABLE, f"{self.name}: the body is not what its content-encoding says: {error}"
        )

    def take_chunks(self) -> list[bytes]:
        """Return what of the body is here already."""
        chunks = list(filter(None, self._chunks))
        held_back = self._held_back
        self._chunks.clear()
        self._buffered = 0
        if held_back:
            self._for_app.fire()
        return chunks

    async def _next_move(self) -> None:
        if self._over:
            await self._end_early()
            self._incomplete()
            return
        trailing = self.state.state is State.AWAITING_TRAILERS
        await self._await_app((State.AWAITING_TRAILERS if trailing else State.SENDING_BODY).value)

    async def _finish(self) -> None:
        self._limit = sys.maxsize  # what is here is as good as taken, and what comes after it keeps nobody waiting
        self._for_app.fire()
        await super()._finish()
        if self._body.ends_with_call and not self._task.done:  # it is detached
            await self._release(grace=0)
            self._for_app.fire()

    async def _release(self, *, grace: float) -> None:
        await self._body.close(grace=grace)

    def _settled(self) -> bool:
        """Whether all went well to the end, so that there is nothing to wait for or to raise."""
        if self.closed or not self._task.done or not self.state.over or self.failed or self._body.pumping:
            return False
        self._let_go(None)
        self._on_settled(self)
        return True

    async def _end_early(self) -> None:
        """The app or the client has ended before the response was whole. Raise why, if that is for the test to know."""
        reason = self._untold_error() or self._lost
        await self.part(reason)
        if reason is not None:
            raise reason
        if self._disconnected:
            raise self.closed_while_reading()

    def closed_while_reading(self) -> Exception:
        """Return the error of a client that was closed meanwhile."""
        msg = f"{self.name}: the client was closed while it was reading the response"
        return self._make_error(Trouble.CLIENT_CLOSED, msg)

    def _incomplete(self) -> None:
        """Raise that the app has ended in the middle of its response."""
        error = self.app_exception
        ended = "returned" if error is None else f"raised {error!r}"
        part = "trailers" if self.state.state is State.AWAITING_TRAILERS else "body"
        msg = f"{self.name}: the response is incomplete: the application {ended} before the end of the {part}"
        raise self._make_error(Trouble.BAD_RESPONSE, msg) from error

    @property
    def _over(self) -> bool:
        return self._task.done or self.closed or self._body.error is not None or self._lost is not None

    @property
    def _whole(self) -> bool:
        return self.state.over

    def _failure(self) -> BaseException | None:
        return super()._failure() or self._untold_error()

    def _untold_error(self) -> BaseException | None:
        """Return what the test's generator raised, once."""
        error = None if self._told_of_body else self._body.error
        self._told_of_body = self._told_of_body or error is not None
        return error

    def _end_detached(self) -> None:
        if self._body.pumping:  # the app has ended, and wants no more of it
            self._body.stop(self._end_detached)
        elif self._body.error is None or self._told_of_body:
            super()._end_detached()

    def _omission(self) -> str:
        if self.state.over:
            return ""
        state = self.state.state
        return f"{state.value}. {_WHAT_TO_CHECK.get(state, '')}"


def _reader(source: Any) -> AsyncBodyReader[Any]:
    from .body_reader import AsyncBodyReader

    return AsyncBodyReader(source)

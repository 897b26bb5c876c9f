"""HTTPCall: a request to a live server, and its response, between ASGI messages and a connection."""

from __future__ import annotations

from typing import Any, Self

import anyio

from .._types import Message
from .call import Call
from .wire import Response

_OF_BODY = frozenset({b"content-length", b"transfer-encoding"})


class HTTPCall:
    """One request to a live server.

    The request is sent, all of it, and then its response is read, as an HTTP client does it. When the client goes
    meanwhile, its connection is closed.
    """

    def __init__(self, call: Call) -> None:
        self._call = call
        self._uploaded = anyio.Event()
        self._gone = False
        self._complete = False
        self._error: Exception | None = None

    async def run(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Send the request, and pass on the response.

        Raises:
            BaseException: What the app raised before it had begun to answer.
            LiveServerError: The server has broken off by itself.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._watch, group.cancel_scope)
            try:
                await self._exchange(method, target, headers)
            except Exception as error:
                self._error = error
            group.cancel_scope.cancel()
        early = self._call.failed_early()
        if early is not None:
            raise early
        if self._error is not None and not self._gone:
            await self._call.broken_off(self._error)

    async def _watch(self, scope: anyio.CancelScope) -> None:
        await self._uploaded.wait()
        while (await self._call.receive())["type"] != "http.disconnect":
            pass
        if not self._complete:  # else there is nothing more to receive, and the app may have work to do still
            self._gone = True
            scope.cancel()

    async def _exchange(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        wire = self._call.serving.wire
        content = self if any(name in _OF_BODY for name, _ in headers) else None
        if content is None:
            self._uploaded.set()
        connection = await wire.connect()
        try:
            response = await connection.handle_async_request(wire.request(method, target, headers, content))
            self._uploaded.set()
            if self._call.failed_early() is None:
                await self._pass_on(connection, response)
            await response.aclose()
        except BaseException:
            await wire.close(connection)
            raise
        await wire.release(connection)

    async def _pass_on(self, connection: Any, response: Response) -> None:
        self._call.note_version(response)
        await self._call.send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        await self._call.serving.wire.read(connection, response, self._pass_on_part)
        self._complete = True
        await self._call.send({"type": "http.response.body", "body": b""})

    async def _pass_on_part(self, part: bytes) -> None:
        await self._call.send({"type": "http.response.body", "body": part, "more_body": True})

    # The body of the request, as httpcore iterates over it. Trio warns of generators that are left in the middle.

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._uploaded.is_set():
            raise StopAsyncIteration
        message: Message = await self._call.receive()
        if message["type"] == "http.disconnect":
            self._gone = True
            self._uploaded.set()
            await anyio.sleep_forever()  # until `_watch` has been told as well
        if not message["more_body"]:
            self._uploaded.set()
        body: bytes = message["body"]
        self._call.visit.unread += len(body)
        return body

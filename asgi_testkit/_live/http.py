"""HTTPCall: a request to a live server, and its response, between ASGI messages and a connection."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

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
        content = self._body() if any(name in _OF_BODY for name, _ in headers) else None
        if content is None:
            self._uploaded.set()
        connection = await wire.connect()
        try:
            response = await connection.handle_async_request(wire.request(method, target, headers, content))
            self._uploaded.set()
            if self._call.failed_early() is None:
                await self._pass_on(response)
            await response.aclose()
        except BaseException:
            await wire.close(connection)
            raise
        await wire.release(connection)

    async def _body(self) -> AsyncIterator[bytes]:
        more = True
        while more:
            message: Message = await self._call.receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._uploaded.set()
                await anyio.sleep_forever()  # until `_watch` has been told as well
            more = message["more_body"]
            yield message["body"]
        self._uploaded.set()

    async def _pass_on(self, response: Response) -> None:
        send = self._call.send
        self._call.note_version(response)
        await send({"type": "http.response.start", "status": response.status, "headers": response.headers})
        stream: Any = response.stream
        async for chunk in stream:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        self._complete = True
        await send({"type": "http.response.body", "body": b""})

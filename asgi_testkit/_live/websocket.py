"""WebSocketCall: a WebSocket connection to a live server, between ASGI messages and frames."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import anyio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from .._errors import ClientDisconnected
from .call import Call
from .wire import NETWORK_ERRORS, Response

#: Headers of the handshake's response that are the protocol's, and not the app's (RFC 6455 section 4.2.2).
_OF_PROTOCOL = frozenset({b"upgrade", b"connection", b"sec-websocket-accept", b"sec-websocket-protocol"})

#: How many bytes are read at once.
_READ = 65536


class WebSocketCall:
    """One WebSocket connection to a live server."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._frames = Connection(ConnectionType.CLIENT)
        self._stream: Any = None
        self._parts: list[Any] = []  # of a message that is not complete
        self._open = anyio.Event()
        self._writing = anyio.Lock()
        self._gone = False
        self._error: Exception | None = None

    async def run(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        """Connect, and pass on what either side says, until the end.

        Raises:
            BaseException: What the app raised before it had answered.
            LiveServerError: The server has broken off by itself.
        """
        async with anyio.create_task_group() as group:
            group.start_soon(self._pump_out, group.cancel_scope)
            try:
                await self._connect(method, target, headers)
            except Exception as error:
                self._error = error
            group.cancel_scope.cancel()
        visit = self._call.visit
        if visit.done and not visit.started and visit.app_exception is not None:
            raise visit.app_exception
        if self._error is not None and not self._gone:
            await self._call.broken_off(self._error)

    async def _connect(self, method: str, target: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        wire = self._call.serving.wire
        connection = await wire.connect(for_upgrade=True)
        try:
            # Frames are not compressed on this way, so nothing is to be agreed upon for that.
            sent = [header for header in headers if header[0] != b"sec-websocket-extensions"]
            response = await connection.handle_async_request(wire.request(method, target, sent, None))
            self._call.note_version(response)
            if response.status == 101:
                await self._accepted(response)
            else:
                await self._denied(connection, response)
        finally:
            await wire.close(connection)

    async def _denied(self, connection: Any, response: Response) -> None:
        visit, send = self._call.visit, self._call.send
        if visit.closed is not None:  # of which the response says nothing but 403
            code, reason = visit.closed
            await send({"type": "websocket.close", "code": code, "reason": reason})
        elif visit.app_exception is None:
            await send(
                {"type": "websocket.http.response.start", "status": response.status, "headers": response.headers}
            )
            await self._call.serving.wire.read(connection, response, self._pass_on_part)
            await send({"type": "websocket.http.response.body", "body": b""})

    async def _pass_on_part(self, part: bytes) -> None:
        await self._call.send({"type": "websocket.http.response.body", "body": part, "more_body": True})

    async def _accepted(self, response: Response) -> None:
        subprotocol = [value for name, value in response.headers if name.lower() == b"sec-websocket-protocol"]
        await self._call.send(
            {
                "type": "websocket.accept",
                "subprotocol": subprotocol[0].decode("latin-1") if subprotocol else None,
                "headers": [header for header in response.headers if header[0].lower() not in _OF_PROTOCOL],
            }
        )
        self._stream = response.extensions["network_stream"]
        self._open.set()
        while True:
            try:
                data = await self._stream.read(_READ)
            except NETWORK_ERRORS:
                data = b""
            self._frames.receive_data(data or None)
            for event in self._frames.events():
                if await self._handle(event):
                    return

    async def _handle(self, event: Event) -> bool:
        """Pass on what the server has sent. Return whether that was the last."""
        match event:
            case TextMessage() | BytesMessage():
                self._parts.append(event.data)
                if event.message_finished:
                    await self._deliver()
            case Ping():
                await self._write(event.response())
            case CloseConnection():
                if self._frames.state is ConnectionState.REMOTE_CLOSING:
                    await self._write(event.response())
                await self._closed(event)
                return True
        return False

    async def _deliver(self) -> None:
        parts, self._parts = self._parts, []
        message = {"text": "".join(parts)} if isinstance(parts[0], str) else {"bytes": b"".join(parts)}
        with suppress(ClientDisconnected):  # the end is still to come
            await self._call.send({"type": "websocket.send", **message})

    async def _closed(self, event: CloseConnection) -> None:
        """Pass on the end, unless it is the app's own, by an exception or a return, which comes out by itself.

        Raises:
            LiveServerError: Nobody has closed.
        """
        visit = self._call.visit
        if self._gone:
            return
        code, reason = event.code, event.reason
        if visit.closed is None:
            await visit.wait()
            if visit.app_exception is not None or (visit.app_returned and not visit.disconnected):
                return
            if code == CloseReason.ABNORMAL_CLOSURE:
                raise self._call.server_error(ConnectionResetError("there was no close frame"))
        elif code == CloseReason.ABNORMAL_CLOSURE:
            code, reason = visit.closed
        await self._call.send({"type": "websocket.close", "code": int(code), "reason": reason or ""})

    async def _pump_out(self, scope: anyio.CancelScope) -> None:
        while True:
            message = await self._call.receive()
            if message["type"] == "websocket.disconnect":
                break
            if message["type"] == "websocket.receive":
                await self._open.wait()
                self._call.visit.unread += 1
                data = message.get("text")
                await self._write(BytesMessage(message["bytes"]) if data is None else TextMessage(data))
        self._gone = True
        if self._stream is None or "reason" not in message:  # the client is lost
            scope.cancel()
        else:
            code = message["code"]
            if code == CloseReason.NO_STATUS_RCVD:
                code = CloseReason.NO_STATUS_RCVD  # wsproto knows it by identity, and makes 1000 of the number
            await self._write(CloseConnection(code, message["reason"]))

    async def _write(self, event: Event) -> None:
        """Send a frame, if that makes sense still. That the connection is lost, whoever reads will hear."""
        with suppress(LocalProtocolError, *NETWORK_ERRORS):
            data = self._frames.send(event)
            async with self._writing:
                await self._stream.write(data)

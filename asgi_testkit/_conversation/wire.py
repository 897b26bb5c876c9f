"""Speaks RFC 6455 with a WebSocket client such as httpx-ws: frames on its side, ASGI messages on the app's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import anyio
from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits
from wsproto.handshake import server_extensions_handshake

from .._protocol.options import duration
from .._protocol.websocket import MAX_REASON, NO_CODE
from .._types import Scope
from .websocket import WebSocketConnection

#: How many bytes are parsed at once. What they hold, decompressed, is looked at before there is more of it.
_SLICE = 16384

#: A parameter of permessage-deflate that can be met (RFC 7692 section 7.1). zlib has no window of 8 bits.
_PARAMETER = re.compile(
    r"(client|server)_no_context_takeover|client_max_window_bits|(client|server)_max_window_bits[ \t]*=[ \t]*(9|1[0-5])"
)

# RFC 6455 section 7.4.1
_TOO_BIG = 1009
_INTERNAL_ERROR = 1011


class WireStream:
    """The client's end of a connection to the app, as bytes: the ``network_stream`` of a 101 response.

    There is an ``AsyncNetworkStream`` of httpcore (or what the HTTP library has in its place) to derive it from.

    What is written is parsed at once. What is read is put into frames only then, so an app is held in its ``send()``
    while nobody reads. Errors are httpcore's own.

    Attributes:
        agreed: The headers by which the handshake agrees to extensions.
        network: httpcore, or what the HTTP library has in its place: its errors are raised.
    """

    def __init__(
        self, connection: WebSocketConnection, network: Any, *, compression: bool, max_message_size: int | None
    ) -> None:
        """Speak for `connection`, whose app has not answered yet."""
        extension, self.agreed = _deflate(connection.scope) if compression else (None, [])
        self._connection = connection
        self.network = network
        extensions = [] if extension is None else [extension]
        # One for each direction: wsproto sends nothing after the client's close frame, not even what was there before.
        self._inbound = Connection(ConnectionType.SERVER, [*extensions])
        self._outbound = Connection(ConnectionType.SERVER, [*extensions])
        self._limit = max_message_size
        self._parts: list[Any] = []  # of a message that is not complete
        self._size = 0
        self._out = bytearray()  # frames that nobody has read
        self._deaf = False  # whether nothing more is parsed: the client has closed, or broken the protocol
        self._at_end = False  # whether the end of the stream follows what is in _out
        self._end_due: float | None = None  # until when the end waits: for the client's reply to the app's close
        self._closed = False

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read from the connection: at least one byte, or none at its end.

        Args:
            max_bytes: At most how many.
            timeout: Seconds; None for no limit.

        Raises:
            httpcore.ReadTimeout: Nothing came in time. The text shows where the app is suspended. Nothing is lost.
            httpcore.ReadError: The stream, or the response, was closed.
        """
        self.check(self.network.ReadError)
        timeout = duration(timeout, "timeout")
        deadline = None if timeout is None else anyio.current_time() + timeout
        while not (self._out or self._encode()):
            if self._at_end:
                return b""
            await self._wait(timeout, deadline)
            self.check(self.network.ReadError)
        chunk = bytes(self._out[:max_bytes])
        del self._out[:max_bytes]
        return chunk

    def _encode(self) -> bool:
        """Put into a frame what comes next from the app. Return whether there was anything."""
        connection = self._connection
        if self._has_closed:
            return False  # what the app sends after a close goes nowhere
        if connection.messages_wait:
            data = connection.take()
            message: Event = TextMessage(data) if isinstance(data, str) else BytesMessage(data)
            self._out += self._outbound.send(message)
            return True
        if connection.state.closed:
            self._send_close(connection.state.close_code, connection.state.close_reason)
        elif connection.broken:
            self._send_close(_INTERNAL_ERROR, self._blame())
        else:
            self._at_end = self._at_end or connection.ended
            return False
        self._end_due = anyio.current_time() + connection.options.disconnect_grace
        return True

    def _blame(self) -> str:
        """Return the reason that the client is given for an app's failure: none, as by a server."""
        return ""

    async def _wait(self, timeout: float | None, deadline: float | None) -> None:
        """Wait for the app, for what is written to this stream, and at most until `deadline`."""
        due = self._end_due
        end_is_due_first = due is not None and (deadline is None or due <= deadline)
        until = due if end_is_due_first else deadline
        if await self._connection.for_client.wait(None if until is None else max(0.0, until - anyio.current_time())):
            return
        if end_is_due_first:
            self._at_end = True  # as a server, that does not wait for ever for the client's close
            return
        told = f"{self._connection.name}: nothing to read for {timeout} seconds (timeout=)"
        raise self.network.ReadTimeout(f"{told}; the application is {self._connection.where()}")

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write to the connection. While the app has 64 KiB that it has not received yet, that waits.

        When the wait is cancelled or takes too long, what was written stays written.

        Args:
            buffer: Frames, in whatever pieces.
            timeout: Seconds; None for no limit.

        Raises:
            httpcore.WriteTimeout: The app did not receive in time. The text shows where it is suspended.
            httpcore.WriteError: The stream, or the response, was closed, or the stream has come to its end.
        """
        timeout = duration(timeout, "timeout")
        self.feed(buffer)
        if not await self._connection.room(timeout):
            raise self.network.WriteTimeout(self._connection.far_behind(timeout))

    def feed(self, buffer: bytes) -> None:
        """Do as `write` does, without the wait."""
        self.check(self.network.WriteError)
        if self._at_end:
            raise self.network.WriteError(f"{self._connection.name}: this stream is at its end")
        for start in range(0, len(buffer), _SLICE):
            self._parse(bytes(buffer[start : start + _SLICE]))
        self._connection.for_client.fire()

    def _parse(self, data: bytes) -> None:
        if self._deaf:
            return
        self._inbound.receive_data(data)
        for event in self._inbound.events():
            self._take(event)
            if self._deaf:
                return

    def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage | BytesMessage):
            self._take_data(event)
        elif isinstance(event, Ping):
            if not self._has_closed:
                self._out += self._outbound.send(event.response())
        elif isinstance(event, CloseConnection):  # the client's, or what wsproto says of a frame that is none
            self._part(event.code, event.reason or "")

    def _take_data(self, event: TextMessage | BytesMessage) -> None:
        data = event.data
        self._size += len(data.encode() if isinstance(data, str) else data)
        if self._limit is not None and self._size > self._limit:
            self._part(_TOO_BIG, f"a message has more than {self._limit} bytes")
            return
        if data:  # no end of empty fragments is worth keeping
            self._parts.append(data)
        if event.message_finished:
            parts, self._parts, self._size = self._parts, [], 0
            if isinstance(event, TextMessage):
                self._connection.put({"type": "websocket.receive", "text": "".join(parts)})
            else:
                self._connection.put({"type": "websocket.receive", "bytes": b"".join(parts)})

    def _part(self, code: int, reason: str) -> None:
        """Reply to the client's close, or fail the connection (RFC 6455 section 7.1.7), and end the stream."""
        self._deaf = self._at_end = True
        while self._encode():
            pass  # what the app has sent before goes before; its own close, in place of this one
        if not self._connection.done:  # else its end came first, and is not to be taken for a reply to this
            self._send_close(code, reason)
            self._connection.disconnect(int(code), _cut(reason))

    @property
    def _has_closed(self) -> bool:
        """Whether the app's side has sent a close frame."""
        return self._outbound.state is not ConnectionState.OPEN

    def _send_close(self, code: int, reason: str) -> None:
        if self._has_closed:
            return
        if code == NO_CODE:  # and no reason either, for which there is no room without
            self._out += self._outbound.send(CloseConnection(None))  # type: ignore[arg-type]  # as wsproto's own comments have it
        else:
            self._out += self._outbound.send(CloseConnection(code, _cut(reason)))

    async def aclose(self) -> None:
        """Close the socket. An app whose connection was not closed before sees that it is lost."""
        self._closed = True
        if not self._connection.done:
            self._connection.disconnect(None)
        self._connection.for_client.fire()

    def check(self, error: type[Exception]) -> None:
        """Raise `error` if the stream was closed, by itself or with the response."""
        if self.over:
            raise error(f"{self._connection.name}: this stream was closed")

    @property
    def over(self) -> bool:
        """Whether there is nothing left to close: the client has let go of the connection, and its loop may be gone."""
        return self._closed or self._connection.closed

    def get_extra_info(self, info: str) -> Any:
        """Return ``client_addr`` or ``server_addr``; None for what there is not in-process."""
        return {
            "client_addr": self._connection.scope.get("client"),
            "server_addr": self._connection.scope.get("server"),
        }.get(info)


def _cut(reason: str) -> str:
    """Return as much of `reason` as fits into a close frame."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore")


class _Deflate(PerMessageDeflate):
    """wsproto's, but for a control frame amid a compressed message: there wsproto forgets that it is compressed."""

    _control = False  # whether the current frame is one

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """Return which of the reserved bits may be set."""
        self._control = opcode.iscontrol()
        if self._control:
            return RsvBits(rsv1=False, rsv2=False, rsv3=False)
        return super().frame_inbound_header(proto, opcode, rsv, payload_length)

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        """Decompress part of a frame."""
        return data if self._control else super().frame_inbound_payload_data(proto, data)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:  # noqa: FBT001 - wsproto's signature
        """Decompress the end of a frame."""
        return None if self._control else super().frame_inbound_complete(proto, fin)


def _deflate(scope: Scope) -> tuple[PerMessageDeflate | None, list[tuple[bytes, bytes]]]:
    """Agree to permessage-deflate, if the client offers it (RFC 7692), by the first offer that can be met."""
    for offer in _offers(scope):
        extension = _Deflate()
        answer = server_extensions_handshake([offer], [extension])
        assert answer is not None  # it can be met
        return extension, [(b"sec-websocket-extensions", answer)]
    return None, []


def _offers(scope: Scope) -> Iterator[str]:
    """Return the offers of permessage-deflate that can be met; others must be declined (RFC 7692 section 7.1)."""
    for name, value in scope["headers"]:
        if name == b"sec-websocket-extensions":
            for offer in value.decode("latin-1").split(","):
                extension, *parameters = (part.strip(" \t") for part in offer.split(";"))
                distinct = {parameter.partition("=")[0].rstrip(" \t") for parameter in parameters}
                known = all(_PARAMETER.fullmatch(parameter) for parameter in parameters)
                if extension == PerMessageDeflate.name and known and len(distinct) == len(parameters):
                    yield offer

"""Clients that write anything, in any pieces, and apps that do anything: it ends, and what arrives is what was sent."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from wsproto.frame_protocol import Opcode

from asgi_testkit import ASGIProtocolError, ASGITransport, Message, Receive, Scope, Send, _tasks

from .backends import BACKENDS, Backend
from .messages import accept, hang_up, say
from .wire import (
    HANDSHAKE,
    RSV1,
    CloseConnection,
    Decoder,
    Event,
    Pong,
    binary,
    closing,
    deflated,
    extension_of,
    frame,
    more,
    ping,
    pong,
    text,
)

pytestmark = pytest.mark.slow

DEFLATE = {"sec-websocket-extensions": "permessage-deflate"}
MANY = 60

chaotic = settings(deadline=None, max_examples=MANY, suppress_health_check=[HealthCheck.function_scoped_fixture])
on_each_backend = pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)

#: What a client says, how the message is cut into fragments, whether it is compressed, and whether pings come between.
messages = st.lists(
    st.tuples(
        st.text(max_size=20) | st.binary(max_size=40) | st.sampled_from(["x" * 200, "é" * 20_000, bytes(70_000)]),
        st.lists(st.integers(0, 50), max_size=3),
        st.booleans(),
        st.booleans(),
    ),
    max_size=6,
)

#: Frames, and what looks like frames.
opcodes = st.sampled_from(list(Opcode)) | st.integers(0, 15)
payloads = st.binary(max_size=20) | st.sampled_from([b"\x03\xe8", b"\x03\xe8bye", b"\xff", "é".encode(), bytes(126)])
frames = st.one_of(
    st.builds(text, st.text(max_size=10)),
    st.builds(text, payloads, fin=st.booleans()),
    st.builds(binary, payloads, fin=st.booleans()),
    st.builds(more, payloads, fin=st.booleans()),
    st.builds(ping, st.binary(max_size=125)),
    st.builds(pong, st.binary(max_size=5)),
    st.builds(closing, st.none() | st.integers(0, 65535) | st.integers(999, 1016), st.text(max_size=5)),
    st.builds(frame, st.sampled_from([1, 2]), payloads, fin=st.booleans(), rsv=st.just(RSV1)),
    st.builds(
        lambda data, opcode, fin: frame(opcode, deflated(data, zlib.compressobj(wbits=-15)), rsv=RSV1, fin=fin),
        st.binary(max_size=30),
        st.sampled_from([1, 2]),
        st.booleans(),
    ),
    st.builds(
        frame,
        opcodes,
        payloads,
        fin=st.booleans(),
        rsv=st.integers(0, 7),
        mask=st.binary(min_size=4, max_size=4) | st.just(b""),
    ),
    st.builds(lambda data, size: data[:size], st.builds(text, st.text(max_size=200)), st.integers(0, 100)),
    st.binary(max_size=20),
)
streams = st.lists(frames, max_size=8).map(b"".join)
cuts = st.lists(st.integers(0, 400) | st.integers(0, 100_000), max_size=12)


class OfTheAppError(Exception):
    """What an app raises here."""


class OfTheTestError(Exception):
    """What a test raises here."""


def pieces(data: bytes, at: Sequence[int]) -> list[bytes]:
    """Cut data into pieces, some of them empty."""
    bounds = [0, *sorted(min(each, len(data)) for each in at), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(bounds)]


def said(messages: list[tuple[Any, list[int], bool, bool]], *, compression: bool) -> bytes:
    """Return the frames by which a client says that."""
    compressor = zlib.compressobj(wbits=-15)
    stream = b""
    for data, at, compressed, pings in messages:
        opcode = Opcode.TEXT if isinstance(data, str) else Opcode.BINARY
        payload = data.encode() if isinstance(data, str) else data
        rsv = 0
        if compressed and compression:
            payload, rsv = deflated(payload, compressor), RSV1
        first, *others = pieces(payload, at)
        stream += frame(opcode, first, fin=not others, rsv=rsv)
        for number, other in enumerate(others, 1):
            stream += (ping(b"between") + pong() if pings else b"") + more(other, fin=number == len(others))
    return stream


def decoder(*, compression: bool) -> Decoder:
    return Decoder([extension_of("permessage-deflate")] if compression else [])


def run(backend: Backend, main: Callable[[], Any]) -> None:
    """Run `main`; nothing is left running."""
    before = set(_tasks._running)
    anyio.run(main, backend=backend.name, backend_options=backend.options)
    assert not _tasks._running - before


# What a client writes


async def written(parts: list[bytes], *, compression: bool) -> tuple[list[Message], list[Event]]:
    """Write these to an app that listens. Return what the app received, and what the client read up to the end."""
    record: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await accept(send)
        await receive()
        while (message := await receive())["type"] == "websocket.receive":
            record.append(message)
        record.append(message)

    with anyio.fail_after(10):
        transport = ASGITransport(app, compression=compression)
        async with (
            httpx.AsyncClient(transport=transport) as client,
            client.stream("GET", "http://t", headers={**HANDSHAKE, **DEFLATE}) as response,
        ):
            stream = response.extensions["network_stream"]
            try:
                for part in parts:
                    await stream.write(part, 5)
            except httpcore.WriteError:
                pass  # the end was in one of those before
            read = await rest(stream)
        assert not transport.unsettled
    return record, decoder(compression=compression).feed(read)


async def rest(stream: httpcore.AsyncNetworkStream) -> bytes:
    """Return what can be read without a wait."""
    read = b""
    try:
        while chunk := await stream.read(100_000, 0.0):
            read += chunk
    except httpcore.ReadTimeout:
        pass  # that is all
    return read


@on_each_backend
@chaotic
@given(messages=messages, at=cuts, compression=st.booleans())
@example(messages=[("é", [1], True, True), (b"", [0], True, False)], at=[1], compression=True)
def test_whatever_a_valid_client_says_arrives_in_order(
    backend: Backend, messages: list[tuple[Any, list[int], bool, bool]], at: list[int], compression: bool
) -> None:
    stream = said(messages, compression=compression) + closing(4000, "bye")

    async def main() -> None:
        record, events = await written(pieces(stream, at), compression=compression)
        *received, end = record
        assert [message.get("text", message.get("bytes")) for message in received] == [each[0] for each in messages]
        assert end == {"type": "websocket.disconnect", "code": 4000, "reason": "bye"}
        pings = sum(len(at) for _, at, _, pings in messages if pings)
        assert events == [*[Pong(b"between")] * pings, CloseConnection(4000, "bye")]

    run(backend, main)


#: A frame with two of them is blamed for the one that is found first.
FAULTS = {1002: "fault", 1007: "fault"}


def gist(record: list[Message], events: list[Event]) -> list[Any]:
    """Return all but what depends on the pieces: the wording, and of two faults of a frame, which is found first."""
    *received, end = record
    seen = [FAULTS.get(event.code, event.code) if isinstance(event, CloseConnection) else event for event in events]
    return [received, FAULTS.get(end["code"], end["code"]), "reason" in end, seen]


@on_each_backend
@chaotic
@given(stream=streams, at=cuts, compression=st.booleans())
@example(stream=b"", at=[3], compression=True)
@example(stream=text("é", fin=False) + ping() + more(b"\xc3") + text("x"), at=[], compression=False)
def test_it_does_not_matter_in_which_pieces_bytes_are_written(
    backend: Backend, stream: bytes, at: list[int], compression: bool
) -> None:
    async def main() -> None:
        whole = gist(*await written([stream], compression=compression))
        assert gist(*await written(pieces(stream, at), compression=compression)) == whole
        assert gist(*await written([bytes([byte]) for byte in stream], compression=compression)) == whole

    run(backend, main)


# Everything at once


async def fail() -> None:
    raise OfTheAppError


def app_of(steps: list[str], *, swallows: bool) -> Any:
    """Return an app that takes these steps; one that swallows goes on after an error of `send`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        deeds: dict[str, Callable[[], Any]] = {
            "receive": receive,
            "text": lambda: say(send, "é"),
            "bytes": lambda: say(send, bytes(200)),
            "much": lambda: say(send, bytes(70_000)),
            "close": lambda: hang_up(send, code=4000, reason="why"),
            "close without a code": lambda: hang_up(send, code=None, reason="why"),
            "accept": lambda: accept(send),
            "pause": anyio.lowlevel.checkpoint,
            "raise": fail,
            "hang": anyio.sleep_forever,
        }
        await accept(send)
        for step in steps:
            try:
                await deeds[step]()
            except (ASGIProtocolError, OSError):
                if not swallows:
                    raise

    return app


app_steps = st.lists(
    st.sampled_from(
        [
            *("receive", "receive", "text", "bytes", "much", "close", "close without a code"),
            *("accept", "pause", "raise", "hang"),
        ]
    ),
    max_size=8,
)
client_steps = st.lists(
    st.sampled_from(["write", "write", "read", "read a byte", "cancel a read", "cancel a write", "both", "pause"]),
    max_size=10,
)
endings = st.sampled_from(["read on", "close the stream", "close the response", "leave", "raise", "cancel"])


class Client:
    """A client that takes steps, and minds no error that a stream may have."""

    def __init__(self, response: httpx.Response, parts: list[bytes]) -> None:
        self.response = response
        self.read_bytes = b""
        self._stream = response.extensions["network_stream"]
        self._parts = parts

    async def read(self, size: int = 100_000) -> bytes:
        try:
            data: bytes = await self._stream.read(size, 0.001)
        except (httpcore.ReadTimeout, httpcore.ReadError):
            return b""
        self.read_bytes += data
        return data

    async def write(self) -> None:
        part = self._parts.pop(0) if self._parts else closing(1000)
        try:
            await self._stream.write(part, 0.001)
        except (httpcore.WriteTimeout, httpcore.WriteError):
            pass  # any of these may be what comes of it

    async def cancelled(self, function: Callable[[], Any]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(function)
            for _ in range(len(self._parts) % 4):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()

    async def take(self, step: str) -> None:
        if step == "both":
            async with anyio.create_task_group() as group:
                group.start_soon(self.read)
                group.start_soon(self.write)
                group.start_soon(self.write)
        else:
            steps: dict[str, Callable[[], Any]] = {
                "write": self.write,
                "read": self.read,
                "read a byte": lambda: self.read(1),
                "cancel a read": lambda: self.cancelled(self.read),
                "cancel a write": lambda: self.cancelled(self.write),
                "pause": anyio.lowlevel.checkpoint,
            }
            await steps[step]()

    async def end(self, ending: str) -> None:
        if ending == "read on":
            while await self.read():
                pass
        elif ending == "close the stream":
            await self._stream.aclose()
            assert not await self.read()
        elif ending == "close the response":
            await self.response.aclose()
            assert not await self.read()
        elif ending == "raise":
            raise OfTheTestError
        elif ending == "cancel":
            await self.cancelled(self.response.aclose)


async def go(app: Any, parts: list[bytes], steps: list[str], ending: str, *, compression: bool, **options: Any) -> None:
    read = b""
    with anyio.fail_after(10):
        transport = ASGITransport(app, disconnect_grace=0.001, compression=compression, **options)
        try:
            async with (
                httpx.AsyncClient(transport=transport, timeout=0.02) as http,
                http.stream("GET", "http://t", headers={**HANDSHAKE, **DEFLATE}) as response,
            ):
                client = Client(response, parts)
                try:
                    for step in steps:
                        await client.take(step)
                    await client.end(ending)
                finally:
                    read = client.read_bytes
        except* (OfTheAppError, OfTheTestError, ASGIProtocolError, httpx.ReadTimeout):
            pass  # any of these may be what comes of it
    assert not transport.unsettled
    decoder(compression=compression).feed(read)


@on_each_backend
@chaotic
@given(
    steps=app_steps,
    stream=streams,
    at=cuts,
    taken=client_steps,
    ending=endings,
    raises=st.booleans(),
    swallows=st.booleans(),
    compression=st.booleans(),
    write_buffer=st.sampled_from([0, 100, 65536]),
    limit=st.sampled_from([None, 0, 10, 1000]),
    background=st.sampled_from(["wait", "detach"]),
)
@example(["text"], b"", [], [], "read on", True, True, True, 0, None, "wait")
@example(["raise"], b"", [], [], "leave", False, True, True, 0, None, "wait")
@example(["accept"], b"", [], ["both", "read"], "read on", True, True, True, 0, None, "wait")
@example(["accept"], b"", [], ["cancel a read", "cancel a write"], "raise", True, False, True, 0, None, "wait")
@example(["much"] * 2, b"", [], ["pause"], "close the stream", True, True, False, 0, 0, "wait")
@example(["text", "hang"], b"", [], ["read a byte"], "close the response", True, True, True, 100, 0, "wait")
@example(["hang"], binary(bytes(70_000)), [9, 9, 9], ["write"] * 4, "cancel", True, True, False, 100, None, "wait")
def test_whatever_happens_it_ends_and_says_how(
    backend: Backend,
    steps: list[str],
    stream: bytes,
    at: list[int],
    taken: list[str],
    ending: str,
    raises: bool,
    swallows: bool,
    compression: bool,
    write_buffer: int,
    limit: int | None,
    background: str,
) -> None:
    async def main() -> None:
        await go(
            app_of(steps, swallows=swallows),
            pieces(stream, at),
            taken,
            ending,
            compression=compression,
            raise_app_exceptions=raises,
            write_buffer=write_buffer,
            max_message_size=limit,
            background=background,
        )

    run(backend, main)

"""The body of a request on its way to the app: pulled from the test chunk by chunk, as the app asks for it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

import anyio
import httpx

from ._http import HTTPLibrary
from ._tasks import IndependentTask, Wakeup

_END: Any = object()


class RequestBody:
    """A body, known at once or streamed by the test.

    A streamed body is iterated by a task of its own, one chunk for each that the app wants. So the app may drop a
    ``receive()`` in the middle without harm to the test's generator, and a generator that waits for the response is
    fine.

    Attributes:
        finished: Whether the app has been given all of it.
        error: What the test's generator raised. It is the test's own, and never reaches the app.
    """

    finished = False
    error: BaseException | None = None
    _chunk = b""
    _exhausted = False
    _wanted = False
    _closed = False
    _pump: IndependentTask[None] | None = None

    def __init__(self, request: httpx.Request, http: HTTPLibrary, *, name: str, reader: Wakeup, waiter: Wakeup) -> None:
        """Take the body of `request`.

        Args:
            request: The request.
            http: The library that it is of.
            name: What tasks and errors call it.
            reader: Fired when a chunk, the end or an error has come.
            waiter: Fired when an error has come: whoever waits for the response has to know.

        Raises:
            TypeError: The body cannot be iterated asynchronously.
        """
        self._name = name
        self._reader = reader
        self._waiter = waiter
        stream = request.stream
        if isinstance(stream, http.ByteStream):
            try:
                self._chunk = request.content
            except http.RequestNotRead:
                self._chunk = b"".join(stream)
            self._exhausted = True
        elif isinstance(stream, http.AsyncByteStream):
            self._stream = stream
            self._demand = Wakeup()
        else:
            msg = f"the body of {request!r} is {stream!r}, which cannot be iterated asynchronously"
            raise TypeError(msg)

    @property
    def pumping(self) -> bool:
        """Whether the test's generator was started and has not ended."""
        return self._pump is not None and not self._pump.done

    def take(self) -> tuple[bytes, bool] | None:
        """Return the next chunk and whether more may follow, or None if it has yet to come; then it is asked for."""
        if not (self._chunk or self._exhausted):
            self._ask()
        if not (self._chunk or self._exhausted):
            return None
        chunk, self._chunk = self._chunk, b""
        self.finished = self._exhausted
        return chunk, not self.finished

    def _ask(self) -> None:
        self._wanted = True
        if self._pump is None:
            self._pump = IndependentTask(self._run, name=f"{self._name} (request body)")
        else:
            self._demand.fire()

    async def _run(self) -> None:
        try:
            chunks = self._stream.__aiter__()
            try:
                await self._pass_on(chunks)
            finally:
                if hasattr(chunks, "aclose"):
                    await chunks.aclose()
                await self._stream.aclose()
        except BaseException as error:
            if not (self._closed and isinstance(error, anyio.get_cancelled_exc_class())):
                self.error = error
            self._waiter.fire()
        self._reader.fire()

    async def _pass_on(self, chunks: AsyncIterator[bytes]) -> None:
        while not self._closed:
            chunk = await anext(chunks, _END)
            if chunk is _END:
                self._exhausted = True
                return
            if not isinstance(chunk, bytes | bytearray | memoryview):
                msg = f"{self._name}: the chunks of a request body are bytes, not {chunk!r}"
                raise TypeError(msg)
            if chunk:  # on the wire, an empty one would be the end
                self._chunk = bytes(chunk)
                self._wanted = False
                self._reader.fire()
                while not (self._wanted or self._closed):
                    await self._demand.wait()

    async def close(self, *, grace: float) -> None:
        """Read no further, and see the test's generator closed. Cancelling does not cut that short.

        Raises:
            ApplicationStuckError: The generator was cancelled and went on all the same.
        """
        self._closed = True
        if self._pump is not None:
            self._demand.fire()
            await self._pump.end(grace=grace, noticed=lambda: not self._wanted)


class GeneratorStream:
    """A generator of the test as a body, with an ``AsyncByteStream`` to derive it from.

    httpx would leave it half used, and trio warns of that.
    """

    def __init__(self, stream: Any, generator: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._generator = generator

    def __aiter__(self) -> AsyncIterator[bytes]:
        return cast("AsyncIterator[bytes]", self._stream.__aiter__())

    async def aclose(self) -> None:
        """Close the generator."""
        await self._generator.aclose()

"""The body of a request on its way to the app: pulled from the test chunk by chunk, as the app asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from inspect import isasyncgen, isgenerator
from typing import Any, TypeAlias

import anyio

from .task import IndependentTask
from .wakeup import Wakeup

_END: Any = object()

#: What a request brings: all of its body, or an iterable of the test's.
Body: TypeAlias = bytes | AsyncIterable[bytes]


def generator_of(stream: Any) -> Any:
    """Return the generator of the test that a body is made of, asynchronous or not; None if it is of something else."""
    inside = getattr(stream, "__dict__", {}).values()
    return next((each for each in inside if isasyncgen(each) or isgenerator(each)), None)


class RequestBody:
    """A body, known at once or streamed by the test.

    A streamed body is iterated by a task of its own, one chunk for each that the app wants. So the app may drop a
    ``receive()`` in the middle without harm to the test's generator, and a generator that waits for the response is
    fine.

    Attributes:
        finished: Whether the app has been given all of it.
        error: What the test's generator raised. It is the test's own, and never reaches the app.
        stopped: Whether nothing more is read of it.
        ends_with_call: Whether it can be read while a blocking call of the test's runs, and not after.
    """

    finished = False
    error: BaseException | None = None
    stopped = False
    _chunk = b""
    _exhausted = False
    _wanted = False
    _pump: IndependentTask[None] | None = None

    def __init__(self, body: Body, *, name: str, reader: Wakeup, waiter: Wakeup) -> None:
        """Take the body. `name` is what tasks and errors call it.

        `reader` is fired when a chunk, the end or an error has come; `waiter`, when an error has: whoever waits for the
        response has to know.
        """
        self.ends_with_call: bool = getattr(body, "ends_with_call", False)
        self._name = name
        self._reader = reader
        self._waiter = waiter
        if isinstance(body, bytes):
            self._chunk = body
            self._exhausted = True
        else:
            self._stream = body
            self._demand = Wakeup()

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
                # The library leaves a generator half used, and trio warns of that.
                for each in (chunks, generator_of(self._stream), self._stream):
                    if hasattr(each, "aclose"):
                        await each.aclose()
        except BaseException as error:
            if not (self.stopped and isinstance(error, anyio.get_cancelled_exc_class())):
                self.error = error
            self._waiter.fire()
        self._reader.fire()

    async def _pass_on(self, chunks: AsyncIterator[bytes]) -> None:
        while not self.stopped:
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
                while not (self._wanted or self.stopped):
                    await self._demand.wait()

    def stop(self, then: Callable[[], object]) -> None:
        """Read no further, and have the test's generator, which has started, closed. `then` is called at its end."""
        assert self._pump is not None
        self.stopped = True
        self._demand.fire()
        if self._wanted:  # else it waits for the demand, and will see
            self._pump.cancel()
        self._pump.when_done(then)

    async def close(self, *, grace: float) -> None:
        """Read no further, and see the test's generator closed. Cancelling does not cut that short.

        Raises:
            ApplicationStuckError: The generator was cancelled and went on all the same.
        """
        self.stopped = True
        if self._pump is not None:
            self._demand.fire()
            await self._pump.end(grace=grace, noticed=lambda: not self._wanted)

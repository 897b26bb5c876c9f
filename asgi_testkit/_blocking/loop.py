"""Event loops for blocking clients, each in a thread of its own."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from contextlib import ExitStack
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal

from .._conversation.task import CANCEL_TIMEOUT, IndependentTask
from .._errors import ApplicationStuckError
from .hop import Call, ThreadHop


class LoopThread:
    """A thread with an event loop in it.

    Attributes:
        hop: The way into it, for requests: it takes half the trips that anyio's does.
    """

    hop: ThreadHop
    _ending: anyio.Event
    _opened: anyio.Event
    _portal: BlockingPortal | None = None
    _keeper: IndependentTask[None] | None = None
    _unwanted = False  # whether it is to end as soon as it has started

    def __init__(
        self,
        backend: str,
        backend_options: Mapping[str, Any],
        first: Callable[[], Awaitable[object]] | None = None,
    ) -> None:
        """Start it.

        Args:
            backend: As ``anyio.run`` takes it.
            backend_options: As ``anyio.run`` takes them.
            first: What to run in the loop before anything else; it saves a trip. If it raises, the loop ends again.
        """
        # No start_blocking_portal(): its generator would end the loop when it is collected, in a forked process, too.
        self._started: Future[None] = Future()
        call = None if first is None else Call(first, "startup")
        self._thread = threading.Thread(
            target=self._run, args=(backend, dict(backend_options), call), name=f"{backend} loop", daemon=True
        )
        try:
            self._thread.start()
            self._started.result()
            if call is not None:
                self.hop.finish(call, begun=True)
        except BaseException:  # the loop cannot start, `first` has failed, or Ctrl-C
            self._unwanted = True
            if self._started.done() and self._started.exception() is None:
                self.stop()
            raise

    @property
    def runs(self) -> bool:
        """Whether the loop has not ended, nor been told to."""
        return not self.hop.ended

    @property
    def portal(self) -> BlockingPortal:
        """Anyio's way into the loop, for tests; most need none, so it is opened when it is first asked for."""
        if self._portal is None:
            self.hop.call(self._open_portal, name="portal")
        assert self._portal is not None
        return self._portal

    async def _open_portal(self) -> None:
        if self._keeper is None:  # another thread may have asked as well
            self._opened = anyio.Event()
            self._keeper = IndependentTask(self._keep_portal, name="portal")
        await self._opened.wait()

    async def _keep_portal(self) -> None:
        try:
            async with BlockingPortal() as self._portal:
                self._opened.set()
                await self._ending.wait()
                await self._portal.stop(cancel_remaining=True)
        finally:
            self._end()  # what a call into the portal raises may end the loop, as it ends anyio's

    def stop(self) -> None:
        """Cancel what a test or the app has left running in the loop, and end that and its thread.

        Raises:
            ApplicationStuckError: They have not ended in time, and are left to themselves.
        """
        self.hop.close()
        self.hop.post(self._end)
        self._thread.join(2 * CANCEL_TIMEOUT)
        self.hop.end()
        if self._thread.is_alive():
            msg = (
                f"the event loop of a blocking client was told to end, and {2 * CANCEL_TIMEOUT} seconds later it has "
                "not: something that runs in it, a task of the app perhaps, swallows its cancellation, or never waits"
            )
            raise ApplicationStuckError(msg)

    def stop_after(self, last: Callable[[], Awaitable[object]]) -> None:
        """Run `last` in the loop, then do as `stop`, in one trip. What `last` raises is raised when all has ended."""

        async def run() -> None:
            try:
                await last()
            finally:
                self.hop.close()
                self._end()

        try:
            self.hop.call(run, name="shutdown")
        finally:
            self.stop()

    def _run(self, backend: str, backend_options: dict[str, Any], first: Call[object] | None) -> None:
        try:
            anyio.run(self._open, first, backend=backend, backend_options=backend_options)
        except BaseException as error:  # sys.exit() in a task of the app, say, which ends any loop
            if self._started.done():
                self.hop.end(error)
            else:
                self._started.set_exception(error)

    async def _open(self, first: Call[object] | None) -> None:
        self._ending = anyio.Event()
        self.hop = ThreadHop()
        self.hop.loop = self
        self._started.set_result(None)
        if first is not None and not self._unwanted:
            first.start(self.hop.errands)
        if not self._unwanted:
            await self._ending.wait()
        if self._keeper is not None:
            await self._keeper.wait(None)

    def _end(self) -> None:
        self._unwanted = True
        self._ending.set()


class LentLoop:
    """The loop of another, which goes on when a client that has used it is done.

    Attributes:
        hop: The way into it.
    """

    def __init__(self, lender: LoopThread, first: Callable[[], Awaitable[object]]) -> None:
        """Run `first` in it."""
        self.hop: ThreadHop = lender.hop
        self._lender = lender
        self.hop.call(first, name="startup")

    @property
    def portal(self) -> BlockingPortal:
        """Anyio's way into the loop."""
        return self._lender.portal

    def stop_after(self, last: Callable[[], Awaitable[object]]) -> None:
        """Run `last` in the loop."""
        self.hop.call(last, name="shutdown")


class SharedLoops:
    """A loop for each backend configuration, started at first use, and ended with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._loops: list[tuple[str, dict[str, Any], LoopThread]] = []

    def get(self, backend: str, backend_options: Mapping[str, Any], *, from_within: bool = True) -> LoopThread:
        """Return the loop for a configuration, which is that of ``anyio.run``.

        It is one and the same, but while that stands still: a call made by what it waits for has to have another. So
        does one that is made on the loop's own thread; or, `from_within`, it gets that loop all the same, and is told.
        """
        with self._lock:
            self._notice_fork()
            self._loops = [known for known in self._loops if known[2].runs]
            for known_backend, known_options, loop in self._loops:
                same = known_backend == backend and known_options == backend_options
                if same and (from_within if loop.hop.here else not loop.hop.blocked):
                    return loop
            loop = LoopThread(backend, backend_options)
            self._loops.append((backend, dict(backend_options), loop))
            return loop

    def stop(self) -> None:
        """End all of them, each of them, whatever the others raise."""
        with self._lock, ExitStack() as stack:
            self._notice_fork()
            while self._loops:
                stack.callback(self._loops.pop()[2].stop)

    def _notice_fork(self) -> None:
        if self._process != os.getpid():  # the threads are the parent's
            self._process = os.getpid()
            self._loops.clear()


shared_loops = SharedLoops()
atexit.register(shared_loops.stop)

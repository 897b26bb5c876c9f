"""Event loops in threads of their own, for blocking clients."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import anyio
from anyio.from_thread import BlockingPortal

from ._hop import ThreadHop


class LoopThread:
    """A thread with an event loop in it.

    Attributes:
        portal: anyio's way into the loop, for tests.
        hop: Ours, for requests: it takes half the trips.
    """

    def __init__(self, backend: str, backend_options: Mapping[str, Any]) -> None:
        """Start it; the arguments are those of ``anyio.run``."""
        # No start_blocking_portal(): its generator would end the loop when it is collected, in a forked process, too.
        started: Future[tuple[BlockingPortal, ThreadHop]] = Future()
        self._thread = threading.Thread(
            target=_run, args=(started, backend, dict(backend_options)), name=f"{backend} loop", daemon=True
        )
        self._thread.start()
        self.portal, self.hop = started.result()

    def stop(self) -> None:
        """Cancel what a test has left running in the portal, and end the loop and its thread."""
        self.hop.close()
        try:
            self.portal.call(self.portal.stop, True)  # noqa: FBT003 - cancel_remaining, by position only
        finally:
            self._thread.join()
            self.hop.end()


def _run(started: Future[tuple[BlockingPortal, ThreadHop]], backend: str, backend_options: dict[str, Any]) -> None:
    async def serve() -> None:
        async with BlockingPortal() as portal:
            started.set_result((portal, ThreadHop()))
            await portal.sleep_until_stopped()

    try:
        anyio.run(serve, backend=backend, backend_options=backend_options)
    except BaseException as error:
        if not started.done():
            started.set_exception(error)
        # After that it is what a call into the portal has raised already: KeyboardInterrupt, for one.


class SharedLoops:
    """One loop thread for each backend configuration, started at first use, and ended with the process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._loops: list[tuple[str, dict[str, Any], LoopThread]] = []

    def get(self, backend: str, backend_options: Mapping[str, Any]) -> LoopThread:
        """Return the loop thread for a configuration."""
        with self._lock:
            self._notice_fork()
            for known_backend, known_options, loop in self._loops:
                if known_backend == backend and known_options == backend_options:
                    return loop
            if not self._loops:
                atexit.register(self.stop)
            loop = LoopThread(backend, backend_options)
            self._loops.append((backend, dict(backend_options), loop))
            return loop

    def stop(self) -> None:
        """End all of them."""
        with self._lock:
            self._notice_fork()
            while self._loops:
                self._loops.pop()[2].stop()

    def _notice_fork(self) -> None:
        if self._process != os.getpid():  # the threads are the parent's
            self._process = os.getpid()
            self._loops.clear()


shared_loops = SharedLoops()

"""The hop into a loop that the calling thread runs itself, until the loop needs a thread of its own.

A trip into another thread and back takes longer than most apps do: the system has to wake that thread, then this one.
So a loop in which nothing happens between two calls is run by the one who calls, with ``asyncio.Runner``, which looks
after Ctrl-C. A thread stands by. It takes the loop over, for good, as soon as one of these things shows:

- a call is to leave something behind that goes on while the test does something else, or has left a task by itself;
- a call has used worker threads: those end with the run of the loop that they were started in, and starting one for
  each call takes longer than the trip;
- another thread calls, which must not wait until this one has its answer;
- a loop runs in the calling thread already;
- an exception is being handled in the calling thread, which ``sys.exception()`` would show to the app;
- the handler of a signal may raise something in the calling thread, as that of pytest-timeout does: it is meant to
  strike the test, and would strike asyncio in the middle of its work, which can lose it. Ctrl-C the runner defers.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from ._hop import Call, ThreadHop
from ._tasks import loop_runs_here

#: Seconds that the loop may have stood still before it is given time to catch up with what was due meanwhile.
_PAUSE = 0.001

#: How many rounds of the loop that takes: a timer, the data of a connection, and what follows from these.
_ROUNDS_TO_CATCH_UP = 3

#: What stands in the place of a signal's handler if none in Python is called, and of that of Ctrl-C if it is Python's.
_NO_HANDLER = (signal.SIG_DFL, signal.SIG_IGN, None)
_USUAL_FOR_CTRL_C = (signal.default_int_handler, *_NO_HANDLER)


def runner(backend_options: Mapping[str, Any]) -> asyncio.Runner:
    """Return what runs a loop as ``anyio.run`` does, but makes it the current loop of no thread.

    Args:
        backend_options: As ``anyio.run`` takes them for asyncio.
    """
    factory = backend_options.get("loop_factory") or asyncio.new_event_loop
    return asyncio.Runner(debug=backend_options.get("debug"), loop_factory=factory)


class StandbyHop(ThreadHop):
    """The way into a loop that is lent to one thread.

    Create it in the thread that stands by.
    """

    def __init__(self, runner: asyncio.Runner, borrower: int) -> None:
        """Take the loop.

        Args:
            runner: Runs it, in either thread.
            borrower: The identifier of the thread that may run it.
        """
        self._runner = runner
        self._loop = runner.get_loop()
        self._borrower = borrower
        self._takes_signals = borrower == threading.main_thread().ident
        self._needed = threading.Event()  # the loop's own thread is
        if not isinstance(self._loop, asyncio.SelectorEventLoop):
            self._needed.set()  # what is said here of changing threads, and of Ctrl-C, is not true of every loop
        self._turn = threading.RLock()  # held while the loop is run by the borrower
        self._taken_over = False
        self._stood_still_since = time.monotonic()
        super().__init__(self._loop.call_soon_threadsafe)

    @property
    def here(self) -> bool:
        """Whether the calling thread runs the loop."""
        try:
            return asyncio.get_running_loop() is self._loop
        except RuntimeError:
            return False

    def stand_by(self) -> None:
        """Wait until the loop needs a thread, and take it over; in that thread."""
        self._needed.wait()
        with self._turn:
            self._taken_over = True
        self._loop.call_soon(self._loop.stop)
        self._loop.run_forever()  # one round: the borrower's last run may have left a callback that stops the loop

    def need_thread(self) -> None:
        """Have the loop run in its own thread from now on."""
        if not self._needed.is_set():
            self._needed.set()
            self._soon(self._pause)

    def post(self, function: Callable[[], object]) -> None:
        """Have a plain function called in the loop, if it has not ended, and do not wait for that."""
        self.need_thread()
        super().post(function)

    def _begin(self, call: Call[Any]) -> None:
        # Another thread than the borrower must not wait for its turn.
        if not (call.in_place and threading.get_ident() == self._borrower and self._run_here(call)):
            self.need_thread()
            # Not in the round in which the borrower pauses: the call would begin in one thread and end in the other.
            self._soon(call.start if self._taken_over else lambda: self._loop.call_soon(call.start))

    def _run_here(self, call: Call[Any]) -> bool:
        """Run the loop until the call has ended, or the loop's own thread goes on. Return False if that has to."""
        with self._turn:
            if not self._can_run_here():
                return False
            try:
                self._runner.run(self._drive(call))
            except asyncio.CancelledError as error:  # not by Ctrl-C
                msg = "the app has cancelled the task that runs its loop"
                raise RuntimeError(msg) from error
            except RuntimeError:  # the loop was stopped
                if not self._needed.is_set():
                    raise
            except BaseException:  # Ctrl-C. At the second, it may have struck the loop's own code
                self._needed.set()
                raise
            finally:
                self._stood_still_since = time.monotonic()
                if asyncio.all_tasks(self._loop):
                    self._needed.set()
            return True

    def _can_run_here(self) -> bool:
        return (
            not self._needed.is_set()
            and not loop_runs_here()
            and sys.exception() is None
            and not (self._takes_signals and _signals_may_raise())
        )

    async def _drive(self, call: Call[Any]) -> None:
        threads = threading.active_count()
        if time.monotonic() - self._stood_still_since > _PAUSE:
            for _ in range(_ROUNDS_TO_CATCH_UP):
                await asyncio.sleep(0)
        call.start()
        await call.wait()
        if threading.active_count() > threads:  # asked here, since anyio's workers end with this task
            self._needed.set()

    def _interrupt(self, call: Call[Any]) -> None:
        if self._needed.is_set():  # otherwise the call was not begun
            super()._interrupt(call)

    def _pause(self) -> None:
        if not self._taken_over:
            self._loop.stop()


def _signals_may_raise() -> bool:
    """Whether Ctrl-C or an alarm has a handler of its own."""
    return (
        signal.getsignal(signal.SIGINT) not in _USUAL_FOR_CTRL_C or signal.getsignal(signal.SIGALRM) not in _NO_HANDLER
    )

"""The hop from a thread into the event loop of another: every call ends, with whatever came of it."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal

from asgi_testkit._blocking import hop as _hop
from asgi_testkit._blocking.hop import Call, Errands, LoopStandsStillError, ThreadHop
from asgi_testkit._conversation.loop import current_loop

from .backends import BACKENDS, Backend
from .ctrl_c import press_ctrl_c, sleep_through_ctrl_c

variable = contextvars.ContextVar("variable", default="nobody's")


@pytest.fixture
def portal(backend: Backend) -> Iterator[BlockingPortal]:
    with start_blocking_portal(backend.name, backend.options) as portal:
        yield portal


@pytest.fixture
def hop(portal: BlockingPortal) -> ThreadHop:
    return portal.call(ThreadHop)


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hop, "LOOK_INTERVAL", 0.005)


class Outcome:
    """What came of a call in a thread of its own."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self.error: BaseException | None = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._function()
        except BaseException as error:
            self.error = error

    def wait(self) -> BaseException | None:
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.error


# One call


def test_a_call_runs_in_the_loop_and_returns_the_result(hop: ThreadHop, portal: BlockingPortal) -> None:
    async def where_am_i() -> Any:
        await anyio.lowlevel.checkpoint()
        return current_loop(), threading.get_ident(), hop.here

    loop, thread, here = hop.call(where_am_i, name="a call")
    assert loop is portal.call(current_loop)
    assert thread == portal.call(threading.get_ident)
    assert here
    assert not hop.here


def test_a_call_is_one_trip(hop: ThreadHop, monkeypatch: pytest.MonkeyPatch) -> None:
    trips: list[Any] = []
    soon = hop._soon

    def counted(function: Callable[[], object]) -> object:
        trips.append(function)
        return soon(function)

    monkeypatch.setattr(hop, "_soon", counted)

    async def suspend() -> str:
        for _ in range(10):
            await anyio.lowlevel.checkpoint()
        return "answer"

    assert hop.call(suspend, name="a call") == "answer"
    assert len(trips) == 1


@pytest.mark.parametrize("suspends", [False, True])
def test_a_call_has_its_outcome_before_the_waiting_thread_is_woken(
    portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch, suspends: bool
) -> None:
    async def answer() -> str:
        if suspends:
            await anyio.lowlevel.checkpoint()
        return "answer"

    call = Call(answer, "a call")
    outcomes: list[str] = []

    class Inbox:
        def put(self, errand: None) -> None:
            assert call.task is not None
            outcomes.append(call.task.result)

    async def start() -> None:
        monkeypatch.setattr(call, "inbox", Inbox())
        call.start(Errands())
        await anyio.wait_all_tasks_blocked()

    portal.call(start)
    assert outcomes == ["answer"]


@pytest.mark.parametrize(
    "error",
    [
        ValueError("the app's"),
        ExceptionGroup("the app's", [ValueError("inner")]),
        asyncio.CancelledError("the app's"),
        KeyboardInterrupt("the app's"),
        SystemExit("the app's"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_whatever_the_function_raises_is_raised_as_itself(hop: ThreadHop, error: BaseException) -> None:
    async def fail() -> None:
        raise error

    async def answer() -> str:
        return "answer"

    with pytest.raises(type(error)) as caught:
        hop.call(fail, name="a call")
    assert caught.value is error
    assert hop.call(answer, name="a call after it") == "answer"


def test_the_context_of_the_calling_thread_is_visible_and_nothing_leaks_back(hop: ThreadHop) -> None:
    async def use() -> str:
        seen = variable.get()
        variable.set("the app's")
        return seen

    def call() -> tuple[str, str]:
        variable.set("the test's")
        return hop.call(use, name="a call"), variable.get()

    assert contextvars.copy_context().run(call) == ("the test's", "the test's")


@pytest.mark.parametrize("around", BACKENDS, ids=lambda around: f"from-{around.id}")
def test_a_call_from_the_thread_of_another_loop_runs_in_this_one(hop: ThreadHop, around: Backend) -> None:
    async def sleep() -> str:
        await anyio.sleep(0.001)
        return "slept"

    async def main() -> str:
        return hop.call(sleep, name="a call")

    assert anyio.run(main, backend=around.name, backend_options=around.options) == "slept"


def test_a_call_needs_no_sniffio(hop: ThreadHop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "sniffio")
    assert not hop.call(make_event, name="a call").is_set()


def test_many_threads_call_at_once(hop: ThreadHop) -> None:
    count = 50
    everyone = threading.Barrier(count)
    inside: list[int] = []
    all_inside = hop.call(make_event, name="an event")

    async def meet(number: int) -> int:
        inside.append(number)
        if len(inside) == count:
            all_inside.set()
        await all_inside.wait()
        return number

    def call(number: int) -> int:
        everyone.wait(10)
        return hop.call(lambda: meet(number), name=f"call {number}")

    with ThreadPoolExecutor(count) as pool:
        assert list(pool.map(call, range(count), timeout=30)) == list(range(count))
    assert not hop._calls


async def make_event() -> anyio.Event:
    return anyio.Event()


def test_a_call_that_was_started_in_the_loop_is_finished_without_a_trip(
    hop: ThreadHop, portal: BlockingPortal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def suspend() -> str:
        await anyio.lowlevel.checkpoint()
        return "answer"

    call = Call(suspend, "a call")
    portal.call(call.start, hop.errands)
    monkeypatch.setattr(hop, "_soon", None)
    assert hop.finish(call, begun=True) == "answer"


def test_a_function_can_be_posted_without_waiting_for_it(hop: ThreadHop, portal: BlockingPortal) -> None:
    threads: list[int] = []
    called = threading.Event()

    def note() -> None:
        threads.append(threading.get_ident())
        called.set()

    hop.post(note)
    assert called.wait(10)
    assert threads == [portal.call(threading.get_ident)]


def test_posting_a_function_to_a_loop_that_has_ended_does_nothing(backend: Backend) -> None:
    with start_blocking_portal(backend.name, backend.options) as portal:
        hop = portal.call(ThreadHop)
    called: list[str] = []
    hop.post(lambda: called.append("called"))
    assert not called


# The wrong thread


def test_a_call_on_the_loop_s_own_thread_is_an_error_that_says_what_to_do(
    hop: ThreadHop, portal: BlockingPortal
) -> None:
    def call() -> None:
        hop.call(make_event, name="GET /")

    with pytest.raises(RuntimeError) as caught:
        portal.call(call)
    assert str(caught.value) == (
        "a blocking client was called on the thread of its own event loop (GET /): it would wait for itself for ever. "
        "In async code use AsyncClient; in the app, call the blocking client in a worker thread."
    )


# A loop that ends

ENDED = r"^the event loop of this client has ended \(a call\)\. Was the client closed in another thread\?$"


def test_a_call_into_a_loop_that_has_ended_is_an_error(backend: Backend) -> None:
    with start_blocking_portal(backend.name, backend.options) as portal:
        hop = portal.call(ThreadHop)
    with pytest.raises(RuntimeError, match=ENDED):
        hop.call(make_event, name="a call")


def test_a_call_into_a_loop_that_has_ended_is_an_error_while_its_thread_lives(backend: Backend) -> None:
    hops: list[ThreadHop] = []
    loop_ended, finish = threading.Event(), threading.Event()

    async def main() -> None:
        hops.append(ThreadHop())

    def run() -> None:
        anyio.run(main, backend=backend.name, backend_options=backend.options)
        loop_ended.set()
        finish.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    assert loop_ended.wait(10)
    with pytest.raises(RuntimeError, match=ENDED):
        hops[0].call(make_event, name="a call")
    finish.set()
    thread.join()


def test_no_call_is_let_in_when_the_loop_is_about_to_end(hop: ThreadHop) -> None:
    hop.close()
    with pytest.raises(RuntimeError, match=ENDED):
        hop.call(make_event, name="a call")


def test_a_call_that_the_loop_can_answer_no_more_ends_with_an_error(backend: Backend) -> None:
    """The loop has taken the call in, and never comes to it."""
    hops: list[ThreadHop] = []
    started, go_on = threading.Event(), threading.Event()

    async def main() -> None:
        hops.append(ThreadHop())

    def run() -> None:
        anyio.run(main, backend=backend.name, backend_options=backend.options)
        started.set()
        go_on.wait(10)

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(10)
    [hop] = hops
    called = threading.Event()
    hop._soon = lambda start: called.set()
    outcome = Outcome(lambda: hop.call(make_event, name="a call"))
    assert called.wait(10)
    hop.end()
    error = outcome.wait()
    hop.end()
    assert isinstance(error, RuntimeError)
    assert str(error).startswith("the event loop of this client has ended (a call)")
    go_on.set()
    thread.join()


def test_a_loop_that_has_died_says_of_what_and_may_end_twice(hop: ThreadHop) -> None:
    death = SystemExit("no configuration")
    hop.end(death)
    hop.end()
    with pytest.raises(RuntimeError, match=r"has ended \(a call\)\. It has died of SystemExit\('no configuration'\)"):
        hop.call(make_event, name="a call")


def test_a_call_that_can_move_is_withdrawn_from_a_loop_that_stands_still(
    hop: ThreadHop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hop, "LOOK_INTERVAL", 0.01)
    inside, free, called = threading.Event(), threading.Event(), threading.Event()

    async def stand_still() -> None:
        inside.set()
        free.wait(10)

    async def note() -> None:
        called.set()  # pragma: no cover - it must not

    blocking = Outcome(lambda: hop.call(stand_still, name="a step that takes long"))
    assert inside.wait(10)
    with pytest.raises(LoopStandsStillError):
        hop.call(note, name="a call", can_move=True)
    assert hop.blocked
    monkeypatch.undo()  # on a busy machine, the loop may take longer to come to the next one
    free.set()
    assert blocking.wait() is None
    hop.call(make_event, name="another call", can_move=True)
    assert not hop.blocked
    assert not called.is_set()


def test_what_the_loop_asks_of_a_thread_is_done_during_its_call(hop: ThreadHop) -> None:
    me = threading.current_thread()

    async def ask() -> tuple[threading.Thread, bool]:
        return await hop.ask(me, threading.current_thread), hop.errands.reach(me)

    assert hop.call(ask, name="a call") == (me, True)


def test_what_the_loop_asks_between_two_calls_is_done_during_the_next(hop: ThreadHop, portal: BlockingPortal) -> None:
    me = threading.current_thread()
    asked = threading.Event()
    answers: list[threading.Thread] = []

    async def ask() -> None:
        assert not hop.errands.reach(me)
        asked.set()
        answers.append(await hop.ask(me, threading.current_thread))

    future = portal.start_task_soon(ask)
    assert asked.wait(10)
    assert not answers
    hop.call(anyio.lowlevel.checkpoint, name="the next call")
    future.result(10)
    assert answers == [me]


def test_what_a_thread_raises_is_raised_where_it_was_asked(hop: ThreadHop) -> None:
    def fail() -> None:
        raise KeyboardInterrupt

    async def ask() -> str:
        with pytest.raises(KeyboardInterrupt):
            await hop.ask(me, fail)
        return "raised"

    me = threading.current_thread()
    assert hop.call(ask, name="a call") == "raised"


def test_a_thread_may_call_while_it_does_what_it_was_asked(hop: ThreadHop) -> None:
    me = threading.current_thread()

    async def answer() -> int:
        return await hop.ask(me, lambda: 42)

    async def ask() -> int:
        return await hop.ask(me, lambda: hop.call(answer, name="the inner call"))

    assert hop.call(ask, name="the outer call") == 42


def test_what_a_thread_has_left_undone_is_not_done_by_one_that_has_its_identifier_now(
    hop: ThreadHop, portal: BlockingPortal
) -> None:
    done: list[str] = []
    first = threading.Thread(target=lambda: hop.call(anyio.lowlevel.checkpoint, name="the first call"))
    first.start()
    first.join()
    future = portal.start_task_soon(hop.ask, first, lambda: done.append("done"))
    identifiers = {first.ident}
    for _ in range(20):  # the system gives them out again at once
        other = threading.Thread(target=lambda: hop.call(anyio.lowlevel.checkpoint, name="another call"))
        other.start()
        other.join()
        identifiers.add(other.ident)
    assert len(identifiers) < 21
    assert not done
    future.cancel()


@pytest.mark.usefixtures("watchful")
def test_a_call_may_take_longer_than_the_looks_after_the_thread(hop: ThreadHop) -> None:
    async def sleep() -> str:
        await anyio.sleep(10 * _hop.LOOK_INTERVAL)
        return "slept"

    assert hop.call(sleep, name="a call") == "slept"


@pytest.mark.usefixtures("watchful")
def test_a_call_ends_when_the_loop_s_thread_has_died_without_a_word(backend: Backend) -> None:
    with start_blocking_portal(backend.name, backend.options) as portal:
        hop = portal.call(ThreadHop)
    hop._soon = lambda start: None
    with pytest.raises(RuntimeError, match=ENDED):
        hop.call(make_event, name="a call")


def test_a_call_in_flight_when_the_loop_ends_gets_an_error_and_no_cancellation(backend: Backend) -> None:
    inside = threading.Event()

    async def sleep() -> None:
        inside.set()
        await anyio.sleep_forever()

    with start_blocking_portal(backend.name, backend.options) as portal:
        hop = portal.call(ThreadHop)
        outcome = Outcome(lambda: hop.call(sleep, name="a call"))
        assert inside.wait(10)
        hop.close()
    error = outcome.wait()
    assert isinstance(error, RuntimeError)
    assert str(error).startswith("the event loop of this client has ended (a call)")


def test_what_a_call_raises_while_the_loop_ends_is_raised_as_itself(backend: Backend) -> None:
    inside = threading.Event()

    async def fail_when_cancelled() -> None:
        inside.set()
        try:
            await anyio.sleep_forever()
        finally:
            msg = "while cleaning up"
            raise ValueError(msg)

    with start_blocking_portal(backend.name, backend.options) as portal:
        hop = portal.call(ThreadHop)
        outcome = Outcome(lambda: hop.call(fail_when_cancelled, name="a call"))
        assert inside.wait(10)
        hop.close()
    assert isinstance(outcome.wait(), ValueError)


# Ctrl-C


def test_ctrl_c_cancels_the_call_and_is_raised_when_it_has_ended(hop: ThreadHop) -> None:
    story: list[str] = []

    async def answer() -> str:
        return "answer"

    with pytest.raises(KeyboardInterrupt):
        hop.call(partial(sleep_through_ctrl_c, story), name="a call")
    assert story == ["ended"]
    assert not hop._calls
    assert hop.call(answer, name="a call after it") == "answer"


def test_ctrl_c_does_not_wait_for_ever_for_a_call_that_ignores_its_cancellation(
    hop: ThreadHop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_hop, "CANCEL_TIMEOUT", 0.01)
    free = hop.call(make_event, name="an event")

    async def ignore() -> None:
        press_ctrl_c()
        while not free.is_set():
            try:
                with anyio.CancelScope(shield=True):
                    await free.wait()
            except anyio.get_cancelled_exc_class():
                pass

    async def let_go() -> None:
        free.set()

    with pytest.raises(KeyboardInterrupt):
        hop.call(ignore, name="a call")
    hop.call(let_go, name="let go")


def test_ctrl_c_before_the_call_has_started_is_raised_at_once(hop: ThreadHop) -> None:
    started: list[str] = []

    def interrupted(function: Callable[[], object]) -> object:
        raise KeyboardInterrupt("before the trip")

    async def start() -> None:
        started.append("started")  # pragma: no cover - it must not

    hop._soon = interrupted
    with pytest.raises(KeyboardInterrupt, match="before the trip"):
        hop.call(start, name="a call")
    assert not started


def test_ctrl_c_after_the_call_has_ended_is_raised_at_once(hop: ThreadHop, monkeypatch: pytest.MonkeyPatch) -> None:
    wait = hop._wait
    trips: list[object] = []

    def interrupted(call: Any, patience: float = float("inf")) -> None:
        wait(call, patience)
        hop._soon = trips.append
        raise KeyboardInterrupt

    async def answer() -> str:
        return "answer"

    monkeypatch.setattr(hop, "_wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        hop.call(answer, name="a call")
    assert not trips

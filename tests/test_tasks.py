"""Tasks of their own: how they start, what they keep, how they are seen to their end, and where they stand."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import re
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
import trio

from asgi_testkit import ApplicationStuckError, WrongEventLoopError
from asgi_testkit._conversation import suspended as _frames
from asgi_testkit._conversation import task as _tasks
from asgi_testkit._conversation.loop import HomeLoop, checkpoint, current_loop, in_turn, one_round, soon_threadsafe
from asgi_testkit._conversation.task import IndependentTask
from asgi_testkit._conversation.wakeup import ROUNDS_TO_NOTICE, Wakeup

from .backends import BACKENDS, Backend
from .programs import run_program

pytestmark = pytest.mark.anyio

LONG = 1000.0  # seconds that nobody will wait

variable = contextvars.ContextVar("variable", default="nobody's")


def on_asyncio() -> bool:
    return isinstance(current_loop(), asyncio.AbstractEventLoop)


@contextmanager
def soon() -> Iterator[None]:
    with anyio.fail_after(10):
        yield


def start(function: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> IndependentTask[Any]:
    return IndependentTask(functools.partial(function, *args), name="the app", **options)


class Sleeper:
    """An app that sleeps until it is woken, and notes what becomes of it."""

    def __init__(self) -> None:
        self.event = anyio.Event()
        self.story: list[str] = []

    async def __call__(self) -> str:
        self.story.append("started")
        try:
            await self.event.wait()
        except anyio.get_cancelled_exc_class():
            self.story.append("cancelled")
            raise
        self.story.append("woken")
        return "slept"

    def wake(self) -> None:
        self.event.set()


class Stubborn:
    """An app that swallows its cancellation until it is let go."""

    def __init__(self) -> None:
        self.free = anyio.Event()
        self.cancelled: list[bool] = []

    async def __call__(self) -> None:
        while not self.free.is_set():
            try:
                with anyio.CancelScope(shield=True):  # asyncio's task.cancel() passes through it
                    await self.free.wait()  # stubborn
            except anyio.get_cancelled_exc_class():
                self.cancelled.append(True)


# Waking up


async def test_firing_wakes_everyone_who_waits() -> None:
    wakeup = Wakeup()
    waiting = [start(wakeup.wait) for _ in range(3)]
    await anyio.wait_all_tasks_blocked()
    assert not any(task.done for task in waiting)
    wakeup.fire()
    for task in waiting:
        assert await task.wait(10)


async def test_a_wakeup_remembers_nothing() -> None:
    wakeup = Wakeup()
    wakeup.fire()
    task = start(wakeup.wait)
    await anyio.wait_all_tasks_blocked()
    assert not task.done
    wakeup.fire()
    assert await task.wait(10)


async def test_cancelling_one_who_waits_for_a_wakeup_changes_nothing_for_the_others() -> None:
    wakeup = Wakeup()
    one, other = start(wakeup.wait), start(wakeup.wait)
    await anyio.wait_all_tasks_blocked()
    one.cancel()
    assert await one.wait(10)
    assert not other.done
    wakeup.fire()
    assert await other.wait(10)


async def test_a_wait_for_a_wakeup_tells_whether_it_came() -> None:
    wakeup = Wakeup()
    task = start(wakeup.wait, 10)
    await anyio.wait_all_tasks_blocked()
    wakeup.fire()
    assert await task.wait(10)
    assert task.result is True
    assert await wakeup.wait(0.01) is False


async def test_a_wakeup_that_nobody_waits_for_any_more_wakes_nobody() -> None:
    wakeup = Wakeup()
    task = start(wakeup.wait)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    wakeup.fire()
    assert await task.wait(10)
    wakeup.fire()
    assert task.exception is None


async def test_a_wakeup_counts() -> None:
    wakeup = Wakeup()
    wakeup.fire()
    wakeup.fire()
    assert wakeup.count == 2


async def test_a_timer_that_comes_with_what_was_waited_for_does_not_win() -> None:
    wakeup = Wakeup()

    async def fire() -> None:
        await anyio.sleep(0.02)
        await anyio.lowlevel.checkpoint()  # once more round the loop
        wakeup.fire()

    async with anyio.create_task_group() as group:
        group.start_soon(fire)
        await anyio.wait_all_tasks_blocked()

        async def stall() -> None:
            threading.Event().wait(0.05)  # nobody's turn

        group.start_soon(stall)
        assert await wakeup.wait(0.005)


async def test_a_checkpoint_lets_the_loop_go_round_and_raises_a_cancellation() -> None:
    passed: list[str] = []
    soon_threadsafe()(lambda: passed.append("round"))
    await checkpoint()
    await anyio.wait_all_tasks_blocked()
    assert passed == ["round"]
    with anyio.CancelScope() as scope:
        scope.cancel()
        await checkpoint()
    assert scope.cancelled_caught


async def test_who_comes_first_acts_first() -> None:
    came: list[int] = []
    acted: list[int] = []

    async def act() -> None:
        number = len(came)
        came.append(number)
        await in_turn(lambda: acted.append(number))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(act)
    assert acted == came


async def test_who_is_cancelled_does_not_act() -> None:
    acted: list[str] = []
    with anyio.CancelScope() as scope:
        scope.cancel()
        await in_turn(lambda: acted.append("cancelled"))
    assert scope.cancelled_caught
    await in_turn(lambda: acted.append("not cancelled"))
    assert acted == ["not cancelled"]


async def test_one_round_lets_the_loop_go_round_once_on_asyncio_and_does_nothing_on_trio() -> None:
    passed: list[str] = []
    soon_threadsafe()(lambda: passed.append("round"))
    await one_round()
    assert passed == (["round"] if on_asyncio() else [])
    await anyio.wait_all_tasks_blocked()
    assert passed == ["round"]


# Start


async def test_the_result_is_kept() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    assert not task.done
    sleeper.wake()
    with soon():
        assert await task.wait(None)
    assert (task.done, task.result, task.exception) == (True, "slept", None)


async def test_what_is_to_happen_when_it_is_done_happens_once_be_it_late_or_at_once() -> None:
    story: list[str] = []
    event = anyio.Event()
    task = IndependentTask(event.wait, name="task")
    task.when_done(lambda: story.append("late"))
    assert story == []
    event.set()
    await task.wait(5)
    assert story == ["late"]
    task.when_done(lambda: story.append("at once"))
    assert story == ["late", "at once"]


async def test_it_starts_with_the_next_round_of_the_loop() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    assert sleeper.story == []
    await checkpoint()
    if on_asyncio():
        assert sleeper.story == ["started"]
    sleeper.wake()
    assert await task.wait(10)
    assert sleeper.story == ["started", "woken"]


async def test_its_stack_and_its_exception_are_not_the_caller_s() -> None:
    seen: list[Any] = []

    async def app() -> None:
        seen.append((len(inspect.stack()), sys.exception()))

    async def call(depth: int) -> None:
        if depth:
            await call(depth - 1)
            return
        try:
            raise LookupError
        except LookupError:
            assert await start(app).wait(10)

    await call(0)
    await call(100)
    assert seen == [(seen[0][0], None)] * 2


@pytest.mark.parametrize("takes_context", [False, True])
async def test_the_task_factory_of_the_loop_makes_the_task(takes_context: bool) -> None:
    if not on_asyncio() or (not takes_context and "uvloop" in sys.modules and "uvloop" in repr(type(current_loop()))):
        return  # uvloop always gives one
    made: list[str] = []
    loop = asyncio.get_running_loop()

    def factory(loop: Any, coroutine: Any) -> Any:
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop)

    def modern_factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        made.append(coroutine.__name__)
        return asyncio.Task(coroutine, loop=loop, **options)

    async def app() -> str:
        return variable.get()

    before = loop.get_task_factory()
    loop.set_task_factory(modern_factory if takes_context else factory)
    variable.set("the caller's")
    try:
        task = start(app)
        assert await task.wait(10)
    finally:
        loop.set_task_factory(before)
    assert task.result == "the caller's"
    assert len(made) == 1


async def test_a_task_that_is_cancelled_before_it_starts_ends() -> None:
    async def app() -> None:
        pass  # pragma: no cover - it must not be called

    def plain_factory(loop: Any, coroutine: Any, **options: Any) -> Any:
        return asyncio.Task(coroutine, loop=loop)

    for factory in (None, plain_factory) if on_asyncio() else ():
        loop = asyncio.get_running_loop()
        before = loop.get_task_factory()
        loop.set_task_factory(factory)
        try:
            task = start(app)
        finally:
            loop.set_task_factory(before)
        task.cancel()
        with soon():
            assert await task.wait(None)
        assert (task.returned, task.exception) == (False, None)


async def test_a_task_that_starts_with_its_caller_does_not_if_that_is_cancelled_first() -> None:
    async def app() -> None:
        pass  # pragma: no cover - it must not be called

    tasks: list[IndependentTask[Any]] = []

    async def caller() -> None:
        tasks.append(start(app, with_caller=True))
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await anyio.sleep_forever()

    if not on_asyncio():  # trio's own checkpoints come first
        return
    await asyncio.wait({asyncio.ensure_future(caller())})
    with soon():
        assert await tasks[0].wait(None)
    assert (tasks[0].returned, tasks[0].exception) == (False, None)


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_the_end_of_an_iteration_that_an_app_raises_is_a_runtime_error(kind: type[Exception]) -> None:
    error = kind("the app's")

    class App:
        def __await__(self) -> Any:
            raise error

    async def app() -> None:
        raise error

    for function in [app, App] if kind is StopAsyncIteration else [app]:
        task = start(function)
        assert await task.wait(10)
        assert isinstance(task.exception, RuntimeError)
        assert task.exception.__cause__ is error


async def test_the_context_is_a_copy() -> None:
    async def app() -> str:
        seen = variable.get()
        variable.set("the app's")
        await anyio.lowlevel.checkpoint()
        return f"{seen}, then {variable.get()}"

    variable.set("the test's")
    task = start(app)
    variable.set("the test's later")
    assert await task.wait(10)
    assert task.result == "the test's, then the app's"
    assert variable.get() == "the test's later"


async def test_another_context_can_be_given() -> None:
    async def app() -> str:
        return variable.get()

    context = contextvars.Context()
    context.run(variable.set, "given")
    variable.set("the test's")
    task = start(app, context=context)
    assert await task.wait(10)
    assert task.result == "given"


async def test_its_name_is_the_native_task_s() -> None:
    async def app() -> str | None:
        return anyio.get_current_task().name

    task = start(app)
    assert await task.wait(10)
    assert task.result == "the app"


async def test_its_end_is_told_once_when_everything_is_known() -> None:
    ends: list[tuple[bool, str]] = []
    sleeper = Sleeper()

    def note() -> None:
        ends.append((task.done, task.result))

    task = start(sleeper)
    task.when_done(note)
    sleeper.wake()
    assert await task.wait(10)
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    assert ends == [(True, "slept")]


async def test_it_belongs_to_no_task_group_and_to_no_cancel_scope_of_the_caller() -> None:
    sleeper = Sleeper()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as group:
            task = start(sleeper)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        scope.cancel()
    await anyio.wait_all_tasks_blocked()
    assert not task.done
    sleeper.wake()
    assert await task.wait(10)
    assert task.result == "slept"


async def test_a_task_that_nobody_refers_to_is_not_collected() -> None:
    ended: list[str] = []
    events: list[weakref.ref[anyio.Event]] = []

    async def app() -> None:
        event = anyio.Event()
        events.append(weakref.ref(event))
        await event.wait()
        ended.append("here")

    start(app)
    await anyio.wait_all_tasks_blocked()
    gc.collect()
    event = events[0]()
    assert event is not None
    event.set()
    await anyio.wait_all_tasks_blocked()
    assert ended == ["here"]


async def test_nothing_is_left_of_an_ended_task_for_the_garbage_collector() -> None:
    class Owner:
        async def app(self) -> None:
            await anyio.lowlevel.checkpoint()

        def note(self) -> None:
            pass

    owner = Owner()
    task = start(owner.app)
    task.when_done(owner.note)
    assert await task.wait(10)
    gone = weakref.ref(owner)
    gc.disable()
    try:
        del owner
        await anyio.wait_all_tasks_blocked()  # the loop itself lets go a round later
        assert gone() is None
    finally:
        gc.enable()


# What it raises

RAISED = [
    ValueError("the app's"),
    ExceptionGroup("the app's", [ValueError("inner")]),
    asyncio.CancelledError("the app's"),
    KeyboardInterrupt("the app's"),
    SystemExit("the app's"),
]


@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("suspends", [True, False])
async def test_whatever_it_raises_is_kept_as_itself_and_the_loop_survives(error: BaseException, suspends: bool) -> None:
    async def app() -> None:
        if suspends:
            await anyio.lowlevel.checkpoint()
        raise error

    task = start(app)
    assert await task.wait(10)
    assert task.exception is error
    assert not hasattr(task, "result")
    await anyio.wait_all_tasks_blocked()


async def test_what_an_app_raises_because_it_was_cancelled_counts() -> None:
    error = ValueError("while cleaning up")

    async def app() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise error

    task = start(app)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    assert await task.wait(10)
    assert task.exception is error


# Cancelling


async def test_a_task_can_be_cancelled_before_it_starts() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    task.cancel()
    assert await task.wait(10)
    assert task.exception is None
    assert sleeper.story in (["started", "cancelled"], [])


async def test_a_task_can_be_cancelled_while_it_is_suspended() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    assert await task.wait(10)
    assert (sleeper.story, task.exception) == (["started", "cancelled"], None)


async def test_cancelling_a_task_that_has_ended_changes_nothing() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    sleeper.wake()
    assert await task.wait(10)
    task.cancel()
    await anyio.wait_all_tasks_blocked()
    assert (task.result, task.exception) == ("slept", None)


async def test_an_app_may_end_its_cancellation_with_a_result() -> None:
    async def app() -> str:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            pass
        return "cleaned up"

    task = start(app)
    await anyio.wait_all_tasks_blocked()
    task.cancel()
    assert await task.wait(10)
    assert (task.result, task.exception) == ("cleaned up", None)


# Waiting


async def test_a_wait_that_times_out_loses_nothing() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    assert not await task.wait(0.01)
    sleeper.wake()
    assert await task.wait(10)
    assert task.result == "slept"


async def test_a_cancelled_wait_loses_nothing() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    async with anyio.create_task_group() as group:
        group.start_soon(task.wait, None)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    assert not task.done
    sleeper.wake()
    assert await task.wait(10)
    assert sleeper.story == ["started", "woken"]


async def test_waiting_for_a_task_that_has_ended_takes_no_time() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    sleeper.wake()
    assert await task.wait(10)
    assert await task.wait(0)


# Seeing to the end


async def test_a_task_that_has_ended_needs_no_seeing_to_its_end() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    sleeper.wake()
    assert await task.wait(10)
    await task.end(grace=0)
    assert sleeper.story == ["started", "woken"]


async def test_a_task_that_has_noticed_has_its_grace_to_end_by_itself() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    async with anyio.create_task_group() as group:
        with soon():
            group.start_soon(functools.partial(task.end, grace=LONG, noticed=lambda: True))
            await anyio.wait_all_tasks_blocked()
            assert not task.done
            sleeper.wake()
    assert sleeper.story == ["started", "woken"]


async def test_a_task_has_a_few_rounds_of_the_loop_to_notice() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    looks: list[bool] = []

    def noticed() -> bool:
        looks.append(len(looks) == ROUNDS_TO_NOTICE - 1)
        if looks[-1]:
            sleeper.wake()
        return looks[-1]

    with soon():
        await task.end(grace=LONG, noticed=noticed)
    assert looks == [False] * (ROUNDS_TO_NOTICE - 1) + [True]
    assert sleeper.story == ["started", "woken"]


async def test_a_task_that_does_not_notice_has_no_grace() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    with soon():
        await task.end(grace=LONG)
    assert (task.done, sleeper.story) == (True, ["started", "cancelled"])


async def test_a_task_that_overstays_its_grace_is_cancelled() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    with soon():
        await task.end(grace=0.01, noticed=lambda: True)
    assert (task.done, sleeper.story) == (True, ["started", "cancelled"])


async def test_a_task_that_ends_in_the_rounds_to_notice_is_left_alone() -> None:
    async def app() -> str:
        await anyio.lowlevel.checkpoint()
        return "ended"

    task = start(app)
    with soon():
        await task.end(grace=LONG)
    assert (task.result, task.exception) == ("ended", None)


async def test_the_end_comes_before_the_cancellation_of_a_cancel_scope() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    with anyio.CancelScope() as scope:
        scope.cancel()
        with soon():
            await task.end(grace=LONG)
        assert task.done
        await anyio.lowlevel.checkpoint()
        pytest.fail("the cancellation was lost")  # pragma: no cover
    assert scope.cancelled_caught


async def test_the_grace_is_kept_when_the_caller_s_cancel_scope_is_cancelled() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    async with anyio.create_task_group() as group:
        group.start_soon(functools.partial(task.end, grace=LONG, noticed=lambda: True))
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
        with anyio.CancelScope(shield=True), soon():
            await anyio.wait_all_tasks_blocked()
            assert not task.done
            sleeper.wake()
            assert await task.wait(None)
    assert sleeper.story == ["started", "woken"]


def on_asyncio_loops(test: Callable[[], Awaitable[None]]) -> Any:
    """Make an asynchronous test of what only asyncio has."""
    asyncio_loops = [backend for backend in BACKENDS if backend.name == "asyncio"]

    @pytest.mark.parametrize("backend", asyncio_loops, ids=lambda backend: backend.id)
    def run(backend: Backend) -> None:
        anyio.run(test, backend=backend.name, backend_options=backend.options)

    return run


@on_asyncio_loops
async def test_asyncio_s_cancel_ends_the_grace_and_is_raised_after_the_end() -> None:
    sleeper = Sleeper()
    task = start(sleeper)
    ending = asyncio.create_task(task.end(grace=LONG, noticed=lambda: True))
    await anyio.wait_all_tasks_blocked()
    assert not task.done
    ending.cancel("the test's")
    with soon(), pytest.raises(asyncio.CancelledError, match="the test's"):
        await ending
    assert (task.done, sleeper.story) == (True, ["started", "cancelled"])


@on_asyncio_loops
async def test_asyncio_s_cancel_does_not_cut_the_end_short_however_often_it_comes() -> None:
    stubborn = Stubborn()
    task = start(stubborn)
    ending = asyncio.create_task(task.end(grace=LONG, noticed=lambda: True))
    for _ in range(3):
        await anyio.wait_all_tasks_blocked()
        ending.cancel()
    await anyio.wait_all_tasks_blocked()
    assert stubborn.cancelled
    assert not ending.done()
    stubborn.free.set()
    with soon(), pytest.raises(asyncio.CancelledError):
        await ending
    assert task.done


# Apps that cannot be cancelled


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", 0.05)


@pytest.mark.usefixtures("impatient")
async def test_an_app_that_ignores_its_cancellation_is_an_error_that_says_so_and_where_it_is() -> None:
    stubborn = Stubborn()
    task = start(stubborn)
    await anyio.wait_all_tasks_blocked()
    with soon(), pytest.raises(ApplicationStuckError) as caught:
        await task.end(grace=0)
    stubborn.free.set()
    first, *_, last, _source, _waiting = str(caught.value).splitlines()
    assert first == ("the application was cancelled, and 0.05 seconds later it has not ended; it is suspended at:")
    assert last == f'  File "{__file__}", line {line_of("# stubborn")}, in Stubborn.__call__'
    with soon():
        assert await task.wait(None)
    assert task.exception is None


@pytest.mark.usefixtures("impatient")
async def test_what_a_stuck_app_has_started_is_ended_with_it_on_trio() -> None:
    async def shield_oneself() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.sleep_forever()

    async def app() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(shield_oneself)

    if on_asyncio():  # where the task of the group is not the app's
        return
    task = start(app)
    await anyio.wait_all_tasks_blocked()
    with soon(), pytest.raises(ApplicationStuckError):
        await task.end(grace=0)
    with soon():
        assert await task.wait(None)
    assert (task.returned, task.exception) == (False, None)


STUCK = """
    import sys, anyio
    from asgi_testkit import ApplicationStuckError
    from asgi_testkit._conversation import task as _tasks

    _tasks.CANCEL_TIMEOUT = 0.05

    async def ignores_cancellation():
        while True:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass

    async def ignores_everything():
        while True:
            try:
                await anyio.sleep_forever()
            except BaseException:
                pass

    async def shields_itself():
        with anyio.CancelScope(shield=True):
            await anyio.Event().wait()

    async def has_a_child_that_shields_itself():
        async with anyio.create_task_group() as group:
            group.start_soon(shields_itself)
            await anyio.sleep_forever()

    async def main():
        task = _tasks.IndependentTask(globals()[sys.argv[1]], name="stuck")
        await anyio.wait_all_tasks_blocked()
        try:
            await task.end(grace=0)
        except ApplicationStuckError:
            print("stuck")

    anyio.run(main, backend=sys.argv[2], backend_options={"use_uvloop": True} if sys.argv[3:] else {})
    print("ended")
"""


STUCK_APPS = ["ignores_cancellation", "ignores_everything", "shields_itself", "has_a_child_that_shields_itself"]


@pytest.mark.parametrize("app", STUCK_APPS)
@pytest.mark.parametrize("backend", [("asyncio",), ("asyncio", "uvloop"), ("trio",)], ids=" ".join)
def test_an_app_that_is_stuck_does_not_keep_the_loop_from_ending(app: str, backend: tuple[str, ...]) -> None:
    # Python itself complains of a coroutine that ignores GeneratorExit.
    output = run_program(STUCK, app, *backend, may_complain=app == "ignores_everything")
    heeds = app == "shields_itself" and backend != ("trio",)  # task.cancel() passes through a shield
    assert output.split() == (["ended"] if heeds else ["stuck", "ended"])


async def test_a_loop_that_runs_has_not_ended() -> None:
    home = HomeLoop("thing")
    assert (home.here, home.ended) == (True, False)


# Where it is


def line_of(mark: str) -> int:
    """Return the number of the line in this file that ends with `mark`."""
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    [number] = [number for number, line in enumerate(lines, start=1) if line.endswith(f"  {mark}")]
    return number


async def leaf() -> None:
    await anyio.sleep_forever()  # leaf


async def nested() -> None:
    await leaf()


async def generator() -> AsyncIterator[int]:
    await leaf()
    yield 1  # pragma: no cover - never reached


async def iterates() -> None:
    async for _ in generator():
        pytest.fail("the generator went on")  # pragma: no cover


async def takes_next() -> None:
    await anext(generator())


async def takes_next_or_default() -> None:
    await anext(generator(), None)


async def clean_up() -> AsyncIterator[int]:
    try:
        yield 1
    finally:
        await leaf()


async def closes() -> None:
    chunks = clean_up()
    await anext(chunks)
    await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator


@asynccontextmanager
async def manager() -> AsyncIterator[None]:
    await leaf()
    yield  # pragma: no cover - never reached


async def enters() -> None:
    async with manager():
        pytest.fail("the manager went on")  # pragma: no cover


class AwaitGenerator:
    def __await__(self) -> Generator[Any, Any, None]:
        yield from leaf().__await__()


class AwaitWrapper:
    def __await__(self) -> Generator[Any, Any, None]:
        return leaf().__await__()


async def awaits(awaitable: Callable[[], Awaitable[None]]) -> None:
    await awaitable()


def frames_of(task: IndependentTask[Any]) -> list[str]:
    """Return the functions of the frames that `where` shows."""
    heading, *lines = task.where().splitlines()
    assert heading == "suspended at:"
    return [line.rpartition(", in ")[2] for line in lines if line.startswith("  File")]


@pytest.mark.parametrize(
    "app, functions",
    [
        (leaf, ["leaf"]),
        (nested, ["nested", "leaf"]),
        (iterates, ["iterates", "generator", "leaf"]),
        (takes_next, ["takes_next", "generator", "leaf"]),
        (takes_next_or_default, ["takes_next_or_default", "generator", "leaf"]),
        (closes, ["closes", "clean_up", "leaf"]),
        (enters, ["enters", "manager", "leaf"]),
        (functools.partial(awaits, AwaitGenerator), ["awaits", "AwaitGenerator.__await__", "leaf"]),
        (functools.partial(awaits, AwaitWrapper), ["awaits", "leaf"]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_where_shows_the_innermost_frames_of_the_app(
    app: Callable[[], Awaitable[None]], functions: list[str]
) -> None:
    task = start(app)
    await anyio.wait_all_tasks_blocked()
    assert frames_of(task) == functions[-_frames.OWN_FRAMES_SHOWN :]
    *_, frame, source, waiting = task.where().splitlines()
    assert frame == f'  File "{__file__}", line {line_of("# leaf")}, in leaf'
    assert source == "    await anyio.sleep_forever()  # leaf"
    assert re.fullmatch(r"  waiting in anyio\..*sleep_forever, line \d+", waiting)
    await task.end(grace=0)


@on_asyncio_loops
async def test_where_follows_the_tasks_that_the_app_waits_for() -> None:
    async def app() -> None:
        await asyncio.create_task(nested())

    task = start(app)
    await anyio.wait_all_tasks_blocked()
    assert [name.rpartition(".")[2] for name in frames_of(task)] == ["app", "nested", "leaf"]
    await task.end(grace=0)


async def test_where_shows_a_few_frames_only() -> None:
    async def deep(depth: int) -> None:
        await (deep(depth - 1) if depth else leaf())

    task = start(deep, 20)
    await anyio.wait_all_tasks_blocked()
    functions = frames_of(task)
    assert len(functions) == _frames.OWN_FRAMES_SHOWN
    assert functions[-1] == "leaf"
    await task.end(grace=0)


async def test_where_shows_the_frames_of_the_event_loop_s_library_when_there_are_no_others() -> None:
    task = start(anyio.sleep_forever)
    await anyio.wait_all_tasks_blocked()
    assert [name for name in frames_of(task) if name.rpartition(".")[2].startswith("sleep")]
    await task.end(grace=0)


async def test_where_shows_a_library_s_frames_that_the_app_is_called_from() -> None:
    async def app() -> None:
        async with anyio.create_task_group():
            await leaf()

    async def runs_app() -> None:
        await anyio.to_thread.run_sync(finish.wait)

    finish = threading.Event()
    waiting = start(runs_app)
    task = start(app)
    await anyio.wait_all_tasks_blocked()
    functions = [name.rpartition(".")[2] for each in (waiting, task) for name in frames_of(each)]
    finish.set()
    assert functions == ["runs_app", "app", "leaf"]
    await task.end(grace=0)
    assert await waiting.wait(10)


async def test_a_task_that_runs_or_has_ended_is_not_suspended_anywhere() -> None:
    async def app() -> str:
        await anyio.lowlevel.checkpoint()
        return task.where()

    task = start(app)
    assert await task.wait(10)
    assert task.result == "not suspended anywhere"
    assert task.where() == "not suspended anywhere"


async def test_a_task_that_has_not_started_is_not_suspended_anywhere() -> None:
    task = start(nested)
    assert task.where() == "not suspended anywhere"
    await task.end(grace=0)


def test_an_awaitable_that_leads_back_to_its_awaiter_does_not_lead_round_in_circles() -> None:
    class Circle:
        __slots__ = ("awaiter",)
        awaiter: Any

        def __await__(self) -> Circle:
            return self

        def __next__(self) -> None:
            pass

    async def wait_for(circle: Circle) -> None:
        await circle  # type: ignore[misc]  # Python asks for no more than this

    circle = Circle()
    circle.awaiter = coroutine = wait_for(circle)
    coroutine.send(None)
    assert [frame.f_code.co_name for frame in _frames._frames(coroutine)] == ["wait_for"]
    coroutine.close()


# Which loop runs


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_the_running_loop_is_what_identifies_it(backend: Backend) -> None:
    async def loops() -> tuple[Any, Any]:
        native = asyncio.get_running_loop() if backend.name == "asyncio" else trio.lowlevel.current_trio_token()
        return current_loop(), native

    ours, native = anyio.run(loops, backend=backend.name, backend_options=backend.options)
    assert ours is native


def test_without_a_running_loop_there_is_none() -> None:
    with pytest.raises(RuntimeError):
        current_loop()


@pytest.mark.parametrize("trio_is_there", [True, False])
def test_a_callback_of_an_asyncio_loop_runs_in_that_loop(trio_is_there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Any] = []
    loop = asyncio.new_event_loop()
    loop.call_soon(lambda: found.append(current_loop()))
    loop.call_soon(loop.stop)
    if not trio_is_there:
        monkeypatch.delitem(sys.modules, "trio")
    loop.run_forever()
    loop.close()
    assert found == [loop]


def test_trio_needs_no_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> bool:
        with monkeypatch.context() as patch:
            patch.delitem(sys.modules, "asyncio")
            return current_loop() is trio.lowlevel.current_trio_token()

    assert trio.run(main)


def test_a_trio_loop_that_is_asyncio_s_guest_is_told_apart_from_it() -> None:
    async def answer(sleep: Callable[[float], Awaitable[None]]) -> str:
        await sleep(0)
        return "answer"

    async def guest() -> tuple[Any, str]:
        task = start(answer, trio.sleep)
        assert await task.wait(10)
        assert current_loop() is trio.lowlevel.current_trio_token()
        return current_loop(), task.result

    async def host() -> None:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        trio.lowlevel.start_guest_run(
            guest,
            run_sync_soon_threadsafe=loop.call_soon_threadsafe,
            done_callback=lambda outcome: ended.set_result(outcome.unwrap()),
        )
        task = start(answer, asyncio.sleep)
        assert current_loop() is loop
        guest_loop, guest_answer = await asyncio.wait_for(ended, 10)
        assert (guest_answer, task.result) == ("answer", "answer")
        assert guest_loop is not loop

    asyncio.run(host())


# From other threads


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_another_thread_can_call_into_the_loop_until_it_ends(backend: Backend) -> None:
    async def main() -> Callable[[Callable[[], object]], object]:
        call_soon = soon_threadsafe()
        called = anyio.Event()
        threads: list[threading.Thread] = []

        def note() -> None:
            threads.append(threading.current_thread())
            called.set()

        await anyio.to_thread.run_sync(call_soon, note)
        with soon():
            await called.wait()
        assert threads == [threading.current_thread()]
        return call_soon

    call_soon = anyio.run(main, backend=backend.name, backend_options=backend.options)
    with pytest.raises(RuntimeError):
        call_soon(lambda: None)


# A home


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
def test_using_something_in_another_loop_than_its_own_names_both_and_says_what_to_do(backend: Backend) -> None:
    async def make() -> tuple[HomeLoop, Any]:
        home = HomeLoop("AsyncClient")
        home.check()
        return home, current_loop()

    async def check(home: HomeLoop) -> Any:
        with pytest.raises(WrongEventLoopError) as caught:
            home.check()
        return str(caught.value), current_loop()

    home, first = anyio.run(make, backend=backend.name, backend_options=backend.options)
    text, second = anyio.run(check, home, backend=backend.name, backend_options=backend.options)
    assert text.startswith("this AsyncClient was opened in the event loop ")
    assert 'loop_scope="session"' in text
    assert "anyio_backend" in text
    assert text.count(type(first).__name__) >= 2
    assert first is not second


def test_code_that_was_generated_is_nobody_s_own() -> None:
    namespace: dict[str, Any] = {}
    exec("async def generated():\n    import anyio\n    await anyio.sleep_forever()", namespace)
    coroutine = namespace["generated"]()
    text = _frames.where_suspended(coroutine)
    coroutine.close()
    assert 'File "<string>", line 1, in generated' in text
    assert "  in its own task:" not in text

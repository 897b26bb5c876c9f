"""The stand-in for asgi-lifespan's manager: what a test sees of an app's lifespan is the same under either."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import asgi_lifespan
import pytest

import asgi_testkit
from asgi_testkit import LifespanError, Message, Receive, Scope, Send
from asgi_testkit._standins.asgi_lifespan import LifespanManager, LifespanUnansweredError

pytestmark = pytest.mark.anyio

Story = list[str]

#: Seconds for an app that does not say what it should: asgi-lifespan lets them run out.
SHORT = 0.05

#: Seconds for all others.
LONG = 10.0


class AppFailedError(Exception):
    """What the app raises."""


class BlockFailedError(Exception):
    """What the test raises."""


class Told:
    """An app, and the messages that it received and sent."""

    def __init__(self, app: Callable[[Scope, Receive, Send], Any]) -> None:
        self.story: Story = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told_receive() -> Message:
            message = await receive()
            self.story.append(message["type"])
            return message

        async def told_send(message: Message) -> None:
            self.story.append(message["type"])
            await send(message)

        await self._app(scope, told_receive, told_send)


async def obliging(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def fails_at_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})
    raise AppFailedError


async def fails_at_shutdown(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "no"})
    raise AppFailedError


async def fails_when_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    """Report it, too, as Starlette does."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    try:
        await receive()
    except BaseException:
        await send({"type": "lifespan.shutdown.failed"})
        raise AppFailedError from None
    await send({"type": "lifespan.shutdown.complete"})


async def knows_no_lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    raise AppFailedError


async def never_asks_what_it_serves(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200})


async def starts_slowly(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await anyio.sleep(4 * SHORT)  # on trio, asgi-lifespan waits for its return, timeout or not


async def stops_slowly(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await anyio.sleep(4 * SHORT)


async def never_starts(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await anyio.sleep_forever()


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    """Look at the scope, and do nothing."""


async def returns_amid_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()


async def returns_once_started(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})


async def reports_a_failed_startup(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no"})


async def reports_a_failed_shutdown(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "no"})


async def says_more_than_it_should(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "lifespan.shutdown.complete.nearly"})
    await send({"type": "lifespan.startup.complete"})
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})
    await send({"type": "lifespan.shutdown.complete"})


async def outcome(kind: Any, app: Any, failure: Exception | None) -> tuple[type | tuple[type, ...], Story]:
    """Return what came of it all, a lone exception without the groups that it may be in; and the app's messages."""
    told = Told(app)
    ended: type | tuple[type, ...] = type(None)
    to_start = SHORT if app in (starts_slowly, returns, returns_amid_startup, reports_a_failed_startup) else LONG
    to_stop = SHORT if app in (stops_slowly, returns_once_started, reports_a_failed_shutdown) else LONG
    try:
        async with kind(told, startup_timeout=to_start, shutdown_timeout=to_stop):
            told.story.append("the block")
            if failure is not None:
                raise failure
    except Exception as error:
        ended = kinds(error)
    return ended, told.story


def kinds(error: BaseException) -> type | tuple[type, ...]:
    if not isinstance(error, BaseExceptionGroup):
        return type(error)
    if len(error.exceptions) == 1:  # trio's nurseries have been strict since asgi-lifespan was written
        return kinds(error.exceptions[0])
    return tuple(type(inner) for inner in error.exceptions)


@pytest.mark.parametrize("failure", [None, BlockFailedError()], ids=["block", "failed-block"])
@pytest.mark.parametrize(
    "app",
    [
        *(obliging, fails_at_startup, fails_at_shutdown, fails_when_cancelled, knows_no_lifespan),
        *(never_asks_what_it_serves, starts_slowly, stops_slowly, returns, returns_amid_startup, returns_once_started),
        *(reports_a_failed_startup, reports_a_failed_shutdown, says_more_than_it_should),
    ],
)
async def test_a_test_sees_the_same_under_either_manager(app: Any, failure: Exception | None) -> None:
    theirs, their_story = await outcome(asgi_lifespan.LifespanManager, app, failure)
    ours, our_story = await outcome(LifespanManager, app, failure)
    assert our_story == their_story
    if isinstance(theirs, type):
        assert isinstance(ours, type)
        assert issubclass(ours, theirs)
    else:
        assert ours == theirs


@pytest.mark.parametrize("app", [returns, returns_amid_startup, reports_a_failed_startup])
async def test_an_app_that_will_not_start_is_not_waited_for(app: Any) -> None:
    with pytest.raises(LifespanUnansweredError) as caught:
        async with LifespanManager(app, startup_timeout=None):
            pytest.fail("the block was entered")  # pragma: no cover
    for kind in (LifespanError, asgi_lifespan.LifespanNotSupported, TimeoutError):
        assert isinstance(caught.value, kind)
    assert caught.value.phase == "startup"


@pytest.mark.parametrize("app", [returns_once_started, reports_a_failed_shutdown])
async def test_an_app_that_will_not_stop_as_it_should_is_not_waited_for(app: Any) -> None:
    with pytest.raises(LifespanUnansweredError) as caught:
        async with LifespanManager(app, shutdown_timeout=None):
            pass
    assert caught.value.phase == "shutdown"


async def test_what_the_app_raised_before_it_asked_for_anything_is_the_cause() -> None:
    with pytest.raises(asgi_lifespan.LifespanNotSupported, match=r"raised AppFailedError\(\) before") as caught:
        async with LifespanManager(knows_no_lifespan):
            pytest.fail("the block was entered")  # pragma: no cover
    assert isinstance(caught.value.__cause__, AppFailedError)


async def test_what_the_app_raises_in_a_failed_block_hides_nothing() -> None:
    failure = BlockFailedError()
    with pytest.raises((AppFailedError, ExceptionGroup)) as caught:
        async with LifespanManager(fails_when_cancelled):
            raise failure
    together = [caught.value.__context__, *getattr(caught.value, "exceptions", ())]
    assert any(error is failure for error in together)


async def test_the_scopes_of_the_app_have_the_very_state() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["pool"] = "a pool"
            await obliging(scope, receive, send)
        else:
            seen.append(scope["state"])

    for kind in (asgi_lifespan.LifespanManager, LifespanManager):
        manager: Any = kind(app)
        async with manager as entered:
            assert entered is manager
            await manager.app({"type": "http", "state": {}}, None, None)
            assert manager.app is manager.app
        assert seen.pop() is manager._state
        assert manager._state == {"pool": "a pool"}


async def test_a_manager_is_one_of_the_packages_own() -> None:
    assert isinstance(LifespanManager(obliging), asgi_testkit.LifespanManager)


async def test_a_startup_that_is_cancelled_leaves_nothing_running() -> None:
    told = Told(never_starts)
    with anyio.move_on_after(SHORT):
        async with LifespanManager(told, startup_timeout=None):
            pytest.fail("the block was entered")  # pragma: no cover
    assert told.story == ["lifespan.startup"]

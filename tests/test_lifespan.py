"""The lifespan of an app: startup, state, shutdown, and what may go wrong with each."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AbstractContextManager, suppress
from contextvars import ContextVar
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import httpx
import pytest
from anyio.from_thread import start_blocking_portal

from asgi_testkit import (
    ApplicationStuckError,
    ASGIProtocolError,
    AsyncClient,
    LifespanError,
    LifespanManager,
    LifespanTimeout,
    Message,
    Receive,
    Scope,
    Send,
    TestClient,
    WrongEventLoopError,
)
from asgi_testkit._conversation import lifespan as _lifespan
from asgi_testkit._conversation import task as _tasks

from .apps import NOT_STARTED, NOT_STOPPED, RECEIVE, STARTED, STOPPED, Living, mirror, well
from .backends import BACKENDS, Backend
from .faces import Client, Face
from .messages import Gate, hello, live

#: Long enough for an app that does something, short enough to wait for one that hangs for ever.
SOON = 0.05

UNKNOWN = {"type": "lifespan.nonsense"}
RESPONSE = {"type": "http.response.start", "status": 200}

E = TypeVar("E", bound=BaseException)

anyio_test = pytest.mark.anyio


async def hang() -> None:
    await anyio.sleep_forever()


class Stubborn:
    """A step that goes on when it is cancelled."""

    async def __call__(self) -> None:
        while True:
            try:
                await anyio.sleep_forever()
            except anyio.get_cancelled_exc_class():
                pass


def enter(opened: AbstractContextManager[Client]) -> None:
    """Enter a client whose startup is to fail."""
    opened.__enter__()


def end_fails(opened: AbstractContextManager[Client], error: type[E], match: str | None = None) -> E:
    """Enter a client, send a request, and return what the end of the block, and nothing before it, raises."""
    client = opened.__enter__()
    assert client.get().text == "hello"
    with pytest.raises(error, match=match) as caught:
        opened.__exit__(None, None, None)
    return caught.value


# All goes well


def test_the_lifespan_is_run_once_around_all_requests(face: Face) -> None:
    app = well()
    with face.open(app) as client:
        assert app.story == ["lifespan.startup", "lifespan.startup.complete"]
        client.get()
        client.get()
    assert app.story == [
        *("lifespan.startup", "lifespan.startup.complete", "request", "request"),
        *("lifespan.shutdown", "lifespan.shutdown.complete", "end"),
    ]


def test_no_lifespan_runs_for_a_client_that_is_not_entered(face: Face) -> None:
    app = well()
    with face.bare(app) as client:
        client.get()
    assert app.story == ["request"]


def test_no_lifespan_runs_where_it_is_off(face: Face) -> None:
    app = well()
    with face.open(app, lifespan="off") as client:
        client.get()
    assert app.story == ["request"]


@pytest.mark.parametrize("lifespan", ["auto", "on"])
def test_an_app_that_speaks_lifespan_is_asked(face: Face, lifespan: str) -> None:
    app = well()
    with face.open(app, lifespan=lifespan):
        assert app.scope == {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}


def test_the_startup_may_be_complete_before_it_was_asked_for(face: Face) -> None:
    app = Living(STARTED, RECEIVE, RECEIVE, STOPPED)
    with face.open(app) as client:
        client.get()
    assert app.story == [
        *("lifespan.startup.complete", "lifespan.startup", "request"),
        *("lifespan.shutdown", "lifespan.shutdown.complete", "end"),
    ]


def test_startup_and_shutdown_may_take_their_time(face: Face) -> None:
    moment = anyio.lowlevel.checkpoint
    app = Living(RECEIVE, moment, STARTED, moment, RECEIVE, moment, STOPPED, moment)
    with face.open(app) as client:
        assert client.get().text == "hello"
    assert app.over


def test_no_timeout_is_told_when_the_answer_is_here(face: Face) -> None:
    async def stall() -> None:
        time.sleep(0.06)  # noqa: ASYNC251 - the loop is to stand still, until the time is up
        await anyio.lowlevel.checkpoint()

    app = Living(RECEIVE, stall, STARTED, RECEIVE, stall, STOPPED)
    with face.open(app, startup_timeout=0.05, shutdown_timeout=0.05) as client:
        client.get()
    assert app.over


@pytest.mark.parametrize("last", [[], [RECEIVE]], ids=["serving", "shutdown"])
def test_an_app_may_return_without_a_last_word(face: Face, last: list[Any]) -> None:
    app = Living(RECEIVE, STARTED, *last)
    with face.open(app) as client:
        assert client.get().text == "hello"
    assert app.over


def test_an_app_that_receives_once_more_after_its_shutdown_is_ended_at_once(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lifespan, "_TIME_TO_RETURN", 60.0)  # the test would not end
    app = Living(RECEIVE, STARTED, RECEIVE, STOPPED, RECEIVE)
    with face.open(app):
        pass
    assert app.over


def test_an_app_that_goes_on_after_its_shutdown_is_not_waited_for_long(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lifespan, "_TIME_TO_RETURN", SOON)
    app = Living(RECEIVE, STARTED, RECEIVE, STOPPED, hang)
    with face.open(app):
        pass
    assert app.over


def test_what_the_app_does_between_its_last_word_and_its_return_is_done(face: Face) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, STOPPED, anyio.lowlevel.checkpoint, RuntimeError("too late"))
    end_fails(face.open(app), RuntimeError, match="^too late$")


# State


class Stateful(Living):
    """An app that has state, and calls `on_request` with the one of each request's scope."""

    def __init__(self, on_start: Callable[[Scope], object], on_request: Callable[[dict[str, Any]], object]) -> None:
        super().__init__(RECEIVE, STARTED, RECEIVE, STOPPED)
        self.on_start = on_start
        self.on_request = on_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            self.on_start(scope)
        else:
            self.on_request(scope["state"])
        await super().__call__(scope, receive, send)


def started_with(**state: Any) -> Callable[[Scope], None]:
    return lambda scope: scope["state"].update(state)


def test_each_request_sees_the_lifespan_s_state(face: Face) -> None:
    seen: list[dict[str, Any]] = []
    with face.open(Stateful(started_with(number=1), seen.append)) as client:
        client.get()
    assert seen == [{"number": 1}]


def test_a_key_set_by_a_request_is_seen_by_no_other(face: Face) -> None:
    seen = []

    def on_request(state: dict[str, Any]) -> None:
        seen.append(dict(state))
        state.update(number=2, new=True)

    app = Stateful(started_with(number=1), on_request)
    with face.open(app) as client:
        client.get()
        client.get()
    assert seen == [{"number": 1}, {"number": 1}]
    assert app.scope["state"] == {"number": 1}


def test_an_object_in_the_state_is_shared_by_all(face: Face) -> None:
    shared: list[str] = []
    with face.open(Stateful(started_with(shared=shared), lambda state: state["shared"].append("here"))) as client:
        client.get()
        client.get()
    assert shared == ["here", "here"]


def test_state_that_is_set_while_serving_is_seen_by_later_requests(face: Face) -> None:
    seen: list[dict[str, Any]] = []
    app = Stateful(started_with(), seen.append)
    with face.open(app) as client:
        client.get()
        app.scope["state"]["late"] = True
        client.get()
    assert seen == [{}, {"late": True}]


def test_another_dict_in_place_of_the_state_is_seen_by_nobody(face: Face) -> None:
    seen: list[dict[str, Any]] = []
    with face.open(Stateful(lambda scope: scope.update(state={"mine": True}), seen.append)) as client:
        client.get()
    assert seen == [{}]


def test_a_blocking_client_has_no_state_after_its_block_and_a_new_one_in_the_next() -> None:
    seen: list[dict[str, Any]] = []
    runs = iter([1, 2])
    client = TestClient(Stateful(lambda scope: scope["state"].update(run=next(runs)), seen.append))
    for _ in range(2):
        with client:
            client.get("/")
        client.get("/")
    client.close()
    assert seen == [{"run": 1}, {}, {"run": 2}, {}]


# Context variables


@pytest.mark.in_process(reason="a server knows nothing of the test's context")
def test_the_lifespan_sees_the_test_s_context_and_keeps_its_own(face: Face) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="nothing")
    seen = []

    async def change() -> None:
        seen.append(variable.get())
        variable.set("of the lifespan")

    async def look() -> None:
        seen.append(variable.get())

    app = Stateful(started_with(), lambda state: seen.append(variable.get()))
    app.steps = (change, RECEIVE, STARTED, RECEIVE, look, STOPPED)
    variable.set("of the test")
    with face.open(app) as client:
        client.get()
    assert seen == ["of the test", "of the test", "of the lifespan"]
    assert variable.get() == "of the test"


# Apps that do not speak lifespan


SPEECHLESS = [
    pytest.param(lambda: mirror, r"it raised AssertionError\(", id="refuses the scope"),
    pytest.param(lambda: Living(RuntimeError("no lifespan")), r"it raised RuntimeError\('no lifespan'\)", id="raises"),
    pytest.param(lambda: Living(RESPONSE), r"it raised ASGIProtocolError\(", id="responds to it"),
    pytest.param(Living, "it returned", id="returns"),
    pytest.param(lambda: Living(RECEIVE), "it returned", id="receives and returns"),
]


@pytest.mark.parametrize("make, how", SPEECHLESS)
def test_an_app_that_does_not_speak_lifespan_does_without_and_what_it_raises_is_logged(
    face: Face, make: Callable[[], Any], how: str, caplog: pytest.LogCaptureFixture
) -> None:
    with face.open(make()) as client:
        assert client.get().status_code == 200
    told = [(entry.name, entry.levelname, entry.exc_info) for entry in caplog.records if entry.name != "httpx"]
    if how == "it returned":
        assert told == []
        return
    [(name, level, info)] = told
    assert (name, level) == ("asgi_testkit", "WARNING")
    assert info is not None
    assert f"it raised {type(info[1]).__name__}(".startswith(how.replace("\\", "")[:20])
    assert 'lifespan="on"' in caplog.text


@pytest.mark.parametrize("make, how", SPEECHLESS)
def test_an_app_that_has_to_speak_lifespan_and_does_not_is_an_error(
    face: Face, make: Callable[[], Any], how: str
) -> None:
    with pytest.raises(LifespanError, match=f"does not support lifespan, as .* demands: {how}") as caught:
        enter(face.open(make(), lifespan="on"))
    assert (caught.value.phase, caught.value.message) == ("startup", "")
    cause = caught.value.__cause__
    assert ("it returned" if cause is None else f"it raised {type(cause).__name__}(") in str(caught.value)


# The startup fails


def test_what_the_app_raises_in_its_startup_is_raised_as_it_is(face: Face) -> None:
    error = LookupError("no database")
    app = Living(RECEIVE, error)
    with pytest.raises(LookupError) as caught:
        enter(face.open(app))
    assert caught.value is error
    assert not hasattr(error, "__notes__")
    assert app.over


@pytest.mark.parametrize(
    "said, message",
    [({"message": "no database"}, "no database"), ({"message": ""}, ""), ({}, "")],
    ids=["a message", "an empty message", "no message"],
)
@pytest.mark.parametrize(
    "last", [[], [RECEIVE], [anyio.lowlevel.checkpoint]], ids=["returns", "receives once more", "takes a while"]
)
def test_a_startup_that_the_app_reports_to_have_failed_is_an_error(
    face: Face, last: list[Any], said: dict[str, str], message: str
) -> None:
    app = Living(RECEIVE, {"type": "lifespan.startup.failed", **said}, *last)
    with pytest.raises(LifespanError, match=r"^the application reported lifespan\.startup\.failed: ") as caught:
        enter(face.open(app))
    assert str(caught.value).endswith(f": {message!r}")
    assert (caught.value.phase, caught.value.message) == ("startup", message)
    assert app.over


@pytest.mark.parametrize("while_raising", [[], [anyio.lowlevel.checkpoint]], ids=["at once", "after a while"])
def test_the_exception_behind_the_reported_failure_is_raised_with_what_was_said(
    face: Face, while_raising: list[Any]
) -> None:
    error = LookupError("no such host")
    with pytest.raises(LookupError) as caught:
        enter(face.open(Living(RECEIVE, NOT_STARTED, *while_raising, error)))
    assert caught.value is error
    assert error.__notes__ == ["The application had reported lifespan.startup.failed: 'no database'"]


def test_a_failure_that_was_reported_before_anything_was_received_counts(face: Face) -> None:
    with pytest.raises(LifespanError, match="'no database'"):
        enter(face.open(Living(NOT_STARTED)))


@pytest.mark.parametrize(
    "steps, match",
    [
        (
            [RESPONSE],
            r"^application sent \{'type': 'http.response.start'.* no message of the lifespan.* scope\['type'\]",
        ),
        (
            [UNKNOWN],
            r"^application sent \{'type': 'lifespan.nonsense'\}, which is no message of the lifespan protocol\.",
        ),
        (
            [STOPPED],
            "^application sent lifespan.shutdown.complete while waiting for lifespan.startup.complete. The answer",
        ),
        ([STARTED, STARTED], "^application sent lifespan.startup.complete while the application was serving. .* twice"),
        (
            [STARTED, STOPPED],
            "^application sent lifespan.shutdown.complete while the application was serving. Wait for",
        ),
        ([NOT_STARTED, STARTED], "^application sent lifespan.startup.complete while its startup had already failed"),
    ],
    ids=["responds", "unknown", "stopped", "started twice", "stopped unasked", "started after all"],
)
def test_an_illegal_message_in_the_startup_is_raised(face: Face, steps: list[Any], match: str) -> None:
    app = Living(RECEIVE, *steps)
    with pytest.raises(ASGIProtocolError, match=match):
        enter(face.open(app))
    assert app.over


def caught_by_the_app(message: dict[str, Any]) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """Return an app that sends an illegal message in its startup, lets the error pass, and waits for ever."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        with suppress(ASGIProtocolError):
            await send(message)
        await hang()

    return app


def test_an_illegal_message_in_the_startup_is_raised_where_the_app_lets_it_pass(
    face: Face, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lifespan, "_TIME_TO_RETURN", SOON)
    with pytest.raises(ASGIProtocolError, match=r"'lifespan\.nonsense'"):
        enter(face.open(caught_by_the_app(UNKNOWN), startup_timeout=60.0))


def test_a_startup_that_takes_too_long_is_an_error_that_says_where_it_is_suspended(face: Face) -> None:
    async def connect_to_the_database() -> None:
        await hang()

    app = Living(RECEIVE, connect_to_the_database)
    with pytest.raises(LifespanTimeout) as caught:
        enter(face.open(app, startup_timeout=SOON))
    text = str(caught.value)
    assert text.startswith(
        "startup: 0.05 seconds passed (startup_timeout=) while waiting for lifespan.startup.complete; the application"
    )
    assert "connect_to_the_database" in text
    assert "test_lifespan.py" in text
    assert (caught.value.phase, caught.value.message) == ("startup", "")
    assert not hasattr(caught.value, "__notes__")
    assert app.over


def failing_clean_up(error: Exception) -> Callable[[], Awaitable[None]]:
    async def hang_and_fail() -> None:
        try:
            await hang()
        finally:
            raise error

    return hang_and_fail


def test_what_an_app_raises_when_it_is_stopped_after_a_time_out_is_told_beside_it(face: Face) -> None:
    with pytest.raises(LifespanTimeout) as caught:
        enter(face.open(Living(RECEIVE, failing_clean_up(OSError("clean-up failed"))), startup_timeout=SOON))
    [note] = caught.value.__notes__
    assert note.endswith("OSError: clean-up failed")


@anyio_test
@pytest.mark.parametrize("phase", ["startup", "shutdown"])
async def test_an_app_that_goes_on_after_a_time_out_is_told_beside_it(
    phase: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", SOON)
    stubborn = Stubborn()
    steps = [RECEIVE, stubborn] if phase == "startup" else [RECEIVE, STARTED, RECEIVE, stubborn]
    manager = LifespanManager(Living(*steps), SOON, SOON)
    with pytest.raises(LifespanTimeout, match=f"^{phase}: ") as caught:
        async with manager:
            pass
    [note] = caught.value.__notes__
    assert "ApplicationStuckError: the application was cancelled, and 0.05 seconds later it has not ended" in note


@anyio_test
async def test_an_app_that_goes_on_after_its_shutdown_is_complete_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_lifespan, "_TIME_TO_RETURN", SOON)
    monkeypatch.setattr(_tasks, "CANCEL_TIMEOUT", SOON)
    stubborn = Stubborn()
    with pytest.raises(ApplicationStuckError):
        async with LifespanManager(Living(RECEIVE, STARTED, RECEIVE, STOPPED, stubborn)):
            pass


@anyio_test
@pytest.mark.parametrize("steps", [[], [RECEIVE]], ids=["on the scope", "in the startup"])
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_an_interruption_is_never_taken_for_an_app_that_does_not_speak_lifespan(
    kind: type[BaseException], steps: list[Any]
) -> None:
    error = kind()
    with pytest.raises(kind) as caught:
        await LifespanManager(Living(*steps, error)).__aenter__()
    assert caught.value is error


# The app fails while it serves


class LivingOn(Living):
    """An app whose lifespan goes on with `steps` when there is a request."""

    def __init__(self, *steps: object) -> None:
        self.gate = Gate()
        super().__init__(RECEIVE, STARTED, self.gate.wait, *steps)

    async def respond(self, scope: Scope, send: Send) -> None:
        await self.gate.open()
        await super().respond(scope, send)


class Careless(LivingOn):
    """An app like that, which lets pass what is said of its mistakes."""

    async def play(self, step: Any, receive: Receive, send: Send) -> None:
        with suppress(ASGIProtocolError):
            await super().play(step, receive, send)


def test_what_the_app_raises_while_it_serves_is_raised_at_the_end(face: Face) -> None:
    error = LookupError("connection lost")
    assert end_fails(face.open(LivingOn(error)), LookupError) is error


def test_a_violation_while_the_app_serves_is_raised_at_the_end(face: Face) -> None:
    app = LivingOn(STARTED)
    end_fails(face.open(app), ASGIProtocolError, match="Is lifespan.startup answered twice")
    assert app.over


@pytest.mark.parametrize("last", [[RECEIVE], [hang]], ids=["receives", "hangs"])
def test_a_violation_while_the_app_serves_is_raised_at_the_end_where_the_app_lets_it_pass(
    face: Face, last: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_lifespan, "_TIME_TO_RETURN", SOON)

    app = Careless(STARTED, *last)
    end_fails(face.open(app, shutdown_timeout=60.0), ASGIProtocolError, match="Is lifespan.startup answered twice")
    assert app.over


# The shutdown fails


def test_what_the_app_raises_in_its_shutdown_is_raised_as_it_is(face: Face) -> None:
    error = LookupError("still in use")
    app = Living(RECEIVE, STARTED, RECEIVE, error)
    assert end_fails(face.open(app), LookupError) is error
    assert not hasattr(error, "__notes__")
    assert app.over


@pytest.mark.parametrize("said, message", [({"message": "still in use"}, "still in use"), ({}, "")])
def test_a_shutdown_that_the_app_reports_to_have_failed_is_an_error(
    face: Face, said: dict[str, str], message: str
) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, {"type": "lifespan.shutdown.failed", **said})
    error = end_fails(face.open(app), LifespanError, match="^the application reported lifespan.shutdown.failed: ")
    assert str(error).endswith(f": {message!r}")
    assert (error.phase, error.message) == ("shutdown", message)


def test_the_exception_behind_a_reported_failure_of_the_shutdown_is_raised(face: Face) -> None:
    error = LookupError("still in use")
    assert end_fails(face.open(Living(RECEIVE, STARTED, RECEIVE, NOT_STOPPED, error)), LookupError) is error


@pytest.mark.parametrize("message", [UNKNOWN, STARTED, RESPONSE], ids=["unknown", "started again", "responds"])
def test_an_illegal_message_in_the_shutdown_is_raised(face: Face, message: dict[str, Any]) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, message)
    end_fails(face.open(app), ASGIProtocolError, match=f"^application sent .*{message['type']}")


def test_a_shutdown_that_takes_too_long_is_an_error_that_says_where_it_is_suspended(face: Face) -> None:
    async def drain_the_pool() -> None:
        await hang()

    app = Living(RECEIVE, STARTED, RECEIVE, drain_the_pool)
    error = end_fails(
        face.open(app, shutdown_timeout=SOON),
        LifespanTimeout,
        match=r"^shutdown: 0.05 seconds passed \(shutdown_timeout=\) ",
    )
    assert "waiting for lifespan.shutdown.complete; the application is suspended at:" in str(error)
    assert "drain_the_pool" in str(error)
    assert error.phase == "shutdown"
    assert app.over


def test_an_app_that_never_asks_for_its_shutdown_takes_too_long(face: Face) -> None:
    app = Living(RECEIVE, STARTED, hang)
    end_fails(face.open(app, shutdown_timeout=SOON), LifespanTimeout, match="^shutdown: ")
    assert app.over


def test_an_app_is_told_once_to_shut_down(face: Face) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, RECEIVE)
    end_fails(face.open(app, shutdown_timeout=SOON), LifespanTimeout, match="^shutdown: ")
    assert app.story[3:] == ["lifespan.shutdown", "end"]


@pytest.mark.parametrize(
    "steps, text",
    [
        ([LookupError("still in use")], "LookupError: still in use"),
        ([NOT_STOPPED], "LifespanError: the application reported lifespan.shutdown.failed: 'still in use'"),
        ([UNKNOWN], "ASGIProtocolError: application sent {'type': 'lifespan.nonsense'}"),
        ([hang], "LifespanTimeout: shutdown: 0.05 seconds passed"),
        ([KeyboardInterrupt()], "KeyboardInterrupt"),
    ],
    ids=["raises", "reports it", "illegal", "hangs", "interrupted"],
)
def test_the_test_s_own_exception_wins_and_the_shutdown_s_is_told_beside_it(
    face: Face, steps: list[Any], text: str
) -> None:
    error = AssertionError("of the test")
    with (
        pytest.raises(AssertionError) as caught,
        face.open(Living(RECEIVE, STARTED, RECEIVE, *steps), shutdown_timeout=SOON),
    ):
        raise error
    assert caught.value is error
    [note] = error.__notes__
    assert note.startswith("The application failed as well:\n\n")
    assert text in note


@anyio_test
@pytest.mark.parametrize(
    "anyio_backend",
    [pytest.param((name, options), id=id_) for id_, name, options in BACKENDS if name == "asyncio"],
)
async def test_a_cancellation_that_the_app_raises_does_not_replace_the_test_s_exception() -> None:
    """As ``task.cancel(); await task`` does in many a shutdown."""

    async def end_background_task() -> None:
        future: Any = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    error = AssertionError("of the test")
    with pytest.raises(AssertionError) as caught:
        async with LifespanManager(Living(RECEIVE, STARTED, RECEIVE, end_background_task)):
            raise error
    assert caught.value is error
    [note] = error.__notes__
    assert "CancelledError" in note


# Cancellation and tasks


@anyio_test
@pytest.mark.parametrize(
    "steps", [[RECEIVE, hang], [RECEIVE, NOT_STARTED, hang]], ids=["while it starts", "after it failed"]
)
async def test_a_cancelled_start_leaves_nothing_running(steps: list[Any]) -> None:
    app = Living(*steps)
    client = AsyncClient(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.__aenter__)
        await anyio.wait_all_tasks_blocked()
        assert not app.over
        tasks.cancel_scope.cancel()
    assert app.over
    assert client.is_closed


@anyio_test
@pytest.mark.parametrize("steps", [[hang], [STOPPED, hang]], ids=["while it stops", "after it stopped"])
async def test_a_cancelled_end_leaves_nothing_running(steps: list[Any]) -> None:
    app = Living(RECEIVE, STARTED, RECEIVE, *steps)
    client = AsyncClient(app)
    await client.__aenter__()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(client.aclose)
        await anyio.wait_all_tasks_blocked()
        assert not app.over
        tasks.cancel_scope.cancel()
    assert app.over
    assert client.is_closed


async def in_a_task_of_its_own(function: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(function, *args)


@anyio_test
async def test_enter_use_and_exit_may_happen_in_three_tasks() -> None:
    app = well()
    client = AsyncClient(app)
    await in_a_task_of_its_own(client.__aenter__)
    await in_a_task_of_its_own(client.get, "/")
    assert app.story[-1] == "request"
    await in_a_task_of_its_own(client.__aexit__)
    assert app.over


@anyio_test
async def test_no_cancel_scope_is_held_between_enter_and_exit() -> None:
    app = well()
    client = AsyncClient(app)
    with anyio.CancelScope() as entered:
        await client.__aenter__()
    entered.cancel()
    with anyio.move_on_after(60) as used:
        await client.get("/")
    with anyio.move_on_after(60) as left:
        await client.__aexit__()
    assert not any(scope.cancelled_caught for scope in (entered, used, left))
    assert app.story[-3:] == ["lifespan.shutdown", "lifespan.shutdown.complete", "end"]


@anyio_test
async def test_clients_may_be_left_in_any_order() -> None:
    first, second = well(), well()
    one, other = AsyncClient(first), AsyncClient(second)
    await one.__aenter__()
    await other.__aenter__()
    await one.__aexit__()
    assert first.over
    assert (await other.get("/")).text == "hello"
    await other.__aexit__()
    assert second.over


@anyio_test
async def test_the_test_s_exception_is_in_no_group() -> None:
    error = AssertionError("of the test")
    with pytest.raises(AssertionError) as caught:
        async with AsyncClient(well()):
            raise error
    assert caught.value is error
    assert not hasattr(error, "__notes__")


# Event loops


def run(backend: Backend, function: Callable[[], Awaitable[Any]]) -> Any:
    return anyio.run(function, backend=backend.name, backend_options=backend.options)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@pytest.mark.parametrize("kind", [AsyncClient, LifespanManager])
@pytest.mark.in_process(reason="leaves a server running in the other loop")
def test_leaving_in_another_loop_is_an_error_that_names_both_and_the_cure(kind: Any, backend: Backend) -> None:
    entered = kind(well())
    run(backend, entered.__aenter__)
    with pytest.raises(WrongEventLoopError) as caught:
        run(backend, entered.__aexit__)
    text = str(caught.value)
    loop = r"(<[\w.]*Loop running=.*>|TrioToken\(.*\))"
    assert re.search(
        rf"^this {kind.__name__} was opened in the event loop {loop} \(in .+\) and is used in {loop} \(in .+\)\.", text
    )
    assert 'loop_scope="session"' in text
    assert "anyio_backend" in text


@anyio_test
async def test_a_client_that_was_left_in_another_loop_can_be_left_in_its_own() -> None:
    app = well()
    client = AsyncClient(app)
    await client.__aenter__()
    with pytest.raises(WrongEventLoopError):
        await anyio.to_thread.run_sync(lambda: anyio.run(client.__aexit__))
    assert not app.over
    await client.__aexit__()
    assert app.over


# LifespanManager


@anyio_test
async def test_a_manager_offers_the_running_app_and_its_state() -> None:
    app = Stateful(started_with(number=1), lambda state: None)
    manager = LifespanManager(app)
    assert not manager.supported
    async with manager as entered:
        assert entered is manager
        assert manager.supported
        assert manager.state is app.scope["state"]
        assert manager.state == {"number": 1}
    assert not manager.supported


@anyio_test
async def test_a_manager_of_an_app_that_does_not_speak_lifespan_says_so() -> None:
    async with LifespanManager(hello) as manager:
        assert not manager.supported


@anyio_test
async def test_two_clients_can_share_one_running_app() -> None:
    seen: list[dict[str, Any]] = []
    app = Stateful(started_with(number=1), seen.append)
    async with LifespanManager(app) as manager:
        async with AsyncClient(manager.app) as one, AsyncClient(manager.app, lifespan="on") as other:
            await one.get("/")
            manager.state["late"] = True
            await other.get("/")
        assert not app.over
        await AsyncClient(manager.app).get("/")
    assert seen == [{"number": 1}, {"number": 1, "late": True}, {"number": 1, "late": True}]
    assert app.story.count("lifespan.startup") == app.story.count("lifespan.shutdown") == 1


@anyio_test
async def test_the_running_app_puts_its_state_in_scopes_that_have_none() -> None:
    seen: list[dict[str, Any]] = []
    async with LifespanManager(Stateful(started_with(number=1), seen.append)) as manager:
        transport = httpx.ASGITransport(manager.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await client.get("/")
    assert seen == [{"number": 1}]


@anyio_test
async def test_the_running_app_gives_each_request_a_copy_of_its_state_and_a_scope_may_add_to_it() -> None:
    seen: list[dict[str, Any]] = []

    def see(state: dict[str, Any]) -> None:
        seen.append(dict(state))
        state.clear()

    async with LifespanManager(Stateful(started_with(number=1), see)) as manager:
        async with AsyncClient(manager.app, scope={"state": {"more": 2}}) as client:
            response = await client.get("/")
            await client.get("/")
        assert manager.state == {"number": 1}
        assert response.extensions["asgi"].scope["state"] == {}  # as the app left it
    assert seen == [{"number": 1, "more": 2}] * 2


@anyio_test
async def test_the_running_app_answers_to_lifespan_by_itself_and_hands_its_state_on() -> None:
    app = Stateful(started_with(number=1), lambda state: None)
    async with LifespanManager(app) as manager, LifespanManager(manager.app) as outer:
        assert outer.supported
        assert outer.state == {"number": 1}
        assert outer.state is not manager.state
    assert app.story.count("lifespan.startup") == 1


@anyio_test
async def test_the_running_app_answers_to_lifespan_without_state() -> None:
    story = []

    async def receive() -> Message:
        story.append("asked")
        return {"type": "lifespan.anything"}

    async def send(message: Message) -> None:
        story.append(message["type"])

    async with LifespanManager(well()) as manager:
        await manager.app({"type": "lifespan"}, receive, send)
    assert story == ["asked", "lifespan.startup.complete", "asked", "lifespan.shutdown.complete"]


@anyio_test
async def test_a_manager_is_entered_once() -> None:
    manager = LifespanManager(well())
    async with manager:
        with pytest.raises(RuntimeError, match="entered before; make a new one"):
            await manager.__aenter__()
    with pytest.raises(RuntimeError, match="entered before; make a new one"):
        await manager.__aenter__()


@anyio_test
async def test_a_manager_that_is_left_twice_shuts_the_app_down_once() -> None:
    app = well()
    manager = LifespanManager(app)
    async with manager:
        await manager.__aexit__()
    assert app.story.count("lifespan.shutdown") == 1


@anyio_test
async def test_a_time_out_of_none_is_no_limit() -> None:
    app = Living(RECEIVE, anyio.lowlevel.checkpoint, STARTED, RECEIVE, anyio.lowlevel.checkpoint, STOPPED)
    async with LifespanManager(app, startup_timeout=None, shutdown_timeout=None):
        pass
    assert app.over


def test_a_lifespan_is_auto_on_or_off() -> None:
    with pytest.raises(ValueError, match=r"""^lifespan must be "auto", "on" or "off", not 'maybe'$"""):
        LifespanManager(hello, lifespan="maybe")  # type: ignore[arg-type]  # that is the point


def test_a_manager_needs_an_app() -> None:
    with pytest.raises(TypeError, match=r"^app must be an ASGI application"):
        LifespanManager(None)  # type: ignore[arg-type]  # that is the point


@pytest.mark.parametrize("fails", [True, False])
def test_a_running_app_that_fails_in_another_loop_than_its_lifespan_s_is_told_so(fails: bool, backend: Backend) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif fails:
            raise LookupError("attached to a different loop")
        else:
            await hello(scope, receive, send)

    async def enter() -> None:
        await manager.__aenter__()

    async def use() -> str:
        async with AsyncClient(manager.app, lifespan="off") as client:
            return (await client.get("/")).text

    manager = LifespanManager(app)
    with start_blocking_portal(backend.name, backend.options) as portal:
        portal.call(enter)
        if not fails:
            assert anyio.run(use) == "hello"
        else:
            with pytest.raises(LookupError) as caught:
                anyio.run(use)
            [told] = caught.value.__notes__
            assert told.startswith("The lifespan of the application runs in another event loop: this LifespanManager")
            with pytest.raises(LookupError) as here:
                portal.call(use)
            assert not hasattr(here.value, "__notes__")
        portal.call(manager.__aexit__)

"""The exceptions: what they are to an `except` clause, and how one is told beside another."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator

import httpx
import pytest

import asgi_testkit
from asgi_testkit import (
    ApplicationStuckError,
    ASGIProtocolError,
    ClientDisconnected,
    LifespanError,
    LifespanTimeout,
    WebSocketDenied,
    WebSocketDisconnect,
    WrongEventLoopError,
)
from asgi_testkit import starlette as drop_in
from asgi_testkit._client.response import exception_in_flight
from asgi_testkit._errors import tell_beside


@pytest.mark.parametrize(
    "error, bases",
    [
        (ASGIProtocolError, (RuntimeError,)),
        (ApplicationStuckError, (RuntimeError,)),
        (LifespanError, (RuntimeError,)),
        (LifespanTimeout, (LifespanError, TimeoutError)),
        (WrongEventLoopError, (RuntimeError,)),
        (ClientDisconnected, (OSError,)),
    ],
)
def test_the_tree_is_as_drawn(error: type[BaseException], bases: tuple[type[BaseException], ...]) -> None:
    assert error.__bases__ == bases
    assert error.__name__ in asgi_testkit.__all__


def test_a_lifespan_error_tells_programs_the_phase_and_what_the_app_said() -> None:
    error = LifespanError("the text", phase="startup", message="no database")
    assert (str(error), error.phase, error.message) == ("the text", "startup", "no database")
    assert LifespanError("the text", phase="shutdown").message == ""


def test_a_lifespan_time_out_tells_the_phase() -> None:
    error = LifespanTimeout("the text", phase="shutdown")
    assert (str(error), error.phase, error.message) == ("the text", "shutdown", "")


# One failure beside another


def fail(error: BaseException) -> None:
    raise error


def test_an_error_is_told_beside_another_with_its_traceback() -> None:
    mine, other = AssertionError("mine"), ValueError("other")
    with pytest.raises(ValueError, match=r"^other$"):
        fail(other)
    tell_beside(mine, other)
    [note] = mine.__notes__
    assert note.startswith("The application failed as well:\n\nTraceback")
    assert "in fail\n" in note
    assert note.endswith("\nValueError: other")
    assert not hasattr(other, "__notes__")


def test_an_error_is_not_told_beside_itself() -> None:
    error = ValueError("mine")
    tell_beside(error, error)
    assert not hasattr(error, "__notes__")


def test_several_errors_are_told_in_order() -> None:
    mine = AssertionError("mine")
    tell_beside(mine, ValueError("first"))
    tell_beside(mine, ValueError("second"))
    assert [note.rpartition(" ")[2] for note in mine.__notes__] == ["first", "second"]


class FrozenError(Exception):
    """Lets nobody change it, as a frozen dataclass does."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class StubbornError(FrozenError):
    """Takes no notes in any way."""

    def __getattribute__(self, name: str) -> object:
        raise LookupError


def test_an_exception_that_cannot_be_changed_takes_notes_all_the_same() -> None:
    mine = FrozenError("mine")
    tell_beside(mine, ValueError("first"))
    tell_beside(mine, ValueError("second"))
    assert [text.rpartition(" ")[2] for text in mine.__notes__] == ["first", "second"]


def test_an_exception_that_takes_no_notes_is_left_alone() -> None:
    tell_beside(StubbornError("mine"), ValueError("other"))


class UnreadableError(Exception):
    def __str__(self) -> str:
        raise LookupError


def test_an_exception_that_cannot_be_shown_is_told() -> None:
    mine = AssertionError("mine")
    tell_beside(mine, UnreadableError())
    assert "UnreadableError" in mine.__notes__[0]


# Programs


@pytest.mark.parametrize(
    "error",
    [
        ASGIProtocolError("text"),
        ApplicationStuckError("text"),
        LifespanError("text", phase="startup", message="no database"),
        LifespanTimeout("text", phase="shutdown"),
        WrongEventLoopError("text"),
        WebSocketDisconnect(4001, "why", text="text"),
        WebSocketDenied(httpx.Response(401, text="who?"), text="text"),
        drop_in.WebSocketDisconnect(1000, "why"),
        ClientDisconnected("text"),
    ],
    ids=lambda error: f"{type(error).__module__}.{type(error).__name__}",
)
@pytest.mark.parametrize(
    "twin", [lambda error: pickle.loads(pickle.dumps(error)), copy.copy], ids=["pickled", "copied"]
)
def test_an_exception_can_be_pickled_and_copied(error: Exception, twin: Callable[[Exception], Exception]) -> None:
    error.__notes__ = ["a note"]
    made = twin(error)
    assert (type(made), str(made), made.args) == (type(error), str(error), error.args)
    other, mine = vars(made), vars(error)
    assert getattr(other.pop("response", None), "text", None) == getattr(mine.pop("response", None), "text", None)
    assert other == mine


# The exception that passes through httpx


class WatchedStream(httpx.SyncByteStream):
    """A body that sees, when it is closed, which exception is in flight."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seen: list[BaseException | None] = []

    def __iter__(self) -> Iterator[bytes]:
        yield b"part"
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.seen.append(exception_in_flight())


def client_for(stream: httpx.SyncByteStream) -> httpx.Client:
    return httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, stream=stream)))


def test_nothing_is_in_flight_where_nothing_was_raised() -> None:
    assert exception_in_flight() is None


def test_an_exception_that_the_test_handles_is_not_in_flight() -> None:
    try:
        fail(ValueError("handled"))
    except ValueError:
        assert exception_in_flight() is None


def test_an_exception_without_a_traceback_is_not_in_flight() -> None:
    try:
        fail(ValueError("handled"))
    except ValueError as error:
        error.__traceback__ = None
        assert exception_in_flight() is None


def test_nothing_is_in_flight_when_a_response_is_closed_at_its_end() -> None:
    stream = WatchedStream()
    with client_for(stream) as client:
        client.get("http://testserver/")
    assert stream.seen == [None]


def test_what_the_test_raises_in_a_stream_s_block_is_in_flight_when_httpx_closes_the_response() -> None:
    stream, error = WatchedStream(), AssertionError("of the test")
    with client_for(stream) as client, pytest.raises(AssertionError), client.stream("GET", "http://testserver/"):
        raise error
    assert stream.seen == [error]


def test_what_the_body_raises_is_in_flight_when_httpx_closes_the_response() -> None:
    error = ValueError("of the body")
    stream = WatchedStream(error)
    with client_for(stream) as client, pytest.raises(ValueError, match=r"^of the body$"):
        client.get("http://testserver/")
    assert stream.seen == [error]


def test_an_exception_that_the_test_handles_around_a_call_is_not_in_flight_in_it() -> None:
    stream = WatchedStream()
    with client_for(stream) as client:
        try:
            fail(ValueError("handled"))
        except ValueError:
            client.get("http://testserver/")
            with client.stream("GET", "http://testserver/"):
                pass
    assert stream.seen == [None, None]

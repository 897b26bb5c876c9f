"""The same tests, blocking. What is awaited goes through the portal, into the event loop of the app."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from notes import Note
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgi_testkit import LifespanManager, TestClient


def test_the_app_sees_what_the_test_puts_in(asgi_test_client: TestClient, blocking_session: AsyncSession) -> None:
    blocking_session.add(Note(text="milk"))
    asgi_test_client.portal.call(blocking_session.flush)  # not committed: nobody but this very transaction can see it
    response = asgi_test_client.get("/notes")
    assert response.json() == ["milk"]


def test_the_test_sees_what_the_app_puts_in(asgi_test_client: TestClient, blocking_session: AsyncSession) -> None:
    response = asgi_test_client.post("/notes", params={"text": "bread"})
    assert response.status_code == 201
    note = asgi_test_client.portal.call(blocking_session.get_one, Note, response.json()["id"])
    assert note.text == "bread"


def test_the_app_may_roll_back(asgi_test_client: TestClient, blocking_session: AsyncSession) -> None:
    blocking_session.add(Note(text="milk"))
    asgi_test_client.portal.call(blocking_session.flush)
    asgi_test_client.post("/notes", params={"text": "bread"})
    response = asgi_test_client.post("/notes", params={"text": "bread"})
    assert response.status_code == 409
    # The app went back to its savepoint. What it had committed before is still there, and so is what the test put in.
    notes = asgi_test_client.portal.call(blocking_session.scalars, select(Note.text).order_by(Note.id))
    assert list(notes) == ["milk", "bread"]


# The rest proves what the fixtures promise. You need not copy it.


@pytest.mark.parametrize("time", ["first", "second"])
def test_nothing_is_left_of_another_test(
    asgi_test_client: TestClient, blocking_session: AsyncSession, time: str
) -> None:
    # The other time, this test has added the same note, and the app has committed it.
    assert asgi_test_client.portal.call(blocking_session.scalar, select(func.count(Note.id))) == 0
    response = asgi_test_client.post("/notes", params={"text": "once only"})
    assert response.status_code == 201


def test_a_commit_of_the_app_is_not_seen_from_outside(
    asgi_test_client: TestClient, blocking_session: AsyncSession, asgi_lifespan: LifespanManager
) -> None:
    asgi_test_client.post("/notes", params={"text": "secret"})
    portal = asgi_test_client.portal
    engine: AsyncEngine = asgi_lifespan.state["engine"]
    with portal.wrap_async_context_manager(engine.connect()) as another_connection:
        assert portal.call(another_connection.scalar, select(func.count(Note.id))) == 0


def test_test_and_app_share_one_transaction(
    asgi_test_client: TestClient, blocking_session: AsyncSession, open_transactions: Callable[[], int]
) -> None:
    blocking_session.add(Note(text="from the test"))
    asgi_test_client.portal.call(blocking_session.flush)
    asgi_test_client.post("/notes", params={"text": "from the app"})
    assert open_transactions() == 1


def test_test_and_app_use_one_connection_in_one_loop(
    asgi_test_client: TestClient, blocking_session: AsyncSession, asgi_lifespan: LifespanManager
) -> None:
    # Each statement leaves its text, the driver's connection, and the event loop in which it is awaited.
    seen: list[tuple[str, Any, asyncio.AbstractEventLoop]] = []

    def note_it(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        command = statement.partition(" ")[0]
        seen.append((command, connection.connection.driver_connection, asyncio.get_running_loop()))

    portal = asgi_test_client.portal
    engine: AsyncEngine = asgi_lifespan.state["engine"]
    event.listen(engine.sync_engine, "before_cursor_execute", note_it)
    asgi_test_client.post("/notes", params={"text": "from the app"})
    blocking_session.add(Note(text="from the test"))
    portal.call(blocking_session.flush)
    event.remove(engine.sync_engine, "before_cursor_execute", note_it)

    commands, connections, loops = zip(*seen, strict=True)
    assert commands.count("INSERT") == 2
    assert len(set(connections)) == 1
    assert set(loops) == {portal.call(asyncio.get_running_loop)}

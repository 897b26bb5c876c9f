"""Awaited tests that put rows in, let the app work on them, and leave nothing behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from notes import Note
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from asgi_testkit import AsyncClient, LifespanManager


async def test_the_app_sees_what_the_test_puts_in(asgi_client: AsyncClient, session: AsyncSession) -> None:
    session.add(Note(text="milk"))
    await session.flush()  # not committed: nobody but this very transaction can see it
    response = await asgi_client.get("/notes")
    assert response.json() == ["milk"]


async def test_the_test_sees_what_the_app_puts_in(asgi_client: AsyncClient, session: AsyncSession) -> None:
    response = await asgi_client.post("/notes", params={"text": "bread"})
    assert response.status_code == 201
    note = await session.get_one(Note, response.json()["id"])
    assert note.text == "bread"


async def test_the_app_may_roll_back(asgi_client: AsyncClient, session: AsyncSession) -> None:
    session.add(Note(text="milk"))
    await session.flush()
    await asgi_client.post("/notes", params={"text": "bread"})
    response = await asgi_client.post("/notes", params={"text": "bread"})
    assert response.status_code == 409
    # The app went back to its savepoint. What it had committed before is still there, and so is what the test put in.
    assert list(await session.scalars(select(Note.text).order_by(Note.id))) == ["milk", "bread"]


# The rest proves what the fixtures promise. You need not copy it.


@pytest.mark.parametrize("time", ["first", "second"])
async def test_nothing_is_left_of_another_test(asgi_client: AsyncClient, session: AsyncSession, time: str) -> None:
    # The other time, this test has added the same note, and the app has committed it.
    assert await session.scalar(select(func.count(Note.id))) == 0
    response = await asgi_client.post("/notes", params={"text": "once only"})
    assert response.status_code == 201


async def test_a_commit_of_the_app_is_not_seen_from_outside(
    asgi_client: AsyncClient, session: AsyncSession, asgi_lifespan: LifespanManager
) -> None:
    await asgi_client.post("/notes", params={"text": "secret"})
    engine: AsyncEngine = asgi_lifespan.state["engine"]
    async with engine.connect() as another_connection:
        assert await another_connection.scalar(select(func.count(Note.id))) == 0


async def test_test_and_app_share_one_transaction(
    asgi_client: AsyncClient, session: AsyncSession, open_transactions: Callable[[], int]
) -> None:
    session.add(Note(text="from the test"))
    await session.flush()
    await asgi_client.post("/notes", params={"text": "from the app"})
    assert open_transactions() == 1


async def test_test_and_app_use_one_connection_in_one_loop(
    asgi_client: AsyncClient, session: AsyncSession, asgi_lifespan: LifespanManager
) -> None:
    # Each statement leaves its text, the driver's connection, and the event loop in which it is awaited.
    seen: list[tuple[str, Any, asyncio.AbstractEventLoop]] = []

    def note_it(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        command = statement.partition(" ")[0]
        seen.append((command, connection.connection.driver_connection, asyncio.get_running_loop()))

    engine: AsyncEngine = asgi_lifespan.state["engine"]
    event.listen(engine.sync_engine, "before_cursor_execute", note_it)
    await asgi_client.post("/notes", params={"text": "from the app"})
    session.add(Note(text="from the test"))
    await session.flush()
    event.remove(engine.sync_engine, "before_cursor_execute", note_it)

    commands, connections, loops = zip(*seen, strict=True)
    assert commands.count("INSERT") == 2
    assert len(set(connections)) == 1
    assert set(loops) == {asyncio.get_running_loop()}

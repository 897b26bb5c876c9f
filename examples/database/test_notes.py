"""Tests that put rows in, let the app work on them, and leave nothing behind."""

import asyncio
from typing import Any

import pytest
from notes import Note
from sqlalchemy import event, func, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from asgi_testkit import AsyncClient

pytestmark = pytest.mark.anyio


async def test_the_app_sees_what_the_test_puts_in(client: AsyncClient, session: AsyncSession) -> None:
    session.add(Note(text="milk"))
    await session.flush()  # not committed: nobody but this very transaction can see it
    response = await client.get("/notes")
    assert response.json() == ["milk"]


async def test_the_test_sees_what_the_app_puts_in(client: AsyncClient, session: AsyncSession) -> None:
    response = await client.post("/notes", params={"text": "bread"})
    assert response.status_code == 201
    note = await session.get_one(Note, response.json()["id"])
    assert note.text == "bread"


async def test_the_app_may_roll_back(client: AsyncClient, session: AsyncSession) -> None:
    await client.post("/notes", params={"text": "bread"})
    response = await client.post("/notes", params={"text": "bread"})
    assert response.status_code == 409
    # The app went back to its savepoint, and the first note, which it had committed, is still there.
    assert list(await session.scalars(select(Note.text))) == ["bread"]


# The rest proves what the fixtures promise. You need not copy it.


@pytest.mark.parametrize("time", ["first", "second"])
async def test_nothing_is_left_of_another_test(client: AsyncClient, session: AsyncSession, time: str) -> None:
    # The other time, this test has added the same note, and the app has committed it.
    assert await session.scalar(select(func.count(Note.id))) == 0
    response = await client.post("/notes", params={"text": "once only"})
    assert response.status_code == 201


async def test_a_commit_of_the_app_is_not_seen_from_outside(client: AsyncClient, engine: AsyncEngine) -> None:
    await client.post("/notes", params={"text": "secret"})
    async with engine.connect() as another_connection:
        assert await another_connection.scalar(select(func.count(Note.id))) == 0


async def test_test_and_app_use_one_connection_in_one_loop(
    client: AsyncClient, session: AsyncSession, connection: AsyncConnection, engine: AsyncEngine
) -> None:
    # Each statement leaves its text, the driver's connection, and the event loop in which it is awaited.
    seen: list[tuple[str, Any, asyncio.AbstractEventLoop]] = []

    @event.listens_for(engine.sync_engine, "before_cursor_execute")
    def note_it(connection: Any, cursor: Any, statement: str, *_: object) -> None:
        command = statement.partition(" ")[0]
        seen.append((command, connection.connection.driver_connection, asyncio.get_running_loop()))

    await client.post("/notes", params={"text": "from the app"})
    session.add(Note(text="from the test"))
    await session.flush()
    event.remove(engine.sync_engine, "before_cursor_execute", note_it)

    raw_connection = await connection.get_raw_connection()
    assert [command for command, _, _ in seen].count("INSERT") == 2
    assert all(driver is raw_connection.driver_connection for _, driver, _ in seen)
    assert all(loop is asyncio.get_running_loop() for _, _, loop in seen)

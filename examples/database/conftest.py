"""The fixtures. One running app for each database; for each test, a transaction that is rolled back.

The test and the app work on one connection. With most drivers, a connection belongs to the event loop that it was
opened in, so it is opened in the app's. For an awaited test that is its own loop, too; a blocking test gets there
through the portal of its client.

`pytest.ini` says who runs the async tests, and that the app is started once. `databases.py` has the databases.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from fastapi import FastAPI
from notes import create_app
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from asgi_testkit import LifespanManager, TestClient

pytest_plugins = ["databases"]


# Asked by anyio's pytest plugin, which runs the async tests and fixtures. The event loop lives as long as this fixture,
# and that has to be as long as the app runs. (With pytest-asyncio, nobody asks: see pytest-asyncio.ini.)
@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


# The app of asgi_lifespan, asgi_client and asgi_test_client, the fixtures of asgi-testkit.
@pytest.fixture(scope="session")
def asgi_app(database_url: str) -> FastAPI:
    return create_app(database_url)


# For SQLite alone: its driver begins a transaction too late, with the first INSERT. This begins it where SQLAlchemy
# says, so that savepoints work. (SQLAlchemy's documentation has a section on it.) The engines are those of the app,
# which makes them when it starts, so this listens to all.
@event.listens_for(Engine, "begin")
def begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")


# What is done in here never happened. The engine is the app's own: the lifespan has put it into the state. So is the
# factory of its sessions, and that is replaced, by one whose sessions work on our connection. With "create_savepoint",
# commit() of a session ends a savepoint, and rollback() goes back to one: the app may commit and roll back as it likes,
# and the transaction stays ours. (expire_on_commit=False is what the app itself sets.)
@asynccontextmanager
async def transaction(state: dict[str, Any]) -> AsyncIterator[AsyncSession]:
    before = state["sessions"]
    async with state["engine"].connect() as connection:
        transaction = await connection.begin()
        sessions = async_sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        state["sessions"] = sessions
        try:
            async with sessions() as session:
                yield session
        finally:
            state["sessions"] = before
            await transaction.rollback()


# A session for an awaited test.
@pytest.fixture
async def session(asgi_lifespan: LifespanManager) -> AsyncIterator[AsyncSession]:
    async with transaction(asgi_lifespan.state) as session:
        yield session


# A session for a blocking test, which awaits its methods by `portal.call(session.flush)`.
@pytest.fixture
def blocking_session(asgi_test_client: TestClient, asgi_lifespan: LifespanManager) -> Iterator[AsyncSession]:
    with asgi_test_client.portal.wrap_async_context_manager(transaction(asgi_lifespan.state)) as session:
        yield session

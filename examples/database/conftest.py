"""The fixtures. One app for the whole run; for each test, a transaction that is rolled back.

All of them, the tests and the app share one event loop. That is what makes it possible to hand the app a session that a
fixture has opened: with most drivers, a connection belongs to the loop that it was opened in.
"""

from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI
from notes import create_app, get_session
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from asgi_testkit import AsyncClient, LifespanManager


# Asked by anyio's pytest plugin, which runs the async tests and fixtures. The event loop lives as long as this fixture:
# for the whole session here, because an async fixture below has that scope.
@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> FastAPI:
    database = tmp_path_factory.mktemp("database") / "test.db"
    return create_app(f"sqlite+aiosqlite:///{database}")


# Runs the startup once, for all tests, and the shutdown after the last of them.
@pytest.fixture(scope="session")
async def running(app: FastAPI, anyio_backend: str) -> AsyncIterator[LifespanManager]:
    async with LifespanManager(app) as manager:
        yield manager


# The engine is the app's own: the lifespan has put it into the state.
@pytest.fixture(scope="session")
def engine(running: LifespanManager) -> AsyncEngine:
    engine: AsyncEngine = running.state["engine"]

    # For SQLite alone: its driver begins a transaction too late, with the first INSERT. This begins it where SQLAlchemy
    # says, so that savepoints work. (SQLAlchemy's documentation has a section on it.)
    @event.listens_for(engine.sync_engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")

    return engine


# What is done on this connection never happened.
@pytest.fixture
async def connection(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    async with engine.connect() as connection:
        transaction = await connection.begin()
        yield connection
        await transaction.rollback()


# A session within that transaction. With "create_savepoint", its commit() ends a savepoint, and its rollback() goes
# back to one: the app may commit and roll back as it likes, and the transaction stays ours.
# (expire_on_commit=False is what the app itself sets.)
@pytest.fixture
async def session(connection: AsyncConnection) -> AsyncIterator[AsyncSession]:
    async with AsyncSession(connection, join_transaction_mode="create_savepoint", expire_on_commit=False) as session:
        yield session


# The app uses that session. `running.app` is the app with its lifespan running already.
@pytest.fixture
async def client(app: FastAPI, running: LifespanManager, session: AsyncSession) -> AsyncIterator[AsyncClient]:
    app.dependency_overrides[get_session] = lambda: session
    async with AsyncClient(running.app) as client:
        yield client
    app.dependency_overrides.clear()

"""The fixtures. One Chromium and one running app for all tests; for each test, a transaction, a server and a page.

What a fixture names among its arguments is set up before it, and torn down after it. So at the end of a test, the page
closes, then the server stops, then the transaction is rolled back: in any other order, something waits for something
that is gone.

`pytest.ini` says who runs the async tests, and that the app is started once. `databases.py` has the databases, and
`browsers.py` has the browser.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from board import create_app
from fastapi import FastAPI
from sqlalchemy import Connection, Engine, event
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from asgi_testkit import LifespanManager, LiveServer

if TYPE_CHECKING:  # browsers.py skips whoever imports it where there is no Playwright
    from browsers import Browser, Page

pytest_plugins = ["databases"]

Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]


# Asked by anyio's pytest plugin, which runs the async tests and fixtures. The event loop lives as long as this fixture,
# and that has to be as long as the app and the browser run. (With pytest-asyncio, nobody asks: see pytest-asyncio.ini.)
@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


# The app of asgi_lifespan and asgi_client, the fixtures of asgi-testkit.
@pytest.fixture(scope="session")
def asgi_app(database_url: str) -> FastAPI:
    return create_app(database_url)


# For SQLite alone, so that savepoints work: see examples/database.
@event.listens_for(Engine, "begin")
def begin(connection: Connection) -> None:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN")


# What is done in here never happened. As in examples/database, the app's sessions work on our connection, in our
# transaction. A page makes requests at once, and one connection does one thing at a time, with one stack of savepoints:
# so a session waits until the one before it has ended. The test's own sessions come from here, too.
@pytest.fixture
async def sessions(asgi_lifespan: LifespanManager) -> AsyncIterator[Sessions]:
    state = asgi_lifespan.state
    before = state["sessions"]
    lock = asyncio.Lock()
    async with state["engine"].connect() as connection:
        transaction = await connection.begin()
        joined = async_sessionmaker(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)

        @asynccontextmanager
        async def one_at_a_time() -> AsyncIterator[AsyncSession]:
            async with lock, joined() as session:
                yield session

        state["sessions"] = one_at_a_time
        try:
            yield one_at_a_time
        finally:
            state["sessions"] = before
            await transaction.rollback()


# The app on a real server, in the loop of the test. It runs already, so the server does not start it up once more.
# A test takes another server by @pytest.mark.parametrize("server", ["hypercorn"], indirect=True).
@pytest.fixture
async def server(
    request: pytest.FixtureRequest, asgi_lifespan: LifespanManager, sessions: Sessions
) -> AsyncIterator[LiveServer]:
    async with LiveServer(asgi_lifespan.app, getattr(request, "param", "uvicorn")) as server:
        yield server


# It takes a second to start, so one is enough. What a test must not share is in the context of its page.
@pytest.fixture(scope="session")
async def browser(chromium: str) -> "AsyncIterator[Browser]":
    from browsers import launched

    async with launched(chromium) as browser:
        yield browser


@pytest.fixture(scope="session")
def chromium() -> str:
    from browsers import find_chromium

    return find_chromium()


# With a profile of its own: no cookies and no cache of another test. It closes before the server stops.
@pytest.fixture
async def page(browser: "Browser", server: LiveServer) -> "AsyncIterator[Page]":
    context = await browser.new_context(base_url=server.url)
    yield await context.new_page()
    await context.close()

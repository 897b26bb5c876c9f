"""The app under test: notes in a database, through SQLAlchemy's async engine."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """What all tables inherit from."""


class Note(Base):
    """A note. Each text exists once."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str] = mapped_column(unique=True)


class State(TypedDict):
    """What the lifespan shares with the requests."""

    engine: AsyncEngine
    sessions: async_sessionmaker[AsyncSession]


def lifespan(database_url: str) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Return the lifespan of an app on this database."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[State]:
        engine = create_async_engine(database_url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield {"engine": engine, "sessions": async_sessionmaker(engine, expire_on_commit=False)}
        await engine.dispose()

    return run


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give each request a session of its own. The tests put theirs in the place of `sessions`."""
    async with request.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


def create_app(database_url: str = "sqlite+aiosqlite:///notes.db") -> FastAPI:
    """Make the app. `fastapi run` would call this; so does `conftest.py`, with another database."""
    app = FastAPI(lifespan=lifespan(database_url))

    @app.post("/notes", status_code=201)
    async def add(text: str, session: Session) -> dict[str, int]:
        note = Note(text=text)
        session.add(note)
        try:
            await session.commit()
        except IntegrityError:
            await session.rollback()
            raise HTTPException(409, "there is such a note already") from None
        return {"id": note.id}

    @app.get("/notes")
    async def texts(session: Session) -> list[str]:
        return list(await session.scalars(select(Note.text).order_by(Note.id)))

    return app

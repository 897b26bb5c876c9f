"""The app under test: a board of notes in a database, with a page, a form, news as they come (SSE), and a search."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from html import escape
from pathlib import Path
from string import Template
from typing import Annotated, Literal, TypedDict

from fastapi import Depends, FastAPI, Form, Request, WebSocket
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, StreamingResponse
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

HERE = Path(__file__).parent
PAGE = Template((HERE / "board.html").read_text(encoding="utf-8"))


class Base(DeclarativeBase):
    """What all tables inherit from."""


class Note(Base):
    """A note on the board."""

    __tablename__ = "notes"

    id: Mapped[int] = mapped_column(primary_key=True)
    text: Mapped[str]


FIGURES = {
    "notes": select(func.count(Note.id)),
    "letters": select(func.coalesce(func.sum(func.length(Note.text)), 0)),
    "longest": select(func.coalesce(func.max(func.length(Note.text)), 0)),
}


class State(TypedDict):
    """What the lifespan shares with the requests."""

    engine: AsyncEngine
    sessions: Callable[[], AbstractAsyncContextManager[AsyncSession]]
    readers: set[asyncio.Queue[str]]


def lifespan(database_url: str) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    """Return the lifespan of an app on this database."""

    @asynccontextmanager
    async def run(app: FastAPI) -> AsyncIterator[State]:
        engine = create_async_engine(database_url)
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        yield {"engine": engine, "sessions": async_sessionmaker(engine, expire_on_commit=False), "readers": set()}
        await engine.dispose()

    return run


async def get_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Give each request a session of its own. The tests put theirs in the place of `sessions`."""
    async with request.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


def create_app(database_url: str = "sqlite+aiosqlite:///board.db") -> FastAPI:
    """Make the app. `fastapi run` would call this; so does `conftest.py`, with another database."""
    app = FastAPI(lifespan=lifespan(database_url))

    @app.get("/", response_class=HTMLResponse)
    async def page(session: Session) -> HTMLResponse:
        texts = await session.scalars(select(Note.text).order_by(Note.id))
        return HTMLResponse(PAGE.substitute(notes="".join(f"<li>{escape(text)}</li>" for text in texts)))

    @app.get("/board.js", response_class=FileResponse)
    async def script() -> FileResponse:
        return FileResponse(HERE / "board.js")

    @app.post("/notes", status_code=303, response_class=RedirectResponse)
    async def add(text: Annotated[str, Form()], request: Request, session: Session) -> RedirectResponse:
        session.add(Note(text=text))
        await session.commit()
        for reader in request.state.readers:
            reader.put_nowait(text)
        return RedirectResponse("/", status_code=303)

    @app.get("/figures/{name}")
    async def figure(name: Literal["notes", "letters", "longest"], session: Session) -> int | None:
        return await session.scalar(FIGURES[name])

    # The next two have no end. So they depend on no session: it would be theirs for as long.
    @app.get("/news", response_class=StreamingResponse)
    async def news(request: Request) -> StreamingResponse:
        async def stream() -> AsyncIterator[str]:
            reader: asyncio.Queue[str] = asyncio.Queue()
            request.state.readers.add(reader)
            try:
                async with request.state.sessions() as session:
                    count = await session.scalar(FIGURES["notes"])
                yield f"data: {count} so far\n\n"
                while True:
                    yield f"data: {await reader.get()}\n\n"
            finally:
                request.state.readers.discard(reader)

        return StreamingResponse(stream(), media_type="text/event-stream")

    @app.websocket("/search")
    async def search(websocket: WebSocket) -> None:
        await websocket.accept()
        async for words in websocket.iter_text():
            async with websocket.state.sessions() as session:
                found = await session.scalars(select(Note.text).where(Note.text.contains(words)).order_by(Note.id))
            await websocket.send_json(list(found))

    return app

"""The app under test: a chat room. Who is in it hears what the others say, who comes, and who goes."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypedDict

from fastapi import FastAPI, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse


class Room:
    """Who is here."""

    def __init__(self) -> None:
        self.members: dict[str, WebSocket] = {}

    async def tell_all(self, text: str) -> None:
        """Send a text to everybody. Whoever cannot be reached does not keep it from the others."""
        for member in list(self.members.values()):  # a copy: somebody may come or go while we send
            try:
                await member.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                pass  # this one has dropped out, and its own handler is about to notice


class State(TypedDict):
    """What the lifespan shares with requests and connections."""

    room: Room


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open an empty room."""
    yield {"room": Room()}


app = FastAPI(lifespan=lifespan)


@app.get("/members")
async def members(request: Request) -> list[str]:
    """Tell who is here."""
    room: Room = request.state.room
    return list(room.members)


@app.websocket("/chat/{name}")
async def chat(websocket: WebSocket, name: str) -> None:
    """Let somebody in, under a name that nobody else has, until the connection ends."""
    room: Room = websocket.state.room
    if name in room.members:
        await websocket.send_denial_response(PlainTextResponse(f"there is a {name} here already", 409))
        return
    await websocket.accept()
    room.members[name] = websocket
    try:
        await room.tell_all(f"{name} is here")
        # Not receive_text(): once a send has failed, Starlette's has a RuntimeError for us, and not the end.
        while (message := await websocket.receive())["type"] == "websocket.receive":
            # Bytes have no text; or, by some servers, a text that is None.
            text = message.get("text")
            await room.tell_all(f"{name} has sent what is no text" if text is None else f"{name}: {text}")
    finally:
        del room.members[name]
    await room.tell_all(f"{name} has left" if message["code"] == 1000 else f"{name} was cut off")

"""The app under test: one that takes its time. An hour, a minute between two events, half an hour of silence."""

import time
from collections.abc import AsyncIterator

import anyio
from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse

app = FastAPI()


@app.get("/report")
async def report() -> str:
    """Take an hour."""
    await anyio.sleep(3600)
    return "the report"


@app.get("/thumbnail")
def thumbnail() -> str:
    """Take a moment, in a thread."""
    time.sleep(0.1)
    return "the thumbnail"


@app.get("/news")
async def news() -> StreamingResponse:
    """Send an event each minute, and a ping each 15 seconds, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        for number in (1, 2, 3):
            for _ in range(4):
                await anyio.sleep(15)
                yield ": ping\n\n"
            yield f"data: {number}\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    """Say again what is said, until nothing was for half an hour."""
    await websocket.accept()
    try:
        while True:
            with anyio.fail_after(1800):
                text = await websocket.receive_text()
            await websocket.send_text(text)
    except TimeoutError:
        await websocket.close(4408, "nothing for half an hour")
    except WebSocketDisconnect:
        pass

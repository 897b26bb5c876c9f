"""A shop: its stock, which the lifespan opens, and a WebSocket on which members hear of sales."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import PlainTextResponse


class Stock(TypedDict):
    """How many there are of each thing."""

    stock: dict[str, int]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[Stock]:
    """Open the stock."""
    yield {"stock": {"tea": 2}}


def the_stock(request: Request) -> dict[str, int]:
    """Return the stock."""
    stock: dict[str, int] = request.state.stock
    return stock


app = FastAPI(lifespan=lifespan)


@app.post("/sales/{thing}", responses={404: {"description": "There is none"}})
def sell(thing: str, stock: Annotated[dict[str, int], Depends(the_stock)]) -> dict[str, int]:
    """Sell one, if there is one."""
    if not stock.get(thing):
        raise HTTPException(404, f"there is no {thing}")
    stock[thing] -= 1
    return {"left": stock[thing]}


@app.websocket("/members")
async def members(websocket: WebSocket, card: str = "") -> None:
    """Say back what is said, to members."""
    if not card:
        await websocket.send_denial_response(PlainTextResponse("members only", status_code=403))
        return
    await websocket.accept()
    try:
        while True:
            await websocket.send_json({"card": card, "said": await websocket.receive_text()})
    except WebSocketDisconnect:
        pass

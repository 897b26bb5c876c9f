"""The second service: what somebody has ordered. It asks auth who that is."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

import httpx
from fastapi import FastAPI, Header, HTTPException, Request


class State(TypedDict):
    """What the lifespan shares with requests."""

    orders: dict[str, list[str]]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Begin with what ada has ordered."""
    yield {"orders": {"ada": ["pen", "ink"]}}


app = FastAPI(title="orders", lifespan=lifespan)

# Made once, when this module is imported, as in most services. hosts() reaches it all the same.
client = httpx.AsyncClient()


@app.get("/orders", responses={401: {"description": "The token is nobody's"}})
async def orders(request: Request, authorization: Annotated[str, Header()] = "") -> list[str]:
    """Tell what the owner of the token has ordered."""
    answer = await client.get("http://auth.internal/whoami", headers={"authorization": authorization})
    if answer.status_code == 401:
        raise HTTPException(401)
    kept: dict[str, list[str]] = request.state.orders
    return kept.get(answer.raise_for_status().json(), [])

"""The app under test: parcels. It can be had with two faults, for tests that are to find them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, TypedDict
from uuid import UUID, uuid4

from fastapi import FastAPI, HTTPException, Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field


class Contents(BaseModel):
    """What somebody sends."""

    grams: int = Field(ge=1, le=30_000)
    label: str = ""


class Parcel(Contents):
    """What is on its way."""

    id: UUID
    posted: datetime


class Quote(BaseModel):
    """What it costs."""

    boxes: int
    price: int


class Problem(BaseModel):
    """What an error says."""

    detail: str


class State(TypedDict):
    """What the lifespan shares with the requests."""

    parcels: dict[UUID, Parcel]


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Begin without parcels."""
    yield {"parcels": {}}


def create_app(*, faulty: bool = False) -> FastAPI:
    """Make the app."""
    app = FastAPI(lifespan=lifespan)

    @app.post("/parcels", status_code=201, responses={400: {"model": Problem}})  # 400: a body that is not UTF-8
    async def post(contents: Contents, request: Request) -> Parcel:
        parcel = Parcel(id=uuid4(), posted=datetime.now(UTC), **contents.model_dump())
        request.state.parcels[parcel.id] = parcel
        return parcel

    @app.get("/parcels")
    async def parcels(request: Request) -> list[Parcel]:
        return list(request.state.parcels.values())

    @app.delete("/parcels/{parcel}", status_code=204, responses={404: {"model": Problem}})
    async def take_back(parcel: UUID, request: Request) -> None:
        if parcel not in request.state.parcels:
            raise HTTPException(404, "no such parcel")
        if not faulty or len(request.state.parcels) < 2:  # the first fault: nothing but the last one is taken back
            del request.state.parcels[parcel]

    @app.get("/quotes/{grams}", response_model=Quote)
    async def quote(grams: Annotated[int, Path(ge=0, le=30_000)]) -> JSONResponse:
        boxes = -(-grams // 5_000)
        price = None if faulty and boxes > 4 else boxes * 499  # the second fault: it is promised that this is a number
        return JSONResponse({"boxes": boxes, "price": price})

    return app


app = create_app()

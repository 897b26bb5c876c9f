"""The app under test: a weather station. It has what most apps have: a resource to open and close, a stream, a bug."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, TypedDict

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse


class Sensor:
    """Stands in for a database pool or a message broker: something to open before the first request, and to close."""

    def __init__(self) -> None:
        self.is_open = True
        self.listeners = 0

    async def read(self) -> float:
        """Return the temperature."""
        return 21.5

    async def close(self) -> None:
        """Let go of the hardware."""
        self.is_open = False


class State(TypedDict):
    """What the lifespan shares with the requests."""

    sensor: Sensor


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[State]:
    """Open the sensor at startup, and close it at shutdown."""
    sensor = Sensor()
    yield {"sensor": sensor}
    await sensor.close()


def sensor_of(request: Request) -> Sensor:
    """Take the sensor out of the state."""
    sensor: Sensor = request.state.sensor
    return sensor


SensorOfRequest = Annotated[Sensor, Depends(sensor_of)]

app = FastAPI(lifespan=lifespan)


@app.get("/temperature")
async def temperature(sensor: SensorOfRequest) -> dict[str, float]:
    """Tell the temperature."""
    return {"celsius": await sensor.read()}


@app.get("/temperatures", response_class=StreamingResponse)
async def temperatures(sensor: SensorOfRequest) -> StreamingResponse:
    """Tell the temperature for as long as somebody listens, as server-sent events."""

    async def events() -> AsyncIterator[str]:
        sensor.listeners += 1
        try:
            while True:
                yield f"data: {await sensor.read()}\n\n"
                await asyncio.sleep(0.01)
        finally:
            sensor.listeners -= 1

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/stations/{name}", responses={404: {"description": "There is no such station"}})
async def station(name: str) -> None:
    """Know no other station."""
    raise HTTPException(404, f"no station called {name}")


@app.get("/storm")
async def storm() -> None:
    """Answer when the next storm comes. Here none ever does."""
    await asyncio.Event().wait()


@app.get("/forecast")
async def forecast() -> None:
    """Fail, as an app with a bug does."""
    msg = "nobody has written this yet"
    raise NotImplementedError(msg)

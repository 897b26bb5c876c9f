"""The app under test: prices in a database, behind a cache. Two requests at once may leave an old price in that."""

import asyncio
from contextlib import AbstractAsyncContextManager, nullcontext

from fastapi import FastAPI


class Database:
    """Stands in for one: each call takes ten milliseconds."""

    def __init__(self) -> None:
        self._prices = {"pen": 2}

    async def read(self, name: str) -> int:
        """Return a price."""
        price = self._prices[name]
        await asyncio.sleep(0.01)
        return price

    async def write(self, name: str, price: int) -> None:
        """Change a price."""
        self._prices[name] = price
        await asyncio.sleep(0.01)


def create_app(*, lock: bool) -> FastAPI:
    """Make the app with its bug, or, with a lock, without."""
    app = FastAPI()
    database = Database()
    cache: dict[str, int] = {}
    one_at_a_time: AbstractAsyncContextManager[None] = asyncio.Lock() if lock else nullcontext()

    @app.get("/prices/{name}")
    async def price(name: str) -> int:
        async with one_at_a_time:
            if name not in cache:
                cache[name] = await database.read(name)
            return cache[name]

    @app.put("/prices/{name}/{new}")
    async def change(name: str, new: int) -> None:
        async with one_at_a_time:
            await database.write(name, new)
            cache.pop(name, None)

    return app

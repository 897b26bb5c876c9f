"""What test_detangle.py and test_simloop.py play, over and over."""

import asyncio

from prices import create_app

from asgi_testkit import AsyncClient


async def change_while_somebody_reads(*, lock: bool = False) -> None:
    """Change a price at the moment in which somebody asks for it. Who asks later has to get the new one."""
    async with AsyncClient(create_app(lock=lock)) as client:
        await asyncio.gather(client.get("/prices/pen"), client.put("/prices/pen/3"))
        assert (await client.get("/prices/pen")).json() == 3

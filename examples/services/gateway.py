"""The third service, the one that the world sees. It asks both of the others, and a shipping company."""

from typing import Annotated

import httpx
from fastapi import FastAPI, Header, HTTPException

app = FastAPI(title="gateway")


@app.get("/me", responses={401: {"description": "The token is nobody's"}})
async def me(authorization: Annotated[str, Header()] = "") -> dict[str, object]:
    """Tell who you are, and what you have ordered."""
    async with httpx.AsyncClient(headers={"authorization": authorization}) as client:
        name = await client.get("http://auth.internal/whoami")
        if name.status_code == 401:
            raise HTTPException(401)
        orders = await client.get("http://orders.internal:8080/orders")
    if orders.is_server_error:
        return {"name": name.json(), "orders": "try again later"}
    return {"name": name.json(), "orders": orders.json()}


@app.get("/orders")
def orders(authorization: Annotated[str, Header()] = "") -> list[str]:
    """Tell what you have ordered; in a `def` endpoint, which runs in a worker thread, and by a blocking client."""
    answer = httpx.get("http://orders.internal:8080/orders", headers={"authorization": authorization})
    ordered: list[str] = answer.raise_for_status().json()
    return ordered


@app.post("/shipping")
async def ship() -> str:
    """Have something shipped."""
    async with httpx.AsyncClient() as client:
        answer = await client.post("https://api.shipping.example/parcels")
    return answer.raise_for_status().text

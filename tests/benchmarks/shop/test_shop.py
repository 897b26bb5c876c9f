"""200 tests, of two requests on average."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("number", range(1, 26))]


async def sign_up(client: Any) -> int:
    response = await client.post("/customers", json={"name": "Ada", "mail": "ada@example.com"})
    assert response.status_code == 201
    number: int = response.json()
    return number


async def order(client: Any, **products: int) -> int:
    new = {"customer": await sign_up(client), "products": {name[1:]: count for name, count in products.items()}}
    response = await client.post("/orders", json=new)
    assert response.status_code == 201
    made: int = response.json()
    return made


async def test_a_product_has_its_price(asgi_client: Any, number: int) -> None:
    response = await asgi_client.get(f"/products/{number}")
    assert response.json() == {"name": f"product {number}", "price": number}


async def test_there_is_no_such_product(asgi_client: Any, number: int) -> None:
    assert (await asgi_client.get(f"/products/{number + 100}")).status_code == 404


async def test_a_customer_is_kept(asgi_client: Any, number: int) -> None:
    assert await sign_up(asgi_client) == 1
    assert (await asgi_client.get("/customers/1")).json() == "Ada"


async def test_a_customer_without_an_address_is_refused(asgi_client: Any, number: int) -> None:
    response = await asgi_client.post("/customers", json={"name": "Ada", "mail": str(number)})
    assert response.status_code == 422


async def test_an_order_has_a_total(asgi_client: Any, number: int) -> None:
    made = await order(asgi_client, p1=2, **{f"p{number + 1}": 3})
    assert (await asgi_client.get(f"/orders/{made}")).json() == {"total": 2 + 3 * (number + 1), "paid": False}


async def test_an_order_is_paid_once(asgi_client: Any, number: int) -> None:
    made = await order(asgi_client, **{f"p{number}": 4})
    assert (await asgi_client.post(f"/orders/{made}/payments")).json() == 4 * number
    assert (await asgi_client.post(f"/orders/{made}/payments")).status_code == 409


async def test_an_order_is_cancelled(asgi_client: Any, number: int) -> None:
    made = await order(asgi_client)
    assert (await asgi_client.delete(f"/orders/{made}")).status_code == 204
    assert (await asgi_client.get(f"/orders/{made}")).status_code == 404


async def test_stars_have_a_mean(asgi_client: Any, number: int) -> None:
    assert (await asgi_client.post(f"/products/{number}/reviews?stars=5")).json() == 5
    assert (await asgi_client.post(f"/products/{number}/reviews?stars=2")).json() == 3.5

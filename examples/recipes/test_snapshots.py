"""Whole responses, as text that pytest writes: inline-snapshot. What is different each time: dirty-equals."""

from collections.abc import AsyncIterator

import patience
import pytest
from dirty_equals import IsDatetime, IsInt, IsPartialDict, IsPositiveInt, IsUUID
from inline_snapshot import snapshot
from parcels import app

from asgi_testkit import AsyncClient


@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with AsyncClient(app) as client:
        yield client


async def test_a_response(client: AsyncClient) -> None:
    response = await client.get("/quotes/12000")
    assert (response.status_code, response.json()) == snapshot((200, {"boxes": 3, "price": 1497}))


async def test_a_part_of_the_document(client: AsyncClient) -> None:
    document = (await client.get("/openapi.json")).json()
    assert document["components"]["schemas"]["Quote"]["properties"] == snapshot(
        {"boxes": {"type": "integer", "title": "Boxes"}, "price": {"type": "integer", "title": "Price"}}
    )


async def test_what_is_new_each_time(client: AsyncClient) -> None:
    response = await client.post("/parcels", json={"grams": 7, "label": "for ada"})
    assert response.json() == snapshot(
        {"grams": 7, "label": "for ada", "id": IsUUID(4), "posted": IsDatetime(iso_string=True)}
    )


@pytest.mark.parametrize("grams", [1, 12_000])
async def test_several_cases(client: AsyncClient, grams: int) -> None:
    response = await client.get(f"/quotes/{grams}")
    assert response.json() == snapshot({1: {"boxes": 1, "price": 499}, 12000: {"boxes": 3, "price": 1497}})[grams]


async def test_headers(client: AsyncClient) -> None:
    response = await client.get("/quotes/12000")
    assert dict(response.headers) == IsPartialDict({"content-type": "application/json"})
    with pytest.raises(TypeError):  # httpx compares Headers with nothing but what headers can be made of
        assert response.headers == IsPartialDict({"content-type": "application/json"})


async def test_some_of_a_list(client: AsyncClient) -> None:
    for grams in (1, 2):
        await client.post("/parcels", json={"grams": grams})
    parcels = (await client.get("/parcels")).json()
    assert parcels == [IsPartialDict(grams=1), IsPartialDict(grams=IsInt(gt=1))]


async def test_messages_of_a_session() -> None:
    async with AsyncClient(patience.app).websocket_connect("/echo") as session:
        await session.send_json({"number": 7, "text": "hello"})
        assert await session.receive_json(mode="text") == IsPartialDict(number=IsPositiveInt)

"""The awaited style: the test and all three services share one event loop."""

from collections.abc import AsyncIterator

import auth
import gateway
import httpx
import orders
import pytest

from asgi_testkit import AsyncClient, LifespanManager, Receive, Scope, Send, hosts

# Every `async def test_...` below is run by anyio's plugin. (With pytest-asyncio, it is `pytest.mark.asyncio`.)
pytestmark = pytest.mark.anyio

SESAME = {"authorization": "Bearer sesame"}


# Each service that has a lifespan needs one: the client runs the gateway's, a LifespanManager that of orders. The keys
# are the hosts, and ports if you like, of the URLs in the services' own code.
@pytest.fixture
async def client() -> AsyncIterator[AsyncClient]:
    async with LifespanManager(orders.app) as running:
        with hosts({"auth.internal": auth.app, "orders.internal:8080": running.app}):
            async with AsyncClient(gateway.app, record=True) as client:
                yield client


async def test_all_three_answer(client: AsyncClient) -> None:
    response = await client.get("/me", headers=SESAME)
    assert response.json() == {"name": "ada", "orders": ["pen", "ink"]}


async def test_a_stranger_is_turned_away(client: AsyncClient) -> None:
    assert (await client.get("/me")).status_code == 401


async def test_the_transcript_shows_the_whole_chain(client: AsyncClient) -> None:
    await client.get("/me", headers=SESAME)
    # Below a test that fails, pytest shows this by itself.
    told = [line.strip() for line in client.transcript().splitlines() if "GET " in line]
    assert told == [
        "2. GET http://testserver/me  ->  200  (the app returned)",
        "3. GET http://auth.internal/whoami  ->  200  (the app returned)",
        "caused by 2. GET http://testserver/me",
        "4. GET http://orders.internal:8080/orders  ->  200  (the app returned)",
        "caused by 2. GET http://testserver/me",
        "5. GET http://auth.internal/whoami  ->  200  (the app returned)",
        "caused by 4. GET http://orders.internal:8080/orders",
    ]


# One service at a time can be replaced for a test, by any ASGI app. The inner block is asked first.
async def test_orders_is_down(client: AsyncClient) -> None:
    async def down(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionError("no database")

    with hosts({"orders.internal": down}):
        response = await client.get("/me", headers=SESAME)
    # What a service raises is a 500 to the one who asks, as over a network ...
    assert response.json() == {"name": "ada", "orders": "try again later"}
    # ... and is not lost: the transcript has it.
    assert "the app raised ConnectionError('no database')" in client.transcript()


async def test_a_service_is_wanted_to_raise(client: AsyncClient) -> None:
    async def down(scope: Scope, receive: Receive, send: Send) -> None:
        raise ConnectionError("no database")

    services = hosts({"orders.internal": down}, raise_app_exceptions=True)
    with services, pytest.raises(ConnectionError, match="no database"):
        await client.get("/me", headers=SESAME)


async def test_nothing_leaves_the_process(client: AsyncClient) -> None:
    # The text names the hosts that are known, and the line to write.
    with pytest.raises(httpx.ConnectError, match=r"the host api.shipping.example is none of those"):
        await client.post("/shipping")

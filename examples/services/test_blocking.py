"""The blocking style: plain functions. All three services run in one event loop in another thread."""

from collections.abc import Callable

import auth
import gateway
import httpx
import orders
import pytest

from asgi_testkit import Hosts, Receive, Scope, Send, TestClient

SESAME = {"authorization": "Bearer sesame"}


async def no_orders(scope: Scope, receive: Receive, send: Send) -> None:
    """Take the place of orders, and have nothing to tell: a service is any ASGI app."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"[]"})


# The fixture asgi_hosts is what hosts() is for a block: it holds until the test ends.
@pytest.fixture
def services(asgi_hosts: Callable[..., Hosts]) -> Hosts:
    return asgi_hosts({"auth.internal": auth.app, "orders.internal:8080": no_orders})


def test_two_answer(services: Hosts) -> None:
    with TestClient(gateway.app) as client:
        assert client.get("/me", headers=SESAME).json() == {"name": "ada", "orders": []}


def test_a_blocking_client_in_a_worker_thread_is_reached_as_well(services: Hosts) -> None:
    with TestClient(gateway.app) as client:
        assert client.get("/orders", headers=SESAME).json() == []


def test_a_service_is_asked_without_the_gateway(services: Hosts) -> None:
    # A network client of the test's own is reached, too. This orders has no lifespan here, and auth needs none.
    assert httpx.get("http://auth.internal/whoami", headers=SESAME).json() == "ada"
    with TestClient(orders.app) as client:
        assert client.get("/orders", headers=SESAME).json() == ["pen", "ink"]


def test_nothing_leaves_the_process(services: Hosts) -> None:
    with TestClient(gateway.app) as client, pytest.raises(httpx.ConnectError, match=r'allow=\["api.shipping.example"'):
        client.post("/shipping")

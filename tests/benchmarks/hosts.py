"""What hosts() costs: a request that goes through three services, beside one to a single one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated, Any, TypeAlias

import httpx
from fastapi import FastAPI, Header
from pydantic import BaseModel

from asgi_testkit import AsyncClient, TestClient, hosts

from .rounds import Awaited, AwaitedCase, Bar, Blocking, BlockingCase, Case

ONE = "a request to one service"
THREE = "a request through three services"

gateway, orders, auth = FastAPI(), FastAPI(), FastAPI()
client = httpx.AsyncClient()
SERVICES = {"orders.internal": orders, "auth.internal": auth}
HEADERS = {"authorization": "Bearer sesame"}

#: What each service asks of its callers, and looks at.
Token: TypeAlias = Annotated[str, Header(alias="authorization")]


class User(BaseModel):
    name: str
    roles: list[str]


class Order(BaseModel):
    number: int
    items: list[str]
    by: User


USER = User(name="ada", roles=["customer"])
ITEMS = ["pen", "ink"]


@auth.get("/whoami")
async def whoami(token: Token) -> User:
    return USER


@orders.get("/orders/{number}")
async def order(number: int, token: Token) -> Order:
    response = await client.get("http://auth.internal/whoami", headers={"authorization": token})
    return Order(number=number, items=ITEMS, by=User.model_validate_json(response.content))


@gateway.get("/orders/{number}")
async def order_by_gateway(number: int, token: Token) -> Order:
    response = await client.get(f"http://orders.internal/orders/{number}", headers={"authorization": token})
    return Order.model_validate_json(response.content)


@gateway.get("/one/{number}")
async def one(number: int, token: Token) -> Order:
    return Order(number=number, items=ITEMS, by=USER)


def awaited(path: str) -> Awaited:
    @asynccontextmanager
    async def opener() -> AsyncIterator[Callable[[], Awaitable[object]]]:
        async def call() -> object:
            return (await test_client.get(path, headers=HEADERS)).json()

        async with hosts(SERVICES), AsyncClient(gateway) as test_client:
            yield call

    return opener


def blocking(path: str, backend_options: dict[str, Any]) -> Blocking:
    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        def call() -> object:
            return test_client.get(path, headers=HEADERS).json()

        with hosts(SERVICES), TestClient(gateway, backend_options=backend_options) as test_client:
            yield call

    return opener


def all_blocking(backend_options: dict[str, Any]) -> Mapping[str, Blocking]:
    return {ONE: blocking("/one/7", backend_options), THREE: blocking("/orders/7", backend_options)}


EXPECTED = {"number": 7, "items": ITEMS, "by": {"name": "ada", "roles": ["customer"]}}
BAR = Bar(THREE, ONE, 4)

CASES: list[Case] = [
    AwaitedCase(
        "hosts, a GET of FastAPI through three services, awaited",
        expects=EXPECTED,
        unit="µs",
        baseline=ONE,
        calls=100,
        rounds=21,
        bars=(BAR,),
        contestants={ONE: awaited("/one/7"), THREE: awaited("/orders/7")},
    ),
    BlockingCase(
        "hosts, a GET of FastAPI through three services, blocking",
        expects=EXPECTED,
        unit="µs",
        baseline=ONE,
        calls=100,
        rounds=21,
        bars=(BAR,),
        contestants=all_blocking,
    ),
]

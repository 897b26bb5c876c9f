"""The apps of examples/ under faults that a seed draws: nothing hangs, nothing is left, no error is unknown.

``ASGI_TESTKIT_CHAOS=10000 pytest -m slow tests/test_examples_in_chaos.py`` makes that many requests of each kind.
"""

from __future__ import annotations

import gc
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import anyio
import httpx
import pytest
from fastapi import FastAPI

from asgi_testkit import AsyncClient, TestClient, WebSocketDenied, WebSocketDisconnect
from asgi_testkit._conversation import draws
from asgi_testkit._conversation import task as _tasks
from asgi_testkit.faults import Chaos

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parent.parent / "examples"

#: How many requests, or sessions, are made in a run.
REQUESTS = int(os.environ.get("ASGI_TESTKIT_CHAOS", "300"))

#: How many are on their way at once.
AT_ONCE = 4

#: Seconds after which one is taken to hang.
LONGEST = 20

#: Something to do with a client.
Act: TypeAlias = Callable[[AsyncClient, Random, int], Awaitable[None]]


def module(example: str, name: str) -> Any:
    """Import a module of an example, by a name that no other has."""
    full_name = f"asgi_testkit_example_{name}"
    spec = spec_from_file_location(full_name, EXAMPLES / example / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    loaded = sys.modules[full_name] = module_from_spec(spec)  # where FastAPI looks for the names in annotations
    spec.loader.exec_module(loaded)
    return loaded


# What is done. Each fails if anything is other than it should be; that a fault makes somebody go is let pass.


async def temperature(client: AsyncClient, random: Random, number: int) -> None:
    assert (await client.get("/temperature")).json() == {"celsius": 21.5}


async def temperatures(client: AsyncClient, random: Random, number: int) -> None:
    async with client.stream("GET", "/temperatures") as response:
        lines = response.aiter_lines()
        assert await anext(lines) == "data: 21.5"


async def nowhere(client: AsyncClient, random: Random, number: int) -> None:
    response = await client.post("/stations/atlantis", content=bytes(random.randrange(200)))
    assert response.status_code == 405


async def storm(client: AsyncClient, random: Random, number: int) -> None:
    with pytest.raises(httpx.ReadTimeout):
        await client.get("/storm", timeout=0.005)


async def storm_called_off(client: AsyncClient, random: Random, number: int) -> None:
    with anyio.move_on_after(0.003) as scope:
        await client.get("/storm")
    assert scope.cancelled_caught


async def forecast(client: AsyncClient, random: Random, number: int) -> None:
    with pytest.raises(NotImplementedError):
        await client.get("/forecast")


async def forecast_as_sent(client: AsyncClient, random: Random, number: int) -> None:
    response = await client.get("/forecast", extensions={"asgi": {"raise_server_exceptions": False}})
    assert response.status_code == 500


async def chat(client: AsyncClient, random: Random, number: int) -> None:
    heard: list[str] = []
    async with client.websocket_connect(f"/chat/{number}") as session:
        await session.send_text("hello")
        while heard[-1:] != [f"{number}: hello"]:
            heard.append(await session.receive_text())
        if random.random() < 0.3:
            await session.abort()
    assert f"{number} is here" in heard


async def members(client: AsyncClient, random: Random, number: int) -> None:
    assert isinstance((await client.get("/members")).json(), list)


async def sale(client: AsyncClient, random: Random, number: int) -> None:
    response = await client.post("/sales/tea", content=bytes(random.randrange(200)))
    assert response.status_code in {200, 404}


async def member(client: AsyncClient, random: Random, number: int) -> None:
    async with client.websocket_connect("/members", params={"card": str(number)}) as session:
        for said in ("tea", "milk"):
            await session.send_text(said)
            assert await session.receive_json() == {"card": str(number), "said": said}


async def no_member(client: AsyncClient, random: Random, number: int) -> None:
    with pytest.raises(WebSocketDenied, match="members only"):
        await client.websocket_connect("/members").__aenter__()


async def note(client: AsyncClient, random: Random, number: int) -> None:
    assert (await client.post("/notes", params={"text": f"note {number}"})).status_code == 201


async def notes(client: AsyncClient, random: Random, number: int) -> None:
    assert isinstance((await client.get("/notes")).json(), list)


async def total(client: AsyncClient, random: Random, number: int) -> None:
    numbers = [random.randrange(100) for _ in range(random.randrange(40))]
    assert (await client.put("/total", json=numbers)).json() == sum(numbers)


adding = FastAPI()  # no example has an endpoint with a body


@adding.put("/total")
async def total_of(numbers: list[int]) -> int:
    """Add up what the body holds."""
    return sum(numbers)


#: By the example, and the module in that.
ACTS: dict[tuple[str, str], list[Act]] = {
    ("quickstart", "station"): [
        temperature,
        temperatures,
        nowhere,
        storm,
        storm_called_off,
        forecast,
        forecast_as_sent,
    ],
    ("chat", "chat"): [chat, chat, members],
    ("drop_in", "shop"): [sale, member, no_member],
    ("database", "notes"): [note, notes],
}


@asynccontextmanager
async def clients(chaos: Chaos, folder: Path) -> AsyncIterator[list[tuple[AsyncClient, list[Act]]]]:
    """Open a client of each app."""
    async with AsyncExitStack() as stack:
        opened = []
        for (example, name), acts in ACTS.items():
            loaded = module(example, name)
            path = folder / f"{chaos.seed}.db"
            app = loaded.app if hasattr(loaded, "app") else loaded.create_app(f"sqlite+aiosqlite:///{path}")
            opened.append((await stack.enter_async_context(AsyncClient(app, faults=chaos)), acts))
        opened.append((AsyncClient(adding, faults=chaos), [total]))
        yield opened


#: What a test gets where a fault makes somebody go, and how the text tells of that.
BY_A_FAULT: dict[type[Exception], str] = {
    httpx.ReadError: ": the client has gone, by the fault ",
    httpx.WriteError: ": the client has gone, by the fault ",
    WebSocketDisconnect: ": the fault DropWebSocket(",
}

GOING: tuple[type[Exception], ...] = tuple(BY_A_FAULT)

AS_WITHOUT = "as without faults"


def by_a_fault(error: Exception) -> str:
    """Return the kind of an error that the docs tell of; else, all of it."""
    return type(error).__name__ if BY_A_FAULT[type(error)] in str(error) else repr(error)


async def outcome_of(act: Act, client: AsyncClient, seed: int, number: int) -> str:
    with anyio.fail_after(LONGEST):
        try:
            await act(client, Random(f"{seed} {number}"), number)
        except GOING as error:
            return by_a_fault(error)
    return AS_WITHOUT


@pytest.fixture
def anyio_backend() -> str:
    """The examples are written for asyncio."""
    return "asyncio"


@pytest.mark.parametrize("disconnects", [False, True], ids=["calm", "with disconnects"])
@pytest.mark.anyio
async def test_requests_end_as_they_should_or_as_a_fault_wants_it(
    disconnects: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: Counter[str] = Counter()
    for first in range(0, REQUESTS, 200):
        monkeypatch.setattr(draws.suite, "test", draws.Draws(f"{first}"))
        random = Random(first)
        async with clients(Chaos(first, disconnects=disconnects), tmp_path) as opened:

            async def one(number: int, client: AsyncClient, act: Act, seed: int = first) -> None:
                seen[await outcome_of(act, client, seed, number)] += 1

            for number in range(first, min(first + 200, REQUESTS), AT_ONCE):
                async with anyio.create_task_group() as group:
                    for each in range(number, min(number + AT_ONCE, REQUESTS)):
                        client, acts = random.choice(opened)
                        group.start_soon(one, each, client, random.choice(acts))
                assert [client._core.transport.running() for client, _ in opened] == 5 * [[]]
            gc.collect()  # a framework leaves a generator that it was cancelled in to asyncio
            await anyio.wait_all_tasks_blocked()
            assert opened[0][0].state["sensor"].listeners == 0
            assert opened[1][0].state["room"].members == {}
            assert not [each for each in _tasks._running if "lifespan" not in str(each._native)]
    gc.collect()  # what was left open would warn
    assert seen.total() == REQUESTS
    going = {kind.__name__ for kind in BY_A_FAULT} if disconnects else set()
    assert seen.keys() <= {AS_WITHOUT, *going}
    assert (len(seen) > 1) == disconnects
    print(dict(seen))  # noqa: T201 - for `pytest -s`


@pytest.mark.parametrize("disconnects", [False, True], ids=["calm", "with disconnects"])
def test_the_same_from_blocking_tests(disconnects: bool) -> None:
    app = module("drop_in", "shop").app
    seen: Counter[str] = Counter()
    with TestClient(app, faults=Chaos(1, disconnects=disconnects)) as client:
        for number in range(REQUESTS // 10):
            try:
                with client.websocket_connect("/members?card=7") as session:
                    session.send_text(str(number))
                    assert session.receive_json() == {"card": "7", "said": str(number)}
                assert client.post("/sales/milk", content=bytes(100)).status_code == 404
            except GOING as error:
                seen[by_a_fault(error)] += 1
    assert seen.keys() == ({"ReadError", "WebSocketDisconnect"} if disconnects else set())

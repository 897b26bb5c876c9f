"""Blocking requests: Starlette's TestClient and ours, over a floor that does nothing.

Both hand over to another thread and back, Starlette's more often. What that takes depends on whether a core has to be
woken: on an idle machine with several it may be twice of what it is on a busy one, for both. ``--one-cpu`` takes the
machine's load, and its wakeups, out of it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import httpx

from asgi_testkit import TestClient

from . import apps
from .rounds import Bar, Blocking, BlockingCase, Case

with warnings.catch_warnings(action="ignore"):  # it would rather have httpx2
    from starlette.testclient import TestClient as StarletteTestClient

FLOOR = "httpx, floor"
STARLETTE = "Starlette's TestClient"
OURS = "our TestClient"

SIZE = 16 * apps.MIB

MakeClient: TypeAlias = Callable[[], Any]  # a client of httpx, or of httpx2, which Starlette prefers
Work: TypeAlias = Callable[[Any], object]
Way: TypeAlias = Callable[[MakeClient, Work], Blocking]
Contestants: TypeAlias = Callable[[dict[str, Any]], Mapping[str, Blocking]]  # given the backend's options


class Floor(httpx.BaseTransport):
    """A transport that does nothing but return the response that the app would send."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers=apps.HEADERS, stream=httpx.ByteStream(apps.TEXT))


def get(client: Any) -> object:
    return len(client.get("/").content)


def stream(client: Any) -> object:
    with client.stream("GET", "/") as response:
        return sum(len(chunk) for chunk in response.iter_raw())


def entered(make_client: MakeClient, job: Work) -> Blocking:
    """Do `job` again and again inside ``with``."""

    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        with make_client() as client:
            yield lambda: job(client)

    return opener


def bare(make_client: MakeClient, job: Work) -> Blocking:
    """Do `job` again and again without ``with``."""

    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        client = make_client()
        try:
            yield lambda: job(client)
        finally:
            client.close()

    return opener


def enter_do_exit(make_client: MakeClient, job: Work) -> Blocking:
    """Make and enter a client, do `job`, and leave it."""

    def call() -> object:
        with make_client() as client:
            return job(client)

    @contextmanager
    def opener() -> Iterator[Callable[[], object]]:
        yield call

    return opener


def rivals(app: apps.App, way: Way, job: Work = get) -> Contestants:
    """Return what makes Starlette's client and ours do `job` in this `way`."""

    def contestants(backend_options: dict[str, Any]) -> Mapping[str, Blocking]:
        return {
            STARLETTE: way(lambda: StarletteTestClient(app, backend_options=backend_options), job),
            OURS: way(lambda: TestClient(app, backend_options=backend_options), job),
        }

    return contestants


def with_floor(make: Contestants) -> Contestants:
    """Add the floor for a small GET."""
    floor = entered(lambda: httpx.Client(transport=Floor(), base_url="http://testserver"), get)
    return lambda backend_options: {FLOOR: floor, **make(backend_options)}


CASES: list[Case] = [
    BlockingCase(
        "blocking GET inside `with`",
        expects=len(apps.TEXT),
        unit="µs",
        baseline=OURS,
        calls=40,
        rounds=30,
        bars=(Bar(STARLETTE, OURS, 8, at_least=True),),
        contestants=with_floor(rivals(apps.speaks_lifespan, entered)),
    ),
    BlockingCase(
        "blocking GET, bare",
        expects=len(apps.TEXT),
        unit="µs",
        baseline=OURS,
        calls=20,
        rounds=30,
        bars=(Bar(STARLETTE, OURS, 12, at_least=True),),
        contestants=with_floor(rivals(apps.speaks_lifespan, bare)),
    ),
    BlockingCase(
        "blocking enter, GET and exit",
        expects=len(apps.TEXT),
        unit="µs",
        baseline=OURS,
        calls=5,
        rounds=30,
        bars=(Bar(STARLETTE, OURS, 2.5, at_least=True),),
        contestants=rivals(apps.speaks_lifespan, enter_do_exit),
    ),
    BlockingCase(
        "blocking 16 MiB download, read as a whole",
        expects=SIZE,
        unit="ms",
        baseline=OURS,
        calls=1,
        rounds=10,
        contestants=rivals(apps.sends(SIZE), bare),
    ),
    BlockingCase(
        "blocking 16 MiB download, streamed",
        expects=SIZE,
        unit="ms",
        baseline=OURS,
        calls=1,
        rounds=10,
        contestants=rivals(apps.sends(SIZE), bare, stream),
    ),
]

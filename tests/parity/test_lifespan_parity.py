"""Startup, state and shutdown. Each app has a server of its own."""

from __future__ import annotations

from contextvars import ContextVar

import pytest

from asgi_testkit import Receive, Scope, Send
from asgi_testkit._types import SingleCallable

from ._apps import RECEIVE, body, plays, start
from ._case import Case, hypercorn, uvicorn
from ._observe import Witness
from ._servers import SERVERS
from ._worlds import OURS, running

pytestmark = pytest.mark.anyio

#: uvicorn's lifespan is the same whatever parses its requests.
WORLDS = ["uvicorn-httptools", "hypercorn", OURS]

RESPONDS = plays(start(), body())

STARTED = {"type": "lifespan.startup.complete"}
NOT_STARTED = {"type": "lifespan.startup.failed", "message": "no database"}
STOPPED = {"type": "lifespan.shutdown.complete"}
NOT_STOPPED = {"type": "lifespan.shutdown.failed", "message": "no database"}
UNKNOWN = {"type": "lifespan.nonsense"}

HEARD = "Servers write it to their log, and serve on or give up. A test has to hear of it."

LIVES = plays(RECEIVE, STARTED, RECEIVE, STOPPED)


def unheard(seen: str) -> dict[str, str]:
    return dict.fromkeys(SERVERS, seen)


CASES = [
    Case("all goes well", LIVES, "startup complete shutdown complete -> 200"),
    Case(
        "startup completed before it was asked for",
        plays(STARTED, RECEIVE, RECEIVE, STOPPED),
        "complete startup shutdown complete -> 200",
    ),
    Case("lifespan unknown: raises", plays(LookupError), "-> 200"),
    Case("lifespan unknown: returns", plays(), "-> 200"),
    Case("startup: returns", plays(RECEIVE), "startup -> 200"),
    Case("startup: raises", plays(RECEIVE, LookupError), "startup -> LookupError", unheard("startup -> 200"), HEARD),
    Case(
        "startup: fails",
        plays(RECEIVE, NOT_STARTED),
        "startup failed -> LifespanError",
        uvicorn("startup failed -> no response") | hypercorn("startup failed! -> no response"),
        HEARD,
    ),
    Case(
        "startup: fails and raises",
        plays(RECEIVE, NOT_STARTED, LookupError),
        "startup failed -> LookupError",
        uvicorn("startup failed -> no response") | hypercorn("startup failed! -> no response"),
        HEARD,
    ),
    Case(
        "startup: unknown message",
        plays(RECEIVE, UNKNOWN),
        "startup nonsense! -> ASGIProtocolError",
        unheard("startup nonsense! -> 200"),
        HEARD,
    ),
    Case("serving: returns", plays(RECEIVE, STARTED), "startup complete -> 200"),
    Case(
        "serving: raises",
        plays(RECEIVE, STARTED, LookupError),
        "startup complete -> LookupError",
        unheard("startup complete -> 200"),
        HEARD,
    ),
    Case(
        "serving: starts again",
        plays(RECEIVE, STARTED, STARTED, RECEIVE, STOPPED),
        "startup complete complete! -> ASGIProtocolError",
        uvicorn("startup complete complete! -> 200") | hypercorn("startup complete complete shutdown complete -> 200"),
        HEARD,
    ),
    Case("shutdown: returns", plays(RECEIVE, STARTED, RECEIVE), "startup complete shutdown -> 200"),
    Case(
        "shutdown: raises",
        plays(RECEIVE, STARTED, RECEIVE, LookupError),
        "startup complete shutdown -> LookupError",
        unheard("startup complete shutdown -> 200"),
        HEARD,
    ),
    Case(
        "shutdown: fails",
        plays(RECEIVE, STARTED, RECEIVE, NOT_STOPPED),
        "startup complete shutdown failed -> LifespanError",
        uvicorn("startup complete shutdown failed -> 200") | hypercorn("startup complete shutdown failed! -> 200"),
        HEARD,
    ),
]


def app_of(lifespan: SingleCallable, http: SingleCallable = RESPONDS) -> SingleCallable:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await (lifespan if scope["type"] == "lifespan" else http)(scope, receive, send)

    return app


@pytest.mark.parametrize("case", [pytest.param(case, id=case.name) for case in CASES])
@pytest.mark.parametrize("world", WORLDS)
async def test_a_lifespan_is_what_the_table_says(world: str, case: Case) -> None:
    witness = Witness(case.app)
    try:
        async with running(world, app_of(witness)) as client:
            seen = await case.call(client)
    except Exception as error:
        seen = type(error).__name__
    assert " ".join([*witness.story, "->", seen]) == case.seen_in(world)


def test_where_the_client_does_not_follow_most_servers_there_is_a_reason() -> None:
    assert [case.name for case in CASES if case.why] == [case.name for case in CASES if case.seen != case.consensus]


# State


@pytest.mark.parametrize("world", WORLDS)
async def test_each_request_has_a_shallow_copy_of_the_state(world: str) -> None:
    seen = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"].update(number=1, shared=[])
        await LIVES(scope, receive, send)

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["number"] += 1
        scope["state"]["shared"].append("here")
        seen.append((scope["state"]["number"], *scope["state"]["shared"]))
        await RESPONDS(scope, receive, send)

    async with running(world, app_of(lifespan, http)) as client:
        await client.get("/")
        await client.get("/")
    assert seen == [(2, "here"), (2, "here", "here")]


@pytest.mark.parametrize("world", WORLDS)
async def test_state_that_is_set_while_serving_is_seen_by_later_requests(world: str) -> None:
    state, seen = {}, []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal state
        state = scope["state"]
        await LIVES(scope, receive, send)

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(dict(scope["state"]))
        state["late"] = True
        await RESPONDS(scope, receive, send)

    async with running(world, app_of(lifespan, http)) as client:
        await client.get("/")
        await client.get("/")
    assert seen == [{}, {"late": True}]


@pytest.mark.parametrize("world", WORLDS)
async def test_another_dict_put_in_place_of_the_state_is_seen_by_nobody(world: str) -> None:
    seen = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = {"mine": True}
        await LIVES(scope, receive, send)

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["state"])
        await RESPONDS(scope, receive, send)

    async with running(world, app_of(lifespan, http)) as client:
        await client.get("/")
    assert seen == [{}]


@pytest.mark.parametrize("world", WORLDS)
async def test_the_lifespan_has_a_context_of_its_own(world: str) -> None:
    variable: ContextVar[str] = ContextVar("variable", default="not set")
    seen = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        variable.set("set in the lifespan")
        await LIVES(scope, receive, send)

    async def http(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(variable.get())
        await RESPONDS(scope, receive, send)

    async with running(world, app_of(lifespan, http)) as client:
        await client.get("/")
    assert seen == ["not set"]


@pytest.mark.parametrize("world", WORLDS)
async def test_the_scope_of_the_lifespan(world: str) -> None:
    scopes = []

    async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
        scopes.append(scope)

    async with running(world, app_of(lifespan)) as client:
        await client.get("/")
    assert scopes == [{"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}]

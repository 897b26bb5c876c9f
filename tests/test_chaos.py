"""Apps and clients that do anything, in any order: nothing hangs, nothing is left running, no error is unknown."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from asgi_testkit import ASGIProtocolError, AsyncClient, Message, Receive, Scope, Send, _tasks

from .backends import BACKENDS, Backend

START = {"type": "http.response.start", "status": 200, "headers": []}
LENGTH = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"3")]}
BODY = {"type": "http.response.body", "body": b"abc", "more_body": True}
LAST = {"type": "http.response.body", "body": b"abc"}
END = {"type": "http.response.body"}
NONSENSE = {"type": "nonsense"}

app_steps = st.lists(
    st.sampled_from(["start", "length", "body", "last", "end", "nonsense", "receive", "pause", "raise", "hang"]),
    max_size=8,
)
client_steps = st.sampled_from(["get", "upload", "read", "one chunk", "leave", "raise", "cancel", "detach", "abandon"])


class OfTheAppError(Exception):
    """What an app raises here."""


class OfTheTestError(Exception):
    """What a test raises here."""


async def fail() -> None:
    raise OfTheAppError


def app_of(steps: list[str], *, swallows: bool) -> Any:
    """Return an app that takes these steps; one that swallows goes on after an error of `send`."""
    messages: dict[str, Message] = {
        "start": START,
        "length": LENGTH,
        "body": BODY,
        "last": LAST,
        "end": END,
        "nonsense": NONSENSE,
    }

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        deeds = {"receive": receive, "pause": anyio.lowlevel.checkpoint, "raise": fail, "hang": anyio.sleep_forever}
        for step in steps:
            try:
                await (send(messages[step]) if step in messages else deeds[step]())
            except ASGIProtocolError:
                if not swallows:
                    raise

    return app


async def chunks() -> Any:
    await anyio.lowlevel.checkpoint()
    yield b"one"
    await anyio.lowlevel.checkpoint()
    yield b"two"


async def act(client: AsyncClient, step: str, rounds: int) -> None:
    if step in {"get", "detach"}:
        await client.get("/")
    elif step == "upload":
        await client.post("/", content=chunks())
    elif step == "abandon":
        await client.send(client.build_request("GET", "/"), stream=True)
    elif step == "cancel":
        async with anyio.create_task_group() as group:
            group.start_soon(client.get, "/")
            for _ in range(rounds):
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
    else:
        async with client.stream("GET", "/") as response:
            if step == "read":
                await response.aread()
            elif step == "one chunk" and response.status_code == 200:
                async with aclosing(response.stream.__aiter__()) as parts:  # type: ignore[type-var, union-attr]
                    await anext(parts, None)
            elif step == "raise":
                raise OfTheTestError
            await anyio.lowlevel.checkpoint()


async def run(steps: list[str], step: str, rounds: int, options: dict[str, Any], *, swallows: bool) -> None:
    before = set(_tasks._running)
    with anyio.fail_after(10):
        try:
            async with AsyncClient(
                app_of(steps, swallows=swallows), lifespan="off", timeout=0.02, disconnect_grace=0.01, **options
            ) as client:
                await act(client, step, rounds)
        except* (OfTheAppError, OfTheTestError, ASGIProtocolError, httpx.ReadTimeout, httpx.RemoteProtocolError):
            pass  # any of these may be what comes of it
    assert not client._core.transport.unsettled
    assert not _tasks._running - before


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.id)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=app_steps,
    step=client_steps,
    rounds=st.integers(0, 6),
    raises=st.booleans(),
    swallows=st.booleans(),
    write_buffer=st.sampled_from([0, 4, 65536]),
    version=st.sampled_from(["2.3", "2.4"]),
)
@example(steps=["body"], step="get", rounds=0, raises=True, swallows=False, write_buffer=0, version="2.3")
@example(steps=["body"], step="get", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["raise"], step="upload", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["receive"] * 3, step="upload", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="read", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start", "body"], step="one chunk", rounds=0, raises=True, swallows=True, write_buffer=9, version="2.3")
@example(steps=["start"], step="raise", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="leave", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["start"], step="abandon", rounds=0, raises=True, swallows=True, write_buffer=0, version="2.3")
@example(steps=["hang"], step="cancel", rounds=2, raises=True, swallows=True, write_buffer=0, version="2.3")
def test_whatever_happens_it_ends_and_says_how(
    backend: Backend,
    steps: list[str],
    step: str,
    rounds: int,
    raises: bool,
    swallows: bool,
    write_buffer: int,
    version: str,
) -> None:
    options = {
        "raise_server_exceptions": raises,
        "write_buffer": write_buffer,
        "background": "detach" if step == "detach" else "wait",
        "scope": {"asgi": {"version": "3.0", "spec_version": version}},
    }

    async def main() -> None:
        await run(steps, step, rounds, options, swallows=swallows)

    anyio.run(main, backend=backend.name, backend_options=backend.options)

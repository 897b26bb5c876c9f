"""When what the app sends reaches the client."""

from __future__ import annotations

from typing import Any

from .call import Call, Step, gate, linger
from .case import Case, Topic, body, part, start
from .client import CHUNK, HEAD, LEAVE, OPEN, READ, SETTLE, Request

TOPIC: Topic = "Streaming"
MIB = b"x" * 1024 * 1024


def streams(name: str, *app: Step, client: Any) -> Case:
    return Case(TOPIC, name, app, (Request(), *client))


async def floods(call: Call) -> None:
    """Send more than anybody holds for a client that does not read."""
    await call.send(start())
    for _ in range(64):
        call.stage.note("at", "flood")
        await call._send(part(MIB))
    call.tell("flooded")


async def floods_a_little(call: Call) -> None:
    """Send what a client that reads takes."""
    await call.send(start())
    for _ in range(8):
        await call._send(part(MIB))
    await call.send(body())


async def works(call: Call) -> None:
    """Do background work, and say when it is done."""
    await gate(call)
    call.tell("worked")


STREAMING_CASES = [
    streams("the head comes with the start", start(), gate, body(b"x"), client=(HEAD, OPEN, READ)),
    streams("a part comes before the next", start(), part(b"1"), gate, body(b"2"), client=(HEAD, CHUNK, OPEN, READ)),
    streams(
        "each part by itself",
        start(),
        part(b"1"),
        gate,
        part(b"2"),
        linger,
        body(b"3"),
        client=(HEAD, CHUNK, OPEN, CHUNK, READ),
    ),
    streams("8 MiB, to a client that reads", floods_a_little, client=(READ,)),
    streams("64 MiB, to a client that does not read", floods, client=(HEAD, SETTLE)),
    streams("a client that goes frees an app that waits for it", floods, client=(HEAD, SETTLE, LEAVE)),
    streams("the response is whole while the app still runs", start(), body(b"x"), works, client=(READ, OPEN)),
    streams(
        "the next request is answered while the app still runs",
        start(),
        body(b"x"),
        linger,
        client=(READ, Request(), READ),
    ),
]

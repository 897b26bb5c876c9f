"""Startup, state and shutdown. Each server is started anew for each of these."""

from __future__ import annotations

from typing import Any

from .call import Call, Step, answers, receive, tells
from .case import READS, TWICE, Case
from .client import Connect

STARTED = {"type": "lifespan.startup.complete"}
NOT_STARTED = {"type": "lifespan.startup.failed", "message": "no database"}
STOPPED = {"type": "lifespan.shutdown.complete"}
NOT_STOPPED = {"type": "lifespan.shutdown.failed", "message": "no database"}

LIVES = (receive, STARTED, receive, STOPPED)

#: It knows of no lifespan.
WITHOUT = ("daphne",)

RESPONDS = (answers,)


def lives(name: str, *lifespan: Step, app: Any = RESPONDS, client: Any = READS) -> Case:
    return Case("Lifespan", name, app, client, lifespan, unable=WITHOUT)


async def sets_state(call: Call) -> None:
    call.scope["state"].update(number=1, shared=[])


async def replaces_state(call: Call) -> None:
    call.scope["state"] = {"mine": True}


async def changes_state(call: Call) -> None:
    state = call.scope["state"]
    state["number"] += 1
    state["shared"].append("here")
    call.tell(f"{state['number']} {state['shared']}")


STATE = tells(lambda scope: scope.get("state"))

LIFESPAN_CASES = [
    lives("all goes well", *LIVES),
    lives("the scope", tells(sorted), *LIVES),
    lives("the versions", tells(lambda scope: scope["asgi"]["version"]), *LIVES),
    lives("the state at its start", STATE, *LIVES),
    lives("unknown to the app, which raises", LookupError),
    lives("unknown to the app, which returns"),
    lives("startup completed before it is asked for", STARTED, receive, receive, STOPPED),
    lives("the app returns in its startup", receive),
    lives("the app raises in its startup", receive, LookupError),
    lives("startup fails", receive, NOT_STARTED),
    lives("startup fails, and raises", receive, NOT_STARTED, LookupError),
    lives("an unknown message in its startup", receive, {"type": "lifespan.nonsense"}),
    lives("the app returns while it serves", receive, STARTED),
    lives("the app raises while it serves", receive, STARTED, LookupError),
    lives("startup completed twice", receive, STARTED, STARTED, receive, STOPPED),
    lives("the app returns in its shutdown", receive, STARTED, receive),
    lives("the app raises in its shutdown", receive, STARTED, receive, LookupError),
    lives("shutdown fails", receive, STARTED, receive, NOT_STOPPED),
    lives(
        "state is copied for each request, and not deeply",
        sets_state,
        *LIVES,
        app=(changes_state, answers),
        client=TWICE,
    ),
    lives("state that is replaced", replaces_state, *LIVES, app=(STATE, answers)),
    lives("state of a connection", sets_state, *LIVES, app=(STATE, answers), client=(Connect(),)),
]

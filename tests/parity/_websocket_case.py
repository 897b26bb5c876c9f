"""One row of a table: what either end of a WebSocket connection does, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ._servers import WEBSOCKET_SERVERS

#: The world of the transport under test, and of frames.
WIRE = "asgi_testkit-wire"


class Compared:
    """A row of a table that holds for several servers, and for the client."""

    name: str
    seen: str
    but: Mapping[str, str]
    why: str

    def seen_in(self, world: str) -> str:
        return self.but.get(world, self.seen)

    @property
    def consensus(self) -> str:
        return Counter(map(self.seen_in, WEBSOCKET_SERVERS)).most_common(1)[0][0]


@dataclass(frozen=True)
class WebSocketCase(Compared):
    """What an app and a client do, and what comes of it.

    Attributes:
        name: What is special about it.
        app: The app's part, as `Actor` plays it.
        seen: What happens under the client, as `converse` tells it.
        but: Servers under which something else happens, and what.
        why: The reason, where `seen` is not what happens under most servers (uvicorn with websockets breaks ties).
        client: The client's part, once it is connected. Then it reads to the end.
        offers: The subprotocols that the client offers.
    """

    name: str
    app: Sequence[Any]
    seen: str
    but: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    client: Sequence[Any] = ()
    offers: Sequence[str] = ()


def websockets(seen: str) -> dict[str, str]:
    return {"uvicorn-websockets": seen}


def wsproto(seen: str) -> dict[str, str]:
    return {"uvicorn-wsproto": seen}


def uvicorn(seen: str) -> dict[str, str]:
    return websockets(seen) | wsproto(seen)


def hypercorn(seen: str) -> dict[str, str]:
    return {"hypercorn": seen}


def wire(seen: str) -> dict[str, str]:
    """Return what a client sees that is no session: of a denial that breaks off, what came of it."""
    return {WIRE: seen}


def not_websockets(seen: str) -> dict[str, str]:
    return wsproto(seen) | hypercorn(seen)

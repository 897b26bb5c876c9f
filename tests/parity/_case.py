"""One row of a table: what an app and a client do, and what comes of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from asgi_testkit._types import SingleCallable

from ._observe import Call, calls
from ._servers import SERVERS


@dataclass(frozen=True)
class Case:
    """What an app and a client do, and what comes of it.

    Attributes:
        name: What is special about it.
        app: The app.
        seen: What happens under the client, as `observe` tells it.
        but: Servers under which something else happens, and what.
        why: The reason, where `seen` is not what happens under most servers (uvicorn breaks ties).
        call: What the client does.
    """

    name: str
    app: SingleCallable
    seen: str
    but: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    call: Call = field(default_factory=calls)

    def seen_in(self, world: str) -> str:
        return self.but.get(world, self.seen)

    @property
    def consensus(self) -> str:
        return Counter(map(self.seen_in, SERVERS)).most_common(1)[0][0]


def httptools(seen: str) -> dict[str, str]:
    return {"uvicorn-httptools": seen}


def h11(seen: str) -> dict[str, str]:
    return {"uvicorn-h11": seen}


def uvicorn(seen: str) -> dict[str, str]:
    return httptools(seen) | h11(seen)


def hypercorn(seen: str) -> dict[str, str]:
    return {"hypercorn": seen}

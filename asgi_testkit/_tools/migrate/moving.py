"""The first step: names of other packages become ours."""

from __future__ import annotations

from . import disconnects, litestar, quart, starlette
from .clients import Folding, clients
from .edits import Edits
from .imports import settle
from .kinds import Kinds
from .lifespans import Lifespans
from .names import BLOCKING, OURS
from .source import Source
from .suite import Suite

CLIENTS = (*BLOCKING, f"{OURS}.TestClient", f"{OURS}.httpx2.TestClient", f"{OURS}.starlette.TestClient")
SESSIONS = ("starlette.testclient.WebSocketTestSession",)


def move(suite: Suite) -> dict[Source, Edits]:
    """Return what is to be done with each file of the suite."""
    kinds = Kinds(suite, (*CLIENTS, *litestar.MAKERS, *litestar.AWAITED), SESSIONS)
    awaited = Kinds(suite, litestar.AWAITED)
    of_quart = quart.Quart(suite)
    return {source: _file(source, kinds, awaited, of_quart) for source in suite.sources}


def _file(source: Source, kinds: Kinds, awaited: Kinds, of_quart: quart.Quart) -> Edits:
    edits = Edits(source)
    found = clients(source)
    folding = Folding(edits, found)
    folding.drop_variables()
    Lifespans(edits, found).settle()
    folding.fold()
    litestar.exchange(edits, kinds, awaited)
    of_quart.exchange(edits)
    starlette.exchange(edits, kinds)
    disconnects.exchange(edits)
    settle(edits)
    return edits

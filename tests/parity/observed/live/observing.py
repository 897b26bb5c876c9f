"""Plays cases on a server, one after the other."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable

from ..case import Case
from ..cases import CASES
from ..client import play
from .servers import Running, running
from .sockets import SocketPeer
from .stage import RUN, FolderStage

HOST = "127.0.0.1"

#: How it is told that an app has brought its server down.
ENDED = ", and the server ends"

#: How it is told that an app was not called.
NOT_CALLED = "not called"


async def observe(server: str, cases: Iterable[Case]) -> dict[str, str]:
    """Return what either end saw of each of `cases` that `server` can show, by title."""
    able = [case for case in cases if server not in case.unable]
    left = deque(case for case in able if case.lifespan is None)
    seen: dict[str, str] = {}
    while left:
        async with running(server) as (run, serves):
            if not serves:
                msg = f"{server} does not start; see why with PARITY_LOUD=1"
                raise RuntimeError(msg)
            left = deque(await _play_all(run, left, seen))
    for case in able:
        if case.lifespan is not None:
            seen[case.title] = await _live(server, case)
    return {case.title: seen[case.title] for case in able}


async def _play_all(run: Running, left: deque[Case], seen: dict[str, str]) -> list[Case]:
    """Play what is left of the cases, until the server ends by one. Return those that have to be played on another."""
    played: list[Case] = []
    while left:
        try:
            seen[left[0].title] = await _play(run, left[0])
        except ConnectionError:
            break
        played.append(left.popleft())
    else:
        return []
    again = []
    while len(played) > 1 and seen[played[-1].title].startswith(NOT_CALLED):  # it was ending already
        again.append(played.pop())
    if not played:
        msg = "the server has ended before it was asked anything"
        raise RuntimeError(msg)
    seen[played[-1].title] += ENDED
    return [*reversed(again), *left]


async def _play(run: Running, case: Case) -> str:
    name = f"{CASES.index(case)}.0"
    stage = FolderStage(run.folder, name)
    peer = SocketPeer(case, HOST, run.port, (RUN, name.encode()))
    try:
        client = await play(peer, case.client, stage)
        story = await stage.story()
    finally:
        await peer.aclose()
    return f"{story} -> {client}".rstrip()


async def _live(server: str, case: Case) -> str:
    """Play a case in which the lifespan of the app has a part: on a server of its own."""
    name = f"{CASES.index(case)}.0"
    async with contextlib.AsyncExitStack() as stack:
        run, serves = await stack.enter_async_context(running(server, name))
        stage = FolderStage(run.folder, name)
        client = "refuses to serve"
        if serves:
            peer = SocketPeer(case, HOST, run.port, (RUN, name.encode()))
            client = await play(peer, case.client, stage)
            await peer.aclose()
        await run.stop()
        return f"{await stage.story()} -> {client}".rstrip()

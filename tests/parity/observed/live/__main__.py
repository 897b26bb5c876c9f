"""Observes all cases in all worlds, and writes the file and the pages: ``nox -s parity``.

Arguments are the worlds to observe; what was seen in others before is kept. Without any, it is all.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import platform
import sys

from .. import in_process
from ..case import SERVERS
from ..cases import CASES
from ..pages import pages
from ..table import FILE, WORLDS, Table
from .observing import observe
from .servers import versions

#: How many servers run at once. A machine that is too busy is taken for a server that hangs.
AT_ONCE = 2


async def _server(server: str, table: Table, turn: asyncio.Semaphore) -> None:
    found = versions(server)
    if found is None:
        sys.exit(f"{server} is not installed: see the dependency group parity, or name the worlds to observe")
    async with turn:
        seen = await observe(server, CASES)
    table.versions[server] = found
    table.date, table.python = f"{dt.datetime.now(tz=dt.UTC):%Y-%m-%d}", platform.python_version()
    _keep(table, server, seen)


async def _in_process(world: str, table: Table) -> None:
    _keep(table, world, {case.title: await in_process.observe(case, world) for case in CASES})


def _keep(table: Table, world: str, seen: dict[str, str]) -> None:
    for case in CASES:
        told = table.seen.setdefault(case.title, {})
        told.pop(world, None)
        if case.title in seen:
            told[world] = seen[case.title]
    FILE.write_text(table.text(CASES), encoding="utf-8")
    print(f"{world}: {len(seen)} cases")  # noqa: T201 - it is a program


async def main(worlds: list[str]) -> None:
    """Observe, and write."""
    logging.disable()  # of what the lifespans raise
    table, turn = Table.load(), asyncio.Semaphore(AT_ONCE)
    asked = [world for world in worlds if world in SERVERS]
    async with asyncio.TaskGroup() as group:
        for server in asked:
            group.create_task(_server(server, table, turn))
    for world in worlds:
        if world not in SERVERS:
            await _in_process(world, table)
    for path, text in pages(table).items():
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:] or list(WORLDS)))

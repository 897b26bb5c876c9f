"""A slice of the cases, played live: the servers of the suite still do what was written down of them."""

from __future__ import annotations

import asyncio

import pytest

from .observed.cases import CASES
from .observed.live.observing import observe
from .observed.live.servers import versions
from .observed.table import Table, shows

#: How many cases make a slice. The lifespan, which takes a server of its own, is compared in `test_lifespan_parity`.
SLICE = 60


TABLE = Table.load()


def asked(server: str) -> object:
    """Return a parameter of a test, which is skipped where the server is another than the one that was observed."""
    there, here = TABLE.versions[server], versions(server)
    reason = f"{there} was observed, and here is {here}: see `nox -s parity`"
    return pytest.param(server, marks=pytest.mark.skipif(there != here, reason=reason))


@pytest.mark.parametrize("server", [asked("uvicorn-httptools"), asked("hypercorn")])
def test_a_server_does_what_was_written_down(server: str) -> None:
    written = {title: seen[server] for title, seen in TABLE.seen.items() if server in seen and shows(seen[server])}
    cases = [case for case in CASES if case.title in written and case.lifespan is None]
    part = cases[:: len(cases) // SLICE]
    seen = asyncio.run(observe(server, part))
    again = [case for case in part if seen[case.title] != written[case.title]]  # the machine may have been too busy
    seen |= asyncio.run(observe(server, again)) if again else {}
    assert seen == {case.title: written[case.title] for case in part}

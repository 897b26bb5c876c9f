"""The pages of the docs that are made of what was observed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from .behaviours import BEHAVIOURS
from .case import BY_DEFAULT, OURS, SERVERS
from .cases import CASES
from .differences import DIFFERENCES
from .table import WORLDS, Table, grouped

EXPLANATION = Path(__file__).parents[3] / "docs" / "explanation"

#: The page with tables among its text, and the one with all there is.
PAGE = EXPLANATION / "servers.md"
ALL = EXPLANATION / "servers-observed.md"

#: A place on the page: what is between its two comments is made here.
_PLACE = re.compile(r"(<!-- observed: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)

_UVICORN = tuple(server for server in SERVERS if server.startswith("uvicorn"))

#: The columns of the page's tables, and whose they are.
_COLUMNS = {
    "uvicorn": _UVICORN,
    **{server: (server,) for server in SERVERS if server not in _UVICORN},
    "the client": (OURS,),
}

_NAMES = {OURS: "**the client**", BY_DEFAULT: "**the client, by default**"}

_HEAD = """\
# What servers were seen to do

`nox -s parity` makes this page: it plays each of these cases on every server, with a plain socket as the client, and
in-process. [What servers do, and what the client does](servers.md) tells of the more important ones, and how to read
a line. "The client" is one with `raise_server_exceptions=False, background="detach"`; "the client, by default" is left
out where it is no different.
"""


def pages(table: Table) -> dict[Path, str]:
    """Return the pages as they are to be."""

    def place(match: re.Match[str]) -> str:
        return f"{match[1]}{_tables(table, match[2])}\n{match[3]}"

    return {PAGE: _PLACE.sub(place, PAGE.read_text(encoding="utf-8")), ALL: _all(table)}


def _tables(table: Table, name: str) -> str:
    if name == "versions":
        return versions(table)
    return differences(table) if name == "differences" else behaviours(table, BEHAVIOURS[name])


def versions(table: Table) -> str:
    """Return which servers were asked, when."""
    rows = [
        (server.replace("-", ", with "), ", ".join(f"{package} {number}" for package, number in found.items()))
        for server, found in table.versions.items()
    ]
    return f"Seen on {table.date}, with Python {table.python}:\n\n" + _table(("server", "versions"), rows)


def behaviours(table: Table, rows: dict[str, str]) -> str:
    """Return a table of servers and what they do."""
    told = [(label, *(_cell(table.seen[title], of) for of in _COLUMNS.values())) for label, title in rows.items()]
    return _table(("the app", *_COLUMNS), told)


def _cell(seen: dict[str, str], servers: Iterable[str]) -> str:
    there = {server: seen[server] for server in servers if server in seen}
    groups = grouped(there)
    if len(groups) < 2:
        return "".join(map(code, groups)) or "has none"
    parsers = {what: worlds.replace("uvicorn-", "").replace(" ", ", ") for what, worlds in groups.items()}
    return "<br>".join(f"{code(what)} ({parsers[what]})" for what in groups)


def differences(table: Table) -> str:
    """Return a table of where the client differs, and why."""
    rows = [
        (text(title), code(theirs), code(ours), difference.reason)
        for difference in DIFFERENCES
        for title in difference.cases
        for theirs, ours in [table.differences()[title]]
    ]
    return _table(("case", "servers", "the client", "because"), rows)


def _all(table: Table) -> str:
    topics: dict[str, list[tuple[str, str, str]]] = {}
    for case in CASES:
        topics.setdefault(case.topic, []).extend(_rows(case.name, table.seen[case.title]))
    parts = [f"## {topic}\n\n{_table(('case', 'seen', 'where'), rows)}\n" for topic, rows in topics.items()]
    return "\n".join([_HEAD, versions(table) + "\n", *parts])


def _rows(name: str, seen: dict[str, str]) -> list[tuple[str, str, str]]:
    if seen.get(BY_DEFAULT) == seen.get(OURS):
        seen = {world: what for world, what in seen.items() if world != BY_DEFAULT}
    groups = grouped(seen)
    if len(groups) == 1:
        return [(text(name), code(*groups), "everywhere")]
    rows: list[tuple[str, str, str]] = []
    for what, worlds in groups.items():
        names = ", ".join(_NAMES.get(world, world) for world in WORLDS if world in worlds.split())
        rows.append((text(name) if not rows else "", code(what), names.replace(", ".join(SERVERS), "all servers")))
    return rows


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(what: str) -> str:
    """Return `what` as code, in a cell of a table."""
    return f"`{printable(what)}`".replace("|", r"\|")


def text(what: str) -> str:
    """Return `what` as text, in a cell of a table."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", printable(what))


def printable(what: str) -> str:
    """Return `what` with escapes for what cannot be seen."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in what.strip())

"""The rooms of the package: who may import whom.

Every import in a module counts, be it inside a function or under ``TYPE_CHECKING``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import asgi_testkit

PACKAGE = Path(asgi_testkit.__file__).parent
SOURCES = {
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.glob("**/*.py")
}

#: Known everywhere.
COMMON = {"_types", "_errors"}

#: A module may import those of its own room and of the rooms before it, and what is known everywhere.
ROOMS = (
    *("_protocol", "_conversation", "_record", "_contract", "_live", "_client", "_blocking"),
    *("_plugin", "_standins", "_tools"),
)

#: The public names. They import from all rooms, and no room imports from them.
DOORS = {"__init__", "__main__", "faults", "httpx2", "starlette", "pytest_plugin"}

#: What lies outside: the rooms, or modules, that may import it; for a room, those after it as well. What is not named
#: here is free to all, if it is of the standard library, else to none. A dotted name overrules a shorter one.
OUTSIDE = {
    "asyncio": {"_conversation.loop", "_live.servers"},
    "trio": {"_conversation.loop", "_conversation.task"},
    "anyio": {"_conversation"},
    "wsproto": {"_conversation.wire", "_live.websocket"},
    "httpcore": {"_live.wire"},
    "uvicorn": {"_live.servers"},
    "httpx": {"_client"},
    "httpx2": {"_standins"},
    "threading": {"_blocking"},
    "_thread": {"_blocking"},
    "concurrent": {"_blocking"},
    "anyio.from_thread": {"_blocking"},
    "anyio.to_thread": {"_blocking"},
    "jsonschema_rs": {"_contract.validation"},
    "libcst": {"_tools.migrate"},
    "asgi_lifespan": {"_standins.asgi_lifespan"},
    "httpx_ws": {"_standins.httpx_ws"},
    "starlette": {"_standins.starlette"},
    "pytest": {"_plugin", "pytest_plugin"},
}


def names_used(source: str, module: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, or reaches through the dots of what it imports.

    Those of the package begin with a dot.
    """
    tree = ast.parse(source)
    imported: set[str] = set()
    folder = module.split(".")[: -1 if SOURCES.get(module, Path(module)).stem != "__init__" else None]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
            yield from (alias.name.replace(asgi_testkit.__name__, "", 1) or "." for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            start = folder[: len(folder) - node.level + 1] if node.level else []
            origin = ".".join([*start, *filter(None, [node.module])])
            yield from (f"{'.' if node.level else ''}{origin}.{alias.name}".replace("..", ".") for alias in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (name := dotted(node)) and name.partition(".")[0] in imported:
            yield name


def dotted(node: ast.expr) -> str | None:
    """Return ``a.b.c`` for that expression, None for one that is no chain of names."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr) if (prefix := dotted(value)) is not None:
            return f"{prefix}.{attr}"
    return None


def room_of(name: str) -> str:
    """Return the room, the door, or the module known everywhere, that a name of the package belongs to."""
    first = name.removeprefix(".").partition(".")[0]
    return first if first in {*ROOMS, *COMMON, *DOORS} else "__init__"


def rank(room: str) -> int:
    """Return how late a room comes: after those known everywhere, and before the doors."""
    return -1 if room in COMMON else ROOMS.index(room) if room in ROOMS else len(ROOMS)


def may_import(module: str, allowed: set[str]) -> bool:
    """Whether a module is one of `allowed`, in one of these rooms, or in one after such a room."""
    if any(f"{module}.".startswith(f"{name}.") for name in allowed):
        return True
    return any(name in ROOMS and rank(room_of(module)) > rank(name) for name in allowed)


def complaints(module: str, source: str) -> list[str]:
    """Return a sentence for each name that this module of the package must not use."""
    found = []
    own = room_of(module)
    for name in names_used(source, module):
        if name.startswith("."):
            target = room_of(name)
            if rank(target) > rank(own) or (target in DOORS and own not in DOORS):
                found.append(f"{module} must not import {target}: it does not come before {own}")
            continue
        root, *rest = name.split(".")
        rule = max((key for key in OUTSIDE if f"{name}.".startswith(f"{key}.")), key=len, default=None)
        if rule is None and root not in sys.stdlib_module_names:
            found.append(f"{module} must not import {root}: it is no dependency of the package")
        elif rule is not None and not may_import(module, OUTSIDE[rule]):
            found.append(f"{module} must not use {name}: only {', '.join(sorted(OUTSIDE[rule]))} may")
        elif rule is not None and any(part.startswith("_") and not part.startswith("__") for part in rest):
            found.append(f"{module} must not use {name}: it is private to {root}")
    return found


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_a_module_uses_only_what_comes_before_it(module: str) -> None:
    assert complaints(module, SOURCES[module].read_text(encoding="utf-8")) == []


def test_every_module_is_in_a_room_or_is_a_door() -> None:
    at_the_top = {module for module in SOURCES if "." not in module}
    assert at_the_top == {*ROOMS, *COMMON, *DOORS}


def test_the_table_names_nobody_in_vain() -> None:
    used = {module: list(names_used(path.read_text(encoding="utf-8"), module)) for module, path in SOURCES.items()}
    for key, allowed in OUTSIDE.items():
        for name in allowed - set(ROOMS):
            users = [module for module in SOURCES if may_import(module, {name})]
            assert any(f"{each}.".startswith(f"{key}.") for module in users for each in used[module])


@pytest.mark.parametrize(
    "module, source, name, why",
    [
        ("_conversation.task", "from .._client.session import Session", "_client", "does not come before"),
        ("_protocol.http", "from .._conversation import http", "_conversation", "does not come before"),
        ("_protocol.http", "import asgi_testkit._blocking.hop", "_blocking", "does not come before"),
        ("_client.client", "from .. import AsyncClient", "__init__", "does not come before"),
        ("_client.client", "import asgi_testkit", "__init__", "does not come before"),
        ("_standins.starlette.client", "from ...httpx2 import TestClient", "httpx2", "does not come before"),
        ("_types", "from ._errors import LifespanError\nfrom ._protocol.app import f", "_protocol", "does not come"),
        ("_client.client", "def lazily():\n    import asyncio", "asyncio", "only _conversation.loop"),
        ("_client.client", "if TYPE_CHECKING:\n    from trio import Event", "trio.Event", "_conversation.task"),
        ("_client.client", "import concurrent.futures", "concurrent.futures", "only _blocking may"),
        ("_client.client", "import anyio\nanyio.to_thread.run_sync(f)", "anyio.to_thread.run_sync", "only _blocking"),
        ("_protocol.http", "import anyio", "anyio", "only _conversation may"),
        ("_conversation.http", "import httpx", "httpx", "only _client may"),
        ("_client.client", "import requests", "requests", "no dependency"),
        ("_client.client", "from httpx._client import ClientState", "httpx._client.ClientState", "private to httpx"),
        ("_client.client", "import httpx\nhttpx._utils.f()", "httpx._utils", "private to httpx"),
    ],
)
def test_the_check_notices(module: str, source: str, name: str, why: str) -> None:
    assert any(f" {name}: " in complaint and why in complaint for complaint in complaints(module, source))


def test_the_check_lets_pass_what_is_allowed() -> None:
    source = """
import json, threading
import httpx
from anyio.from_thread import BlockingPortal
from .._types import Message
from .._client.client import AsyncClient
from .hop import Hop
print(httpx.__version__, AsyncClient._anything, f()._own)
"""
    assert complaints("_blocking.client", source) == []

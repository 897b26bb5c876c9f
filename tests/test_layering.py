"""The package's layers: who may import whom.

The tables are the rules; every import in a module counts, be it inside a function or under ``TYPE_CHECKING``.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import asgi_testkit

PACKAGE = Path(asgi_testkit.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("**/*.py"))

#: A module may import those in the rows above its own.
LAYERS = (
    {"_types", "_http", "_extensions", "_tally"},
    {"_errors", "_file_body"},
    {"_fields", "_starlette_errors"},
    {"_app", "_frames", "_scope", "_handshake", "_options", "_http_state", "_lifespan_state"},
    {"_websocket_state"},
    {"_payload"},
    {"_tasks"},
    {"_request_body", "_hop", "_conversation"},
    {"_exchange", "_websocket", "_lifespan"},
    {"_wire", "_response", "_session", "_loops"},
    {"_transport", "_heads"},
    {"_cookies", "_lenient", "_blocking"},
    {"_blocking_session", "_core", "_portal"},
    {"_client", "_sync", "_starlette_core"},
    {"_starlette_session"},
    {"_like_httpx_ws"},
    {"_for_httpx_ws", "_for_asgi_lifespan"},
    {"__init__"},
    {"httpx2"},
    {"_replacement", "_for_httpx2_ws"},
    {"pytest_plugin", "starlette"},
)

#: Who may know of threads, who may wait, and who may speak of httpx: most of these in annotations only.
THREADS = {
    *("_hop", "_loops", "_blocking", "_portal", "_sync"),
    *("_lenient", "_starlette_core", "_starlette_session", "starlette"),
}
ANYIO = {
    *("_tasks", "_loops", "_request_body", "_conversation", "_websocket", "_wire", "_lifespan"),
    *("_transport", "_portal", "_sync", "_starlette_session", "_like_httpx_ws", "starlette"),
}
HTTPX = {
    *("_http", "_errors", "_scope", "_request_body", "_conversation", "_exchange", "_websocket"),
    *("_response", "_session", "_transport", "_blocking", "_blocking_session", "_cookies", "_core"),
    *("_heads", "_client", "_sync", "_like_httpx_ws", "_for_httpx_ws"),
    *("_lenient", "_portal", "_starlette_session", "starlette"),
}

#: What lies outside, and who may import it. Modules of the standard library that are not named here are free to all,
#: third-party ones to none. A dotted name overrules the shorter one.
OUTSIDE = {
    "asyncio": {"_tasks"},
    "trio": {"_tasks"},
    "threading": THREADS,
    "_thread": THREADS,
    "concurrent": THREADS,
    "anyio": ANYIO,
    "anyio.from_thread": THREADS,
    "anyio.to_thread": THREADS,
    "httpx": HTTPX,
    "httpx2": {"httpx2", "_for_httpx2_ws", "starlette"},
    "wsproto": {"_wire"},
    "pytest": {"pytest_plugin"},
    "starlette": {"_starlette_errors", "starlette"},
    "httpx_ws": {"_for_httpx_ws"},
    "asgi_lifespan": {"_for_asgi_lifespan"},
}


def names_used(source: str) -> Iterator[str]:
    """Yield the full name of everything that the source imports, or reaches through the dots of what it imports."""
    tree = ast.parse(source)
    imported: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name.partition(".")[0] for alias in node.names)
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = asgi_testkit.__name__ if node.level else None
            origin = ".".join(filter(None, [package, node.module]))
            yield from (f"{origin}.{alias.name}" for alias in node.names)
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


def complaints(module: str, source: str) -> list[str]:
    """Return a sentence for each name that this module of the package must not use."""
    [row] = [number for number, layer in enumerate(LAYERS) if module in layer]
    above = set().union(*LAYERS[:row])
    found = []
    for name in names_used(source):
        root, *rest = name.split(".")
        if root == asgi_testkit.__name__:
            target = rest[0] if rest and rest[0] in set().union(*LAYERS) else "__init__"
            if target not in above:
                found.append(f"{module} must not import {target}: it is not in a layer above it")
            continue
        rule = max((key for key in OUTSIDE if f"{name}.".startswith(f"{key}.")), key=len, default=None)
        if rule is None and root not in sys.stdlib_module_names:
            found.append(f"{module} must not import {root}: it is no dependency of the package")
        elif rule is not None and module not in OUTSIDE[rule]:
            found.append(f"{module} must not use {name}: only {', '.join(sorted(OUTSIDE[rule]))} may")
        elif rule is not None and any(part.startswith("_") and not part.startswith("__") for part in rest):
            found.append(f"{module} must not use {name}: it is private to {root}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_layer(module: str) -> None:
    rows = [layer for layer in LAYERS if module in layer]
    assert len(rows) == 1, f"{module}.py stands in {len(rows)} rows of LAYERS. Which layer does it belong to?"


def test_the_tables_name_nobody_in_vain() -> None:
    assert set().union(*LAYERS) == set(MODULES)
    used = {module: list(names_used((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))) for module in MODULES}
    for allowed in OUTSIDE.values():
        keys = [key for key, modules in OUTSIDE.items() if modules is allowed]  # a table may stand for several
        users = {
            module for module in MODULES for name in used[module] for key in keys if f"{name}.".startswith(f"{key}.")
        }
        assert allowed <= users, f"{', '.join(sorted(allowed - users))}: no use of {', '.join(keys)}"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_uses_only_what_lies_above_it(module: str) -> None:
    assert complaints(module, (PACKAGE / f"{module}.py").read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "module, source, name, why",
    [
        ("_tasks", "from ._exchange import HTTPExchange", "_exchange", "not in a layer above"),
        ("_exchange", "from . import _lifespan", "_lifespan", "not in a layer above"),
        ("_sync", "import asgi_testkit._sync", "_sync", "not in a layer above"),
        ("_client", "from . import AsyncClient", "__init__", "not in a layer above"),
        ("_client", "import asgi_testkit", "__init__", "not in a layer above"),
        ("_client", "def lazily():\n    import asyncio", "asyncio", "only _tasks may"),
        ("_client", "if TYPE_CHECKING:\n    from trio import Event", "trio.Event", "only _tasks may"),
        (
            "_client",
            "import concurrent.futures",
            "concurrent.futures",
            "only _blocking, _hop, _lenient, _loops, _portal, _starlette_core, _starlette_session,",
        ),
        (
            "_client",
            "import anyio\nanyio.to_thread.run_sync(f)",
            "anyio.to_thread.run_sync",
            "_starlette_core, _starlette_session, _sync, starlette may",
        ),
        ("_http_state", "import anyio", "anyio", "only _conversation"),
        ("_client", "import requests", "requests", "no dependency"),
        ("_client", "from httpx._client import ClientState", "httpx._client.ClientState", "private to httpx"),
        ("_client", "import httpx\nhttpx._utils.f()", "httpx._utils", "private to httpx"),
    ],
)
def test_the_check_notices(module: str, source: str, name: str, why: str) -> None:
    assert any(f" {name}: " in complaint and why in complaint for complaint in complaints(module, source))


def test_the_check_lets_pass_what_is_allowed() -> None:
    source = """
import json, threading
import httpx
from anyio.from_thread import BlockingPortal
from . import _types
from ._core import ClientCore
print(httpx.__version__, ClientCore._anything, f()._own)
"""
    assert complaints("_sync", source) == []

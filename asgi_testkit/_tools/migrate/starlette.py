"""What Starlette's client and its sessions have under other names."""

from __future__ import annotations

import re

import libcst as cst

from .edits import Edits
from .kinds import Kind, Kinds
from .names import BY_HAND, DISCONNECTS, EVERYWHERE, OF_EACH_LIBRARY, ours
from .source import REFERENCES, Source

#: A name of theirs as a text: for ``mock.patch`` and the like.
AS_TEXT = re.compile(r"(starlette\.testclient|fastapi\.testclient|asgi_lifespan|httpx2?\.ASGITransport)(\.\w+)*")

#: Where Starlette's client is found.
MODULES = ("starlette.testclient", "fastapi.testclient")


def exchange(edits: Edits, kinds: Kinds) -> None:
    """Exchange names, attributes, and tell of what has no counterpart."""
    _references(edits)
    source = edits.source
    for node in source.nodes:
        if isinstance(node, cst.Attribute):
            _attribute(edits, node, kinds.kind(source, node.value))
        elif isinstance(node, cst.Call) and isinstance(node.func, cst.Attribute):
            if node.func.attr.value == "receive" and kinds.kind(source, node.func.value) is Kind.SESSION:
                _receive(edits, node)
        elif isinstance(node, cst.Arg):
            _string(edits, node.value)


def _string(edits: Edits, value: cst.BaseExpression) -> None:
    """Tell of a name of theirs that is an argument as a text."""
    if isinstance(value, cst.SimpleString) and AS_TEXT.fullmatch(value.raw_value):
        edits.note(value, f"{value.value} is not used any more: name what is ours")


def _references(edits: Edits) -> None:
    source = edits.source
    on_httpx2 = "httpx2" in _imported(edits) and "httpx" not in _imported(edits)
    for node in source.nodes:
        if not isinstance(node, REFERENCES):
            continue
        name = source.name(node) or ""
        if name in EVERYWHERE and not name.startswith("httpx") and node not in edits.gone:
            new = EVERYWHERE[name]
            edits.moved[node] = ours(new, "httpx2" if on_httpx2 and new in OF_EACH_LIBRARY else "httpx")
        if name.startswith(MODULES) and _is_their_own(source, node, name):
            edits.note(node, f"{name} has to do with Starlette's client, which is not used any more")
    for statement in source.all(cst.ImportFrom):
        module = "" if statement.module is None else source.code(statement.module)
        if isinstance(statement.names, cst.ImportStar) and module in MODULES:
            edits.note(statement, f"import TestClient by its name: what `from {module} import *` is for cannot be told")
    for each in (*source.all(cst.ImportFrom), *source.all(cst.Import)):
        text = source.code(each)
        for name, page in BY_HAND.items():
            module, _, what = name.rpartition(".")
            if re.search(rf"\b{re.escape(module or name)}\b", text) and (not module or what in text):
                edits.note(each, f"{name} is not moved by this command: see the page {page} of the docs, migrating")


def _is_their_own(source: Source, node: cst.CSTNode, name: str) -> bool:
    """Whether it is the module itself that is used, changed, or something in it that is not for others."""
    parent = source.parent(node)
    if isinstance(parent, cst.ImportAlias | cst.ImportFrom | cst.AsName):
        return False
    if isinstance(parent, cst.AssignTarget) or name in MODULES:
        return not isinstance(parent, cst.Attribute)
    return name.count(".") == 2 and name not in EVERYWHERE and name not in DISCONNECTS


def _imported(edits: Edits) -> set[str]:
    """Return the modules that a file imports, or imports from."""
    found = set()
    for node in edits.source.all(cst.Import):
        found |= {edits.source.code(alias.name).partition(".")[0] for alias in node.names}
    for statement in edits.source.all(cst.ImportFrom):
        found.add("" if statement.module is None else edits.source.code(statement.module).partition(".")[0])
    return found


def _attribute(edits: Edits, node: cst.Attribute, kind: Kind | None) -> None:
    match kind, node.attr.value:
        case Kind.SESSION, "accepted_subprotocol":
            edits.change(node, lambda now: now.with_changes(attr=cst.Name("subprotocol")))
        case Kind.SESSION, "extra_headers":
            edits.note(node, "session.extra_headers is a list of pairs of bytes: ours is session.headers, httpx's")
        case Kind.CLIENT, "app_state" if _is_inside(edits, node):
            edits.change(node, lambda now: now.with_changes(attr=cst.Name("state")))
        case Kind.CLIENT, "app_state":
            edits.note(node, "client.app_state is client.state with ours, inside `with`")
        case Kind.RESPONSE, "template" | "context" as name:
            debug = cst.parse_expression(f'x.extensions["http.response.debug"]["{name}"]')

            def through(now: cst.Attribute) -> cst.BaseExpression:
                changed = debug.visit(_Root(now.value))
                assert isinstance(changed, cst.BaseExpression)
                return changed

            edits.change(node, through)


def _is_inside(edits: Edits, node: cst.Attribute) -> bool:
    """Whether it stands in the block in which the client is entered."""
    name = edits.source.code(node.value)
    items = [item for each in edits.source.ancestors(node) if isinstance(each, cst.With) for item in each.items]
    return any(
        name in {edits.source.code(item.item), edits.source.code(item.asname.name) if item.asname else ""}
        for item in items
    )


class _Root(cst.CSTTransformer):
    """Puts an expression in place of the name ``x``."""

    def __init__(self, value: cst.BaseExpression) -> None:
        super().__init__()
        self._value = value

    def leave_Name(self, original_node: cst.Name, updated_node: cst.Name) -> cst.BaseExpression:  # noqa: N802 - libCST's name
        return self._value if original_node.value == "x" else updated_node


def _receive(edits: Edits, call: cst.Call) -> None:
    function = edits.source.function(call)
    if function is not None and "websocket.close" in edits.source.code(function):
        edits.note(
            call,
            "session.receive() raises WebSocketDisconnect, with code and reason, where it returned websocket.close",
        )

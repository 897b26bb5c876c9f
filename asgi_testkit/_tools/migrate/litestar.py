"""Litestar's async client, its functions that make an app and a client, and what its sessions have besides."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import Assignment

from . import awaits
from .clients import keywords, value_of, with_arguments
from .edits import Edits
from .kinds import Kind, Kinds
from .names import ours
from .operations import OF_A_SESSION
from .source import Source

PACKAGE = "litestar.testing"
MAKERS = {f"{PACKAGE}.create_test_client": "TestClient", f"{PACKAGE}.create_async_test_client": "AsyncClient"}
AWAITED = (f"{PACKAGE}.AsyncTestClient", f"{PACKAGE}.create_async_test_client")

#: The arguments of those functions that are the client's; the others are the app's.
OF_THE_CLIENT = {"backend", "backend_options", "base_url", "raise_server_exceptions", "root_path", "timeout"}

#: Methods of a client that have no counterpart.
SESSION_DATA = {"set_session_data", "get_session_data"}


def exchange(edits: Edits, kinds: Kinds, awaited: Kinds) -> None:
    """Exchange names and calls.

    Args:
        edits: Those of a file.
        kinds: What its expressions are, for clients of each sort.
        awaited: The same, for awaited clients alone.
    """
    source = edits.source
    for node in source.nodes:
        match node:
            case cst.Subscript() if (source.name(node.value) or "").startswith(f"{PACKAGE}."):
                edits.change(node, lambda now: now.value)  # TestClient[Litestar]
            case cst.Name() | cst.Attribute() if source.name(node) in {*MAKERS, *AWAITED}:
                _name(edits, node)
            case cst.With() if source.function(node) is not None:
                _entered(edits, awaited, node)
            case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(value=name))):
                kind = kinds.kind(source, owner)
                if kind is Kind.CLIENT and name in SESSION_DATA:
                    edits.note(node, f"{name}() has no counterpart: see the page on Litestar in the docs, Sessions")
                elif kind is Kind.SESSION:
                    _session(edits, node, name, waits=awaited.kind(source, owner) is Kind.SESSION)


def _name(edits: Edits, node: cst.CSTNode) -> None:
    source = edits.source
    name = source.name(node) or ""
    call = source.parent(node)
    if isinstance(call, cst.Subscript):
        call = source.parent(call)
    if name not in MAKERS:
        edits.moved[node] = ours("AsyncClient", "httpx")
        if isinstance(call, cst.Call):
            _follow(edits, call)
        return
    if not isinstance(call, cst.Call) or call.func is not node:
        if not isinstance(source.parent(node), cst.ImportAlias):
            edits.note(node, f"{source.code(node)} is handed on: ours takes the app, TestClient(Litestar(...))")
        return
    if any(arg.star for arg in call.args) or "session_config" in keywords(call):
        edits.note(call, f"make it {MAKERS[name]}(Litestar(...)): which of its arguments are the app's cannot be told")
        return
    handlers = next((arg for arg in call.args if arg.keyword is None or arg.keyword.value == "route_handlers"), None)
    if handlers is not None and (single := _is_single(source, handlers.value)) is None:
        edits.note(
            call,
            f"make it {MAKERS[name]}(Litestar([...])): whether {source.code(handlers.value)} is a list cannot be told",
        )
        return
    if handlers is not None and single:
        edits.change(handlers, lambda arg: arg.with_changes(value=cst.List([cst.Element(arg.value)])))
    edits.moved[node] = ours(MAKERS[name], "httpx")
    edits.needed.add("litestar.Litestar")
    edits.change(call, _split)
    if name in AWAITED:
        _follow(edits, call)


def _is_single(source: Source, handlers: cst.BaseExpression) -> bool | None:
    """Whether it is one handler, which Litestar wants in a list; None if that cannot be told."""
    if isinstance(handlers, cst.List | cst.Tuple | cst.ListComp):
        return False
    if not isinstance(handlers, cst.Name):
        return None
    for each in source.assignments(handlers):
        if isinstance(each, Assignment) and isinstance(each.node, cst.FunctionDef | cst.ClassDef):
            return True
        if isinstance(each, Assignment) and isinstance(value_of(source, each), cst.List | cst.Tuple):
            return False
    return None


def _follow(edits: Edits, call: cst.Call) -> None:
    """Have redirects followed, as they were."""
    if "follow_redirects" not in keywords(call):
        edits.change(call, lambda now: with_arguments(now, {"follow_redirects": cst.Name("True")}))


def _split(call: cst.Call) -> cst.Call:
    """Return ``TestClient(Litestar(handlers, debug=True))`` for ``create_test_client(handlers)``."""
    given = keywords(call)
    app = [arg for arg in call.args if not (arg.keyword and arg.keyword.value in OF_THE_CLIENT)]
    inner = call.with_changes(func=cst.Name("Litestar"), args=app)
    if app and len(app) < len(call.args):  # the last of them was followed by others
        inner = inner.with_changes(args=[*app[:-1], app[-1].with_changes(comma=call.args[-1].comma)])
    if "debug" not in given:
        inner = with_arguments(inner, {"debug": cst.Name("True")})
    outer = cst.Call(call.func, [cst.Arg(inner.with_changes(lpar=[], rpar=[]))], lpar=call.lpar, rpar=call.rpar)
    return with_arguments(outer, {name: arg.value for name, arg in given.items() if name in OF_THE_CLIENT})


def _entered(edits: Edits, awaited: Kinds, statement: cst.With) -> None:
    """Make ``with await client.websocket_connect(...)`` an ``async with`` without the ``await``."""
    source = edits.source
    if statement.asynchronous is not None:
        return
    waiting = [
        isinstance(item.item, cst.Await) and awaited.kind(source, item.item) is Kind.CONNECTING
        for item in statement.items
    ]
    for item, waits in zip(statement.items, waiting, strict=True):
        if waits:
            edits.change(item.item, lambda now: now.expression)
    if any(waiting):
        awaits.enter(edits, statement, waiting)


def _session(edits: Edits, call: cst.Call, name: str, *, waits: bool) -> None:
    block = keywords(call).get("block")
    if block is not None:
        position = call.args.index(block)
        never = edits.source.code(block.value) == "False"
        edits.change(call, lambda now: _without_block(now, position, never=never))
    if name in {"send_msgpack", "receive_msgpack"}:
        edits.note(
            call, f"{name}() is {name.partition('_')[0]}_bytes() with ours, beside encode_msgpack or decode_msgpack"
        )
    elif waits and name in OF_A_SESSION and not isinstance(edits.source.parent(call), cst.Await):
        awaits.wait(edits, call)


def _without_block(call: cst.Call, position: int, *, never: bool) -> cst.Call:
    """Return the call with ``timeout=0`` for ``block=False``, and nothing for ``block=True``."""
    args = list(call.args)
    if never:
        args[position] = args[position].with_changes(keyword=cst.Name("timeout"), value=cst.Integer("0"))
    else:
        del args[position]
        args[-1:] = [each.with_changes(comma=cst.MaybeSentinel.DEFAULT) for each in args[-1:]]
    return call.with_changes(args=args)

"""What in a blocking suite has to be awaited: requests, sessions, streams, and the blocks they are entered in."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import libcst as cst

from .kinds import REQUESTS, Kind, Kinds
from .source import Source

#: Methods of a session that wait.
OF_A_SESSION = {
    *("send", "send_text", "send_bytes", "send_json"),
    *("receive", "receive_text", "receive_bytes", "receive_json", "close", "abort", "wait"),
}

#: Methods of a client that are called otherwise when awaited.
OF_A_CLIENT = {
    "close": "aclose",
    "__enter__": "__aenter__",
    "__exit__": "__aexit__",
    **{name: name for name in REQUESTS},
}

#: Those of a response that is read bit by bit.
OF_A_STREAM = {"read": "aread", "close": "aclose"}
PARTS = {name: f"a{name}" for name in ("iter_bytes", "iter_text", "iter_lines", "iter_raw")}

#: What takes all that an iterator gives.
CONSUMERS = {"list", "tuple", "set", "sorted", "sum", "any", "all", "max", "min"}


class How(Enum):
    """What is to be done to a place."""

    AWAIT = "a call is awaited"
    ENTER = "an item of a with statement is entered asynchronously"
    EACH = "a loop is asynchronous"
    ALL = "an iterator, from which something takes all, is put into a list"
    NEXT = "the next part is awaited"
    INNER = "a coroutine that was run in a loop of its own is awaited"


@dataclass(frozen=True, eq=False)
class Operation:
    """A place that has to be async.

    Attributes:
        node: The call, the item, the loop.
        how: What is to be done to it.
        name: What the method is called then, if it is a method.
    """

    node: cst.CSTNode
    how: How
    name: str = ""


def operations(source: Source, kinds: Kinds) -> list[Operation]:
    """Return the operations of a file, wherever they stand."""
    found = (_operation(source, kinds, node) for node in source.nodes)
    return [each for each in found if each is not None]


def _operation(source: Source, kinds: Kinds, node: cst.CSTNode) -> Operation | None:
    """Return what is to be done at a node; nothing, where that has been done."""
    match node:
        case cst.Call() if not isinstance(source.parent(node), cst.Await):
            return _call(source, kinds, node)
        case cst.WithItem(item=item):
            statement = source.parent(node)
            if isinstance(statement, cst.With) and statement.asynchronous is None and is_entered(source, kinds, item):
                return Operation(node, How.ENTER)
        case cst.For(iter=iterated, asynchronous=None) | cst.CompFor(iter=iterated, asynchronous=None):
            return Operation(node, How.EACH) if _gives_parts(source, kinds, iterated) else None
    return None


def is_entered(source: Source, kinds: Kinds, item: cst.BaseExpression) -> bool:
    """Whether what a ``with`` enters is a client, a session or a stream, or belongs into the loop of a portal."""
    if kinds.kind(source, item) in {Kind.CLIENT, Kind.CONNECTING, Kind.SESSION, Kind.STREAMING}:
        return not (isinstance(item, cst.Call) and any(map(kinds.is_manager, kinds.functions(source, item.func))))
    return wrapped(source, kinds, item) is not None


def wrapped(source: Source, kinds: Kinds, item: cst.BaseExpression) -> cst.BaseExpression | None:
    """Return what ``portal.wrap_async_context_manager(...)`` wraps."""
    match item:
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(value="wrap_async_context_manager")), args=[only]):
            return only.value if kinds.kind(source, owner) is Kind.PORTAL else None
    return None


def _call(source: Source, kinds: Kinds, call: cst.Call) -> Operation | None:
    if source.name(call.func) == "asyncio.run" and len(call.args) == 1:
        return Operation(call, How.INNER)
    if kinds.kind(source, call.func) is Kind.METHOD:
        return Operation(call, How.AWAIT)
    match call.func:
        case cst.Attribute(value=owner, attr=cst.Name(value=name)):
            kind = kinds.kind(source, owner)
            if kind is Kind.CLIENT and name in OF_A_CLIENT:
                return Operation(call, How.AWAIT, OF_A_CLIENT[name])
            if kind is Kind.SESSION and name in OF_A_SESSION:
                return Operation(call, How.AWAIT, name)
            if kind is Kind.STREAM and name in OF_A_STREAM:
                return Operation(call, How.AWAIT, OF_A_STREAM[name])
            if kind is Kind.PORTAL and name == "call":
                return Operation(call, How.INNER)
            if name == "wait" and _is_exchange(owner):
                return Operation(call, How.AWAIT, name)
            if name == "join" and len(call.args) == 1 and _gives_parts(source, kinds, call.args[0].value):
                return Operation(call, How.ALL)
        case cst.Name(value=name) if call.args and _gives_parts(source, kinds, call.args[0].value):
            if name == "next":
                return Operation(call, How.NEXT)
            if name in CONSUMERS:
                return Operation(call, How.ALL)
    return None


def _gives_parts(source: Source, kinds: Kinds, iterated: cst.BaseExpression) -> bool:
    """Whether it is a session, or an iterator over a stream."""
    match iterated:
        case cst.Call(func=cst.Attribute(value=owner, attr=cst.Name(value=name))) if name in PARTS:
            return kinds.kind(source, owner) is Kind.STREAM
    return kinds.kind(source, iterated) is Kind.SESSION


def _is_exchange(node: cst.BaseExpression) -> bool:
    """Whether it is ``...extensions["asgi"]``."""
    match node:
        case cst.Subscript(
            value=cst.Attribute(attr=cst.Name(value="extensions")),
            slice=[cst.SubscriptElement(slice=cst.Index(value=cst.SimpleString(value="'asgi'" | '"asgi"')))],
        ):
            return True
    return False

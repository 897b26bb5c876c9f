"""``WebSocketDisconnect``: ours where a test expects it of its session, the framework's in the code of an app."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from .edits import Edits
from .names import DISCONNECTS, ours
from .source import Source, inside

#: What is told how an exception is called that is expected.
EXPECTS = {"raises", "assertRaises", "assertRaisesRegex", "RaisesGroup", "RaisesExc", "isinstance", "issubclass"}

#: Parameters that an app's functions have, and no test.
OF_AN_APP = {"websocket", "ws", "socket", "scope"}

#: What Starlette's denial is, beside a response.
OF_THE_EXCEPTION = {"code", "reason", "args", "response", "with_traceback", "add_note"}

DENIAL = "starlette.testclient.WebSocketDenialResponse"


def exchange(edits: Edits) -> None:
    """Have tests expect our exception, and look for the response of a denial where ours has it."""
    source = edits.source
    through: set[cst.Attribute] = set()
    for node in source.nodes:
        if isinstance(node, cst.Name | cst.Attribute | cst.SimpleString):
            name = source.name(node)
            if name in DISCONNECTS and _is_expected(source, node):
                edits.moved[node] = ours("WebSocketDisconnect", "httpx")
            elif name == DENIAL:
                through.update(_denials(source, node))
    for attribute in through:
        edits.change(attribute, lambda now: now.with_changes(value=cst.Attribute(now.value, cst.Name("response"))))


def _is_expected(source: Source, node: cst.CSTNode) -> bool:
    """Whether it stands where a test says what is to be raised, and not in the code of an app."""
    expecting: cst.CSTNode | None = None
    below: cst.CSTNode = node
    for each in source.ancestors(node):
        if isinstance(each, cst.FunctionDef) and _is_of_an_app(source, each):
            return False
        if expecting is None:
            if isinstance(each, cst.ExceptHandler | cst.ExceptStarHandler) and below is each.type:
                expecting = source.parent(each)
            elif isinstance(each, cst.Call) and _called(each) in EXPECTS:
                with_item = source.parent(each)
                expecting = source.parent(with_item) if isinstance(with_item, cst.WithItem) else each
            elif isinstance(each, cst.Comparison):
                expecting = each
            elif isinstance(each, cst.BaseStatement):
                return False
        below = each
    return expecting is not None and not _awaits(expecting) and not _comes_on_leaving(source, expecting)


def _is_of_an_app(source: Source, function: cst.FunctionDef) -> bool:
    if function.name.value.startswith("test"):
        return False
    for param in function.params.params:
        annotation = "" if param.annotation is None else source.code(param.annotation.annotation)
        if (param.name.value in OF_AN_APP and function.asynchronous is not None) or annotation.strip("\"'").endswith(
            "WebSocket"
        ):
            return True
    made = [
        each.decorator.func if isinstance(each.decorator, cst.Call) else each.decorator for each in function.decorators
    ]
    return any(isinstance(each, cst.Attribute) and each.attr.value.startswith("websocket") for each in made)


def _called(call: cst.Call) -> str:
    match call.func:
        case cst.Attribute(attr=cst.Name(value=name)) | cst.Name(value=name):
            return name
    return ""


def _comes_on_leaving(source: Source, expecting: cst.CSTNode) -> bool:
    """Whether the exception is the app's own, raised where the block of a session is left.

    So it is when the block ends with something that raises no such exception by itself: a check of what has come, or a
    message to the app. Of a handshake that is refused, or of a receive after a close, the session tells.
    """
    blocks = [each for each in (expecting, *inside(expecting)) if isinstance(each, cst.With)]
    connect = next((each for each in blocks if _connects(source, each)), None)
    if connect is None:
        return False
    last: cst.CSTNode = connect.body
    while isinstance(last, cst.BaseSuite | cst.With | cst.SimpleStatementLine):
        last = last.body[-1] if not isinstance(last, cst.With) else last.body
    match last:
        case cst.Assert(test=cst.Name(value="False")):
            return False
        case cst.Assert():
            return True
        case cst.Expr(value=cst.Call(func=cst.Attribute(attr=cst.Name(value=name)))):
            return name.startswith("send")
    return False


def _connects(source: Source, statement: cst.With) -> bool:
    return any("websocket_connect(" in source.code(item.item) for item in statement.items)


def _awaits(node: cst.CSTNode) -> bool:
    """Whether there is an ``await`` in it: what a blocking session raises, nobody awaits."""
    return isinstance(node, cst.Await) or any(map(_awaits, node.children))


def _denials(source: Source, node: cst.CSTNode) -> Iterator[cst.Attribute]:
    """Yield each ``caught.value.status_code``, for ``with pytest.raises(node) as caught``; or ``error.status_code``."""
    for each in source.ancestors(node):
        if isinstance(each, cst.WithItem):
            yield from _named(source, each.asname, ["value"])
        elif isinstance(each, cst.ExceptHandler):
            yield from _named(source, each.name, [])


def _named(source: Source, name: cst.AsName | None, steps: list[str]) -> Iterator[cst.Attribute]:
    if name is not None and isinstance(name.name, cst.Name):
        for assignment in source.assignments(name.name):
            for access in assignment.references:
                yield from _of_the_response(source, access.node, steps)


def _of_the_response(source: Source, node: cst.CSTNode, steps: list[str]) -> Iterator[cst.Attribute]:
    for step in [*steps, None]:
        node = source.parent(node)
        if not isinstance(node, cst.Attribute) or (step is not None and node.attr.value != step):
            return
    if isinstance(node, cst.Attribute) and node.attr.value not in OF_THE_EXCEPTION:
        yield node

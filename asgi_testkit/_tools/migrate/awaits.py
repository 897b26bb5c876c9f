"""The edits by which calls are awaited, blocks entered and loops run asynchronously."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise, takewhile
from typing import Any

import libcst as cst

from .edits import Edits
from .operations import PARTS, How, Operation

ASYNC = cst.Asynchronous()


def change(edits: Edits, operation: Operation) -> None:
    """Do to a place what it needs; of what a block enters, see `enter`."""
    node = operation.node
    match operation.how:
        case How.AWAIT:
            wait(edits, node, operation.name)
        case How.EACH:
            edits.change(node, _each)
        case How.ALL:
            edits.change(node, _all)
        case How.NEXT:
            edits.change(node, lambda call: _next(call, bracketed=_is_part(edits, node)))
        case _:  # How.INNER; blocks are not among them
            edits.forget(cst.ensure_type(node, cst.Call).func)
            edits.change(node, lambda call: awaited(_inner(call), bracketed=_is_part(edits, node)))


def wait(edits: Edits, node: cst.CSTNode, name: str = "") -> None:
    """Have a call awaited, by another name if one is given; a generator around it becomes a list."""
    bracketed = _is_part(edits, node)

    def changed(call: cst.Call) -> cst.Await:
        if name:
            call = call.with_deep_changes(call.func, attr=cst.Name(name))
        return awaited(call, bracketed=bracketed)

    edits.change(node, changed)
    listed(edits, node)


def listed(edits: Edits, node: cst.CSTNode) -> None:
    """Make a list of the generator expression that a place is in: an asynchronous one is nothing for ``all``."""
    around = takewhile(lambda each: not isinstance(each, cst.FunctionDef), edits.source.ancestors(node))
    for below, each in pairwise([node, *around]):
        if isinstance(each, cst.GeneratorExp) and not _is_first(each, below):
            edits.change(each, _list)
            return


def _is_first(generator: cst.GeneratorExp, below: cst.CSTNode) -> bool:
    """Whether `below` holds what the generator iterates over, and nothing else that waits."""
    return (
        False
        if below is not generator.for_in
        else not any(isinstance(each, cst.CompIf | cst.CompFor) for each in below.children)
    )


def _list(generator: cst.GeneratorExp) -> cst.ListComp:
    return cst.ListComp(generator.elt, generator.for_in)


def _is_part(edits: Edits, node: cst.CSTNode) -> bool:
    """Whether it is the beginning of ``x.name``, ``x[...]`` or ``x(...)``, to which ``await x`` needs brackets."""
    parent = edits.source.parent(node)
    return (isinstance(parent, cst.Attribute | cst.Subscript) and parent.value is node) or (
        isinstance(parent, cst.Call) and parent.func is node
    )


def awaited(call: Any, *, bracketed: bool) -> cst.Await:
    """Return ``await call``; brackets around the call go around both."""
    left, right = list(call.lpar), list(call.rpar)
    if bracketed and not left:
        left, right = [cst.LeftParen()], [cst.RightParen()]
    return cst.Await(call.with_changes(lpar=[], rpar=[]), lpar=left, rpar=right)


def _inner(call: cst.Call) -> cst.BaseExpression:
    """Return the coroutine in ``asyncio.run(coroutine)``, or ``function(...)`` in ``portal.call(function, ...)``."""
    first, *others = call.args
    if isinstance(call.func, cst.Attribute) and call.func.attr.value == "call":
        return cst.Call(first.value, others)
    return first.value


def _asynchronous(iterated: cst.BaseExpression) -> cst.BaseExpression:
    """Return ``response.aiter_lines()`` for ``response.iter_lines()``."""
    match iterated:
        case cst.Call(func=cst.Attribute(attr=cst.Name(value=name)) as function) if name in PARTS:
            return iterated.with_changes(func=function.with_changes(attr=cst.Name(PARTS[name])))
    return iterated


def _each(loop: Any) -> Any:
    return loop.with_changes(iter=_asynchronous(loop.iter), asynchronous=ASYNC)


def _all(call: cst.Call) -> cst.BaseExpression:
    """Return ``[part async for part in ...]`` for ``list(...)``, and ``tuple([...])`` for ``tuple(...)``."""
    loop = cst.CompFor(cst.Name("part"), _asynchronous(call.args[0].value), asynchronous=ASYNC)
    parts = cst.ListComp(cst.Name("part"), loop)
    if isinstance(call.func, cst.Name) and call.func.value == "list":
        return parts
    return call.with_changes(args=[call.args[0].with_changes(value=parts), *call.args[1:]])


def _next(call: cst.Call, *, bracketed: bool) -> cst.Await:
    first = call.args[0].with_changes(value=_asynchronous(call.args[0].value))
    return awaited(call.with_changes(func=cst.Name("anext"), args=[first, *call.args[1:]]), bracketed=bracketed)


def enter(edits: Edits, statement: cst.With, waiting: Sequence[bool]) -> None:
    """Have some items of a ``with`` entered asynchronously; with others among them, it becomes several."""
    source = edits.source

    def changed(node: cst.With) -> cst.With:
        groups: list[list[cst.WithItem]] = []
        ways: list[bool] = []
        for item, way in zip(node.items, waiting, strict=True):
            if ways and ways[-1] == way:
                groups[-1].append(item)
            else:
                groups.append([item])
                ways.append(way)
        if len(groups) == 1:
            return node.with_changes(asynchronous=ASYNC)
        for group in groups:
            group[-1] = group[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
        made = _with(node, groups[-1], ways[-1], node.body)
        for group, way in zip(groups[-2::-1], ways[-2::-1], strict=True):
            made = _with(node, group, way, cst.IndentedBlock([made]))
        comments = [cst.EmptyLine(comment=cst.Comment(text)) for text in _comments(source.module, node)]
        return made.with_changes(leading_lines=[*node.leading_lines, *comments])

    edits.change(statement, changed)


def _with(node: cst.With, items: Sequence[cst.WithItem], way: bool, body: cst.BaseSuite) -> cst.With:  # noqa: FBT001 - a pair
    brackets = {} if len(items) > 1 else {"lpar": cst.MaybeSentinel.DEFAULT, "rpar": cst.MaybeSentinel.DEFAULT}
    space = cst.SimpleWhitespace(" ")
    return node.with_changes(
        items=items,
        body=body,
        asynchronous=ASYNC if way else None,
        leading_lines=[],
        whitespace_after_with=space,
        **brackets,
    )


def _comments(module: cst.Module, node: cst.With) -> list[str]:
    """Return the comments between the items."""
    return [
        line.partition("#")[2].strip().join(["# ", ""])
        for item in node.items
        if isinstance(item.comma, cst.Comma)
        for line in module.code_for_node(item.comma).splitlines()
        if "#" in line
    ]

"""Where a client, or a session, goes out of sight: into a list, an object, or code that is not the suite's."""

from __future__ import annotations

import libcst as cst

from .kinds import Kind, Kinds
from .source import Source

#: What may be given a client, and makes no requests with it.
NO_REQUESTS = {
    *(
        "isinstance",
        "type",
        "id",
        "repr",
        "str",
        "print",
        "hasattr",
        "getattr",
        "setattr",
        "bool",
        "len",
        "vars",
        "cast",
    ),
    *("object", "enter_context", "enter_async_context", "list", "tuple", "next", "join", "Depends"),
}

#: What is out of sight when it is anywhere else than in a name.
WATCHED = {Kind.CLIENT, Kind.METHOD, Kind.SESSION, Kind.STREAM}


def escape(source: Source, kinds: Kinds, node: cst.CSTNode) -> str | None:
    """Return what becomes of a client at a node, as a sentence; None if it stays in sight, or is none."""
    if not isinstance(node, cst.Attribute | cst.Call) and not (isinstance(node, cst.Name) and source.is_use(node)):
        return None
    kind = kinds.kind(source, node)
    if kind not in WATCHED:
        return None
    it = (
        source.code(node)
        if kind is Kind.METHOD or isinstance(node, cst.Name)
        else f"the {kind.value.partition(' ')[0]}"
    )
    parent = source.parent(node)
    match parent:
        case cst.Arg() if isinstance(call := source.parent(parent), cst.Call):
            return _argument(source, kinds, call, kind, it)
        case cst.Assign(targets=targets):
            if not all(_is_name(each.target) for each in targets):
                return f"{it} is kept in {source.code(targets[0].target)}, and its uses are out of sight"
        case cst.Element():
            if not _is_returned(source, parent):
                return f"{it} is put into a collection, and its uses are out of sight"
        case cst.Param(default=default) if default is not node:
            return None
        case cst.DictElement() | cst.StarredElement() | cst.Lambda() | cst.Param():
            return f"{it} goes where its uses are out of sight"
    return None


def _argument(source: Source, kinds: Kinds, call: cst.Call, kind: Kind, it: str) -> str | None:
    name = name_of(call)
    if kind is Kind.METHOD:
        return f"{it} is handed on: whoever calls it has to await it"
    if name in NO_REQUESTS or kinds.functions(source, call.func):
        return None
    return f"{it} goes to {name or 'other code'}(): if that makes requests, it has to await them"


def name_of(call: cst.Call) -> str:
    """Return the last name of what is called."""
    match call.func:
        case cst.Attribute(attr=cst.Name(value=name)) | cst.Name(value=name):
            return name
    return ""


def _is_name(target: cst.BaseExpression) -> bool:
    """Whether it is a name, or an attribute of the test's own object."""
    match target:
        case cst.Name() | cst.Attribute(value=cst.Name(value="self" | "cls")):
            return True
    return False


def _is_returned(source: Source, element: cst.Element) -> bool:
    """Whether it is part of a tuple that a function returns, or that is unpacked; or a name that gets such a part."""
    around = source.parent(element)
    if not isinstance(around, cst.Tuple):
        return False
    outer = source.parent(around)
    if isinstance(outer, cst.Assign):
        return all(isinstance(each.target, cst.Tuple) for each in outer.targets)
    return isinstance(outer, cst.Return | cst.Yield | cst.AssignTarget | cst.AsName)

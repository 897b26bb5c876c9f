"""A client that a module makes, and tests enter: awaited clients are entered once, so each test gets one of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import libcst as cst
from libcst.metadata import GlobalScope, ImportAssignment

from .clients import only_assignment, value_of
from .kinds import Kind, Kinds
from .source import Source


def entered(source: Source, kinds: Kinds) -> Iterator[tuple[cst.WithItem, cst.Call | None]]:
    """Yield the places where a test enters a client of its module, or of another one.

    With each comes the call that makes the client, if it can be made in the test instead. So it can where the test does
    nothing else with the client, and the module neither.
    """
    for item in source.all(cst.WithItem):
        if isinstance(item.item, cst.Name) and kinds.kind(source, item.item) is Kind.CLIENT:
            made = source.assignments(item.item)
            if all(isinstance(each, ImportAssignment) or isinstance(each.scope, GlobalScope) for each in made):
                yield item, _maker(source, item, item.item)


def _maker(source: Source, item: cst.WithItem, name: cst.Name) -> cst.Call | None:
    variable = only_assignment(source, name)
    call = None if variable is None else value_of(source, variable)
    if variable is None or not isinstance(call, cst.Call) or source.line(call) > source.line(item):
        return None
    statement = source.parent(item)
    function = source.function(item)
    for access in variable.references:
        inside = statement in source.ancestors(access.node)
        if source.function(access.node) is None or (source.function(access.node) is function and not inside):
            return None
    return call


def made_anew(item: cst.WithItem, made: Sequence[cst.Call]) -> cst.WithItem:
    """Return ``AsyncClient(app) as client`` for ``client``, given the call that is to be made."""
    name = item.asname or cst.AsName(item.item.deep_clone())  # type: ignore[arg-type]  # it is a name
    return item.with_changes(item=made[-1].deep_clone(), asname=name)

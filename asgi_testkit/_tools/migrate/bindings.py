"""The names that import statements bind, and who refers to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import ImportAssignment

from .source import Source

ImportStatement = cst.Import | cst.ImportFrom


@dataclass(eq=False)
class Binding:
    """One name of one import statement.

    Attributes:
        statement: The statement.
        alias: The part of it that binds the name.
        full: What is imported, such as ``httpx.AsyncClient`` or ``starlette.testclient``.
        local: The name that it binds.
        references: The longest chains of attributes that begin with the name: ``httpx.AsyncClient``, say. A string is
            an annotation in quotes.
    """

    statement: ImportStatement
    alias: cst.ImportAlias
    full: str
    local: str
    references: list[cst.CSTNode] = field(default_factory=list)


def bindings(source: Source) -> list[Binding]:
    """Return the names that the import statements of a file bind; without those of ``from ... import *``."""
    found: dict[cst.ImportAlias, Binding] = {}
    for statement in source.nodes:
        for alias in aliases_of(statement):
            found[alias] = Binding(statement, alias, *binding_name(statement, alias))  # type: ignore[arg-type]  # as above
    for assignment in source.imports():
        for alias in aliases_of(assignment.node):
            if binds(found[alias], assignment):
                found[alias].references += [_chain(source, access.node) for access in assignment.references]
    return list(found.values())


def binds(binding: Binding, assignment: ImportAssignment) -> bool:
    """Whether an assignment, as libCST knows it, is made by this part of the statement.

    For ``import a.b`` there are two assignments, to ``a.b`` and to ``a``.
    """
    return assignment.name == binding.local or (
        binding.alias.asname is None and assignment.name.partition(".")[0] == binding.local
    )


def aliases_of(statement: cst.CSTNode) -> Iterator[cst.ImportAlias]:
    """Yield the parts of an import statement that bind a name each; none for other nodes."""
    if isinstance(statement, ImportStatement) and not isinstance(statement.names, cst.ImportStar):
        yield from statement.names


def module_of(statement: cst.ImportFrom) -> str:
    """Return what stands between ``from`` and ``import``."""
    name = "" if statement.module is None else _dotted(statement.module)
    return "." * len(statement.relative) + name


def binding_name(statement: cst.CSTNode, alias: cst.ImportAlias) -> tuple[str, str]:
    """Return what is imported, and the name that it gets."""
    name = _dotted(alias.name)
    full = f"{module_of(statement)}.{name}" if isinstance(statement, cst.ImportFrom) else name
    if alias.asname is not None:
        return full, cst.ensure_type(alias.asname.name, cst.Name).value
    return full, name.partition(".")[0]


def _dotted(name: cst.BaseExpression) -> str:
    return cst.Module([]).code_for_node(name)


def _chain(source: Source, node: cst.CSTNode) -> cst.CSTNode:
    """Return the whole of the ``a.b.c`` that begins with `node`."""
    parent = source.parent(node)
    while isinstance(parent, cst.Attribute) and parent.value is node:
        node, parent = parent, source.parent(parent)
    return node


def links(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield a chain, and what it is without its last name, and so on."""
    yield node
    while isinstance(node, cst.Attribute):
        node = node.value
        yield node

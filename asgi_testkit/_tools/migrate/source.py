"""One file as a tree, and what its names mean."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import libcst as cst
from libcst.metadata import (
    BaseAssignment,
    GlobalScope,
    ImportAssignment,
    MetadataWrapper,
    PositionProvider,
    QualifiedNameSource,
    Scope,
    ScopeProvider,
)

#: What may refer to something imported; strings are annotations in quotes.
REFERENCES = cst.Name | cst.Attribute | cst.SimpleString

Node = TypeVar("Node", bound=cst.CSTNode)

#: What makes a scope of its own that a name may stand in.
Function = cst.FunctionDef | cst.Lambda


class Source:
    """A module's tree, with its names resolved.

    Attributes:
        path: Of the file.
        module: The tree. Its nodes are the keys of all that is known.
        nodes: All of them, outer ones first.
    """

    def __init__(self, path: Path, text: str) -> None:
        """Parse `text`.

        Raises:
            cst.ParserSyntaxError: It is not Python.
        """
        self.path = path
        self._wrapper = MetadataWrapper(cst.parse_module(text))
        self.module = self._wrapper.module
        self._scopes = self._wrapper.resolve(ScopeProvider)
        self._parents: dict[cst.CSTNode, cst.CSTNode] = {}
        self.nodes: list[cst.CSTNode] = [self.module]
        for node in self.nodes:  # which grows
            for child in node.children:
                self._parents[child] = node
                self.nodes.append(child)
        self._by_type: dict[type, list[cst.CSTNode]] = {}
        for node in self.nodes:
            self._by_type.setdefault(type(node), []).append(node)
        self._names: dict[cst.CSTNode, str | None] = {}

    def all(self, kind: type[Node]) -> Iterator[Node]:
        """Yield all nodes of this type, in the order in which they stand in the file."""
        found: list[Node] = self._by_type.get(kind, [])  # type: ignore[assignment]  # nodes of this very type
        return iter(found)

    def line(self, node: cst.CSTNode) -> int:
        return self._wrapper.resolve(PositionProvider)[node].start.line

    def parent(self, node: cst.CSTNode) -> cst.CSTNode:
        return self._parents[node]

    def ancestors(self, node: cst.CSTNode) -> Iterator[cst.CSTNode]:
        """Yield the parent, its parent, and so on, the module last."""
        while not isinstance(node, cst.Module):
            node = self._parents[node]
            yield node

    def enclosing(self, node: cst.CSTNode, kind: type[Node]) -> Node | None:
        """Return the nearest node of this type around `node`."""
        return next((each for each in self.ancestors(node) if isinstance(each, kind)), None)

    def function(self, node: cst.CSTNode) -> Function | None:
        """Return the function that `node` runs in; None for the module, or the body of a class there.

        Decorators, defaults and annotations run where the function is defined.
        """
        below = node
        for each in self.ancestors(node):
            if isinstance(each, cst.Lambda | cst.FunctionDef) and below is each.body:
                return each
            below = each
        return None

    def scope(self, node: cst.CSTNode) -> Scope:
        """Return the scope that names of `node` are looked up in."""
        while self._scopes.get(node) is None:
            node = self._parents[node]
        scope = self._scopes[node]
        assert scope is not None
        return scope

    def assignments(self, name: cst.Name) -> Sequence[BaseAssignment]:
        """Return all that gives this name its value."""
        return list(self.scope(name)[name.value])

    def globals(self, name: str) -> Sequence[BaseAssignment]:
        """Return what gives a global of this name its value."""
        scope = self.scope(self.module)
        assert isinstance(scope, GlobalScope)
        return list(scope[name]) if name in scope else []

    def name(self, node: cst.CSTNode) -> str | None:
        """Return the full name of what was imported, such as ``httpx.AsyncClient``; None for anything else.

        Where there are two, of two imports that stand in for each other, it is none.
        """
        if node not in self._names:
            found = self.scope(node).get_qualified_names_for(node)
            imported = {each.name for each in found if each.source is QualifiedNameSource.IMPORT}
            self._names[node] = imported.pop() if len(imported) == 1 else None
        return self._names[node]

    def is_use(self, name: cst.Name) -> bool:
        """Whether a name is looked up where it stands: not behind a dot, and not before the value of an argument."""
        parent = self.parent(name)
        behind_dot = isinstance(parent, cst.Attribute) and parent.attr is name
        return not behind_dot and not (isinstance(parent, cst.Arg) and parent.keyword is name)

    def string(self, text: str) -> cst.SimpleString:
        """Return a text as a literal, in the quotes that most strings of the file have."""
        single = sum(1 if node.quote == "'" else -1 for node in self.all(cst.SimpleString) if len(node.quote) == 1)
        return cst.SimpleString(f"'{text}'" if single > 0 else f'"{text}"')

    def code(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node).strip()

    def imports(self) -> Iterator[ImportAssignment]:
        """Yield each name that an import statement binds, in whatever scope."""
        scopes = {scope for scope in self._scopes.values() if scope is not None}
        for scope in scopes:
            for assignment in scope.assignments:
                if isinstance(assignment, ImportAssignment):
                    yield assignment

    def is_bound(self, name: str) -> bool:
        """Whether anything in the file gives this name a value, in any scope, other than an import of our own."""
        scopes = {scope for scope in self._scopes.values() if scope is not None}
        return any(each.name == name for scope in scopes for each in scope.assignments)


def inside(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    """Yield all nodes below one, outer ones first."""
    for child in node.children:
        yield child
        yield from inside(child)

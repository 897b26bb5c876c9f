"""Which functions can only become async together: they share a client, a fixture, or a function that makes requests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator

import libcst as cst
from libcst.metadata import Assignment, GlobalScope, ImportAssignment

from .kinds import Kind, Kinds
from .source import Source
from .suite import Suite

#: Those kinds of which there can be one that several functions use.
SHARED = {Kind.CLIENT, Kind.METHOD, Kind.SESSION, Kind.STREAM, Kind.PORTAL}


class Bonds:
    """Who is bound to whom, directly."""

    def __init__(self, suite: Suite, kinds: Kinds, waiting: Collection[cst.FunctionDef]) -> None:
        """Look at a suite.

        Args:
            suite: All files.
            kinds: What its expressions are.
            waiting: The functions that would become async, if nothing stood in the way.
        """
        self._suite = suite
        self._kinds = kinds
        self._waiting = waiting
        self._of: defaultdict[Hashable, set[Hashable]] = defaultdict(set)
        for source in suite.sources:
            for node in source.nodes:
                for thing in self._things(source, node):
                    self._bind(self._place(source, node), thing)
        for function in suite.functions():
            source = suite.home(function)
            self._bind(function, outermost(source, function))

    def closure(self, stuck: Collection[Hashable]) -> set[Hashable]:
        """Return what is bound to any of these, through however many others."""
        found = set(stuck)
        waiting = list(stuck)
        while waiting:
            for each in self._of[waiting.pop()] - found:
                found.add(each)
                waiting.append(each)
        return found

    def place(self, source: Source, node: cst.CSTNode) -> Hashable:
        """Return what a piece of code belongs to: a function, a variable of the module that it makes, or the module."""
        return self._place(source, node)

    def _bind(self, one: Hashable, other: Hashable) -> None:
        self._of[one].add(other)
        self._of[other].add(one)

    def _place(self, source: Source, node: cst.CSTNode) -> Hashable:
        function = node if isinstance(node, cst.FunctionDef) else source.enclosing(node, cst.FunctionDef)
        if function is not None:
            return function
        owner, statement = source.enclosing(node, cst.ClassDef), source.enclosing(node, cst.Assign)
        if statement is not None and isinstance(statement.targets[0].target, cst.Name):
            name = statement.targets[0].target.value
            return (source, "self", name) if owner is not None else (source, name)
        return source

    def _things(self, source: Source, node: cst.CSTNode) -> Iterator[Hashable]:
        """Yield what is used at a node and by others, perhaps."""
        match node:
            case cst.Name() if source.is_use(node) and self._kinds.kind(source, node) in SHARED:
                for each in source.assignments(node):
                    yield from self._variable(source, each)
            case cst.Attribute(value=cst.Name(value="self" | "cls"), attr=attr) if (
                self._kinds.kind(source, node) in SHARED
            ):
                yield source, "self", attr.value
            case cst.Call():
                for function in self._kinds.functions(source, node.func):
                    if self._matters(function):
                        yield function
            case cst.Param():
                fixture = self._suite.fixture(source, node.name.value, of=source.parent(source.parent(node)))
                if fixture is not None and self._matters(fixture):
                    yield fixture

    def _variable(self, source: Source, assignment: object) -> Iterator[Hashable]:
        if isinstance(assignment, ImportAssignment):
            yield self._suite.imported(source, assignment)
        elif isinstance(assignment, Assignment) and isinstance(assignment.scope, GlobalScope):
            yield source, assignment.name

    def _matters(self, function: cst.FunctionDef) -> bool:
        known = function in self._waiting or self._kinds.has_parts(function)
        return known or self._kinds.result(function) in SHARED


def outermost(source: Source, function: cst.FunctionDef) -> cst.FunctionDef:
    """Return the function around all others that this one is in."""
    return [function, *(each for each in source.ancestors(function) if isinstance(each, cst.FunctionDef))][-1]

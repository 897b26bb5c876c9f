"""Who is called, and by whom."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

import libcst as cst
from libcst.metadata import Assignment

from .source import Source, inside
from .suite import Suite


class Callees:
    """Knows the calls of a suite."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite

    def functions(self, source: Source, node: cst.CSTNode) -> list[cst.FunctionDef]:
        """Return the functions of the suite that an expression, which is called, may be.

        What a fixture returns counts, if that is a function which it has defined.
        """
        made = [function for fixture in self.fixtures(source, node) for function in self._given(fixture)]
        return made or list(self._suite.named(source, node))

    def fixtures(self, source: Source, node: cst.CSTNode) -> list[cst.FunctionDef]:
        """Return the fixture that a name stands for, if it is a parameter for one."""
        found = []
        for each in source.assignments(node) if isinstance(node, cst.Name) else ():
            param = each.node if isinstance(each, Assignment) else None
            if isinstance(param, cst.Param):
                owner = source.parent(source.parent(param))
                fixture = self._suite.fixture(source, param.name.value, of=owner)
                found += [] if fixture is None else [fixture]
        return found

    def _given(self, fixture: cst.FunctionDef) -> list[cst.FunctionDef]:
        """Return the functions that a fixture gives to tests."""
        home = self._suite.home(fixture)
        given = [
            node.value
            for node in inside(fixture)
            if isinstance(node, cst.Return | cst.Yield) and home.function(node) is fixture
        ]
        return [function for value in given if value is not None for function in self._suite.named(home, value)]

    @cached_property
    def calls(self) -> dict[cst.FunctionDef, list[tuple[Source, cst.Call]]]:
        """Who calls which function of the suite by its name."""
        found: defaultdict[cst.FunctionDef, list[tuple[Source, cst.Call]]] = defaultdict(list)
        for source in self._suite.sources:
            for call in source.all(cst.Call):
                for function in self._suite.named(source, call.func):
                    found[function].append((source, call))
        return found

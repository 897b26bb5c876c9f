"""Which functions become async: those that await, those that call them, and the tests that use such fixtures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import libcst as cst

from .bonds import Bonds
from .kinds import Kinds
from .obstacles import Obstacles
from .operations import How, operations
from .source import Source, inside
from .suite import Suite, is_fixture, is_test, parameters
from .uses import look


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a function of the suite, in one of its files."""

    source: Source
    node: cst.Call
    owner: cst.FunctionDef | None


class Colours:
    """Finds out what becomes async, and what stays as it is.

    Attributes:
        operations: What has to be awaited, by file.
        asynchronous: The functions that are to be async, those that are already among them.
        obstacles: What stands in the way.
    """

    def __init__(self, suite: Suite, kinds: Kinds) -> None:
        self._suite = suite
        self.operations = {source: operations(source, kinds) for source in suite.sources}
        self.obstacles = Obstacles(suite)
        look(suite, kinds, self.obstacles)
        self.asynchronous: set[cst.FunctionDef] = set()
        self._calls = self._all_calls(kinds)
        self._requested = {function: set(self._fixtures(function)) for function in suite.functions()}
        self._left: set[Hashable] = set()
        self._bonds = Bonds(suite, kinds, ())
        self._bonds = Bonds(suite, kinds, self._reached())
        self._spread()

    def stays(self, source: Source, node: cst.CSTNode) -> bool:
        """Whether a place is left as it was: something is in its way, or in that of what it is bound to."""
        return source in self._left or self._bonds.place(source, node) in self._left

    def _spread(self) -> None:
        """Go on until nothing more becomes async, and no more obstacles turn up."""
        while True:
            self._left = self._bonds.closure({*self.obstacles.functions, *self._all_of(self.obstacles.files)})
            self.asynchronous = self._reached()
            before = len(self.obstacles.notes)
            for function in self.asynchronous:
                if function.asynchronous is None:
                    self.obstacles.find(function)
            self._at_import()
            if len(self.obstacles.notes) == before:
                return

    def _all_of(self, files: set[Source]) -> Iterator[Hashable]:
        """Yield what can be bound to others in these files, and the files."""
        for source in files:
            yield source
            yield from source.all(cst.FunctionDef)
            yield from (self._bonds.place(source, node) for node in source.all(cst.Assign))

    def _reached(self) -> set[cst.FunctionDef]:
        """Return what has to be async, with the obstacles that are known."""
        found: set[cst.FunctionDef] = set()
        waiting: list[cst.FunctionDef] = []

        def add(source: Source, function: cst.FunctionDef | None) -> None:
            if function is not None and function not in found and not self.stays(source, function):
                found.add(function)
                waiting.append(function)

        for source, each in self.operations.items():
            for operation in each:
                if operation.how is not How.INNER:
                    add(source, self._owner(source, operation.node))
        users = self._users()
        while waiting:
            function = waiting.pop()
            for call in self._calls[function]:
                add(call.source, call.owner)
            for user in users.get(function, ()):
                add(self._suite.home(user), user)
        return found

    def _owner(self, source: Source, node: cst.CSTNode) -> cst.FunctionDef | None:
        function = source.function(node)
        if isinstance(function, cst.Lambda):
            self.obstacles.at(source, node, "a lambda cannot await: write it as an async function, or without it")
            return None
        return function

    def _at_import(self) -> None:
        """Find what would have to be awaited while a module is imported, which leaves all of it as it was."""
        for source, each in self.operations.items():
            for operation in each:
                if source.function(operation.node) is None and operation.how is not How.INNER:
                    sentence = "nothing can be awaited while a module is imported: move this into a fixture"
                    self.obstacles.file(source, operation.node, sentence)
        for function in self.asynchronous:
            for call in self._calls[function]:
                if call.owner is None:
                    name = function.name.value
                    sentence = f"{name}() cannot be awaited while the module is imported: move this into a fixture"
                    self.obstacles.file(call.source, call.node, sentence)

    def awaited_calls(self) -> Iterator[Call]:
        """Yield the calls of functions that become async."""
        for function in self.asynchronous:
            if function.asynchronous is None:
                yield from (call for call in self._calls[function] if call.owner in self.asynchronous)

    def _all_calls(self, kinds: Kinds) -> defaultdict[cst.FunctionDef, list[Call]]:
        found: defaultdict[cst.FunctionDef, list[Call]] = defaultdict(list)
        for source in self._suite.sources:
            for node in source.all(cst.Call):
                owner = source.function(node)
                for function in kinds.functions(source, node.func):
                    if not is_fixture(self._suite.home(function), function):
                        found[function].append(
                            Call(source, node, owner if isinstance(owner, cst.FunctionDef) else None)
                        )
        return found

    def _users(self) -> dict[cst.FunctionDef, set[cst.FunctionDef]]:
        """Return the tests that get a fixture, at first hand or through others."""
        users: defaultdict[cst.FunctionDef, set[cst.FunctionDef]] = defaultdict(set)
        for function in self._suite.functions():
            if is_test(self._suite.home(function), function):
                for fixture in self.requested(function):
                    users[fixture].add(function)
        return users

    def requested(self, function: cst.FunctionDef) -> set[cst.FunctionDef]:
        """Return the fixtures of the suite that a function gets, at first hand or through others."""
        found: set[cst.FunctionDef] = set()
        waiting = [*self._requested[function]]
        while waiting:
            fixture = waiting.pop()
            if fixture not in found:
                found.add(fixture)
                waiting += self._requested[fixture]
        return found

    def _fixtures(self, function: cst.FunctionDef) -> Iterator[cst.FunctionDef]:
        """Yield those that it asks for itself, by parameters, marks, or because they are for all."""
        source = self._suite.home(function)
        test = is_test(source, function)
        if not test and not is_fixture(source, function):
            return
        names = [param.name.value for param in parameters(function)]
        if test:
            names += _marked(source, function)
            yield from self._suite.for_all(source)
        for name in names:
            fixture = self._suite.fixture(source, name, of=function)
            if fixture is not None:
                yield fixture


def _marked(source: Source, function: cst.FunctionDef) -> list[str]:
    """Return the fixtures that ``usefixtures`` asks for: on the test, its class, or in ``pytestmark``."""
    places: list[cst.CSTNode] = list(function.decorators)
    places += [
        each for owner in source.ancestors(function) if isinstance(owner, cst.ClassDef) for each in owner.decorators
    ]
    places += [
        node
        for node in source.all(cst.Assign)
        if any(source.code(target.target) == "pytestmark" for target in node.targets)
    ]
    calls = [node for place in places for node in (place, *inside(place)) if isinstance(node, cst.Call)]
    marks = [call for call in calls if (source.name(call.func) or "").endswith("mark.usefixtures")]
    texts = [arg.value for call in marks for arg in call.args if isinstance(arg.value, cst.SimpleString)]
    return [str(text.evaluated_value) for text in texts]

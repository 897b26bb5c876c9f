"""All files of a run: which functions and fixtures are meant where they are named."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

import libcst as cst
from libcst.metadata import Assignment, ImportAssignment

from .bindings import aliases_of, binding_name
from .source import Source

FIXTURES = {"pytest.fixture", "pytest_asyncio.fixture"}


class Suite:
    """What is known of several files together.

    Attributes:
        sources: The files.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = list(sources)
        self._home = {function: source for source in self.sources for function in source.all(cst.FunctionDef)}
        self._by_path = {source.path: source for source in self.sources}
        self._by_name: dict[tuple[str, ...], Source] = {}
        for source in self.sources:
            parts = _dotted(source)
            for length in range(1, len(parts) + 1):
                self._by_name.setdefault(parts[-length:], source)

    def home(self, function: cst.FunctionDef) -> Source:
        """Return the file that a function stands in."""
        return self._home[function]

    def functions(self) -> Iterable[cst.FunctionDef]:
        return self._home

    @cached_property
    def _fixtures(self) -> dict[tuple[Source, str], cst.FunctionDef]:
        return {
            (source, fixture_name(source, function)): function
            for function, source in self._home.items()
            if is_fixture(source, function)
        }

    def fixture(self, source: Source, name: str, *, of: cst.CSTNode | None = None) -> cst.FunctionDef | None:
        """Return the fixture of this name that a function in `source` gets, if it is in one of the files.

        Args:
            source: The file of the function.
            name: What the function calls it.
            of: The function, which may be a fixture of that name itself, and then gets the one that it overrides.
        """
        for place in (source, *self._conftests(source)):
            found = self._fixtures.get((place, name))
            if found is not None and found is not of:
                return found
        return None

    def _conftests(self, source: Source) -> Iterator[Source]:
        """Yield the ``conftest.py`` files that hold for a file, the nearest first."""
        for folder in source.path.parents:
            if folder / "conftest.py" in self._by_path:
                yield self._by_path[folder / "conftest.py"]

    def for_all(self, source: Source) -> list[cst.FunctionDef]:
        """Return the fixtures that each test of a file gets, whether it asks for them or not."""
        places = {source, *self._conftests(source)}
        return [fixture for home, fixture in self._for_all if home in places]

    @cached_property
    def _for_all(self) -> list[tuple[Source, cst.FunctionDef]]:
        return [
            (home, each)
            for (home, _), each in self._fixtures.items()
            if _is_true(fixture_options(home, each).get("autouse"))
        ]

    def imported(self, source: Source, assignment: ImportAssignment) -> tuple[Source, str] | None:
        """Return the file that a name was imported from, and its name there."""
        for alias in aliases_of(assignment.node):
            full, local = binding_name(assignment.node, alias)
            if local == assignment.name and isinstance(assignment.node, cst.ImportFrom):
                module, _, name = full.rpartition(".")
                home = self._module(source, module)
                return None if home is None else (home, name)
        return None

    def _module(self, source: Source, module: str) -> Source | None:
        """Return the file of a module, if it is one of the suite."""
        names = module.lstrip(".")
        level = len(module) - len(names)
        parts = tuple(names.split(".")) if names else ()
        if level:
            folder = source.path.parents[level - 1]
            inside = folder.joinpath(*parts)
            return self._by_path.get(inside.with_suffix(".py")) or self._by_path.get(inside / "__init__.py")
        return self._by_name.get(parts)

    def named(self, source: Source, expression: cst.CSTNode) -> Sequence[cst.FunctionDef]:
        """Return the functions of the suite that a name, or ``self.name``, may mean."""
        if isinstance(expression, cst.Name):
            return [found for each in source.assignments(expression) for found in self._assigned(source, each)]
        match expression:
            case cst.Attribute(value=cst.Name(value="self" | "cls"), attr=attr):
                return [
                    function
                    for function in self.methods(source, source.enclosing(expression, cst.ClassDef))
                    if function.name.value == attr.value
                ]
        return []

    def _assigned(self, source: Source, assignment: object) -> list[cst.FunctionDef]:
        if isinstance(assignment, ImportAssignment):
            there = self.imported(source, assignment)
            if there is None:
                return []
            home, name = there
            return [
                found for each in home.globals(name) if each is not assignment for found in self._assigned(home, each)
            ]
        node = assignment.node if isinstance(assignment, Assignment) else None
        return [node] if isinstance(node, cst.FunctionDef) else []

    def methods(self, source: Source, owner: cst.ClassDef | None) -> Iterator[cst.FunctionDef]:
        """Yield the methods of a class, and of its bases in the same file."""
        if owner is None:
            return
        for line in owner.body.body:
            if isinstance(line, cst.FunctionDef):
                yield line
        for base in owner.bases:
            if isinstance(base.value, cst.Name):
                for each in source.assignments(base.value):
                    if isinstance(each, Assignment) and isinstance(each.node, cst.ClassDef) and each.node is not owner:
                        yield from self.methods(source, each.node)


def is_fixture(source: Source, function: cst.FunctionDef) -> bool:
    return fixture_decorator(source, function) is not None


def fixture_decorator(source: Source, function: cst.FunctionDef) -> cst.Decorator | None:
    for decorator in function.decorators:
        made = decorator.decorator
        if source.name(made.func if isinstance(made, cst.Call) else made) in FIXTURES:
            return decorator
    return None


def fixture_options(source: Source, function: cst.FunctionDef) -> dict[str, cst.BaseExpression]:
    """Return the keyword arguments of the decorator that makes it a fixture."""
    decorator = fixture_decorator(source, function)
    made = None if decorator is None else decorator.decorator
    return {arg.keyword.value: arg.value for arg in made.args if arg.keyword} if isinstance(made, cst.Call) else {}


def fixture_name(source: Source, function: cst.FunctionDef) -> str:
    """Return the name that tests have a fixture by."""
    given = fixture_options(source, function).get("name")
    if isinstance(given, cst.SimpleString) and isinstance(given.evaluated_value, str):
        return given.evaluated_value
    return function.name.value


def is_test(source: Source, function: cst.FunctionDef) -> bool:
    """Whether pytest collects it, going by its name."""
    return function.name.value.startswith("test") and source.function(function) is None


def parameters(function: cst.FunctionDef) -> list[cst.Param]:
    """Return what a function can be given by name; without ``self``."""
    params = [*function.params.posonly_params, *function.params.params, *function.params.kwonly_params]
    return [param for param in params if param.name.value not in {"self", "cls"}]


def _dotted(source: Source) -> tuple[str, ...]:
    parts = source.path.with_suffix("").parts
    return parts[:-1] if parts[-1] == "__init__" else parts


def _is_true(value: cst.BaseExpression | None) -> bool:
    return isinstance(value, cst.Name) and value.value == "True"

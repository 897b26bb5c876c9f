"""Why a function cannot become async by itself: each reason leaves it as it was, and is told."""

from __future__ import annotations

import libcst as cst
from libcst.metadata import Assignment, ImportAssignment

from .bonds import outermost
from .clients import value_of
from .notes import Note
from .source import Source
from .suite import Suite, is_fixture, is_test

#: Methods and functions that pytest calls, and awaits none of.
SETUPS = {f"{what}_{of}" for what in ("setup", "teardown") for of in ("method", "class", "function", "module")} | {
    "setup",
    "teardown",
}

#: Decorators that work on async functions as on others, and modules that have no others.
HARMLESS = (
    *("pytest.", "pytest_asyncio.", "unittest.mock.", "mock.", "freezegun.", "time_machine.", "respx.", "hypothesis."),
    *(
        "contextlib.contextmanager.",
        "functools.wraps.",
        "typing.",
        "typing_extensions.",
        "parameterized.",
        "pytest_mock.",
    ),
)
OF_PYTHON = {"staticmethod", "classmethod", "override"}


class Obstacles:
    """Those that were met.

    Attributes:
        functions: What is left as it was: functions that stand in no other.
        files: Those of which all is left.
        notes: What is told, by file.
    """

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self.functions: set[cst.FunctionDef] = set()
        self.files: set[Source] = set()
        self.notes: list[tuple[Source, Note]] = []
        self._handed_on = self._references()

    def at(self, source: Source, node: cst.CSTNode, sentence: str) -> None:
        """Leave the function around `node` as it was."""
        function = node if isinstance(node, cst.FunctionDef) else source.enclosing(node, cst.FunctionDef)
        if function is None:
            self.file(source, node, sentence)
            return
        self.tell(source, node, sentence)
        self.functions.add(outermost(source, function))

    def file(self, source: Source, node: cst.CSTNode, sentence: str) -> None:
        """Leave all of a file as it was."""
        self.tell(source, node, sentence)
        self.files.add(source)

    def find(self, function: cst.FunctionDef) -> bool:
        """Look for what keeps a function from becoming async. Return whether there is anything."""
        source = self._suite.home(function)
        name = function.name.value
        owner = source.enclosing(function, cst.ClassDef)
        if owner is not None and source.function(function) is None:
            if any(source.code(base.value).endswith("TestCase") for base in owner.bases):
                sentence = (
                    f"{owner.name.value} is unittest's TestCase, and awaits nothing; IsolatedAsyncioTestCase does"
                )
                self._class(source, owner, owner, sentence)
                return True
            if name in SETUPS:
                self._class(
                    source, owner, function, f"pytest awaits no {name}(): make it an async fixture with autouse=True"
                )
                return True
        if name in SETUPS and not is_fixture(source, function) and owner is None:
            self.file(source, function, f"pytest awaits no {name}(): make it an async fixture with autouse=True")
            return True
        sentence = self._reason(source, function)
        if sentence:
            self.at(source, function, sentence)
        return bool(sentence)

    def _reason(self, source: Source, function: cst.FunctionDef) -> str:
        name = function.name.value
        if name.startswith("__") and name.endswith("__"):
            return f"Python awaits no {name}(): what it awaits has to move to another method"
        for decorator in function.decorators:
            made = decorator.decorator.func if isinstance(decorator.decorator, cst.Call) else decorator.decorator
            if not self._is_harmless(source, made):
                return (
                    f"whether @{source.code(made)} works on async functions cannot be told: make {name}() async if so"
                )
        if function in self._handed_on and not is_test(source, function) and not is_fixture(source, function):
            where, node = self._handed_on[function]
            place = f"line {where.line(node)}" if where is source else f"{where.path.name}:{where.line(node)}"
            return f"{name}() is handed on in {place}: make it async if it is awaited there, and await what it calls"
        if _yields(source, function) and not is_fixture(source, function) and not _is_manager(source, function):
            return f"{name}() is a generator: make it async, and what iterates over it"
        return ""

    def _is_harmless(self, source: Source, decorator: cst.BaseExpression) -> bool:
        """Whether a decorator works on async functions: it is known, or the suite gives a known one that name."""
        name = source.name(decorator)
        if name is not None and any(f"{name}.".startswith(each) for each in HARMLESS):
            return True
        if not isinstance(decorator, cst.Name):
            return False
        values = [value for each in source.assignments(decorator) for value in self._values(source, each)]
        made = [(home, value.func if isinstance(value, cst.Call) else value) for home, value in values]
        return decorator.value in OF_PYTHON or (bool(made) and all(self._is_harmless(*each) for each in made))

    def _values(self, source: Source, assignment: object) -> list[tuple[Source, cst.BaseExpression]]:
        """Return what is assigned to a name, here or where it was imported from."""
        if isinstance(assignment, ImportAssignment):
            there = self._suite.imported(source, assignment)
            found = [] if there is None else there[0].globals(there[1])
            return [
                value for each in found if each is not assignment and there for value in self._values(there[0], each)
            ]
        if isinstance(assignment, Assignment) and isinstance(assignment.node, cst.Name):
            value = value_of(source, assignment)
            return [] if value is None else [(source, value)]
        return []

    def _class(self, source: Source, owner: cst.ClassDef, node: cst.CSTNode, sentence: str) -> None:
        """Leave all methods of a class as they were."""
        self.tell(source, node, sentence)
        self.functions |= {each for each in owner.body.body if isinstance(each, cst.FunctionDef)}

    def tell(self, source: Source, node: cst.CSTNode, sentence: str) -> None:
        """Leave nothing, and have a person look at a place."""
        told = (source, Note(source.line(node), sentence))
        if told not in self.notes:
            self.notes.append(told)

    def _references(self) -> dict[cst.FunctionDef, tuple[Source, cst.CSTNode]]:
        """Return the functions that are named without being called, and where."""
        found: dict[cst.FunctionDef, tuple[Source, cst.CSTNode]] = {}
        for source in self._suite.sources:
            for node in source.nodes:
                if isinstance(node, cst.Name | cst.Attribute) and not _is_called(source, node):
                    for function in self._suite.named(source, node):
                        found.setdefault(function, (source, node))
        return found


def _is_called(source: Source, node: cst.CSTNode) -> bool:
    """Whether a name is called, or stands where it is not used: in an import, as an attribute, before a default."""
    parent = source.parent(node)
    match parent:
        case cst.Call():
            return True
        case cst.Return() | cst.Yield():  # a fixture that gives a function: it is called by the name of the fixture
            function = source.enclosing(node, cst.FunctionDef)
            return function is not None and is_fixture(source, function)
        case cst.Attribute():
            return parent.attr is node
        case cst.Arg():
            return parent.keyword is node
        case (
            cst.ImportAlias() | cst.FunctionDef() | cst.ClassDef() | cst.Param() | cst.AssignTarget() | cst.Decorator()
        ):
            return True
    return False


def _yields(source: Source, function: cst.FunctionDef) -> bool:
    return any(source.function(node) is function for node in source.all(cst.Yield))


def _is_manager(source: Source, function: cst.FunctionDef) -> bool:
    return any(source.name(each.decorator) == "contextlib.contextmanager" for each in function.decorators)

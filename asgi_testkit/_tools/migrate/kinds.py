"""What an expression is, as far as clients go: a client, a session, a response, ..."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from enum import Enum

import libcst as cst
from libcst.metadata import Assignment, BaseAssignment, ImportAssignment

from .callees import Callees
from .source import Source, inside
from .suite import Suite, is_fixture, is_test, parameters


class Kind(Enum):
    """What a test does requests with, and what comes of them."""

    CLIENT = "client"
    METHOD = "a method of a client that makes a request, not yet called"
    RESPONSE = "response"
    STREAMING = "client.stream(), to be entered"
    STREAM = "a response that is not read yet"
    CONNECTING = "client.websocket_connect(), to be entered"
    SESSION = "session"
    PORTAL = "portal"


#: Methods of a client that make a request and return its response.
REQUESTS = {"get", "options", "head", "post", "put", "patch", "delete", "request", "send"}

MANAGERS = {"contextlib.contextmanager", "contextlib.asynccontextmanager"}

#: What ``with ... as`` gives.
ENTERED = {Kind.CLIENT: Kind.CLIENT, Kind.STREAMING: Kind.STREAM, Kind.CONNECTING: Kind.SESSION}


class Kinds:
    """Answers for the expressions of a suite."""

    def __init__(
        self,
        suite: Suite,
        clients: Collection[str],
        sessions: Collection[str] = (),
        *,
        subclasses: bool = True,
        methods: Mapping[str, Kind] | None = None,
    ) -> None:
        """Prepare to answer.

        Args:
            suite: All files.
            clients: The full names of classes that are clients.
            sessions: Those of classes that are sessions, for annotations.
            methods: Others, of an app or of a client, and what they give.
            subclasses: Whether what the suite derives from a client counts as one.
        """
        self._subclasses = subclasses
        self._methods = methods or {}
        self._suite = suite
        self._callees = Callees(suite)
        self._classes = dict.fromkeys(clients, Kind.CLIENT) | dict.fromkeys(sessions, Kind.SESSION)
        self._known: dict[cst.CSTNode, Kind | None] = {}
        self._results: dict[cst.FunctionDef, Kind | None] = {}

    def kind(self, source: Source, node: cst.CSTNode | None) -> Kind | None:
        """Return what an expression of this file is; None if that is not known, or none of them."""
        if node is None:
            return None
        if node not in self._known:
            self._known[node] = None  # what depends on itself tells nothing
            self._known[node] = self._find(source, node)
        return self._known[node]

    def is_class(self, source: Source, node: cst.CSTNode) -> bool:
        """Whether an expression is the class of a client, or a subclass that the suite has made."""
        if self._classes.get(source.name(node) or "") is Kind.CLIENT:
            return True
        return self._subclasses and self._derived(source, node) is not None

    def _derived(self, source: Source, node: cst.CSTNode) -> cst.ClassDef | None:
        """Return the definition of a class of the same file that inherits from a client."""
        if isinstance(node, cst.Name):
            for each in source.assignments(node):
                owner = each.node if isinstance(each, Assignment) else None
                if isinstance(owner, cst.ClassDef) and any(self.is_class(source, base.value) for base in owner.bases):
                    return owner
        return None

    def result(self, function: cst.FunctionDef) -> Kind | None:
        """Return what a function returns; or yields, if it is a fixture or a context manager."""
        if function not in self._results:
            self._results[function] = None
            source = self._suite.home(function)
            found = (self.kind(source, value) for value in self._returned(function))
            kind = next((each for each in found if each is not None), None)
            if kind is None and function.returns is not None:
                kind = self._annotated(source, function.returns.annotation)
            self._results[function] = kind
        return self._results[function]

    def has_parts(self, function: cst.FunctionDef) -> bool:
        """Whether a function returns a tuple with any of these in it."""
        source = self._suite.home(function)
        tuples = [each for each in self._returned(function) if isinstance(each, cst.Tuple)]
        return any(self.kind(source, part.value) is not None for each in tuples for part in each.elements)

    def _returned(self, function: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
        """Yield what a function returns or yields."""
        source = self._suite.home(function)
        for node in inside(function):
            given = node.value if isinstance(node, cst.Return | cst.Yield) else None
            if isinstance(given, cst.BaseExpression) and source.function(node) is function:
                yield given

    def _part(self, source: Source, node: cst.BaseExpression, index: int) -> Kind | None:
        """Return what is at a place of a tuple, which is written here, or returned by a function or fixture."""
        match node:
            case cst.Tuple(elements=elements):
                return self.kind(source, elements[index].value) if index < len(elements) else None
            case cst.Call():
                functions = self.functions(source, node.func)
            case cst.Name():
                functions = self._callees.fixtures(source, node)
            case _:
                return None
        homes = ((self._suite.home(function), value) for function in functions for value in self._returned(function))
        found = (self._part(home, value, index) for home, value in homes if isinstance(value, cst.Tuple))
        return next((each for each in found if each is not None), None)

    def is_manager(self, function: cst.FunctionDef) -> bool:
        """Whether a function is made a context manager by contextlib's decorator."""
        source = self._suite.home(function)
        return any(source.name(each.decorator) in MANAGERS for each in function.decorators)

    def _find(self, source: Source, node: cst.CSTNode) -> Kind | None:
        match node:
            case cst.Name():
                found = (self._assigned(source, each) for each in source.assignments(node))
                return next((each for each in found if each is not None), None)
            case cst.Call():
                return self._called(source, node)
            case cst.Attribute():
                return self._attribute(source, node)
            case cst.Await(expression=inner) | cst.NamedExpr(value=inner):
                return self.kind(source, inner)
            case cst.IfExp(body=first, orelse=second):
                return self.kind(source, first) or self.kind(source, second)
        return None

    def _called(self, source: Source, call: cst.Call) -> Kind | None:
        if self.is_class(source, call.func):
            return Kind.CLIENT
        match call.func:
            case cst.Name(value="getattr") if call.args and self.kind(source, call.args[0].value) is Kind.CLIENT:
                return Kind.METHOD
            case cst.Attribute(attr=cst.Name(value="enter_context" | "enter_async_context")) if call.args:
                kind = self.kind(source, call.args[0].value)
                return ENTERED.get(kind, kind) if kind is not None else None
            case cst.Attribute(attr=cst.Name(value=name)) if self._methods.get(name) is Kind.CLIENT and not call.args:
                return Kind.CLIENT
            case cst.Attribute(value=owner, attr=cst.Name(value=name)) if self.kind(source, owner) is Kind.CLIENT:
                if name == "send" and any(arg.keyword and arg.keyword.value == "stream" for arg in call.args):
                    return Kind.STREAM
                return {
                    "websocket_connect": Kind.CONNECTING,
                    "stream": Kind.STREAMING,
                    "__enter__": Kind.CLIENT,
                    **dict.fromkeys(REQUESTS, Kind.RESPONSE),
                    **self._methods,
                }.get(name)
        if self.kind(source, call.func) is Kind.METHOD:
            return Kind.RESPONSE
        found = (self.result(function) for function in self.functions(source, call.func))
        return next((each for each in found if each is not None), None)

    def _attribute(self, source: Source, node: cst.Attribute) -> Kind | None:
        if self.kind(source, node.value) is Kind.CLIENT:
            return {"portal": Kind.PORTAL, **dict.fromkeys(REQUESTS, Kind.METHOD)}.get(node.attr.value)
        if isinstance(node.value, cst.Name) and node.value.value in {"self", "cls"}:
            return self._of_object(source, node)
        return None

    def _of_object(self, source: Source, node: cst.Attribute) -> Kind | None:
        """Return what ``self.client`` is, by what the class, or a base of it in the file, assigns to it."""
        name = node.attr.value
        owner = source.enclosing(node, cst.ClassDef)
        places = [owner, *self._suite.methods(source, owner)] if owner is not None else []
        values = (
            each.value
            for place in places
            for each in inside(place)
            if isinstance(each, cst.Assign | cst.AnnAssign)
            and any(_is_attribute(source, target, name, owner) for target in _targets(each))
        )
        found = (self.kind(source, value) for value in values)
        return next((each for each in found if each is not None), None)

    def functions(self, source: Source, node: cst.CSTNode) -> list[cst.FunctionDef]:
        """Return the functions of the suite that an expression, which is called, may be."""
        return self._callees.functions(source, node)

    def _assigned(self, source: Source, assignment: BaseAssignment) -> Kind | None:
        if isinstance(assignment, ImportAssignment):
            there = self._suite.imported(source, assignment)
            if there is None:
                return None
            home, name = there
            found = (self._assigned(home, each) for each in home.globals(name) if each is not assignment)
            return next((each for each in found if each is not None), None)
        node = assignment.node if isinstance(assignment, Assignment) else None
        if isinstance(node, cst.Param):
            return self._param(source, node)
        if isinstance(node, cst.Name):
            return self._target(source, node)
        return None

    def _target(self, source: Source, node: cst.Name) -> Kind | None:
        """Return what is assigned to a name here."""
        parent = source.parent(node)
        match parent:
            case cst.AssignTarget():
                return self.kind(source, cst.ensure_type(source.parent(parent), cst.Assign).value)
            case cst.AnnAssign(value=value, annotation=annotation):
                return self.kind(source, value) or self._annotated(source, annotation.annotation)
            case cst.NamedExpr(value=value):
                return self.kind(source, value)
            case cst.Element():
                return self._unpacked(source, parent)
            case cst.AsName():
                item = source.parent(parent)
                kind = self.kind(source, item.item) if isinstance(item, cst.WithItem) else None
                return None if kind is None else ENTERED.get(kind, kind)
        return None

    def _unpacked(self, source: Source, element: cst.Element) -> Kind | None:
        """Return what is assigned to a part of ``a, b = ...``, or of ``with ... as (a, b)``."""
        around = source.parent(element)
        target = source.parent(around)
        if not isinstance(around, cst.Tuple) or not isinstance(target, cst.AssignTarget | cst.AsName):
            return None
        outer = source.parent(target)
        value = (
            outer.value if isinstance(outer, cst.Assign) else outer.item if isinstance(outer, cst.WithItem) else None
        )
        return None if value is None else self._part(source, value, around.elements.index(element))

    def _param(self, source: Source, param: cst.Param) -> Kind | None:
        if param.annotation is not None:
            kind = self._annotated(source, param.annotation.annotation)
            if kind is not None:
                return kind
        function = source.enclosing(param, cst.FunctionDef)
        if function is None:
            return None
        if is_test(source, function) or is_fixture(source, function):
            fixture = self._suite.fixture(source, param.name.value, of=function)
            return None if fixture is None else self.result(fixture)
        names = [each.name.value for each in parameters(function)]
        if param.name.value not in names:
            return None
        found = (
            self.kind(place, arg.value)
            for place, call in self._callees.calls.get(function, ())
            for index, arg in enumerate(call.args)
            if (arg.keyword.value if arg.keyword else names[index] if index < len(names) else None) == param.name.value
        )
        return next((each for each in found if each is not None), None)

    def _annotated(self, source: Source, annotation: cst.BaseExpression) -> Kind | None:
        """Return what an annotation says; for an iterator, what it says of the parts."""
        if isinstance(annotation, cst.Subscript) and (source.name(annotation.value) or "").rpartition(".")[2] in {
            *("Generator", "Iterator", "Iterable", "AsyncGenerator", "AsyncIterator", "AsyncIterable"),
        }:
            first = annotation.slice[0].slice
            return self._annotated(source, first.value) if isinstance(first, cst.Index) else None
        return self._classes.get(source.name(annotation) or "")


def _targets(statement: cst.Assign | cst.AnnAssign) -> list[cst.BaseExpression]:
    return [statement.target] if isinstance(statement, cst.AnnAssign) else [each.target for each in statement.targets]


def _is_attribute(source: Source, target: cst.CSTNode, name: str, owner: cst.ClassDef | None) -> bool:
    """Whether it is ``self.name``, or ``name`` in the body of the class."""
    if isinstance(target, cst.Attribute):
        return (
            target.attr.value == name and isinstance(target.value, cst.Name) and target.value.value in {"self", "cls"}
        )
    of_class = source.enclosing(target, cst.FunctionDef) is None and source.enclosing(target, cst.ClassDef) is owner
    return of_class and isinstance(target, cst.Name) and target.value == name

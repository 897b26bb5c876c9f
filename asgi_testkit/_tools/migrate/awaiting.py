"""The second step: blocking tests become async."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import libcst as cst

from . import awaits, shared
from .clients import with_arguments
from .colours import Colours
from .edits import Edits
from .imports import settle
from .kinds import Kinds
from .names import OURS
from .operations import How, is_entered, wrapped
from .runners import Marking, runner_of
from .source import Source
from .suite import Suite

#: The blocking names, and the awaited ones.
AWAITED = {
    f"{OURS}.TestClient": f"{OURS}.AsyncClient",
    f"{OURS}.httpx2.TestClient": f"{OURS}.httpx2.AsyncClient",
    f"{OURS}.WebSocketSession": f"{OURS}.AsyncWebSocketSession",
    f"{OURS}.httpx2.WebSocketSession": f"{OURS}.httpx2.AsyncWebSocketSession",
}

#: The parameters of `TestClient`, in order.
PARAMETERS = (
    *("app", "base_url", "raise_server_exceptions", "root_path", "backend"),
    *("backend_options", "cookies", "headers", "follow_redirects", "client"),
)

#: What the annotation of a generator becomes.
ITERATORS = ("Generator", "Iterator", "Iterable")


class Awaiting:
    """Makes the blocking tests of a suite async."""

    def __init__(self, suite: Suite, runner: str | None) -> None:
        self._suite = suite
        clients = [name for name in AWAITED if name.endswith("TestClient")]
        self._kinds = Kinds(suite, clients, [name for name in AWAITED if name.endswith("Session")], subclasses=False)
        self._colours = Colours(suite, self._kinds)
        made = [each for each in self._colours.asynchronous if each.asynchronous is None]
        self._marking = Marking(suite, runner_of(suite, runner), made)
        self._made = set(made)
        self._edits = {source: Edits(source) for source in suite.sources}

    def edits(self) -> Mapping[Source, Edits]:
        """Return what is to be done with each file."""
        for source, edits in self._edits.items():
            self._operations(source, edits)
            self._names(source, edits)
            self._calls_of_clients(source, edits)
            self._entered(source, edits)
            self._marking.mark(edits)
        for call in self._colours.awaited_calls():
            if not self._is_manager_entered(call.source, call.node):
                awaits.wait(self._edits[call.source], call.node)
        for function in self._made:
            self._function(self._edits[self._suite.home(function)], function)
        if self._made:
            self._marking.backend(self._edits)
        for source, note in self._colours.obstacles.notes:
            self._edits[source].notes.append(note)
        for edits in self._edits.values():
            settle(edits)
        return self._edits

    def _operations(self, source: Source, edits: Edits) -> None:
        for operation in self._colours.operations[source]:
            function = source.function(operation.node)
            if function in self._colours.asynchronous and operation.how is not How.ENTER:
                awaits.change(edits, operation)
        for statement in source.all(cst.With):
            if statement.asynchronous is None and source.function(statement) in self._colours.asynchronous:
                waiting = [self._waits(source, item) for item in statement.items]
                for item in statement.items:
                    if wrapped(source, self._kinds, item.item) is not None:
                        edits.change(item.item, lambda call: call.args[0].value)
                if any(waiting):
                    awaits.enter(edits, statement, waiting)

    def _entered(self, source: Source, edits: Edits) -> None:
        """Have a test make the client that it has entered, where that was its module's."""
        for item, call in shared.entered(source, self._kinds):
            if call is not None and source.function(item) in self._colours.asynchronous:
                made: list[cst.Call] = []  # the call, as other edits have left it: the module stands before the test
                edits.change(call, partial(_remembered, made=made))
                edits.change(item, partial(shared.made_anew, made=made))

    def _waits(self, source: Source, item: cst.WithItem) -> bool:
        return is_entered(source, self._kinds, item.item) or self._is_manager_entered(source, item.item)

    def _is_manager_entered(self, source: Source, call: cst.CSTNode) -> bool:
        """Whether it is a call of a context manager of the suite which becomes async, in a ``with``."""
        if not isinstance(call, cst.Call) or not isinstance(source.parent(call), cst.WithItem):
            return False
        return any(
            each in self._made and self._kinds.is_manager(each) for each in self._kinds.functions(source, call.func)
        )

    def _function(self, edits: Edits, function: cst.FunctionDef) -> None:
        source = edits.source
        edits.change(function, lambda node: node.with_changes(asynchronous=awaits.ASYNC))
        for decorator in function.decorators:
            if source.name(decorator.decorator) == "contextlib.contextmanager":
                edits.moved[decorator.decorator] = "contextlib.asynccontextmanager"
        for node in source.all(cst.Call):
            if source.function(node) is function and source.name(node.func) == "time.sleep":
                edits.note(node, "time.sleep() stops the loop, and the app with it: await anyio.sleep(), or an event")
        returns = None if function.returns is None else function.returns.annotation
        yields = any(source.function(node) is function for node in source.all(cst.Yield))
        if isinstance(returns, cst.Subscript) and yields:
            name = source.name(returns.value) or ""
            module, _, last = name.rpartition(".")
            if last in ITERATORS and module in {"typing", "collections.abc"}:
                edits.moved[returns.value] = f"{module}.Async{last}"
                if last == "Generator" and len(returns.slice) == 3:
                    edits.change(returns, _two_of_three)

    def _names(self, source: Source, edits: Edits) -> None:
        """Exchange the names of classes, where they are not left."""
        for node in source.nodes:
            if isinstance(node, cst.Name | cst.Attribute | cst.SimpleString):
                name = source.name(node) or ""
                if name in AWAITED and not self._colours.stays(source, node):
                    owner = self._handed_to(source, node)
                    if isinstance(owner, cst.ClassDef):
                        edits.note(
                            node, f"{owner.name.value} stays blocking, with its tests: derive it from AsyncClient"
                        )
                    elif owner is not None:
                        edits.note(node, f"{source.code(node)} is handed on: the client that is made of it is blocking")
                    else:
                        edits.moved[node] = AWAITED[name]

    def _handed_to(self, source: Source, node: cst.CSTNode) -> cst.CSTNode | None:
        """Return the class that is derived from a client, or the call that is given its class; else None."""
        parent = source.parent(node)
        owner = source.parent(parent) if isinstance(parent, cst.Arg) else None
        if isinstance(owner, cst.Call) and source.code(owner.func) in {"isinstance", "issubclass", "cast"}:
            return None
        return owner

    def _calls_of_clients(self, source: Source, edits: Edits) -> None:
        for call in source.all(cst.Call):
            if call.func in edits.moved and self._kinds.is_class(source, call.func):
                edits.change(call, _awaited_client)


def _remembered(call: cst.Call, made: list[cst.Call]) -> cst.Call:
    made.append(call)
    return call


def _awaited_client(call: cst.Call) -> cst.Call:
    """Return the call of `AsyncClient` with the arguments of `TestClient`: by name, and with redirects followed."""
    args = []
    for index, arg in enumerate(call.args):
        if index and arg.keyword is None and not arg.star:
            equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
            args.append(arg.with_changes(keyword=cst.Name(PARAMETERS[index]), equal=equal))
        else:
            args.append(arg)
    names = {arg.keyword.value for arg in args if arg.keyword}
    call = call.with_changes(args=args)
    return call if "follow_redirects" in names else with_arguments(call, {"follow_redirects": cst.Name("True")})


def _two_of_three(annotation: cst.Subscript) -> cst.Subscript:
    """Return ``AsyncGenerator[X, Y]``: there is no third part, as an async generator returns nothing."""
    first, second, _ = annotation.slice
    return annotation.with_changes(slice=[first, second.with_changes(comma=cst.MaybeSentinel.DEFAULT)])

"""``AsyncClient(transport=ASGITransport(app))`` becomes ``AsyncClient(app)``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import libcst as cst
from libcst.metadata import Assignment

from .edits import Edits
from .names import ours
from .source import REFERENCES, Source

#: The parameters of ``httpx.ASGITransport`` in order, and those of our client in their place.
TRANSPORT = {
    "app": "app",
    "raise_app_exceptions": "raise_server_exceptions",
    "root_path": "root_path",
    "client": "client",
}

#: Whom the app sees with httpx's transport. It is kept in files that tell of it.
ADDRESS = '("127.0.0.1", 123)'

#: Of the two libraries.
TRANSPORTS = {"httpx.ASGITransport", "httpx2.ASGITransport"}

#: A comma in code that is written in one line.
COMMA = cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


@dataclass(eq=False)
class Client:
    """A client of httpx, or httpx2, that becomes one of ours.

    Attributes:
        call: Where it is made.
        library: ``httpx`` or ``httpx2``.
        app: What it is a client of.
        inner: Where the app stands among the arguments of the transport.
        transport: Where its transport is made, if that is done by hand.
        variable: The assignment of the transport to a name, if it has one.
        extra: Arguments that the call is to have besides.
    """

    call: cst.Call
    library: str
    app: cst.BaseExpression
    inner: int = 0
    transport: cst.Call | None = None
    variable: Assignment | None = None
    extra: dict[str, cst.BaseExpression] = field(default_factory=dict)


def clients(source: Source) -> list[Client]:
    """Return the clients of a file whose transport is httpx's for an app, and is seen."""
    found = []
    tells_address = any("127.0.0.1" in node.value for node in source.all(cst.SimpleString))
    for call in source.all(cst.Call):
        library = (source.name(call.func) or "").removesuffix(".AsyncClient")
        if library not in {"httpx", "httpx2"}:
            continue
        given = keywords(call)
        if "transport" in given:
            client = _over(source, call, library, given["transport"].value)
        elif "app" in given and library == "httpx":  # before httpx 0.28
            client = Client(call, library, given["app"].value)
        else:
            client = None
        if client is not None:
            if tells_address:
                client.extra.setdefault("client", cst.parse_expression(ADDRESS))
            found.append(client)
    return found


def _over(source: Source, call: cst.Call, library: str, transport: cst.BaseExpression) -> Client | None:
    variable = None
    made: cst.BaseExpression | None = transport
    if isinstance(transport, cst.Name) and (variable := only_assignment(source, transport)) is not None:
        made = value_of(source, variable)
    if not isinstance(made, cst.Call) or source.name(made.func) != f"{library}.ASGITransport":
        return None
    given = dict(zip(TRANSPORT, (arg for arg in made.args if arg.keyword is None and not arg.star), strict=False))
    given |= keywords(made)
    if "app" not in given or not set(given) <= set(TRANSPORT) or any(arg.star for arg in made.args):
        return None
    if variable is not None and not all(_is_steady(source, arg.value) for arg in given.values()):
        return None
    extra = {TRANSPORT[name]: arg.value for name, arg in given.items() if name != "app"}
    return Client(call, library, given["app"].value, made.args.index(given["app"]), made, variable, extra)


def keywords(call: cst.Call) -> dict[str, cst.Arg]:
    return {arg.keyword.value: arg for arg in call.args if arg.keyword is not None}


def only_assignment(source: Source, name: cst.Name) -> Assignment | None:
    """Return what gives a name its value, if nothing else does, and it is done in the same function, or the module."""
    found = source.assignments(name)
    if len(found) == 1 and isinstance(found[0], Assignment) and isinstance(found[0].node, cst.Name):
        return found[0]
    return None


def value_of(source: Source, assignment: Assignment) -> cst.BaseExpression | None:
    """Return the right side of ``name = value``; None if the assignment is of another kind."""
    target = source.parent(assignment.node)
    if isinstance(target, cst.AnnAssign):
        return target.value
    statement = source.parent(target)
    if isinstance(target, cst.AssignTarget) and isinstance(statement, cst.Assign) and len(statement.targets) == 1:
        return statement.value
    return None


def _is_steady(source: Source, value: cst.BaseExpression) -> bool:
    """Whether an expression means the same later in the function: its name is given one value alone."""
    root = value
    while isinstance(root, cst.Attribute):
        root = root.value
    if isinstance(root, cst.Name):
        return len(source.assignments(root)) <= 1
    return isinstance(value, cst.SimpleString | cst.Tuple)


class Folding:
    """Edits the clients of a file, when all that they are to have is known."""

    def __init__(self, edits: Edits, found: Sequence[Client]) -> None:
        self._edits = edits
        self._source = edits.source
        self._found = found

    def fold(self) -> None:
        for client in self._found:
            self._edits.moved[client.call.func] = ours("AsyncClient", client.library)
            self._fold(client)
        for node in self._source.nodes:
            name = self._source.name(node) or "" if isinstance(node, REFERENCES) else ""
            if name in TRANSPORTS and node not in self._edits.gone:
                self._edits.moved[node] = ours("ASGITransport", name.partition(".")[0])

    def _fold(self, client: Client) -> None:
        if client.transport is not None and client.variable is None:
            self._edits.gone |= {client.transport.func}
        names = keywords(client.call)
        position = client.call.args.index(names["transport" if client.transport is not None else "app"])
        extra = dict(client.extra)
        app = client.app

        def folded(call: cst.Call) -> cst.Call:
            now = app if client.variable is not None else _inner(call.args[position].value, client)
            return with_app(call, position, now.deep_clone(), extra)

        self._edits.change(client.call, folded)

    def drop_variables(self) -> None:
        """Take out the transports that no client needs any more."""
        variables = {client.variable for client in self._found if client.variable is not None}
        folded = {keywords(client.call)["transport"].value for client in self._found if client.variable is not None}
        for variable in variables:
            if all(access.node in folded for access in variable.references):
                statement = next(
                    node
                    for node in self._source.ancestors(variable.node)
                    if isinstance(node, cst.Assign | cst.AnnAssign)
                )
                self._edits.remove(statement)
                line = self._source.parent(statement)
                if isinstance(line, cst.SimpleStatementLine) and len(line.body) == 1:
                    self._edits.goes(line)


def _inner(value: cst.BaseExpression, client: Client) -> cst.BaseExpression:
    """Return the app as other edits have left it, out of the transport's call or of ``app=`` itself."""
    if client.transport is None:
        return value
    return cst.ensure_type(value, cst.Call).args[client.inner].value


def with_app(call: cst.Call, position: int, app: cst.BaseExpression, extra: dict[str, cst.BaseExpression]) -> cst.Call:
    """Return the call with the app as its first argument, and the extra ones at its end.

    Commas and line breaks stay where they are.
    """
    places = [(arg.comma, arg.whitespace_after_arg) for arg in call.args]
    args = list(call.args)
    old = args.pop(position)
    first = cst.Arg(app)
    if position and any(
        "#" in cst.Module([]).code_for_node(arg.comma) for arg in call.args if isinstance(arg.comma, cst.Comma)
    ):
        args.insert(position, first.with_changes(keyword=cst.Name("app"), equal=old.equal))
    else:
        args.insert(0, first)
    args = [
        arg.with_changes(comma=comma, whitespace_after_arg=space)
        for arg, (comma, space) in zip(args, places, strict=True)
    ]
    return with_arguments(call.with_changes(args=args), extra)


def with_arguments(call: cst.Call, extra: dict[str, cst.BaseExpression]) -> cst.Call:
    """Return the call with these keyword arguments at its end, laid out as those that it has."""
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    for name, value in extra.items():
        new = cst.Arg(value.deep_clone(), keyword=cst.Name(name), equal=equal)
        if call.args:
            *others, last = call.args
            comma, end = _commas(call)
            new = new.with_changes(comma=end, whitespace_after_arg=last.whitespace_after_arg)
            last = last.with_changes(comma=comma, whitespace_after_arg=cst.SimpleWhitespace(""))
            call = call.with_changes(args=[*others, last, new])
        else:
            call = call.with_changes(args=[new])
    return call


def _commas(call: cst.Call) -> tuple[cst.Comma, cst.Comma | cst.MaybeSentinel]:
    """Return what is to stand behind the last argument of a call when another follows, and behind that one."""
    last = call.args[-1]
    start = call.whitespace_before_args
    if isinstance(last.comma, cst.Comma) and isinstance(last.comma.whitespace_after, cst.ParenthesizedWhitespace):
        space = last.comma.whitespace_after  # up to the bracket, with a comment that is about the last argument, if any
        indented = start.last_line if isinstance(start, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace("    ")
        line_end = cst.TrailingWhitespace(newline=space.first_line.newline)
        return (
            last.comma.with_changes(whitespace_after=space.with_changes(last_line=indented, indent=True)),
            last.comma.with_changes(whitespace_after=space.with_changes(first_line=line_end, empty_lines=[])),
        )
    if (
        len(call.args) == 1
        and isinstance(start, cst.ParenthesizedWhitespace)
        and "\n" in cst.Module([]).code_for_node(last.value)
    ):
        return cst.Comma(whitespace_after=start), last.comma
    return COMMA, last.comma

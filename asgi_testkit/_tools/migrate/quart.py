"""Quart's client: how it is made, its verbs and their arguments, and how bodies are read."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from .bonds import Bonds
from .clients import keywords
from .edits import Edits
from .escapes import escape
from .kinds import REQUESTS, Kind, Kinds
from .names import ours
from .source import Source
from .suite import Suite

#: Methods of a client by which something is sent.
OF_A_CLIENT = {*REQUESTS, "open", "websocket", "trace"}

#: The arguments of a request, and what they are called with ours.
ARGUMENTS = {"query_string": "params", "form": "data", "data": "content"}

#: Those without a counterpart in a request.
FOR_THE_CLIENT = {"scheme", "root_path", "scope_base", "subdomain", "files", "http_version"}

STAYS = "Quart's client stays, where it is shared with this place. See the page on Quart in the docs"

#: What a test may do with Quart's client alone.
ONLY_THEIRS = {"session_transaction", "push_promises", "cookie_jar", "delete_cookie", "request", "preserve_context"}

#: How the body of a response is had, when awaited.
BODIES = {"get_json": "json", "json": "json", "get_data": "content", "data": "content"}

#: What only Quart's responses have.
OF_A_RESPONSE = {"mimetype", "content_length", "content_type", "get_etag", "last_modified", "status"}


class Quart:
    """Moves the clients of a suite that are awaited, and come from ``app.test_client()``."""

    def __init__(self, suite: Suite) -> None:
        self._kinds = Kinds(
            suite, (), methods={"test_client": Kind.CLIENT, "websocket": Kind.CONNECTING, "open": Kind.RESPONSE}
        )
        self._bonds = Bonds(suite, self._kinds, ())
        # Flask's clients look alike, and nobody awaits them
        self._is_meant = any(self._awaits(source) for source in suite.sources)
        self._stuck = (
            [(source, node, why) for source in suite.sources for node, why in self._obstacles(source)]
            if self._is_meant
            else []
        )
        self._left = self._bonds.closure([self._bonds.place(source, node) for source, node, _ in self._stuck])

    def _awaits(self, source: Source) -> bool:
        return any(self._kinds.kind(source, node.expression) is Kind.RESPONSE for node in source.all(cst.Await)) or any(
            each.asynchronous is not None and self._kinds.kind(source, item.item) is Kind.CONNECTING
            for each in source.all(cst.With)
            for item in each.items
        )

    def _obstacles(self, source: Source) -> Iterator[tuple[cst.CSTNode, str]]:
        """Yield what ours cannot do: the functions that do it keep Quart's client."""
        for node in source.all(cst.Attribute):
            if self._kinds.kind(source, node.value) is Kind.CLIENT and node.attr.value in ONLY_THEIRS:
                yield node, f"client.{node.attr.value} is Quart's alone: {STAYS}"
        for each in source.nodes:
            if (sentence := escape(source, self._kinds, each)) is not None:
                yield each, f"{sentence}. {STAYS}"
        for call in source.all(cst.Call):
            if not isinstance(call.func, cst.Attribute):
                continue
            name = call.func.attr.value
            if name == "test_app":
                yield call, f"test_app() runs the lifespan, as `async with AsyncClient(app)` does: {STAYS}"
            elif self._is_request(source, call):
                for other in sorted(FOR_THE_CLIENT & set(keywords(call))):
                    yield call, f"{other}= is for the client with ours, or does not exist: {STAYS}"
            elif self._is_unclear(source, call):
                yield call, f"whether receive_text() or receive_bytes() is meant cannot be told: {STAYS}"

    def _is_unclear(self, source: Source, call: cst.Call) -> bool:
        """Whether it receives a message from a session, and nothing tells of which type."""
        match call.func:
            case cst.Attribute(value=owner, attr=cst.Name(value="receive")):
                return self._kinds.kind(source, owner) is Kind.SESSION and not self._received(source, call)
        return False

    def _is_request(self, source: Source, call: cst.Call) -> bool:
        match call.func:
            case cst.Attribute(value=owner, attr=cst.Name(value=name)) if name in OF_A_CLIENT:
                return self._kinds.kind(source, owner) is Kind.CLIENT
        return False

    def _received(self, source: Source, call: cst.Call) -> str:
        """Return how a message is received, by what it is compared with."""
        comparison = source.enclosing(call, cst.Comparison)
        literals = (
            [] if comparison is None else [comparison.left, *(each.comparator for each in comparison.comparisons)]
        )
        for literal in literals:
            if isinstance(literal, cst.SimpleString | cst.FormattedString):
                return "receive_bytes" if "b" in literal.prefix else "receive_text"
        return ""

    def exchange(self, edits: Edits) -> None:
        """Move what is Quart's in a file."""
        if not self._is_meant:
            return
        source = edits.source
        for place, node, why in self._stuck:
            if place is source:
                edits.note(node, why)
        for node in source.nodes:
            if isinstance(node, cst.Call | cst.Await) and self._bonds.place(source, node) not in self._left:
                if isinstance(node, cst.Await):
                    self._body(edits, node)
                else:
                    self._call(edits, node)
        for attribute in source.all(cst.Attribute):
            if self._kinds.kind(source, attribute.value) is Kind.RESPONSE and attribute.attr.value in OF_A_RESPONSE:
                edits.note(
                    attribute, f"response.{attribute.attr.value} is Quart's: ours has headers and status_code, as httpx"
                )

    def _body(self, edits: Edits, node: cst.Await) -> None:
        """``await response.get_json()`` is ``response.json()``."""
        match node.expression:
            case cst.Call(
                func=cst.Attribute(value=owner, attr=cst.Name(value="get_json" | "get_data" as name)), args=args
            ):
                as_text = name == "get_data" and any(edits.source.code(arg.value) == "True" for arg in args)
            case cst.Attribute(value=owner, attr=cst.Name(value="json" | "data" as name)):
                as_text = False
            case _:
                return
        if self._kinds.kind(edits.source, owner) is not Kind.RESPONSE:
            return
        attribute = "text" if as_text else BODIES[name]

        def changed(now: cst.Await) -> cst.BaseExpression:
            inner = now.expression.func if isinstance(now.expression, cst.Call) else now.expression
            read: cst.BaseExpression = cst.Attribute(cst.ensure_type(inner, cst.Attribute).value, cst.Name(attribute))
            return cst.Call(read) if attribute == "json" else read

        edits.change(node, changed)

    def _call(self, edits: Edits, call: cst.Call) -> None:
        source = edits.source
        match call.func:
            case cst.Attribute(value=app, attr=cst.Name(value="test_client")) if not call.args:
                edits.needed.add(ours("AsyncClient", "httpx"))
                del app
                edits.change(call, lambda now: _client(now, entered=isinstance(source.parent(call), cst.WithItem)))
            case cst.Attribute(value=owner, attr=cst.Name(value=name)):
                kind = self._kinds.kind(source, owner)
                if kind is Kind.CLIENT and name == "set_cookie" and len(call.args) >= 3:
                    edits.change(call, _cookie)
                elif kind is Kind.CLIENT and self._is_request(source, call):
                    edits.change(call, _request)
                elif kind is Kind.SESSION and name == "receive":
                    new = self._received(source, call)
                    edits.change(call, lambda now: now.with_deep_changes(now.func, attr=cst.Name(new)))


def _client(call: cst.Call, *, entered: bool) -> cst.Call:
    """Return ``AsyncClient(app)`` for ``app.test_client()``, which runs no lifespan."""
    app = cst.Arg(cst.ensure_type(call.func, cst.Attribute).value)
    off = cst.parse_expression('f(lifespan="off")')
    more = cst.ensure_type(off, cst.Call).args if entered else ()
    comma = cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")) if more else cst.MaybeSentinel.DEFAULT
    return call.with_changes(func=cst.Name("AsyncClient"), args=[app.with_changes(comma=comma), *more])


def _cookie(call: cst.Call) -> cst.Call:
    """Return ``client.cookies.set(name, value)`` for ``client.set_cookie(server, name, value)``."""
    client = cst.ensure_type(call.func, cst.Attribute).value
    _, name, value, *_ = call.args
    function = cst.Attribute(cst.Attribute(client, cst.Name("cookies")), cst.Name("set"))
    return call.with_changes(func=function, args=[name, value.with_changes(comma=cst.MaybeSentinel.DEFAULT)])


def _request(call: cst.Call) -> cst.Call:
    """Return the request as ours takes it."""
    args = [
        arg.with_changes(keyword=cst.Name(ARGUMENTS[arg.keyword.value]))
        if arg.keyword and arg.keyword.value in ARGUMENTS
        else arg
        for arg in call.args
    ]
    function = cst.ensure_type(call.func, cst.Attribute)
    name = {"websocket": "websocket_connect", "open": "request", "trace": "request"}.get(
        function.attr.value, function.attr.value
    )
    if function.attr.value in {"open", "trace"}:
        method = next((arg for arg in args if arg.keyword and arg.keyword.value == "method"), None)
        verb = cst.Arg(
            method.value if method else cst.SimpleString('"GET"' if function.attr.value == "open" else '"TRACE"')
        )
        left = [arg for arg in args if arg is not method]
        left[-1] = left[-1].with_changes(comma=args[-1].comma)
        args = [verb.with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))), *left]
    return call.with_changes(func=function.with_changes(attr=cst.Name(name)), args=args)

"""``LifespanManager`` next to a client goes: the client runs the lifespan. Where there was none, it is told not to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import libcst as cst
from libcst.metadata import Assignment

from .clients import Client, keywords, value_of
from .edits import Edits
from .source import Source

MANAGER = "asgi_lifespan.LifespanManager"

#: The arguments of a manager, after the app, which clients have by the same names.
TIMEOUTS = ("startup_timeout", "shutdown_timeout")


class Lifespans:
    """Looks at each manager of a file, and at the clients around."""

    def __init__(self, edits: Edits, found: Sequence[Client]) -> None:
        self._edits = edits
        self._source: Source = edits.source
        self._clients = {client.call: client for client in found}
        self._served: set[Client] = set()

    def settle(self) -> None:
        for item in self._source.all(cst.WithItem):
            call = item.item
            if isinstance(call, cst.Call) and self._source.name(call.func) == MANAGER:
                self._manager(item, call)
        for client in self._clients.values():
            if client not in self._served and not self._is_managed(client):
                client.extra["lifespan"] = self._source.string("off")

    def _manager(self, item: cst.WithItem, call: cst.Call) -> None:
        statement = cst.ensure_type(self._source.parent(item), cst.With)
        inner = self._only(statement)
        beside = [each for each in statement.items if each is not item]
        within = [] if inner is None or item is not statement.items[-1] else list(inner.items)
        client = next(
            (found for each in (*beside, *within) if (found := self._fits(each, item, call)) is not None), None
        )
        if client is not None and self._drop(item, call, client):
            position = statement.items.index(item)
            self._edits.change(statement, _merged if not beside else lambda node: _without(node, position))
            return
        around = [
            found
            for node in self._source.all(cst.WithItem)
            if (found := self._fits(node, item, call)) and statement in self._source.ancestors(node)
        ]
        if around:
            line = self._source.line(around[0].call)
            self._edits.note(
                call,
                f"LifespanManager stays, as its block does more than to enter the client of line {line}. "
                "`async with AsyncClient(app)` runs the lifespan itself: if the rest of the block can go inside it, "
                'take the manager out, and with it lifespan="off" or the manager\'s .app',
            )

    def _only(self, statement: cst.With) -> cst.With | None:
        """Return the ``async with`` that is all there is in a block, but for transports that go."""
        left = [
            line
            for line in statement.body.body
            if not (isinstance(line, cst.SimpleStatementLine) and all(small in self._edits.gone for small in line.body))
        ]
        only = left[0] if len(left) == 1 else None
        return only if isinstance(only, cst.With) and only.asynchronous is not None else None

    def _entered(self, item: cst.WithItem) -> Client | None:
        """Return the client that is entered here, be it made here or before."""
        made: cst.CSTNode | None = item.item
        if isinstance(made, cst.Name):
            itself = None if item.asname is None else item.asname.name  # `with client as client` gives no other value
            found = [
                each
                for each in self._source.assignments(made)
                if isinstance(each, Assignment) and each.node is not itself
            ]
            made = value_of(self._source, found[0]) if len(found) == 1 else None
        return self._clients.get(made) if isinstance(made, cst.Call) else None

    def _fits(self, item: cst.WithItem, manager: cst.WithItem, call: cst.Call) -> Client | None:
        client = self._entered(item)
        if client is None or not call.args or client in self._served:
            return None
        app = self._source.code(app_of(call))
        own = {app} if manager.asname is None else {app, f"{self._source.code(manager.asname.name)}.app"}
        return client if self._source.code(client.app) in own else None

    def _drop(self, item: cst.WithItem, call: cst.Call, client: Client) -> bool:
        """Have the client do what the manager did. Return whether it can."""
        app = app_of(call)
        uses = self._uses(item)
        if any(
            not isinstance(self._source.parent(use), cst.Attribute) or self._attribute(use) != "app" for use in uses
        ):
            return False
        timeouts = dict(zip(TIMEOUTS, [arg for arg in call.args if arg.keyword is None][1:], strict=False))
        timeouts |= {name: arg for name, arg in keywords(call).items() if name in TIMEOUTS}
        client.extra |= {name: arg.value for name, arg in timeouts.items()}
        for use in uses:
            self._edits.change(self._source.parent(use), lambda _: app.deep_clone())
        if item.asname is not None and self._source.code(client.app) != self._source.code(app):
            client.app = app
        self._served.add(client)
        self._edits.gone.add(call.func)
        return True

    def _uses(self, item: cst.WithItem) -> list[cst.CSTNode]:
        """Return all references to the name that the manager has got."""
        if item.asname is None or not isinstance(item.asname.name, cst.Name):
            return []
        return [access.node for each in self._source.assignments(item.asname.name) for access in each.references]

    def _attribute(self, use: cst.CSTNode) -> str:
        return cst.ensure_type(self._source.parent(use), cst.Attribute).attr.value

    def _is_managed(self, client: Client) -> bool:
        """Whether the app is that of a manager, which runs its lifespan, so that the client does not."""
        app = client.app
        if not (isinstance(app, cst.Attribute) and app.attr.value == "app" and isinstance(app.value, cst.Name)):
            return False
        made = [
            self._source.parent(self._source.parent(each.node))
            for each in self._source.assignments(app.value)
            if hasattr(each, "node")
        ]
        return any(
            isinstance(item, cst.WithItem)
            and isinstance(item.item, cst.Call)
            and self._source.name(item.item.func) == MANAGER
            for item in made
        )


def app_of(call: cst.Call) -> cst.BaseExpression:
    """Return the app that a manager is given."""
    return next(
        (arg.value for arg in call.args if arg.keyword is None or arg.keyword.value == "app"), call.args[0].value
    )


def _without(statement: cst.With, position: int) -> cst.With:
    """Return the ``with`` without one of its items."""
    items = list(statement.items)
    dropped = items.pop(position)
    if position == len(items):
        items[-1] = items[-1].with_changes(comma=dropped.comma)
    return statement.with_changes(items=items)


def _merged(statement: cst.With) -> cst.FlattenSentinel[cst.BaseStatement]:
    """Return what stood in the block, in place of the ``with`` around it."""
    lines: list[Any] = list(statement.body.body)
    lines[0] = lines[0].with_changes(leading_lines=[*statement.leading_lines, *lines[0].leading_lines])
    return cst.FlattenSentinel(lines)

"""What a suite does with its clients beside requests, and what of that an awaited client cannot do."""

from __future__ import annotations

import libcst as cst

from . import shared
from .escapes import escape, name_of
from .kinds import Kind, Kinds
from .obstacles import Obstacles
from .source import Source
from .suite import Suite


def look(suite: Suite, kinds: Kinds, obstacles: Obstacles) -> None:
    """Tell of such uses, and leave as they were the functions in which there are some."""
    uses = _Uses(suite, kinds, obstacles)
    for source in suite.sources:
        uses.look(source)


class _Uses:
    def __init__(self, suite: Suite, kinds: Kinds, obstacles: Obstacles) -> None:
        self._suite = suite
        self._kinds = kinds
        self._obstacles = obstacles

    def look(self, source: Source) -> None:
        for node in source.nodes:
            if (sentence := escape(source, self._kinds, node)) is not None:
                self._obstacles.at(source, node, sentence)
        for item, maker in shared.entered(source, self._kinds):
            if maker is None:
                name = source.code(item.item)
                self._obstacles.at(
                    source, item, f"an awaited client is entered once: make {name} here, or in a fixture"
                )
        for call in source.all(cst.Call):
            self._call(source, call)

    def _call(self, source: Source, call: cst.Call) -> None:
        if self._kinds.is_class(source, call.func):
            other = next(
                (arg for arg in call.args if arg.keyword and arg.keyword.value in {"backend", "backend_options"}), None
            )
            if other is not None:
                self._obstacles.at(
                    source, call, f"{source.code(other)} is the runner's business in async tests: anyio_backend says it"
                )
        elif (
            name_of(call) == "enter_context"
            and call.args
            and self._kinds.kind(source, call.args[0].value) in {Kind.CLIENT, Kind.CONNECTING, Kind.STREAMING}
        ):
            self._obstacles.at(source, call, "make it `await stack.enter_async_context(...)`, of an AsyncExitStack")
        elif isinstance(call.func, cst.Attribute) and self._kinds.kind(source, call.func.value) is Kind.PORTAL:
            name = call.func.attr.value
            if (
                name == "call"
                and call.args
                and not any(each.asynchronous for each in self._suite.named(source, call.args[0].value))
            ):
                self._obstacles.at(
                    source,
                    call,
                    f"await {source.code(call.args[0].value)}(...) if it is an async function, else call it",
                )
            elif name not in {"call", "wrap_async_context_manager"}:
                self._obstacles.at(source, call, f"there is no portal in async tests: do without portal.{name}()")

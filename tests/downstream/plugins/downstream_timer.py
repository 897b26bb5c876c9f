"""A pytest plugin that measures the time inside client calls: those of `starlette.testclient.TestClient`.

The class is taken after `--asgi-testkit` has replaced it, if it has: both are measured in the same way. What is
measured is the constructor, `with` and its end, each request, and each method of a WebSocket session; in the test's
thread, and the outermost call only. A streamed body that is read later does not count, on either side.
"""

from __future__ import annotations

import contextlib
import importlib
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import wraps
from threading import get_ident
from time import perf_counter
from typing import Any

import pytest

CLIENT = ("__init__", "__enter__", "__exit__", "close", "send", "request", "build_request")
VERBS = ("get", "options", "head", "post", "put", "patch", "delete", "websocket_connect")
SESSION = ("__enter__", "__exit__", "close", "send", "receive")
PAYLOADS = ("send_text", "send_bytes", "send_json", "receive_text", "receive_bytes", "receive_json")


class Timer:
    """A stopwatch that runs while the test's thread is inside a client.

    Attributes:
        seconds: The time so far.
        calls: How often each method was the outermost one.
        spent: The seconds of each.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.calls: Counter[str] = Counter()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self._thread = get_ident()
        self._running = False
        self._measured: set[type] = set()

    def measure(self, cls: type, names: tuple[str, ...]) -> None:
        """Have calls of these methods measured, those that `cls` has inherited, too."""
        if cls in self._measured or cls.__module__ == "contextlib":
            return
        self._measured.add(cls)
        for name in names:
            if (method := getattr(cls, name, None)) is not None:
                setattr(cls, name, self._timed(name, method))

    def _timed(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(method)
        def timed(*args: Any, **options: Any) -> Any:
            if self._running or get_ident() != self._thread:
                return method(*args, **options)
            self._running = True
            self.calls[name] += 1
            began = perf_counter()
            try:
                result = method(*args, **options)
            finally:
                seconds = perf_counter() - began
                self.seconds += seconds
                self.spent[name] += seconds
                self._running = False
            if name in {"websocket_connect", "__enter__"} and hasattr(result, "receive_json"):
                self.measure(type(result), SESSION + PAYLOADS)
            return result

        return timed


TIMER = pytest.StashKey[Timer]()


@pytest.hookimpl(trylast=True)  # after what replaces classes
def pytest_configure(config: pytest.Config) -> None:
    config.stash[TIMER] = timer = Timer()
    config.downstream_timer = timer  # type: ignore[attr-defined]  # for the plugin beside this one
    with warnings.catch_warnings(), contextlib.suppress(ImportError, RuntimeError):  # a project may do without
        warnings.simplefilter("ignore")  # Starlette's about httpx, which the project has made up its mind about
        timer.measure(importlib.import_module("starlette.testclient").TestClient, CLIENT + VERBS)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    yield from _phase(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    yield from _phase(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    yield from _phase(item)


def _phase(item: pytest.Item) -> Iterator[None]:
    """Add the time inside clients in this phase to what the test's report will say."""
    timer = item.config.stash[TIMER]
    before = timer.seconds
    try:
        yield
    finally:
        item.user_properties.append(("client_seconds", timer.seconds - before))

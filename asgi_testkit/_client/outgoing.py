"""Has what goes to the network by httpx or httpx2 pass by whoever is to decide on it.

Every client's way out, made at import or on the spot, ends in one of two methods of its library: that of
``AsyncHTTPTransport``, or that of ``HTTPTransport``. They are replaced while anybody is to decide. Others replace them,
too: fakes such as respx and pytest-httpx. What has been put on top of ours is left there when ours is to go, and ours
below it then hands on whatever comes.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Sequence
from functools import wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from .library import LIBRARIES, library

#: Makes what takes the place of a method, which it is given.
MakeMethod = Callable[[Any], Any]


class Outgoing:
    """The methods, and what takes their place. Whoever uses it from several threads locks it."""

    def __init__(self, awaited: MakeMethod, blocking: MakeMethod) -> None:
        """Prepare to replace them; a method for awaited and one for blocking clients."""
        self._makers = {
            ("AsyncHTTPTransport", "handle_async_request"): awaited,
            ("HTTPTransport", "handle_request"): blocking,
        }
        self._before: dict[Any, Any] = {}  # what each of ours has taken the place of
        self._places: set[tuple[type, str]] = set()
        self._arrivals: list[Arrival] = []

    def start(self) -> None:
        """Replace the methods: of a library that is not imported yet, when it is."""
        for name in LIBRARIES:
            module = sys.modules.get(name)
            if module is None:
                self._arrivals.append(Arrival(name, self._replace))
            else:
                for each in {name, module.__name__}:  # one may have been put in the place of the other
                    self._replace(each)

    def stop(self) -> None:
        """Put back what was there."""
        while self._arrivals:
            self._arrivals.pop().stop()
        while self._places:
            kind, name = self._places.pop()
            found = vars(kind)[name]
            if found in self._before:
                setattr(kind, name, self._before.pop(found))
            else:
                logging.getLogger("asgi_testkit").warning(
                    "hosts() has ended, and %s.%s.%s is %r, which was put there meanwhile. It is left there; what it "
                    "hands on goes to the network again.",
                    *(kind.__module__.partition(".")[0], kind.__name__, name, found),
                )

    def _replace(self, name_of_library: str) -> None:
        names = library(name_of_library)
        for (class_name, name), make in self._makers.items():
            kind = getattr(names, class_name)
            found = vars(kind)[name]
            if found not in self._before:  # else it has been left there, below what has gone by now
                ours = wraps(found)(make(found))
                self._before[ours] = found
                setattr(kind, name, ours)
            self._places.add((kind, name))


class Arrival:
    """Tells when a module is imported for the first time: a finder on ``sys.meta_path`` until then."""

    def __init__(self, name: str, then: Callable[[str], object]) -> None:
        """Wait for the module of this name; `then` is called with that when all of it is there."""
        self._name = name
        self._then = then
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Wait no longer."""
        if self in sys.meta_path:  # where whoever has put that back to what it was has not done it
            sys.meta_path.remove(self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the module, as the other finders do."""
        if name != self._name:
            return None
        others = [finder for finder in sys.meta_path if finder is not self]
        found = (finder.find_spec(name, path, target) for finder in others)
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None:
            spec.loader = _Loader(spec.loader, self._arrived)  # type: ignore[assignment]  # as much of one as is used
        return spec

    def _arrived(self) -> None:
        if self in sys.meta_path:
            self.stop()
            self._then(self._name)


class _Loader:
    """Runs a module's code by its own loader, and tells of it then."""

    def __init__(self, loader: Any, then: Callable[[], object]) -> None:
        self._loader = loader
        self._then = then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        spec.loader = self._loader  # which is what the module is told of
        module: ModuleType | None = self._loader.create_module(spec)
        spec.loader = self  # type: ignore[assignment]
        return module

    def exec_module(self, module: ModuleType) -> None:
        assert module.__spec__ is not None
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._then()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

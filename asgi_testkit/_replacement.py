"""Replaces the names of other packages' test clients by ours, for whoever imports them.

A module's names are replaced for those who ask for them, be it by ``from fastapi.testclient import TestClient`` or by
``fastapi.testclient.TestClient``: the module is given a class with a descriptor for each. Nothing is written into the
module. So

* its own code goes on with its own classes, which it subclasses, and checks for with ``isinstance``;
* a replacement is imported when it is asked for. By then the module is complete, and what the replacement is made of
  can be imported: there is no circle;
* the module's code is run by its own loader, no frame of ours in between that a warning could be blamed on;
* `importlib.reload` does not undo it, and undoing it leaves no trace.

The packages of the table are written for each other's originals, and get those. So does this package. A name without
a replacement means to everybody what it ever meant; only that somebody has asked for it is counted, by its full name.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from ._tally import COUNTER

#: Module -> name -> ``module:name`` of what is given in its place; None for nothing. Public names only.
TARGETS: Mapping[str, Mapping[str, str | None]] = {
    "starlette.testclient": {
        "TestClient": "asgi_testkit.starlette:TestClient",
        "WebSocketTestSession": "asgi_testkit.starlette:WebSocketTestSession",
    },
    "fastapi.testclient": {"TestClient": "asgi_testkit.starlette:TestClient"},
    "httpx": {"ASGITransport": None},
    "httpx2": {"ASGITransport": None},
    "httpx2.websockets": {"ASGIWebSocketTransport": "asgi_testkit._for_httpx2_ws:ASGIWebSocketTransport"},
    "httpx_ws.transport": {"ASGIWebSocketTransport": "asgi_testkit._for_httpx_ws:ASGIWebSocketTransport"},
    "asgi_lifespan": {"LifespanManager": "asgi_testkit._for_asgi_lifespan:LifespanManager"},
}

_NOTHING: Any = object()


def package_of(module: str) -> str:
    """Return the name of the top-level package that a module belongs to."""
    return module.partition(".")[0]


class _ReplacedName:
    """A replaced name of a module: a descriptor that gives ours to other packages, and the original to its own.

    They may put something else there, as monkeypatch and mock do. That is then what everybody gets, the module itself,
    too, until they have put back what they found.
    """

    def __init__(self, name: str, replacement: str | None, insiders: frozenset[str]) -> None:
        self._name = name
        self._replacement = replacement
        self._insiders = insiders
        self._original: Any = _NOTHING  # what the module's own code put there
        self._patch: Any = _NOTHING  # what stands there instead

    def _resolve(self) -> Any:
        if self._replacement is None:
            return self._original
        module, _, name = self._replacement.partition(":")
        return getattr(import_module(module), name)

    def __get__(self, module: ModuleType | None, _owner: type) -> Any:
        if module is None:  # its class was asked
            return self
        value = vars(module).get(self._name, _NOTHING)
        if value is _NOTHING:
            msg = f"module {module.__name__!r} has no attribute {self._name!r}"
            raise AttributeError(msg)
        if value is self._patch:
            return value
        asker = sys._getframe(1).f_globals.get("__name__", "")  # noqa: SLF001 - nothing public tells whose code asks
        if package_of(asker) in self._insiders:
            return value
        if self._replacement is None:
            COUNTER[f"{module.__name__}.{self._name}"] += 1
            return value
        return self._resolve()

    def __set__(self, module: ModuleType, value: Any) -> None:
        names = vars(module)
        self._remember(names)
        if value is self._original or value is self._resolve():
            value, self._patch = self._original, _NOTHING
        else:
            self._patch = value
        names[self._name] = value

    def __delete__(self, module: ModuleType) -> None:
        names = vars(module)
        self._remember(names)
        self._patch = _NOTHING
        if names.pop(self._name, _NOTHING) is _NOTHING:
            raise AttributeError(self._name)

    def _remember(self, names: dict[str, Any]) -> None:
        value = names.get(self._name, _NOTHING)
        if value is not self._patch:
            self._original = value


class _ReplacedModule(ModuleType):
    """The class of a module with replaced names."""


class _Loader:
    """Gives a module its class, and leaves everything else to the loader that was found for it."""

    def __init__(self, loader: Any, replacement: Replacement) -> None:
        self._loader = loader
        self._replacement = replacement

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        spec.loader = self._loader  # which the module is run by, and told of
        module: ModuleType = self._loader.create_module(spec) or ModuleType(spec.name)
        self._replacement.replace_names_of(module)
        return module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class Replacement:
    """Replaces the names of a table, in modules that are imported already and in those that will be.

    It is a finder on ``sys.meta_path`` meanwhile, which finds what the finders after it find.

    Attributes:
        fresh_loop: What the drop-in for Starlette's client goes by where it is not told.
    """

    def __init__(self, targets: Mapping[str, Mapping[str, str | None]]) -> None:
        """Prepare to replace `targets`: module -> name -> ``module:name`` of the replacement, or None."""
        self.targets = targets
        self.fresh_loop = False
        self._insiders = frozenset(map(package_of, (*targets, __name__)))
        self._users = 0
        self._replaced: list[tuple[ModuleType, type[ModuleType]]] = []

    @property
    def active(self) -> bool:
        """Whether the names are replaced now."""
        return self._users > 0

    def start(self) -> None:
        """Replace the names until `stop` was called as often as this. It imports nothing."""
        self._users += 1
        if self._users > 1:
            return
        for name in self.targets:
            module = sys.modules.get(name)
            if isinstance(module, ModuleType):
                self.replace_names_of(module)
        sys.meta_path.insert(0, self)

    def stop(self) -> None:
        """Undo one `start`. Who has taken a replacement keeps it."""
        self._users -= 1
        if self._users > 0:
            return
        with suppress(ValueError):  # whoever puts sys.meta_path back to what it was has done that
            sys.meta_path.remove(self)
        while self._replaced:
            module, before = self._replaced.pop()
            module.__class__ = before

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find a module, as the finders after this one find it. Its names will be replaced."""
        if not self.active or name not in self.targets or target is not None:  # a reloaded module has its class
            return None
        for finder in sys.meta_path[sys.meta_path.index(self) + 1 :]:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                if hasattr(spec.loader, "create_module"):
                    spec.loader = _Loader(spec.loader, self)  # type: ignore[assignment] # as much of one as is used
                return spec
        return None

    def replace_names_of(self, module: ModuleType) -> None:
        """Give a module the class that replaces its names. To import it by another name, an alias, changes nothing."""
        names = self.targets.get(module.__name__)
        if names is None or isinstance(module, _ReplacedModule):
            return
        before = type(module)
        bases = (_ReplacedModule,) if before is ModuleType else (_ReplacedModule, before)
        replaced = {name: _ReplacedName(name, new, self._insiders) for name, new in names.items()}
        module.__class__ = type(before.__name__, bases, replaced)
        self._replaced.append((module, before))

    def missed(self) -> Iterator[str]:
        """Yield the full names under which modules outside hold an original: they took it before it was replaced.

        Where they hold one that has no replacement, that they have asked for it is counted.
        """
        known = {id(original): (name, replacement) for name, replacement, original in self._originals()}
        if not known:
            return
        for module in list(sys.modules.values()):
            if isinstance(module, ModuleType) and package_of(module.__name__) not in self._insiders:
                for name, value in list(vars(module).items()):
                    original, replacement = known.get(id(value), ("", None))
                    if replacement is not None:
                        yield f"{module.__name__}.{name}"
                    elif original:
                        COUNTER[original] += 1

    def _originals(self) -> Iterator[tuple[str, str | None, Any]]:
        for module, _ in self._replaced:
            for name, replacement in self.targets[module.__name__].items():
                if name in vars(module):
                    yield f"{module.__name__}.{name}", replacement, vars(module)[name]


#: The one that the pytest plugin starts and stops.
REPLACEMENT = Replacement(TARGETS)

"""Who runs a test, how long its event loop lasts, and whether the fixtures that it asks for can live in that."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction
from typing import Any, Literal

import pytest

Scope = Literal["function", "class", "module", "package", "session"]

#: From the shortest to the longest.
SCOPES: tuple[Scope, ...] = ("function", "class", "module", "package", "session")

#: What the marker takes besides options: why they are so, for who reads it, and for the summary of a run on a server.
_REASON = "reason"

#: What the marker takes.
MARKER_OPTIONS = (
    "raise_server_exceptions",
    "lifespan",
    "timeout",
    "background",
    "strict",
    "expect_status",
    "faults",
    "scope",
    "live",
    "ssl",
    _REASON,
)

#: The fixtures that start an app, and the definition of asgi_app that they have last been asked for with.
_RUNNING_FOR = pytest.StashKey[dict[Any, Any]]()

#: The first version of pytest-asyncio that lets another plugin say what a fixture is.
_PYTEST_ASYNCIO = (1, 1)

#: How a loop is given a longer life, for each of those who run it.
_LONGER_LOOP = {
    "pytest-asyncio": (
        "set `asyncio_default_test_loop_scope = {scope}` in pytest's settings, or mark the test "
        '`@pytest.mark.asyncio(loop_scope="{scope}")`'
    ),
    "anyio": (
        'write the fixture anyio_backend with that scope: `@pytest.fixture(scope="{scope}")`, '
        '`def anyio_backend(): return "asyncio"`'
    ),
}


@dataclass(frozen=True)
class Runner:
    """What runs an async test.

    Attributes:
        name: That of the plugin.
        loop_scope: How long the event loop lasts.
    """

    name: str
    loop_scope: Scope


def runner_of(item: Any) -> Runner | None:
    """Return what runs a test; None for a blocking one."""
    pytest_asyncio = sys.modules.get("pytest_asyncio")
    if pytest_asyncio is not None and pytest_asyncio.is_async_test(item):
        marker = item.get_closest_marker("asyncio")
        asked = {} if marker is None else marker.kwargs
        default: Any = "function"
        with suppress(ValueError):  # a version that is too old has no such setting
            default = item.config.getini("asyncio_default_test_loop_scope")
        return Runner("pytest-asyncio", asked.get("loop_scope") or asked.get("scope") or default)
    if "anyio_backend" in item.fixturenames:
        return Runner("anyio", fixture_of(item, "anyio_backend").scope)
    if _run_by_trio(item):
        return Runner("pytest-trio", "function")
    return None


def _run_by_trio(item: Any) -> bool:
    loaded = any(item.config.pluginmanager.hasplugin(name) for name in ("trio", "pytest_trio.plugin"))
    return loaded and item.get_closest_marker("trio") is not None


def item_of(request: Any) -> Any:
    """Return the test that a fixture is set up for; the ``node`` of a request may be one above that."""
    return request._pyfuncitem  # noqa: SLF001 - pytest has no public name for it


def fixture_of(item: Any, name: str) -> Any:
    """Return the definition of a fixture that a test has by this name."""
    return item.session._fixturemanager.getfixturedefs(name, item)[-1]  # noqa: SLF001 - nor for that


def finish_with(fixturedef: Any, request: Any, needed: str) -> None:
    """Set up the fixture that another one needs, and have that one end before it does."""
    other = request._get_active_fixturedef(needed)  # noqa: SLF001 - nor for that
    other.addfinalizer(partial(fixturedef.finish, request=request))


def give_lifespan_of_portal(item: Any, ours: Any) -> None:
    """Have a blocking test get the lifespan of its portal as asgi_lifespan.

    Where that lasts for more than a test, pytest would give it what an async test has started, in another event loop.

    Args:
        item: The test.
        ours: The function of `asgi_lifespan`, unless the test has another one by that name.
    """
    if runner_of(item) is None and fixture_of(item, "asgi_lifespan").func is ours:
        definition = fixture_of(item, "_asgi_lifespan_of_portal")
        item._fixtureinfo.name2fixturedefs["asgi_lifespan"] = (definition,)  # noqa: SLF001 - nor for that


def end_other_apps(item: Any, ours: Any) -> None:
    """Shut down what runs for another asgi_app than that of a test.

    A module, or a class, may have a fixture by that name. pytest would go on with what was started for another one.

    Args:
        item: The test.
        ours: The function of `asgi_lifespan`, unless the test has another one by that name.
    """
    app, running_for = fixture_of(item, "asgi_app"), item.config.stash.setdefault(_RUNNING_FOR, {})
    lifespan = fixture_of(item, "asgi_lifespan")
    for definition in [lifespan] * (lifespan.func is ours) + [fixture_of(item, "_asgi_portal")]:
        if running_for.get(definition, app) is not app:
            definition.finish(item._request)  # noqa: SLF001 - nor for that
        running_for[definition] = app


def is_wider(scope: Scope, than: Scope) -> bool:
    """Whether a scope is wider than another."""
    return SCOPES.index(scope) > SCOPES.index(than)


def marked(item: Any) -> dict[str, Any]:
    """Return what the markers of a test ask for; the closest one to the test wins.

    Raises:
        pytest.fail.Exception: A marker has something that it does not take.
    """
    asked: dict[str, Any] = {}
    for marker in reversed(list(item.iter_markers("asgi"))):
        unknown = [repr(each) for each in marker.args] + [name for name in marker.kwargs if name not in MARKER_OPTIONS]
        if unknown:
            _refuse(f"@pytest.mark.asgi takes {'=, '.join(MARKER_OPTIONS)}=, and not {', '.join(unknown)}")
        asked.update(marker.kwargs)
    asked.pop(_REASON, None)
    return asked


def check(item: Any, ours: Any) -> None:
    """Check that the fixtures which a test asks for can do what they are asked for.

    Args:
        item: The test.
        ours: The function of `asgi_lifespan`, unless the test has another one by that name.

    Raises:
        pytest.fail.Exception: They cannot. The text says which line to change.
    """
    for sentence in _complaints(item, ours):
        _refuse(sentence)


def _complaints(item: Any, ours: Any) -> Iterator[str]:
    asked, runner, lifespan = marked(item), runner_of(item), fixture_of(item, "asgi_lifespan")
    named = "asgi_lifespan" in item.fixturenames
    if "lifespan" in asked and named and lifespan.func is ours and lifespan.scope != "function":
        yield (
            f"@pytest.mark.asgi(lifespan={asked['lifespan']!r}) is for a test that has a lifespan of its own, and this "
            f"one asks for asgi_lifespan, which lasts for a {lifespan.scope} (asgi_lifespan_scope). Take one of the two"
        )
    if runner is None:
        if "asgi_client" in item.fixturenames:
            yield _no_runner(item)
        return
    yield from _two_runners(item, runner)
    if runner.name == "pytest-asyncio":
        version = sys.modules["pytest_asyncio"].__version__
        if tuple(int(part) for part in version.split(".")[:2]) < _PYTEST_ASYNCIO:
            yield f"the fixtures of asgi-testkit need pytest-asyncio 1.1 or later, and this is {version}"
    used = named or ("asgi_client" in item.fixturenames and "lifespan" not in asked)
    if used and lifespan.func is ours and is_wider(lifespan.scope, runner.loop_scope):
        change = _LONGER_LOOP.get(runner.name, "").format(scope=lifespan.scope)
        yield (
            f"asgi_lifespan lasts for a {lifespan.scope} (asgi_lifespan_scope), and the event loop of this test, which "
            f"{runner.name} runs, for a {runner.loop_scope}: {f'{change}; or ' if change else ''}"
            f"set `asgi_lifespan_scope = {runner.loop_scope}`"
        )


def _no_runner(item: Any) -> str:
    function = getattr(getattr(item.obj, "hypothesis", None), "inner_test", item.obj)
    if iscoroutinefunction(function):
        return (
            "asgi_client is for a test that some plugin runs in an event loop, and none runs this one. Mark it "
            "`@pytest.mark.anyio`, `@pytest.mark.asyncio` (pytest-asyncio) or `@pytest.mark.trio` (pytest-trio)"
        )
    return "asgi_client is awaited, and this is no async test. Ask for asgi_test_client, or write `async def`"


def _two_runners(item: Any, runner: Runner) -> Iterator[str]:
    rivals = {"anyio": item.get_closest_marker("anyio") is not None, "pytest-trio": _run_by_trio(item)}
    others = [name for name, marked_so in rivals.items() if marked_so and name != runner.name]
    if others:
        yield (
            f"two plugins run this test: {runner.name}, and {others[0]}, by its marker. Remove one mark, or have "
            "pytest-asyncio run in strict mode if it takes tests that are not marked for it"
        )


def _refuse(sentence: str) -> None:
    pytest.fail(f"asgi-testkit: {sentence}.", pytrace=False)

"""Who runs async tests: what anyio's plugin, or pytest-asyncio, wants to see on tests and fixtures."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import libcst as cst

from .bindings import ImportStatement
from .edits import Edits, dotted
from .source import Source
from .suite import Suite, fixture_decorator, fixture_options, is_test

#: Where pytest's settings may stand, and in which section.
SETTINGS = {"pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}

BACKEND = """\
@pytest.fixture(scope="session")
def anyio_backend():
    return "asyncio"
"""


@dataclass(frozen=True)
class Runner:
    """What a suite is to be run by.

    Attributes:
        plugin: ``anyio``, or ``asyncio`` for pytest-asyncio.
        auto: Whether it runs all that is async, without marks.
    """

    plugin: str
    auto: bool = False

    @property
    def mark(self) -> str:
        return f"pytest.mark.{self.plugin}"


def runner_of(suite: Suite, wanted: str | None) -> Runner:
    """Return the runner that was asked for; else the one that the settings or the tests name; else anyio's."""
    auto = {plugin for source in suite.sources for plugin in _automatic(source.path)}
    marks = [name for source in suite.sources for node in source.all(cst.Attribute) if (name := source.name(node))]
    used = {plugin for plugin in ("anyio", "asyncio") if plugin in auto or f"pytest.mark.{plugin}" in marks}
    plugin = wanted or ("asyncio" if used == {"asyncio"} else "anyio")
    return Runner(plugin, plugin in auto)


def _automatic(path: Path) -> set[str]:
    """Return the plugins that the settings for a file tell to run all that is async."""
    for folder in path.parents:
        for name in ("pyproject.toml", *SETTINGS):
            file = folder / name
            if file.is_file() and (settings := _settings(file)) is not None:
                return {plugin for plugin in ("anyio", "asyncio") if settings.get(f"{plugin}_mode") == "auto"}
    return set()


def _settings(file: Path) -> dict[str, object] | None:
    """Return pytest's settings in a file; None if it has none."""
    try:
        if file.name == "pyproject.toml":
            tool = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("pytest")
            return None if tool is None else tool.get("ini_options", tool)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(file.read_text(encoding="utf-8"))
        section = SETTINGS[file.name]
        return dict(parser[section]) if parser.has_section(section) else None
    except (OSError, ValueError, configparser.Error, AttributeError):
        return None


class Marking:
    """Puts on tests and fixtures what their runner needs.

    Attributes:
        runner: Whose rules are followed.
    """

    def __init__(self, suite: Suite, runner: Runner, made: Collection[cst.FunctionDef]) -> None:
        """Prepare to mark.

        Args:
            suite: All files.
            runner: Whose rules are followed.
            made: The functions that become async.
        """
        self._suite = suite
        self._made = made
        self.runner = runner
        self._fixtures = [each for each in made if fixture_decorator(suite.home(each), each) is not None]
        self._wide = any(_scope(suite.home(each), each) != "function" for each in self._fixtures)

    def mark(self, edits: Edits) -> None:
        """Mark the tests of a file, and decorate its fixtures."""
        source = edits.source
        tests = [each for each in self._made if self._suite.home(each) is source and is_test(source, each)]
        for fixture in self._fixtures:
            if self._suite.home(fixture) is source:
                self._fixture(edits, fixture)
        if self.runner.auto or not tests:
            return
        edits.needed.add("pytest")
        if self._is_whole(source, tests):
            _at_module(edits, self._mark())
        else:
            for test in tests:
                if not _is_marked(source, test, self.runner):
                    edits.change(test, partial(_decorated, decorator=cst.Decorator(self._mark())))

    def _mark(self) -> cst.BaseExpression:
        wide = self._wide and self.runner.plugin == "asyncio"
        return cst.parse_expression(f'{self.runner.mark}(loop_scope="session")' if wide else self.runner.mark)

    def _is_whole(self, source: Source, tests: Collection[cst.FunctionDef]) -> bool:
        """Whether all tests of a file are async once `tests` are, and none has a mark of its own."""
        others = [each for each in source.all(cst.FunctionDef) if is_test(source, each) and each not in tests]
        names = [source.code(target.target) for node in source.all(cst.Assign) for target in node.targets]
        return (
            not others
            and "pytestmark" not in names
            and not any(_is_marked(source, each, self.runner) for each in tests)
        )

    def _fixture(self, edits: Edits, fixture: cst.FunctionDef) -> None:
        source = edits.source
        decorator = fixture_decorator(source, fixture)
        assert decorator is not None
        if self.runner.plugin == "anyio":
            if "autouse" in fixture_options(source, fixture):  # the plugin runs it where anyio_backend is asked for
                edits.change(fixture, _with_backend)
            return
        made = decorator.decorator
        name = made.func if isinstance(made, cst.Call) else made
        if not self.runner.auto and source.name(name) == "pytest.fixture":
            edits.moved[name] = "pytest_asyncio.fixture"
            edits.change(name, lambda _: dotted("pytest_asyncio.fixture"))
            edits.needed.add("pytest_asyncio")
        if self._wide and not self.runner.auto:
            edits.change(decorator, _with_loop)

    def backend(self, all_edits: dict[Source, Edits]) -> None:
        """Have anyio's plugin run the tests on asyncio, where the suite says nothing of it.

        Tests that were anyio's before go on as they did: on asyncio and on trio.
        """
        if self.runner.plugin != "anyio":
            return
        before = {
            source
            for source in self._suite.sources
            if any(source.name(node) == "pytest.mark.anyio" for node in source.all(cst.Attribute))
        }
        conftests = [] if before else [source for source in self._suite.sources if source.path.name == "conftest.py"]
        places = set()
        for source in {self._suite.home(each) for each in self._made if is_test(self._suite.home(each), each)}:
            if self._suite.fixture(source, "anyio_backend") is not None:
                continue
            if source in before:
                self._one_by_one(all_edits[source])
                continue
            above = [each for each in conftests if each.path.parent in source.path.parents]
            places.add(min(above, key=lambda each: len(each.path.parts), default=source))
        for place in places:
            all_edits[place].needed.add("pytest")
            all_edits[place].change(place.module, _with_backend_fixture)

    def _one_by_one(self, edits: Edits) -> None:
        decorator = cst.Decorator(cst.parse_expression('pytest.mark.parametrize("anyio_backend", ["asyncio"])'))
        for test in self._made:
            if self._suite.home(test) is edits.source and is_test(edits.source, test):
                edits.change(test, lambda node: _decorated(node, decorator))


def _scope(source: Source, fixture: cst.FunctionDef) -> str:
    value = fixture_options(source, fixture).get("scope")
    return str(value.evaluated_value) if isinstance(value, cst.SimpleString) else "function" if value is None else ""


def _is_marked(source: Source, test: cst.FunctionDef, runner: Runner) -> bool:
    """Whether a test, or its class, has the runner's mark already."""
    owners: list[cst.FunctionDef | cst.ClassDef] = [test]
    owners += [each for each in source.ancestors(test) if isinstance(each, cst.ClassDef)]
    return any(runner.mark in source.code(decorator) for owner in owners for decorator in owner.decorators)


def _decorated(node: cst.FunctionDef, decorator: cst.Decorator) -> cst.FunctionDef:
    if node.decorators:
        return node.with_changes(decorators=[decorator, *node.decorators])
    return node.with_changes(decorators=[decorator], lines_after_decorators=[])


def _at_module(edits: Edits, mark: cst.BaseExpression) -> None:
    """Put ``pytestmark = ...`` behind the imports."""
    body = edits.source.module.body
    imports = [
        line for line in body if isinstance(line, cst.SimpleStatementLine) and isinstance(line.body[0], ImportStatement)
    ]
    statement = cst.SimpleStatementLine(
        [cst.Assign([cst.AssignTarget(cst.Name("pytestmark"))], mark)], leading_lines=[cst.EmptyLine(indent=False)]
    )
    edits.beside(imports[-1] if imports else None, statement)


def _with_backend(function: cst.FunctionDef) -> cst.FunctionDef:
    params = function.params
    if any(param.name.value == "anyio_backend" for param in params.params):
        return function
    return function.with_changes(
        params=params.with_changes(params=[*params.params, cst.Param(cst.Name("anyio_backend"))])
    )


def _with_loop(decorator: cst.Decorator) -> cst.Decorator:
    made = decorator.decorator
    call = made if isinstance(made, cst.Call) else cst.Call(made)
    equal = cst.AssignEqual(cst.SimpleWhitespace(""), cst.SimpleWhitespace(""))
    scope = cst.Arg(cst.SimpleString('"session"'), keyword=cst.Name("loop_scope"), equal=equal)
    return decorator.with_changes(decorator=call.with_changes(args=[*call.args, scope]))


def _with_backend_fixture(module: cst.Module) -> cst.Module:
    fixture = cst.ensure_type(cst.parse_statement(BACKEND), cst.FunctionDef)
    lines = [cst.EmptyLine(indent=False)] * 2
    return module.with_changes(body=[*module.body, fixture.with_changes(leading_lines=lines)])

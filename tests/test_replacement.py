"""Names of other people's modules are replaced, for those who ask, and nothing else about the modules changes."""

from __future__ import annotations

import importlib
import inspect
import sys
import textwrap
import traceback
import unittest.mock
import warnings
from collections.abc import Iterator
from importlib import resources
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import asgi_lifespan
import pytest

from asgi_testkit._standins.names import TARGETS, Replacement
from asgi_testkit._standins.tally import COUNTER

#: Packages to replace names in, and one to replace them by.
PACKAGES = {
    "theirs/__init__.py": "",
    "theirs/client.py": """
        class Client: name = "theirs"
        class Session: name = "theirs"
        class Kept: pass
        class Noted: name = "theirs"

        def make(): return Client()
        def note(): return Noted()
        def __getattr__(name):
            if name == "Old": return "an old name"
            raise AttributeError(name)
    """,
    "built_on/__init__.py": """
        from theirs.client import Client
        class BuiltOn(Client): pass
        def their_client():
            import theirs.client
            return theirs.client.Client
    """,
    "ours.py": """
        class Client: name = "ours"
        class Session: name = "ours"
        class BuiltOn: name = "ours"
    """,
    "suite.py": """
        import theirs.client
        from theirs.client import *
    """,
}
TABLE: dict[str, dict[str, str | None]] = {
    "theirs.client": {"Client": "ours:Client", "Session": "ours:Session", "Noted": None},
    "built_on": {"BuiltOn": "ours:BuiltOn"},
    "broken": {"Client": "ours:Client"},
    "mere_folder": {"Client": "ours:Client"},
    "not_installed": {"Client": "ours:Client"},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for packages, all of which are forgotten afterwards."""
    for name, source in PACKAGES.items():
        write(tmp_path / name, source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # a module may be written anew within a second
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(path: Path, source: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(textwrap.dedent(source), encoding="utf-8")
    importlib.invalidate_caches()


@pytest.fixture
def replacement(folder: Path) -> Iterator[Replacement]:
    """One that has started."""
    made = Replacement(TABLE)
    made.start()
    yield made
    while made.active:
        made.stop()


def load(name: str) -> Any:
    return importlib.import_module(name)


# Who gets what


def test_a_module_that_is_imported_later_gives_ours_to_whoever_asks(replacement: Replacement) -> None:
    suite = load("suite")
    assert suite.Client is suite.theirs.client.Client is load("ours").Client
    assert suite.Session is load("ours").Session
    assert suite.Kept.__module__ == "theirs.client"


def test_a_module_that_was_imported_before_gives_ours_to_whoever_asks(folder: Path) -> None:
    client = load("theirs.client")
    replacement = Replacement(TABLE)
    replacement.start()
    assert client.Client is load("suite").Client is load("ours").Client
    replacement.stop()
    assert client.Client.name == "theirs"


def test_neither_a_target_nor_a_replacement_is_imported_before_it_is_asked_for(replacement: Replacement) -> None:
    assert "theirs" not in sys.modules
    client = load("theirs.client")
    assert "ours" not in sys.modules
    assert client.Client.name == "ours"
    assert "ours" in sys.modules


def test_a_module_s_own_code_goes_on_with_its_own_class(replacement: Replacement) -> None:
    client = load("theirs.client")
    assert client.make().name == "theirs"
    assert vars(client)["Client"].name == "theirs"


def test_packages_of_the_table_get_each_other_s_originals_whenever_they_ask(replacement: Replacement) -> None:
    built_on = load("built_on")
    original = vars(load("theirs.client"))["Client"]
    assert issubclass(vars(built_on)["BuiltOn"], original)
    assert built_on.their_client() is original
    assert built_on.BuiltOn.name == "ours"


def test_this_package_gets_originals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    replacement = Replacement(TARGETS)
    original = asgi_lifespan.LifespanManager
    replacement.start()
    try:
        assert asgi_lifespan.LifespanManager.__module__ == "asgi_testkit._standins.asgi_lifespan"
        names: dict[str, Any] = {"__name__": "asgi_testkit.starlette"}
        exec("from asgi_lifespan import LifespanManager", names)
        assert names["LifespanManager"] is original
    finally:
        replacement.stop()
    assert asgi_lifespan.LifespanManager is original


def test_a_name_that_is_missing_is_missing(replacement: Replacement, folder: Path) -> None:
    write(folder / "broken.py", "")
    broken = load("broken")
    assert not hasattr(broken, "Client")
    assert list(replacement.missed()) == []
    with pytest.raises(AttributeError, match=r"^module 'broken' has no attribute 'Client'$"):
        broken.Client  # noqa: B018
    with pytest.raises(AttributeError):
        del broken.Client
    broken.Client = "something"
    assert broken.Client == "something"


def test_a_module_s_own_getattr_is_asked_as_ever(replacement: Replacement) -> None:
    client = load("theirs.client")
    assert client.Old == "an old name"
    with pytest.raises(AttributeError):
        client.Unknown  # noqa: B018


# What a test puts in the place of a name


@pytest.mark.parametrize("asked_before", [True, False])
def test_what_monkeypatch_puts_there_is_what_everybody_gets(replacement: Replacement, asked_before: bool) -> None:
    client = load("theirs.client")
    if asked_before:
        assert client.Client.name == "ours"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("theirs.client.Client", lambda: "the test's")
        assert client.Client() == client.make() == "the test's"
        patch.setattr("theirs.client.Client", lambda: "another")
        assert client.Client() == client.make() == "another"
    assert client.Client.name == "ours"
    assert client.make().name == "theirs"


def test_what_mock_puts_there_is_what_everybody_gets(replacement: Replacement) -> None:
    client = load("theirs.client")
    with unittest.mock.patch("theirs.client.Client", return_value="the test's"):
        assert client.Client() == client.make() == "the test's"
    assert client.Client.name == "ours"
    assert client.make().name == "theirs"


def test_what_monkeypatch_takes_away_is_gone_and_comes_back(replacement: Replacement) -> None:
    client = load("theirs.client")
    with pytest.MonkeyPatch.context() as patch:
        patch.delattr("theirs.client.Client")
        assert not hasattr(client, "Client")
        with pytest.raises(NameError):
            client.make()
    assert client.Client.name == "ours"
    assert client.make().name == "theirs"


# The module is as its loader made it


def test_nothing_but_its_class_shows_that_a_module_is_replaced(replacement: Replacement) -> None:
    client = load("theirs.client")
    assert isinstance(client, ModuleType)
    assert type(client.__loader__) is SourceFileLoader
    assert client.__spec__ is not None
    assert client.__spec__.loader is client.__loader__
    assert repr(client) == f"<module 'theirs.client' from {client.__file__!r}>"
    assert "class Session" in inspect.getsource(client)
    assert resources.files("theirs").joinpath("client.py").is_file()


def test_the_class_of_a_replaced_module_can_be_looked_at(replacement: Replacement) -> None:
    client = load("theirs.client")
    assert {name for name, _ in inspect.getmembers(type(client))} >= {"Client", "Session"}


def test_a_spec_that_is_only_looked_at_has_a_loader_that_answers(replacement: Replacement) -> None:
    spec: Any = find_spec("theirs.client")
    assert "class Session" in spec.loader.get_source("theirs.client")
    assert "theirs.client" not in sys.modules


@pytest.mark.parametrize("imported_before", [True, False])
def test_a_reloaded_module_is_replaced_still(folder: Path, imported_before: bool) -> None:
    if imported_before:
        load("theirs.client")
    replacement = Replacement(TABLE)
    replacement.start()
    client = load("theirs.client")
    before = vars(client)["Client"]
    assert importlib.reload(client) is client
    assert vars(client)["Client"] is not before
    assert client.Client.name == "ours"
    replacement.stop()
    assert client.Client is vars(client)["Client"]


def test_a_warning_of_the_module_is_blamed_on_its_importer(replacement: Replacement, folder: Path) -> None:
    write(folder / "broken.py", "import warnings\nwarnings.warn('use another', DeprecationWarning, stacklevel=2)")
    with warnings.catch_warnings(record=True, action="always") as caught:
        import broken  # type: ignore[import-not-found]  # noqa: F401
    assert [each.filename for each in caught] == [__file__]


def test_a_module_that_fails_fails_as_itself_and_may_be_imported_again(replacement: Replacement, folder: Path) -> None:
    write(folder / "broken.py", "1 / 0")
    with pytest.raises(ZeroDivisionError) as caught:
        load("broken")
    assert "_replacement.py" not in {Path(frame.filename).name for frame in traceback.extract_tb(caught.tb)}
    write(folder / "broken.py", "class Client: pass")
    assert load("broken").Client.name == "ours"


def test_a_module_that_is_not_installed_is_not_found(replacement: Replacement) -> None:
    assert find_spec("not_installed") is None
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_installed'"):
        load("not_installed")


def test_a_folder_without_code_is_left_alone(replacement: Replacement, folder: Path) -> None:
    (folder / "mere_folder").mkdir()
    importlib.invalidate_caches()
    assert type(load("mere_folder")) is ModuleType


def test_what_is_no_module_is_left_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "broken", None)  # that is how an import is forbidden
    replacement = Replacement(TABLE)
    replacement.start()
    with pytest.raises(ModuleNotFoundError):
        load("broken")
    replacement.stop()


class AliasFinder:
    """Finds a module under another name, as httpx2 can be found under httpx's."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name == "broken" else None  # type: ignore[arg-type] # as much as is needed

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module("theirs.client")

    def exec_module(self, module: ModuleType) -> None:
        """It has run."""


@pytest.mark.parametrize("imported_before", [True, False])
def test_another_name_for_a_module_changes_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, imported_before: bool
) -> None:
    monkeypatch.setattr(sys, "meta_path", [AliasFinder(), *sys.meta_path])
    if imported_before:
        load("broken")
    replacement = Replacement(TABLE)
    replacement.start()
    assert load("broken") is load("theirs.client")
    assert load("broken").Session.name == "ours"
    replacement.stop()
    assert load("broken").Session.name == "theirs"


def test_a_module_s_own_class_is_kept(replacement: Replacement, folder: Path) -> None:
    write(
        folder / "broken.py",
        """
        import sys, types
        class Client: name = "theirs"
        class Module(types.ModuleType):
            answer = property(lambda self: 42)
        """,
    )
    replacement.stop()
    broken = load("broken")
    broken.__class__ = broken.Module
    replacement.start()
    assert (broken.answer, broken.Client.name) == (42, "ours")
    replacement.stop()
    assert type(broken) is broken.Module


# Beginning and end


def test_afterwards_everything_is_as_it_was(folder: Path) -> None:
    finders = list(sys.meta_path)
    replacement = Replacement(TABLE)
    replacement.start()
    suite = load("suite")
    replacement.stop()
    assert sys.meta_path == finders
    assert type(suite.theirs.client) is ModuleType
    assert suite.theirs.client.Client.name == "theirs"
    assert suite.Client.name == "ours"  # which it took
    assert load("built_on").BuiltOn is vars(load("built_on"))["BuiltOn"]


def test_it_ends_when_it_was_stopped_as_often_as_it_was_started(replacement: Replacement) -> None:
    replacement.start()
    replacement.stop()
    assert load("theirs.client").Client.name == "ours"
    replacement.stop()
    assert load("theirs.client").Client.name == "theirs"


def test_it_ends_where_somebody_else_has_put_back_the_finders(replacement: Replacement) -> None:
    client = load("theirs.client")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "meta_path", [each for each in sys.meta_path if each is not replacement])
        replacement.stop()
    assert client.Client.name == "theirs"
    assert load("built_on").BuiltOn is vars(load("built_on"))["BuiltOn"]  # although the finder is there again
    sys.meta_path.remove(replacement)


def test_two_at_a_time_do_not_ask_each_other_for_ever(replacement: Replacement) -> None:
    other = Replacement({"theirs.client": {"Kept": "ours:Session"}})
    other.start()
    try:
        assert load("theirs.client").Client.name == "ours"
        with pytest.raises(ModuleNotFoundError):
            load("not_installed")
    finally:
        other.stop()


# What has no replacement


@pytest.mark.usefixtures("replacement")
def test_a_name_without_a_replacement_is_everybody_s_and_who_asks_for_it_is_counted() -> None:
    before = COUNTER.copy()
    client = load("theirs.client")
    original = vars(client)["Noted"]
    assert isinstance(client.note(), original)
    assert not COUNTER - before
    assert client.Noted is original
    names: dict[str, Any] = {"__name__": "suite"}
    exec("from theirs.client import Noted", names)
    assert names["Noted"] is original
    assert COUNTER - before == {"theirs.client.Noted": 2}
    names = {"__name__": "built_on"}  # which was written for it
    exec("from theirs.client import Noted", names)
    assert COUNTER - before == {"theirs.client.Noted": 2}


def test_what_a_test_puts_in_the_place_of_such_a_name_is_what_everybody_gets(replacement: Replacement) -> None:
    client = load("theirs.client")
    with unittest.mock.patch("theirs.client.Noted", return_value="the test's"):
        assert client.Noted() == client.note() == "the test's"
    assert client.Noted is vars(client)["Noted"]
    assert client.note().name == "theirs"


def test_who_took_such_a_name_before_is_counted_and_has_missed_nothing(folder: Path) -> None:
    before = COUNTER.copy()
    write(folder / "early.py", "from theirs.client import Noted")
    load("early")
    replacement = Replacement(TABLE)
    replacement.start()
    assert list(replacement.missed()) == []
    assert COUNTER - before == {"theirs.client.Noted": 1}
    replacement.stop()


# Who came too early


def test_modules_that_hold_an_original_are_known(folder: Path) -> None:
    write(folder / "early.py", "from theirs.client import Client as Mine, Kept, make")
    load("early")
    load("built_on")  # of the table: it holds one, and is meant to
    replacement = Replacement(TABLE)
    replacement.start()
    assert list(replacement.missed()) == ["early.Mine"]
    replacement.stop()


def test_where_nothing_was_imported_nobody_is_looked_for(replacement: Replacement) -> None:
    assert list(replacement.missed()) == []


# The table


@pytest.mark.parametrize("module, name", [(module, name) for module, names in TARGETS.items() for name in names])
def test_the_table_has_public_names_that_exist(module: str, name: str) -> None:
    assert not any(part.startswith("_") for part in (*module.split("."), name))
    with warnings.catch_warnings(action="ignore"):  # Starlette would rather have httpx2
        assert find_spec(module.partition(".")[0]) is None or isinstance(getattr(load(module), name), type)

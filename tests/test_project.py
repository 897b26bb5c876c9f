"""What holds the project together: one version, three dependencies, commands that are what README.md says."""

import ast
import re
import subprocess
import sys
import tomllib
import typing
from importlib import import_module
from pathlib import Path

import fastapi
import pytest

import asgi_testkit
import asgi_testkit.faults
import asgi_testkit.httpx2
import asgi_testkit.starlette

from .test_layering import ROOMS

ROOT = Path(__file__).parent.parent
PACKAGE = Path(asgi_testkit.__file__).parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def command(heading: str) -> str:
    """Return the last shell command in README.md under this heading."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    [section] = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", readme, re.MULTILINE | re.DOTALL)
    last: str
    *_, last = re.findall(r"^```sh\n(.*?)\n```$", section, re.MULTILINE | re.DOTALL)
    return last


def test_the_version_is_written_down_in_one_place() -> None:
    code = [*PACKAGE.glob("**/*.py"), ROOT / "pyproject.toml", ROOT / "noxfile.py", ROOT / "docs" / "conf.py"]
    assert PYPROJECT["project"]["dynamic"] == ["version"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "asgi_testkit/__init__.py"
    holders = [path.name for path in code if f'"{asgi_testkit.__version__}"' in path.read_text(encoding="utf-8")]
    assert holders == ["__init__.py"]


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def skill_of(package: str) -> Path:
    """Return where a package has what it tells programs that write code for it."""
    return Path(".agents", "skills", package, "SKILL.md")


def test_the_skill_lies_where_fastapi_has_its_own() -> None:
    assert (Path(fastapi.__file__).parent / skill_of("fastapi")).is_file()
    assert (PACKAGE / skill_of("asgi-testkit")).is_file()


def test_the_front_matter_of_the_skill_is_its_name_and_what_it_is_for() -> None:
    text = (PACKAGE / skill_of("asgi-testkit")).read_text(encoding="utf-8")
    nothing, front, body = re.split(r"^---\n", text, maxsplit=2, flags=re.MULTILINE)
    matter = dict(line.split(": ", 1) for line in front.splitlines())
    assert (nothing, list(matter)) == ("", ["name", "description"])
    assert matter["name"] == "asgi-testkit"  # that of its folder
    assert 50 < len(matter["description"]) <= 1024
    assert not re.search(r": | #|^\W", matter["description"])  # YAML takes all of it for text, unquoted
    assert body.startswith("\n# asgi-testkit\n")


def test_three_packages_are_needed_at_run_time_and_no_more() -> None:
    names = [re.split(r"[<>=~! ;\[]", requirement)[0] for requirement in PYPROJECT["project"]["dependencies"]]
    assert sorted(names) == ["anyio", "httpx", "wsproto"]


def test_ci_runs_exactly_the_command_for_the_whole_suite() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert command("Run the tests") in script


def test_the_command_for_the_examples_is_the_same_but_for_the_session() -> None:
    assert command("Run the examples") == f"{command('Run the tests')} -s examples"


def test_every_public_name_is_in_the_reference() -> None:
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    documented: dict[str, set[str]] = {}
    for module, name in re.findall(r"^\.\. (?:currentmodule:: (\S+)|auto\w+:: (\w+))", reference, re.MULTILINE):
        if module:
            names = documented.setdefault(module, set())
        else:
            names.add(name)
    made_when_asked_for = {"WebSocketDenialResponse"}
    assert documented == {
        "asgi_testkit": set(asgi_testkit.__all__),
        "asgi_testkit.faults": set(asgi_testkit.faults.__all__),
        "asgi_testkit.httpx2": set(asgi_testkit.httpx2.__all__),
        "asgi_testkit.starlette": set(asgi_testkit.starlette.__all__) - made_when_asked_for,
    }
    assert all(f"`{name}`" in reference for name in made_when_asked_for)


def test_contributing_names_every_module_of_the_rooms_and_no_other() -> None:
    page = (ROOT / "docs" / "contributing.md").read_text(encoding="utf-8")
    picture = re.search(r"```text\n(_types .*?)```", page, re.DOTALL)
    assert picture is not None
    for room in ROOMS:
        modules = {path.stem for path in (PACKAGE / room).glob("*.py")} - {"__init__"}
        modules |= {path.name for path in (PACKAGE / room).iterdir() if path.is_dir()} - {"__pycache__"}
        described = re.search(rf"^{room} (.*?)(?=^_|^the doors)", picture[1], re.DOTALL | re.MULTILINE)
        assert described is not None
        assert modules <= set(re.findall(r"\w+", described[1])), room
    for path in re.findall(r"`(_\w+/[\w/]*\.py)`", page):
        assert (PACKAGE / path).is_file(), path


def modules_imported_by(statement: str, *, after: str = "pass") -> set[str]:
    """Return what a program that makes this statement has imported by it."""
    program = f"import sys; {after}; before = set(sys.modules); {statement}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_until_a_name_is_asked_for() -> None:
    imported = modules_imported_by("import asgi_testkit", after="import typing")
    assert imported == {"asgi_testkit"}


@pytest.mark.parametrize("name", asgi_testkit.__all__)
def test_a_public_name_is_imported_from_where_type_checkers_are_told_that_it_is(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    told = {
        alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    module = import_module(f"asgi_testkit.{told[name]}")
    monkeypatch.delitem(vars(asgi_testkit), name, raising=False)  # it is asked for the first time
    assert getattr(asgi_testkit, name) is getattr(module, name)
    assert vars(asgi_testkit)[name] is getattr(module, name)


@pytest.mark.parametrize(
    "door", ["asgi_testkit", "asgi_testkit.faults", "asgi_testkit.httpx2", "asgi_testkit.starlette"]
)
def test_a_public_class_says_where_it_is_imported_from_and_its_hints_can_be_had(door: str) -> None:
    module = import_module(door)
    classes = [kind for kind in (getattr(module, name) for name in module.__all__) if isinstance(kind, type)]
    assert classes
    for kind in classes:
        assert not any(part.startswith("_") for part in kind.__module__.split("."))
        assert getattr(import_module(kind.__module__), kind.__name__) is kind
        typing.get_type_hints(kind)


def test_no_other_name_can_be_asked_for() -> None:
    assert asgi_testkit.__all__ == [name for name in dir(asgi_testkit) if name in asgi_testkit.__all__]
    with pytest.raises(AttributeError, match=r"^module 'asgi_testkit' has no attribute 'Client'$"):
        asgi_testkit.Client  # type: ignore[attr-defined]  # noqa: B018 - that is the test


@pytest.mark.parametrize("module", ["asyncio", "concurrent.futures", "starlette", "trio", "wsproto"])
def test_importing_all_public_names_does_not_import(module: str) -> None:
    # More than httpx and anyio do, that is: httpx 0.27 imports trio itself.
    assert module not in modules_imported_by("from asgi_testkit import *", after="import anyio, httpx")

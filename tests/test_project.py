"""What holds the project together: one version, three dependencies, commands that are what README.md says."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import asgi_testkit

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
    documented = re.findall(r"^\.\. auto\w+:: (\w+)", reference, re.MULTILINE)
    assert sorted(documented) == sorted(asgi_testkit.__all__)


@pytest.mark.parametrize("module", ["asyncio", "concurrent.futures", "starlette", "trio", "wsproto"])
def test_importing_the_package_does_not_import(module: str) -> None:
    # More than httpx and anyio do, that is: httpx 0.27 imports trio itself.
    program = (
        "import sys, anyio, httpx; before = set(sys.modules); import asgi_testkit;"
        f"sys.exit({module!r} in set(sys.modules) - before)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)

"""What is checked, and how: `nox` runs all of it, `nox -s lint` one session, `nox -l` lists them."""

import os
import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import nox

nox.needs_version = ">=2026.2"
nox.options.sessions = [
    "lint",
    "typing",
    "tests",
    "coverage",
    "lowest",
    "docs",
    "wheel",
    "examples",
    "downstream_slice",
]
nox.options.default_venv_backend = "virtualenv"
# A Python that the machine lacks, or has as a pyenv shim that does not run, is skipped, and the
# summary says so; on CI, too.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"

# pip would compile each module of each environment, most of which nothing imports: that takes half of an installation.
os.environ.setdefault("PIP_COMPILE", "0")
# Python does it then, once, for what is imported. Where that is forbidden, as in many containers, each of the programs
# that the suite starts would do it again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

PYPROJECT = nox.project.load_toml("pyproject.toml")
PYTHONS = nox.project.python_versions(PYPROJECT)
OLDEST, NEWEST = PYTHONS[0], PYTHONS[-1]
RECIPES = Path("examples/recipes")  # have an environment of their own: see the group in pyproject.toml
NEWEST_FIRST = PYTHONS[:0:-1]  # simloop, one of the recipes, does not work on the oldest
EXAMPLES = sorted(path for path in Path("examples").glob("*") if path.is_dir() and path != RECIPES)

# What is told pytest for a suite on a real server. This project's settings, which hold for what lies below and has none
# of its own, leave the plugin out.
LIVE = ("pytest", "-p", "asgi_testkit")
SERVERS = ("uvicorn", "hypercorn", "anycorn")

# One Python, neither the oldest nor the newest, runs the suite on httpx2: five runs of it would be too many for CI.
ON_HTTPX2 = PYTHONS[1]

# What of the suite notices a file that is missing in the wheel: all names, each face, the plugin.
WHEEL_SLICE = [f"tests/test_{each}.py" for each in ("project", "client", "sync", "pytest_plugin", "starlette")]

# The Pythons on which this run has measured coverage, has run the suite on httpx2, and has run the recipes.
measured: list[str] = []
ran_on_httpx2: list[str] = []
ran_recipes: list[str] = []

# One worker more than there are cores: many tests wait for a timeout, a thread or a program. ALL has the slow tests run
# too, as the newest Python does. The others run those whose outcome may be another there: see tests/conftest.py.
PYTEST = ("pytest", "-n", str(min((os.cpu_count() or 1) + 1, 16)), "--dist", "worksteal")
ALL = ("-m", "")
OF_PYTHON = ("-m", "not slow or of_python")
OF_VERSIONS = ("-m", "not slow or of_versions")
OF_HTTPX2 = (*OF_VERSIONS, "--deselect", "tests/test_docs.py::test_the_snippets_of_a_page_run")  # they import httpx

# The contract: what is promised of every client, and holds on a real server, too, all but what is marked. CI runs a
# slice of it, `nox -s live` all.
CONTRACT = [
    f"tests/test_{each}.py"
    for each in (
        *("client", "lifespan", "session"),
        *("blocking_session", "cancellation", "exchange", "sync", "websocket"),
    )
]
CONTRACT_SLICE = CONTRACT[:3]
CONTRACT_LIVE = {"uvicorn": ("-k", "not trio"), "hypercorn": ()}  # uvicorn knows asyncio alone


def group(name: str) -> tuple[str, ...]:
    # `pip install --group` would do, but a pip as old as Python 3.11's does not know it.
    return nox.project.dependency_groups(PYPROJECT, name)


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff: rules and formatting."""
    session.install(*group("lint"))
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def typing(session: nox.Session) -> None:
    """Mypy, strict, for the oldest and the newest Python; pyright on what users see."""
    session.install("-e", ".", *group("typing"), *group("recipes"))
    for version in (OLDEST, NEWEST):
        session.run("mypy", "--python-version", version)
    cache = {"MYPY_CACHE_DIR": str(Path(".mypy_cache").absolute())}  # it knows the libraries by now
    for example in (*EXAMPLES, RECIPES):  # each is a project of its own, and has an `app` of its own
        with session.chdir(example):
            settings = ("--config-file", "../../pyproject.toml", "--python-version", NEWEST)
            session.run("mypy", *settings, ".", env=cache)
    session.run(
        "pyright",
        "--verifytypes",
        "asgi_testkit",
        "--ignoreexternal",
        env={"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"},  # nor does it ask whether there is a newer one
    )


@nox.session(python=PYTHONS[::-1])
def tests(session: nox.Session) -> None:
    """Run the suite on one Python, or on httpx2. The newest comes first, runs all of it, and measures coverage."""
    version = str(session.python)
    session.install("-e", ".", *group("tests"), *group("streams"))
    if version == ON_HTTPX2:
        which = OF_HTTPX2 if measured and not session.posargs else ALL
        session.run("python", "-m", *PYTEST, *which, *session.posargs, env={"SUITE_HTTP": "httpx2"})
        ran_on_httpx2.append(version)
    elif measured and not has_code_of_its_own(version):
        which = ALL if session.posargs else OF_PYTHON
        session.run("python", "-m", *PYTEST, *which, *session.posargs)
    else:
        data = {"COVERAGE_FILE": f".coverage.{version}"}
        session.run("coverage", "erase", env=data)
        which = OF_PYTHON if measured and not session.posargs else ALL
        session.run("coverage", "run", "-m", *PYTEST, *which, *session.posargs, env=data)
        if not measured and not session.posargs:
            contract(session, ("coverage", "run"), CONTRACT_SLICE, env=data)
        measured.append(version)


def has_code_of_its_own(version: str) -> bool:
    """Return whether some code is for this Python and older ones, and not for the newest, which measures all else."""
    marks = "|".join(map(re.escape, PYTHONS[PYTHONS.index(version) + 1 :]))
    files = (path for folder in ("asgi_testkit", "tests") for path in Path(folder).glob("**/*.py"))
    return any(re.search(f"# pragma: <({marks})\\b", path.read_text(encoding="utf-8")) for path in files)


def contract(
    session: nox.Session, python: tuple[str, ...], tests: list[str], env: dict[str, str] | None = None
) -> None:
    """Run tests of the contract on real servers."""
    for server, selected in CONTRACT_LIVE.items():
        session.run(*python, "-m", *PYTEST, *selected, *tests, env={**(env or {}), "SUITE_LIVE": server})


@nox.session(requires=["tests"])
def coverage(session: nox.Session) -> None:
    """Join what `tests` measured; every line and branch has to have run on one of the Pythons."""
    if ran_on_httpx2 and not measured:
        session.skip(f"Python {ON_HTTPX2} alone was found, which measures nothing")
    if not measured:
        session.error(f"none of Python {', '.join(PYTHONS)} was found")
    session.install(*group("coverage"))
    data = [str(path) for version in measured for path in Path().glob(f".coverage.{version}.*")]  # one of each worker
    session.run("coverage", "combine", "--quiet", *data)
    session.run("coverage", "report", env={"COVERAGE_OUT_OF_REACH": out_of_reach(measured)})


def out_of_reach(versions: list[str]) -> str:
    """Return a regex for the marks of code that runs on none of these Pythons."""
    ran = [PYTHONS.index(version) for version in versions]
    newer = [f"{version}\\+" for version in PYTHONS[max(ran) + 1 :]]
    older = [f"<{version}" for version in PYTHONS[: min(ran) + 1]]
    return f"# pragma: ({'|'.join(newer + older)})"


@nox.session(python=OLDEST)
def lowest(session: nox.Session) -> None:
    """Run the suite with the oldest versions that it works with, without the slow tests that do not depend on them."""
    oldest = [re.sub(r">=([\d.]+).*", r"==\1", each) for each in PYPROJECT["project"]["dependencies"]]
    peer = "httpx-ws==0.8.2"  # the last one that works with that anyio, whatever later ones say of themselves
    session.install("-e", ".", *oldest, peer, *group("tests"))
    session.run("python", "-m", *PYTEST, *(session.posargs or OF_VERSIONS))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the docs, offline; a warning is an error."""
    session.install("-e", ".", *group("docs"))
    session.run("sphinx-build", "-nW", "--keep-going", "-E", "docs", "docs/_build")


@nox.session
def wheel(session: nox.Session) -> None:
    """Run the suite against the built wheel, out of the unpacked sdist, where no checkout is found.

    It runs on httpx2, and is a slice of the suite if `tests` has run on that.
    """
    tmp = Path(session.create_tmp())
    session.install("build", *group("tests"), *group("streams"))
    built_sdist, built_wheel = built(session, tmp)

    with tarfile.open(built_sdist) as archive:
        archive.extractall(tmp, filter="data")
    tree = built_sdist.with_name(built_sdist.name.removesuffix(".tar.gz"))
    shutil.rmtree(tree / "asgi_testkit")
    session.install(str(built_wheel))
    which = WHEEL_SLICE if ran_on_httpx2 else ALL
    with session.chdir(tree):
        session.run("python", "-m", *PYTEST, *which, *session.posargs, env={"SUITE_HTTP": "httpx2"})


def built(session: nox.Session, folder: Path) -> tuple[Path, Path]:
    """Build sdist and wheel into a folder, which is emptied before, and check what they hold."""
    shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--outdir", str(folder))
    [built_sdist], [built_wheel] = folder.glob("*.tar.gz"), folder.glob("*.whl")
    contents = zipfile.ZipFile(built_wheel).namelist()
    package = {path.as_posix() for path in Path("asgi_testkit").glob("**/*") if path.is_file()}  # SKILL.md, py.typed
    if missing := {path for path in package if "/__pycache__/" not in path} - set(contents):
        session.error(f"missing in the wheel: {missing}")
    if stray := [name for name in contents if not name.startswith(("asgi_testkit/", "asgi_testkit-"))]:
        session.error(f"the wheel holds more than the package: {stray}")
    return built_sdist, built_wheel


@nox.session
def release(session: nox.Session) -> None:
    """Build what is to be published into dist/, and check it. Nothing is uploaded. On demand: `nox -s release`."""
    session.install("build", "twine")
    built_sdist, built_wheel = built(session, Path("dist"))
    session.run("twine", "check", "--strict", str(built_sdist), str(built_wheel))
    version = built_wheel.name.split("-")[1]
    if f"\n## {version} " not in Path("docs/changelog.md").read_text(encoding="utf-8"):
        session.error(f"docs/changelog.md has no heading for {version}, with its date")
    session.log(f"{version} is in dist/. docs/releases.md says how it goes on.")


@nox.session
def examples(session: nox.Session) -> None:
    """Run the example suites, each in its own folder, as its reader would."""
    session.install(".[uvicorn]", *group("examples"), *group("postgres"))
    session.install(
        *group("browser"), success_codes=[0, 1]
    )  # where it cannot be had, its example says that it is not run
    for example in EXAMPLES:
        run_example(session, example)
    with session.chdir("examples/quickstart"):  # on the other servers, and all of them: `nox -s live`
        session.run("python", "-m", *LIVE, "--asgi-live=uvicorn", *session.posargs)
    for version in NEWEST_FIRST:  # by the name alone, it would be the first one, which may not be there
        session.notify(f"recipes-{version}")


@nox.session(python=NEWEST_FIRST)
def recipes(session: nox.Session) -> None:
    """Run the recipes of the docs, on the newest Python that is there. `examples` asks for it."""
    if ran_recipes:
        session.skip(f"they have run on Python {ran_recipes[0]}")
    ran_recipes.append(str(session.python))
    session.install(".", *group("recipes"))
    run_example(session, RECIPES)


def run_example(session: nox.Session, example: Path) -> None:
    """Run an example's suite in its folder, by each of its settings."""
    with session.chdir(example):
        session.run("python", "-m", "pytest", *session.posargs)
        for settings in sorted(Path().glob("pytest-*.ini")):  # by another plugin, and on one server of several
            one = ("-k", "not (hypercorn or anycorn)")
            session.run("python", "-m", "pytest", "-c", str(settings), *one, *session.posargs)


@nox.session
def live(session: nox.Session) -> None:
    """Run the contract and the example suites on real servers. On demand: `nox -s live`."""
    session.install("-e", f".[{','.join(SERVERS)}]", *group("tests"))
    contract(session, ("python",), [*ALL, *CONTRACT])
    for server in SERVERS:
        for example in EXAMPLES:
            with session.chdir(example):
                session.run("python", "-m", *LIVE, f"--asgi-live={server}", *session.posargs)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure, side by side with the other clients. On demand: `nox -s benchmarks`."""
    session.install(".", *group("benchmarks"))
    session.run("python", "-m", "tests.benchmarks", *session.posargs)


@nox.session
def parity(session: nox.Session) -> None:
    """Ask real servers, and write down what they do, for the tests and the docs. On demand: `nox -s parity`."""
    session.install("-e", ".", *group("tests"), *group("parity"))
    session.run("python", "-m", "tests.parity.observed.live", *session.posargs)


@nox.session
def chaos(session: nox.Session) -> None:
    """10,000 requests to the examples, under faults that seeds draw, and 10,000 random steps. On demand."""
    session.install("-e", ".", *group("tests"))
    requests = {"ASGI_TESTKIT_CHAOS": "10000"}
    session.run("pytest", "-m", "slow", "tests/test_examples_in_chaos.py", *session.posargs, env=requests)
    sequences = {"ASGI_TESTKIT_STEPS": "10000"}
    session.run("pytest", "-m", "slow", "tests/test_steps_model.py", *session.posargs, env=sequences)


@nox.session
def downstream(session: nox.Session) -> None:
    """Run other projects' suites, natively and with --asgi-testkit, and compare. On demand: `nox -s downstream`."""
    session.install(*group("downstream"))
    session.run("python", "-m", "tests.downstream", *session.posargs)


@nox.session
def downstream_slice(session: nox.Session) -> None:
    """A fast part of `downstream`, of Starlette's and FastAPI's suites."""
    session.install(*group("downstream"))
    session.run("python", "-m", "tests.downstream", "--slice", "--only", "compare", *session.posargs)

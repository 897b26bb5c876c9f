"""Where a project's tests are run: its sdist, unpacked, and an environment of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from .project import Project

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Workshop:
    """A project that is ready to be tested.

    Attributes:
        project: What is tested.
        tree: The root of its sdist.
        python: The interpreter of its environment, which has our wheel, too.
    """

    project: Project
    tree: Path
    python: Path


#: That of this environment, be it active or not.
UV = (sys.executable, "-m", "uv")


def wheel(folder: Path) -> Path:
    """Build ours: what users install is tested, and no checkout's `tests` stands in the way of a project's own."""
    built = folder / "wheel"
    shutil.rmtree(built, ignore_errors=True)
    command(*UV, "build", "--quiet", "--wheel", "--out-dir", built, ROOT)
    [found] = built.glob("*.whl")
    return found


def prepare(project: Project, folder: Path, ours: Path) -> Workshop:
    """Download, unpack and install what is not there yet; our wheel in any case.

    Raises:
        subprocess.CalledProcessError: A release or a requirement of it cannot be had.
    """
    place = folder / project.key
    python = place / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    ready = place / "ready"
    if not ready.exists() or ready.read_text() != repr(project):
        shutil.rmtree(place, ignore_errors=True)
        unpack(project, place)
        command(*UV, "venv", "--quiet", "--python", sys.executable, place / "venv")
        groups = [f"{place / 'tree' / 'pyproject.toml'}:{group}" for group in project.groups]
        options = [argument for group in groups for argument in ("--group", group)]
        command(*UV, "pip", "install", "--quiet", "--python", python, *project.requirements, *options)
        ready.write_text(repr(project))
    command(*UV, "pip", "install", "--quiet", "--python", python, "--reinstall-package", "asgi-testkit", ours)
    return Workshop(project, place / "tree", python)


#: Where a project may have settings for pytest, and what they begin with there.
SETTINGS = {"pytest.ini": "", "tox.ini": "[pytest]", "setup.cfg": "[tool:pytest]", "pyproject.toml": "[tool.pytest"}


def unpack(project: Project, place: Path) -> None:
    # pip has to have the build's metadata, and takes the session's backends for that: an environment for each build
    # would take longer than all the rest.
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-binary", ":all:")
    command(sys.executable, "-m", "pip", "download", *options, "--dest", place, project.release)
    [sdist] = place.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(place, filter="data")
    (place / sdist.name.removesuffix(".tar.gz")).rename(place / "tree")
    for path, text in project.supplies.items():
        supplied = place / "tree" / path
        supplied.parent.mkdir(parents=True, exist_ok=True)
        supplied.write_text(text, encoding="utf-8")
    if not has_settings(place / "tree"):  # pytest would take those of this project, within which the place may lie
        (place / "tree" / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


def has_settings(tree: Path) -> bool:
    """Whether a project has settings for pytest."""
    files = [(tree / name, section) for name, section in SETTINGS.items() if (tree / name).is_file()]
    return any(section in path.read_text(encoding="utf-8") for path, section in files)


def command(*words: str | Path) -> None:
    subprocess.run([str(word) for word in words], check=True)

"""Every Python snippet of README.md, the docs and SKILL.md is run. docs/contributing.md tells authors of pages how."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pytest
from markdown_it import MarkdownIt

import asgi_testkit

ROOT = Path(__file__).parent.parent
PACKAGE = Path(asgi_testkit.__file__).parent
SKILL = PACKAGE / ".agents" / "skills" / "asgi-testkit" / "SKILL.md"
PAGES = [ROOT / "README.md", SKILL, *sorted((ROOT / "docs").glob("**/*.md"))]

#: MyST directives whose content is code, or reStructuredText, and not Markdown again.
CODE_DIRECTIVES = ("{code", "{sourcecode", "{doctest", "{eval-rst")
PYTHON_BY_ANOTHER_NAME = re.compile(r"\b(i?python\d*|py\d*|pycon|doctest)\b", re.IGNORECASE)


#: Pages on packages that demand this anyio, and are not installed together with an older one.
OF_A_NEWER_ANYIO = {"mcp.md", "sse.md"}
NEWER_ANYIO = (4, 9)


class Fence(NamedTuple):
    """A fenced code block; `line` is the one that opens it, `continues` whether it goes on from the last."""

    label: str
    code: str
    line: int
    continues: bool


def fences(markdown: str, offset: int = 0) -> Iterator[Fence]:
    """Yield the fences of a page, also those within lists, quotes and MyST directives."""
    comment = ""
    for token in MarkdownIt().parse(markdown):
        line = offset + (token.map[0] if token.map else 0)
        if token.type == "code_block":
            msg = f"line {line + 1}: an indented code block has no language; write a fence"
            raise ValueError(msg)
        if token.type == "fence":
            label = token.info.strip()
            if label.startswith("{") and not label.startswith(CODE_DIRECTIVES):
                yield from fences(token.content, line + 1)
            else:
                yield Fence(label, token.content, line + 1, comment == "<!-- continues -->")
        comment = token.content.strip() if token.type == "html_block" else ""


def files(markdown: str) -> dict[str, str]:
    """Return the files that a page's snippets make, by name; none if there is no Python on it.

    Each line of code has the line number in its file that it has on the page, so that a traceback points at the page.
    """
    found: dict[str, str] = {}
    name = ""
    for label, code, line, continues in fences(markdown):
        if not label or (label != "python" and PYTHON_BY_ANOTHER_NAME.search(label)):
            msg = f"line {line}: label this fence python, so that it is run, or with the language that it is: {label!r}"
            raise ValueError(msg)
        title = re.match(r"# ([\w.]+\.\w+)\n", code)
        if label != "python" and not title:
            continue
        if not continues:
            name = title[1] if title else f"test_line_{line}.py"
        elif not name:
            msg = f"line {line}: nothing to continue"
            raise ValueError(msg)
        if not continues and name in found:
            msg = f"line {line}: {name} is on this page already; to add to it, write <!-- continues --> above the fence"
            raise ValueError(msg)
        text = found.get(name, "")
        found[name] = text + "\n" * (line - text.count("\n")) + code
    modules = [name for name in found if name.endswith(".py")]
    for name in modules:
        refuse_tests_that_hide_others(name, found[name])
    return found if modules else {}


def refuse_tests_that_hide_others(name: str, source: str) -> None:
    """Raise if the second of two tests takes the first one's name: pytest would run only one."""
    tests = [node.name for node in ast.parse(source).body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    if twice := {test for test in tests if tests.count(test) > 1}:
        msg = f"{name}: {', '.join(twice)} is defined twice, and only the second would run"
        raise ValueError(msg)


#: Read by pytest when the page shows no configuration of its own: every other file takes precedence over setup.cfg.
#: (pytest-asyncio warns of a missing scope.)
CONFIGURATION = "[tool:pytest]\nasyncio_default_fixture_loop_scope = function\n"


class Outcome(NamedTuple):
    """What a run of pytest has come to."""

    code: int
    output: str


Run = Callable[[dict[str, str]], Outcome]


@pytest.fixture(scope="session")
def pages() -> Iterator[subprocess.Popen[str]]:
    """The program that runs pytest in folders."""
    env = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    env["PYTHONPATH"] = str(PACKAGE.parent)  # in a checkout it may not be installed
    command = [sys.executable, "-W", "error", str(Path(__file__).with_name("pages.py"))]
    with subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
        yield program


@pytest.fixture
def run(pages: subprocess.Popen[str], tmp_path: Path) -> Run:
    """Write a page's files, and run pytest on all of them as a reader would."""
    assert pages.stdin is not None
    assert pages.stdout is not None
    ask, answers = pages.stdin, pages.stdout

    def run(page: dict[str, str]) -> Outcome:
        for name, text in {"setup.cfg": CONFIGURATION, **page}.items():
            (tmp_path / name).write_text(text, encoding="utf-8")
        print(tmp_path, file=ask, flush=True)
        code = int(answers.readline())
        return Outcome(code, (tmp_path / "output.txt").read_text(encoding="utf-8"))

    return run


def name_of(page: Path) -> str:
    """Return what a page is called; the package, with a page in it, may be installed elsewhere."""
    return str(page.relative_to(ROOT if ROOT in page.parents else PACKAGE.parent))


@pytest.mark.parametrize("path", [pytest.param(path, id=name_of(path)) for path in PAGES])
@pytest.mark.slow
def test_the_snippets_of_a_page_run(path: Path, run: Run) -> None:
    page = files(path.read_text(encoding="utf-8"))
    older = tuple(map(int, version("anyio").split(".")[:2])) < NEWER_ANYIO
    if page and not (older and path.name in OF_A_NEWER_ANYIO):
        outcome = run(page)
        assert outcome.code == 0, f"{path} (line numbers are the page's)\n{outcome.output}"


def test_there_are_snippets_in_the_readme_in_the_skill_and_in_the_docs() -> None:
    readme, skill, *docs = (files(path.read_text(encoding="utf-8")) for path in PAGES)
    assert readme
    assert skill
    assert any(docs)


@pytest.mark.slow
def test_a_failing_snippet_is_noticed_and_its_line_on_the_page_is_told(run: Run) -> None:
    outcome = run(files("# A page\n\n```python\ndef test_it():\n    assert 1 == 2\n```\n"))
    assert outcome.code == 1
    assert "test_line_3.py:5: AssertionError" in outcome.output


@pytest.mark.slow
def test_snippets_without_a_test_are_noticed(run: Run) -> None:
    assert run(files("```python\nx = 1\n```\n")).code != 0


@pytest.mark.slow
def test_a_warning_is_an_error_unless_the_settings_of_the_page_say_otherwise(run: Run) -> None:
    warns = "```python\nimport warnings\n\n\ndef test_it():\n    warnings.warn('look out', stacklevel=1)\n```\n"
    assert "UserWarning: look out" in run(files(warns)).output
    settings = "asyncio_default_fixture_loop_scope = function\nfilterwarnings = ignore:look out\n"
    ignores = f"```ini\n# pytest.ini\n[pytest]\n{settings}```\n"
    assert run(files(ignores + warns)).code == 0


def test_a_fence_may_name_its_file_and_may_continue_the_one_before() -> None:
    page = files(
        """
```python
# app.py
a = 1
```

```toml
# pyproject.toml
[tool.pytest]
```

```python
b = 2
```

<!-- continues -->
```python
c = 3
```

```sh
pytest
```
"""
    )
    assert {name: text.split() for name, text in page.items()} == {
        "app.py": ["#", "app.py", "a", "=", "1"],
        "pyproject.toml": ["#", "pyproject.toml", "[tool.pytest]"],
        "test_line_12.py": ["b", "=", "2", "c", "=", "3"],
    }


def test_a_page_without_python_has_nothing_to_run() -> None:
    assert files("```toml\n# pyproject.toml\n```\n") == {}


def test_fences_in_lists_and_directives_are_found() -> None:
    page = files("* item\n\n  ```python\n  a = 1\n  ```\n\n````{note}\n```python\nb = 2\n```\n````\n")
    assert {name: text.strip() for name, text in page.items()} == {"test_line_3.py": "a = 1", "test_line_8.py": "b = 2"}


@pytest.mark.parametrize(
    "markdown, complaint",
    [
        ("```py\n```", "label this fence python"),
        ("```pycon\n```", "label this fence python"),
        ("```{code-block} python\n```", "label this fence python"),
        ("```\n```", "label this fence python"),
        ("text\n\n    indented", "write a fence"),
        ("<!-- continues -->\n```python\n```", "nothing to continue"),
        ("```python\n# a.py\n```\n```python\n# a.py\n```", "a.py is on this page already"),
        ("```python\ndef test_a(): ...\ndef test_a(): ...\n```", "test_a is defined twice"),
    ],
)
def test_what_would_be_skipped_unseen_is_refused(markdown: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        files(markdown)

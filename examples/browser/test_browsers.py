"""What is said where there is no Chromium. You need not copy it."""

from pathlib import Path

import pytest
from browsers import find_chromium


@pytest.fixture
def no_chromium(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have none, and nobody who asks for one."""
    monkeypatch.delenv("ASGI_TESTKIT_CHROMIUM", raising=False)
    monkeypatch.delenv("ASGI_TESTKIT_REQUIRE_BROWSER", raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("browsers.USUAL_PLACES", ())


@pytest.mark.usefixtures("no_chromium")
def test_the_tests_are_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match=r"^browser example: not run, no Chromium"):
        find_chromium()


@pytest.mark.usefixtures("no_chromium")
def test_they_fail_if_there_has_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASGI_TESTKIT_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match=r"^browser example: not run, no Chromium"):
        find_chromium()


@pytest.mark.usefixtures("no_chromium")
def test_the_one_that_is_named_is_taken_and_no_other(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "my-chromium"
    program.touch()
    monkeypatch.setenv("ASGI_TESTKIT_CHROMIUM", str(program))
    assert find_chromium() == str(program)
    monkeypatch.setenv("ASGI_TESTKIT_CHROMIUM", str(tmp_path / "another"))
    monkeypatch.setattr("browsers.USUAL_PLACES", (str(program),))
    with pytest.raises(pytest.skip.Exception, match="there is no such file"):
        find_chromium()

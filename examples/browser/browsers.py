"""Chromium for Playwright: where it is, and how it is started. Without it, the tests that need it are skipped.

Playwright's own download of a browser is not needed: this takes the one that the system has, or that the environment
variable ASGI_TESTKIT_CHROMIUM names. With ASGI_TESTKIT_REQUIRE_BROWSER=1, not to find one is a failure.
"""

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Never

import pytest


def not_run(reason: str) -> Never:
    """Skip what needs a browser, or fail if there has to be one."""
    told = f"browser example: not run, {reason}"
    if os.environ.get("ASGI_TESTKIT_REQUIRE_BROWSER", "0") not in {"", "0"}:
        pytest.fail(f"{told}. ASGI_TESTKIT_REQUIRE_BROWSER makes that a failure", pytrace=False)
    pytest.skip(told, allow_module_level=True)


try:
    from playwright.async_api import Browser, Page, async_playwright, expect
except ModuleNotFoundError:
    not_run("no Playwright: pip install playwright")

expect.set_options(timeout=30_000)  # milliseconds, as all else of Playwright's: a busy machine may need more than five

__all__ = ["Browser", "Page", "expect", "find_chromium", "launched"]

#: Its names on the PATH, and where it is besides.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
USUAL_PLACES = {
    "darwin": (
        "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
        "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    ),
    "win32": tuple(
        str(Path(folder) / program)
        for folder in (os.environ.get(each) for each in ("PROGRAMFILES", "PROGRAMFILES(X86)", "LOCALAPPDATA"))
        if folder
        for program in (
            "Google/Chrome/Application/chrome.exe",
            "Chromium/Application/chrome.exe",
            "Microsoft/Edge/Application/msedge.exe",
        )
    ),
}.get(sys.platform, tuple(f"/usr/bin/{name}" for name in NAMES[:3]))

#: It need not look for updates, or for anything else that is not the app's.
OPTIONS = (
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium() -> str:
    """Return the path of Chromium, or of a browser that is made of it."""
    if named := os.environ.get("ASGI_TESTKIT_CHROMIUM"):
        if not Path(named).is_file():
            not_run(f"no Chromium: ASGI_TESTKIT_CHROMIUM is {named!r}, and there is no such file")
        return named
    places = [*USUAL_PLACES, *filter(None, map(shutil.which, NAMES))]
    found = next((place for place in places if Path(place).is_file()), None)
    return found or not_run("no Chromium: install it, or name it in ASGI_TESTKIT_CHROMIUM")


@asynccontextmanager
async def launched(path: str) -> AsyncIterator[Browser]:
    """Run Chromium, in the background, as long as the block."""
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []  # it refuses to start otherwise
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*OPTIONS, *as_root])
        try:
            yield browser
        finally:
            await browser.close()

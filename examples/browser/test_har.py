"""A page without a server: the browser is answered out of a HAR, which a client or a run of pytest has recorded."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from board import Note
from browsers import Browser, Page, expect  # Playwright's
from conftest import Sessions

from asgi_testkit import AsyncClient, LifespanManager


# A page of no server.
@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    context = await browser.new_context()
    yield await context.new_page()
    await context.close()


async def test_what_a_client_has_recorded(
    page: Page, asgi_lifespan: LifespanManager, sessions: Sessions, tmp_path: Path
) -> None:
    async with sessions() as session:
        session.add_all([Note(text="milk"), Note(text="bread")])
        await session.commit()
    async with AsyncClient(asgi_lifespan.app, base_url="http://board.example", record=True) as client:
        for path in ("/", "/board.js", "/figures/notes", "/figures/letters", "/figures/longest"):
            response = await client.get(path)
            assert response.status_code == 200
    har = tmp_path / "board.har"
    har.write_text(json.dumps(client.har()), encoding="utf-8")

    await page.route_from_har(har)  # what is not in it is refused
    await page.goto("http://board.example/")
    await expect(page.get_by_role("list", name="Notes").get_by_role("listitem")).to_have_text(["milk", "bread"])
    await expect(page.get_by_text("Notes: ")).to_have_text("Notes: 2, letters: 9, the longest: 5")


async def test_what_a_run_of_pytest_has_recorded(page: Page, tmp_path: Path) -> None:
    har = tmp_path / "run.har"
    test = f"{Path(__file__).with_name('test_awaited.py')}::test_a_page_and_what_it_loads[sqlite]"
    arguments = ("-m", "pytest", "-p", "no:cacheprovider", f"--asgi-har={har}", test)
    run = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.DEVNULL)
    assert await run.wait() == 0

    await page.route_from_har(har)
    await page.goto("http://testserver/")
    await expect(page.get_by_role("list", name="Notes").get_by_role("listitem")).to_have_text(["<milk>"])
    await expect(page.get_by_text("Notes: ")).to_have_text("Notes: 1, letters: 6, the longest: 6")

"""Tests in a real browser. They see what the app has not committed, and leave nothing behind."""

import pytest
from board import Note
from browsers import Browser, Page, expect  # expect, Page and Browser are Playwright's
from conftest import Sessions
from fastapi import FastAPI
from sqlalchemy import func, select

from asgi_testkit import LifespanManager, LiveServer

on_each_server = pytest.mark.parametrize("server", ["uvicorn", "hypercorn", "anycorn"], indirect=True)


@on_each_server
async def test_a_form_is_sent(page: Page, sessions: Sessions) -> None:
    async with sessions() as session:
        session.add(Note(text="milk"))
        await session.commit()  # ends a savepoint, and nothing else
    await page.goto("/")
    notes = page.get_by_role("list", name="Notes").get_by_role("listitem")
    await expect(notes).to_have_text(["milk"])

    await page.get_by_label("Note", exact=True).fill("bread & butter")
    await page.get_by_role("button", name="Add").click()
    await expect(notes).to_have_text(["milk", "bread & butter"])

    async with sessions() as session:
        assert list(await session.scalars(select(Note.text).order_by(Note.id))) == ["milk", "bread & butter"]


@on_each_server
async def test_news_come_as_they_happen(page: Page) -> None:
    await page.goto("/")
    news = page.get_by_role("list", name="News").get_by_role("listitem")
    await expect(news).to_have_text(["0 so far"])  # now the stream is open: what comes is not missed

    somebody = await page.context.new_page()
    await somebody.goto("/")
    for text in ("milk", "bread"):
        await somebody.get_by_label("Note", exact=True).fill(text)
        await somebody.get_by_role("button", name="Add").click()
        await expect(somebody.get_by_role("list", name="Notes")).to_contain_text(text)
    await expect(news).to_have_text(["0 so far", "milk", "bread"])


@on_each_server
async def test_a_search_is_a_conversation(page: Page, sessions: Sessions) -> None:
    async with sessions() as session:
        session.add_all([Note(text="brown bread"), Note(text="brown sugar"), Note(text="milk")])
        await session.commit()
    await page.goto("/")
    found = page.get_by_role("list", name="Found").get_by_role("listitem")
    search = page.get_by_role("searchbox")
    await search.fill("brown")
    await expect(found).to_have_text(["brown bread", "brown sugar"])
    await search.fill("milk")
    await expect(found).to_have_text(["milk"])


async def test_a_page_may_make_requests_at_once(page: Page, sessions: Sessions) -> None:
    async with sessions() as session:
        session.add_all([Note(text="milk"), Note(text="bread")])
        await session.commit()
    await page.goto("/")
    await expect(page.get_by_text("Notes: ")).to_have_text("Notes: 2, letters: 9, the longest: 5")


async def test_what_the_app_raises_is_raised_where_the_server_stops(browser: Browser) -> None:
    app = FastAPI()

    @app.get("/")
    async def fails() -> None:
        msg = "no notes today"
        raise LookupError(msg)

    async def visit() -> None:
        async with LiveServer(app) as server:
            page = await browser.new_page()
            response = await page.goto(server.url)
            await page.close()
            assert response is not None
            assert response.status == 500  # this is what the browser sees

    with pytest.raises(LookupError, match="no notes today"):
        await visit()


# The rest proves what the fixtures promise. You need not copy it.


@pytest.mark.parametrize("time", ["first", "second"])
async def test_nothing_is_left_of_another_test(
    page: Page, sessions: Sessions, asgi_lifespan: LifespanManager, time: str
) -> None:
    # The other time, this test has added the same note, and the app has committed it.
    await page.goto("/")
    await expect(page.get_by_text("Notes: ")).to_have_text("Notes: 0, letters: 0, the longest: 0")
    await page.get_by_label("Note", exact=True).fill("once only")
    await page.get_by_role("button", name="Add").click()
    await expect(page.get_by_text("Notes: ")).to_have_text("Notes: 1, letters: 9, the longest: 9")
    # Nobody sees it but this very transaction.
    async with sessions() as session:
        assert await session.scalar(select(func.count(Note.id))) == 1
    async with asgi_lifespan.state["engine"].connect() as another_connection:
        assert await another_connection.scalar(select(func.count(Note.id))) == 0

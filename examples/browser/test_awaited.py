"""What needs no browser is tested without one: it takes milliseconds, and runs where there is no Chromium."""

from board import Note
from conftest import Sessions

from asgi_testkit import AsyncClient


async def test_a_page_and_what_it_loads(asgi_client: AsyncClient, sessions: Sessions) -> None:
    async with sessions() as session:
        session.add(Note(text="<milk>"))
        await session.commit()
    page = await asgi_client.get("/")
    assert "<li>&lt;milk&gt;</li>" in page.text
    script = await asgi_client.get("/board.js")
    assert script.headers["content-type"].startswith("text/javascript")
    figures = {name: (await asgi_client.get(f"/figures/{name}")).json() for name in ("notes", "letters", "longest")}
    assert figures == {"notes": 1, "letters": 6, "longest": 6}


async def test_who_adds_a_note_is_sent_back_to_the_page(asgi_client: AsyncClient, sessions: Sessions) -> None:
    response = await asgi_client.post("/notes", data={"text": "bread"})
    assert (response.status_code, response.headers["location"]) == (303, "/")
    assert "<li>bread</li>" in (await asgi_client.get("/")).text

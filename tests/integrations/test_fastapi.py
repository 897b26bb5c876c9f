"""FastAPI: validation, dependencies, background tasks, mounted apps."""

# No postponed annotations: FastAPI could not look the local names in them up.

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import BackgroundTasks, Depends, FastAPI, Form, HTTPException, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from tests.faces import Face
from tests.messages import Recorder


class Item(BaseModel):
    name: str
    price: float


def shop(story: Recorder) -> FastAPI:
    """Return an app that does a bit of everything, and tells what happens in it."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
        story("up")
        yield {"items": {}}
        story("down")

    async def session() -> AsyncIterator[str]:
        story("session opened")
        try:
            yield "session"
        except HTTPException as error:
            story(f"session saw {error.status_code}")
            raise
        finally:
            story("session closed")

    app = FastAPI(lifespan=lifespan)

    @app.post("/items", status_code=201)
    async def create(item: Item, request: Request, session: Annotated[str, Depends(session)]) -> Item:
        request.state.items[item.name] = item
        return item

    @app.get("/items/{name}")
    def read(name: str, request: Request, session: Annotated[str, Depends(session)]) -> Item:
        if name not in request.state.items:
            raise HTTPException(404, "no such item")
        found: Item = request.state.items[name]
        return found

    @app.post("/files")
    async def upload(file: UploadFile, note: Annotated[str, Form()]) -> dict[str, Any]:
        return {"name": file.filename, "content": (await file.read()).decode(), "note": note}

    @app.get("/later")
    async def later(tasks: BackgroundTasks) -> str:
        tasks.add_task(story, "later")
        return "accepted"

    @app.get("/stream")
    async def stream(session: Annotated[str, Depends(session)]) -> StreamingResponse:
        async def chunks() -> AsyncIterator[str]:
            yield session
            story("streamed")

        return StreamingResponse(chunks())

    return app


def test_fastapi_validates_and_answers(face: Face) -> None:
    with face.open(shop(Recorder()), lifespan="on") as client:
        response = client.post("/items", json={"name": "tea", "price": 2.5})
        assert (response.status_code, response.json()) == (201, {"name": "tea", "price": 2.5})
        assert client.get("/items/tea").json() == {"name": "tea", "price": 2.5}
        assert client.post("/items", json={"name": "tea"}).status_code == 422
        assert client.get("/openapi.json").json()["info"]["title"] == "FastAPI"


def test_fastapi_s_dependencies_are_cleaned_up_before_the_call_returns(face: Face) -> None:
    story = Recorder()
    with face.open(shop(story)) as client:
        response = client.get("/items/tea")
        assert (response.status_code, response.json()) == (404, {"detail": "no such item"})
        assert story.events == ["up", "session opened", "session saw 404", "session closed"]
    assert story.events[-1] == "down"


def test_fastapi_keeps_a_dependency_open_while_it_streams(face: Face) -> None:
    story = Recorder()
    with face.open(shop(story)) as client:
        assert client.get("/stream").text == "session"
    assert story.events == ["up", "session opened", "streamed", "session closed", "down"]


def test_fastapi_takes_files_and_forms(face: Face) -> None:
    with face.open(shop(Recorder())) as client:
        response = client.post("/files", files={"file": ("a.txt", b"content")}, data={"note": "mine"})
    assert response.json() == {"name": "a.txt", "content": "content", "note": "mine"}


def test_fastapi_s_background_tasks_have_run_when_the_call_returns(face: Face) -> None:
    story = Recorder()
    with face.open(shop(story)) as client:
        assert client.get("/later").json() == "accepted"
        assert story.events == ["up", "later"]


def test_fastapi_s_overridden_dependencies_are_used(face: Face) -> None:
    def who() -> str:
        return "nobody"

    app = FastAPI()

    @app.get("/")
    async def endpoint(name: Annotated[str, Depends(who)]) -> str:
        return name

    with face.open(app) as client:
        assert client.get().json() == "nobody"
        app.dependency_overrides[who] = lambda: "the test"
        assert client.get().json() == "the test"


def test_an_app_mounted_in_fastapi_is_reached(face: Face) -> None:
    outer, inner = FastAPI(), FastAPI()

    @inner.get("/hello")
    async def hello(request: Request) -> str:
        return str(request.scope["root_path"])

    outer.mount("/v1", inner)
    with face.open(outer) as client:
        assert client.get("/v1/hello").json() == "/v1"
        assert client.get("/v1/openapi.json").json()["servers"] == [{"url": "/v1"}]

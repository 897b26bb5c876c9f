"""Contract checks for FastAPI and Litestar: planted faults are found, and what is no fault is not."""

# No postponed annotations: FastAPI could not look the local names in them up.

import gzip
import json
import warnings
from collections.abc import Callable
from typing import Annotated, Any, Literal

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from litestar import Litestar, get
from litestar.params import FromPath
from pydantic import BaseModel, Field
from starlette.applications import Starlette
from starlette.routing import Route

from asgi_testkit import TestClient
from asgi_testkit._contract.document import NoDocumentError
from asgi_testkit._contract.judge import Judge
from asgi_testkit._contract.listener import Listener
from asgi_testkit._contract.origin import Documents, fingerprint, source_of
from asgi_testkit._contract.results import Results
from asgi_testkit._conversation import observer
from tests.contracts import told
from tests.faces import Face

Judged = Callable[[], Results]


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Judged:
    """Judges what clients have said meanwhile, and returns the results."""
    listener, documents, results = Listener(), Documents(), Results()
    monkeypatch.setattr(observer, "current", listener)
    judge = Judge(documents, results)

    def judged() -> Results:
        documents.new_round()
        for exchange in listener.take():
            judge.judge(exchange)
        assert listener.take_troubles() == []
        return results

    return judged


class Item(BaseModel):
    name: str
    price: Annotated[float, Field(gt=0)]
    note: str | None = None


class Cat(BaseModel):
    kind: Literal["cat"]
    lives: int


class Dog(BaseModel):
    kind: Literal["dog"]
    age: int


Pet = Annotated[Cat | Dog, Field(discriminator="kind")]

GOOD = {"name": "pen", "price": 1.5}


def answer(**changes: Any) -> JSONResponse:
    return JSONResponse({**GOOD, **changes})


def faulty() -> FastAPI:
    """Return an app each of whose operations is not what its document says, if it is asked for that with ``?bad=1``."""
    app, sub, router = FastAPI(title="shop", version="1"), FastAPI(title="sub", version="1"), APIRouter()

    @app.get("/missing", response_model=Item)
    def missing(*, bad: bool = False) -> Any:
        return JSONResponse({"name": "pen"}) if bad else answer()

    @app.get("/pet", response_model=Pet)
    def pet(*, bad: bool = False) -> Any:
        return JSONResponse({"kind": "dog", "age": "old" if bad else 3})

    @app.post("/items", response_model=Item)
    def create(item: Item, *, bad: bool = False) -> Any:
        if bad:
            raise HTTPException(409)
        return item

    @app.get("/text", response_model=Item)
    def text(*, bad: bool = False) -> Any:
        return PlainTextResponse("pen") if bad else answer()

    @sub.get("/things/{n}", response_model=Item)
    def mounted(n: int, *, bad: bool = False) -> Any:
        return answer(name=n if bad else "pen")

    @router.get("/things/{n}", response_model=Item)
    def included(n: int, *, bad: bool = False) -> Any:
        return answer(name=n if bad else "pen")

    @app.get("/files/{p:path}", response_model=Item)
    def file(p: str, *, bad: bool = False) -> Any:
        return answer(name=None if bad else p)

    @app.get("/nullable", response_model=Item)
    def nullable(*, bad: bool = False) -> Any:
        return answer(note=3 if bad else None)

    @app.get("/bound", response_model=Item)
    def bound(*, bad: bool = False) -> Any:
        return answer(price=0 if bad else 1)

    @app.get("/gzip", response_model=Item)
    def zipped(*, bad: bool = False) -> Any:
        body = json.dumps({**GOOD, "price": "1.5" if bad else 1.5}).encode()
        return Response(gzip.compress(body), media_type="application/json", headers={"content-encoding": "gzip"})

    app.mount("/sub", sub)
    app.include_router(router, prefix="/outer")
    return app


PATHS = [
    *("/missing", "/pet", "/text", "/sub/things/3", "/outer/things/3", "/files/a/b", "/nullable", "/bound", "/gzip"),
]

FOUND = [
    "content type: GET /text 200  : text/plain, where the document has application/json",
    "schema: GET /bound 200 application/json $.price 0: it is less than or equal to the minimum of 0.0",
    'schema: GET /files/{p} 200 application/json $.name null: it is not of type "string"',
    'schema: GET /gzip 200 application/json $.price "1.5": it is not of type "number"',
    'schema: GET /missing 200 application/json $ an object with name: "price" is a required property',
    'schema: GET /nullable 200 application/json $.note 3: it is not of type "string" and it is not of type "null"',
    'schema: GET /outer/things/{n} 200 application/json $.name 3: it is not of type "string"',
    'schema: GET /pet 200 application/json $.age "old": it is not of type "integer"',
    'schema: GET /things/{n} 200 application/json $.name 3: it is not of type "string"',
    "undocumented status: POST /items 409  : the document has 200, 422",
]


def test_ten_planted_faults_are_found_and_nothing_else(face: Face, judged: Judged) -> None:
    app = faulty()
    with face.open(app) as client:
        for bad in ("", "?bad=1"):
            for path in PATHS:
                client.get(f"{path}{bad}")
            client.post(f"/items{bad}", json=GOOD)
        for method, path in (("HEAD", "/missing"), ("OPTIONS", "/items"), ("PUT", "/items"), ("GET", "/nope")):
            client.request(method, path)
        client.post("/items", json={})
        results = judged()
    assert told(results) == FOUND
    assert results.never() == {}
    assert app.openapi_schema is None


@pytest.mark.parametrize("server", ["uvicorn", "hypercorn"])
@pytest.mark.slow
def test_they_are_found_on_a_real_server(server: Any, judged: Judged) -> None:
    with TestClient(faulty(), live=server) as client:
        for path in PATHS:
            client.get(f"{path}?bad=1")
        client.post("/items?bad=1", json=GOOD)
    assert told(judged()) == FOUND


def test_what_is_no_fault_is_not_told(judged: Judged) -> None:
    app = FastAPI(title="shop")
    app.add_middleware(CORSMiddleware, allow_origins=["https://example.org"])

    @app.get("/items/", responses={404: {"description": ""}})
    def items(page: int = 1, tags: Annotated[list[str] | None, Depends(lambda: None)] = None) -> list[int]:
        return [page]

    @app.get("/items/{n}", responses={404: {"description": ""}})
    def item(n: int) -> int:
        if n > 1:
            raise HTTPException(404)
        return 1 // n

    @app.get("/moved", status_code=307, response_class=RedirectResponse)
    def moved() -> str:
        return "/items/"

    @app.get("/hidden/{n}", include_in_schema=False)
    def hidden(n: str) -> str:
        return n

    @app.options("/items/")
    def options() -> dict[str, Any]:
        return {}

    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    app.router.routes.append(Route("/{anything}", plain))
    client = TestClient(app, root_path="/v1", raise_server_exceptions=False, follow_redirects=False)
    cross = {"origin": "https://example.org", "access-control-request-method": "GET"}
    answers = [
        client.get("/v1/items/", params={"page": "2"}),
        client.get("/items"),
        client.get("/items/1"),
        client.get("/items/2"),
        client.get("/items/x"),
        client.get("/items/0"),
        client.get("/moved"),
        client.get("/hidden/x"),
        client.get("/plain"),
        client.options("/items/", headers=cross),
        client.options("/items/"),
        client.get("/openapi.json"),
        client.delete("/items/1"),
    ]
    statuses = [answer.status_code for answer in answers]
    assert statuses == [200, 200, 200, 404, 422, 500, 307, 200, 200, 200, 200, 200, 405]
    results = judged()
    assert told(results) == []
    assert results.counts == {"judged": 6, "of no operation": 6, "failed": 1}


def test_litestar(judged: Judged) -> None:
    @get("/things/{n:int}")
    async def thing(n: FromPath[int]) -> dict[str, int]:
        return {"n": n}

    @get("/files/{p:path}")
    async def file(p: FromPath[str]) -> str:
        return p

    @get("/wrong", sync_to_thread=False)
    def wrong() -> dict[str, int]:
        return {"n": "a"}  # type: ignore[dict-item]

    @get("/hidden", include_in_schema=False)
    async def hidden() -> str:
        return ""

    app = Litestar([thing, file, wrong, hidden], logging_config=None)
    with TestClient(app) as client:
        for path in ("/things/3", "/things/x", "/files/a/b", "/hidden", "/wrong", "/nope"):
            client.get(path)
    results = judged()
    [found] = told(results)
    assert found.startswith('schema: GET /wrong 200 application/json $.n "a": it is not of type "integer"')
    assert results.never() == {}
    without = Litestar([thing], openapi_config=None, logging_config=None)
    TestClient(without).get("/things/3")
    judged()
    [trouble] = results.troubles
    assert "its document cannot be made: " in trouble


def test_an_app_without_a_document_is_told_of(judged: Judged) -> None:
    async def plain(request: Request) -> Response:
        return PlainTextResponse("plain")

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("bare")(scope, receive, send)

    TestClient(Starlette(routes=[Route("/", plain)])).get("/")
    TestClient(bare).get("/")
    results = judged()
    assert results.counts == {"without a document": 2}
    assert len(results.troubles) == 2
    assert all("was not judged: no OpenAPI document is known of it. The" in trouble for trouble in results.troubles)


def shop(model: Any = Item) -> FastAPI:
    """Return an app with routes of its own and of a router, which are equal for the same model."""
    app = FastAPI(title="shop")
    app.add_api_route("/items", endpoint, response_model=model)
    app.include_router(ROUTER, prefix="/outer")
    return app


def endpoint() -> Any:
    return GOOD


ROUTER = APIRouter()
ROUTER.add_api_route("/items", endpoint, response_model=Item)


def test_a_document_is_made_once_for_equal_apps_and_anew_when_routes_are_added(
    judged: Judged, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[FastAPI] = []
    openapi = FastAPI.openapi

    def counted(self: FastAPI) -> Any:
        made.append(self)
        return openapi(self)

    monkeypatch.setattr(FastAPI, "openapi", counted)
    first, second = shop(), shop()
    for app in (first, first, second):
        TestClient(app).get("/items")
        TestClient(app).get("/outer/items")
        assert judged().never() == {}
    assert made == [first]
    second.add_api_route("/more", endpoint)
    TestClient(second).get("/items")
    assert judged().never() == {"shop 0.1.0": ["GET /more"]}
    TestClient(shop(Cat), raise_server_exceptions=False).get("/items")
    judged()
    assert len(made) == 3


def test_of_a_route_of_an_unknown_kind_it_is_not_known_whether_it_equals_another() -> None:
    class Unknown:
        include_in_schema = False

    route: Any = Unknown()
    apps = [FastAPI(), FastAPI(), FastAPI()]
    for app, added in zip(apps, (route, route, Unknown()), strict=True):
        app.router.routes.append(added)
    first, second, third = map(fingerprint, apps)
    assert first == second != third


def test_documents_are_remembered_in_bounds() -> None:
    documents = Documents()
    for n in range(40):
        app = FastAPI(title=f"shop {n}")
        documents.of(app)
        documents.of(app)
    assert len(documents._remembered) == 16


def test_the_document_that_an_app_has_made_or_was_given_is_taken_as_it_is() -> None:
    app = shop()
    before = app.openapi()
    assert source_of(app) is before
    assert app.openapi_schema is before
    app.openapi = lambda: {"openapi": "3.0.0", "paths": {"/mine": {}}}  # type: ignore[method-assign]
    assert Documents().of(app).operations == {"/mine": {}}


def test_an_app_whose_document_cannot_be_made_has_none() -> None:
    def fails() -> Any:
        raise ZeroDivisionError

    app = shop()
    app.openapi = fails  # type: ignore[method-assign]
    documents = Documents()
    for _ in range(2):
        with pytest.raises(NoDocumentError, match="its document cannot be made: ZeroDivisionError"):
            documents.of(app)


def test_warnings_about_a_document_are_for_whoever_asks_for_it() -> None:
    app = shop()
    app.add_api_route("/items", endpoint)  # by an operation id that there is already
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert source_of(app)["openapi"] == "3.1.0"

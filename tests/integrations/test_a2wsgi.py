"""A WSGI app behind a2wsgi."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from a2wsgi import WSGIMiddleware

from tests.backends import BACKENDS
from tests.faces import AwaitedFace, BlockingFace, Face


@pytest.fixture(
    params=[kind(each) for kind in (AwaitedFace, BlockingFace) for each in BACKENDS if each.name == "asyncio"],
    ids=str,
)
def face(request: pytest.FixtureRequest) -> Face:
    """a2wsgi knows asyncio alone."""
    made: Face = request.param
    return made


def greet(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    content = environ["wsgi.input"].read()
    if not content:
        raise LookupError(environ["PATH_INFO"])
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Query", environ["QUERY_STRING"])])
    return [b"hello, ", content]


def test_a_wsgi_app_answers(face: Face) -> None:
    with face.open(WSGIMiddleware(greet)) as client:  # type: ignore[arg-type]  # its types are narrower than WSGI's
        response = client.post("/a?b=c", content=b"test")
    assert response.text == "hello, test"
    assert response.headers["x-query"] == "b=c"


def test_what_a_wsgi_app_raises_is_raised(face: Face) -> None:
    opened = face.open(WSGIMiddleware(greet))  # type: ignore[arg-type]  # the same
    with opened as client, pytest.raises(LookupError, match=r"^/a$"):
        client.get("/a")


def test_a_wsgi_app_as_it_is_gets_told_what_to_do(face: Face) -> None:
    with pytest.raises(TypeError, match=r"looks like a WSGI application .* a2wsgi\.WSGIMiddleware\(app\) makes"):
        face.open(greet).__enter__()

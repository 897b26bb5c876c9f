"""Which operation a request is: what the app says of its route decides, and templates where it says nothing."""

from __future__ import annotations

from typing import Any

import pytest

from asgi_testkit._contract.operation import operation_of

from .contracts import document, exchange

PATHS = ["/items/{id}", "/items/me", "/{kind}/{id}", "/files/{p}", "/outer/files/{p}", "/{p}", "/a/b/{id:int}", "/"]


def operation(target: str, *, given: bool, servers: Any = (), **more: Any) -> str | None:
    """Return the name of the operation, and the path in the document."""
    paths: dict[str, Any] = {path: {"get": {}, "x-more": {}} for path in PATHS} | {"/none": {}}
    shop = document(paths, given=given, servers=list(servers))
    found = operation_of(shop, exchange(target, **more))
    return None if found is None else f"{found[0].name} {found[1]}"


@pytest.mark.parametrize(
    "target, more, found",
    [
        ("/items/3", {"route": "/items/{id}"}, "GET /items/{id} /items/3"),
        ("/items/me", {"route": "/items/{id}"}, "GET /items/{id} /items/me"),
        ("/items/me", {"route": "/items/me"}, "GET /items/me /items/me"),
        ("/outer/files/a/b", {"route": "/files/{p}"}, "GET /outer/files/{p} /outer/files/a/b"),
        ("/files/a/b", {"route": "/files/{p}"}, "GET /files/{p} /files/a/b"),
        ("/items/3", {"route": "/{id}", "parameters": frozenset({"id"})}, "GET /items/{id} /items/3"),
        (
            "/items/3",
            {"route": "/{id}", "parameters": frozenset({"kind", "id"})},
            "GET /{kind}/{id} /items/3",
        ),
        ("/items/3", {"route": "/{id}", "parameters": frozenset({"other"})}, "GET /items/{id} /items/3"),
        ("/a/b/3", {"route": "/a/b/{id}"}, "GET /a/b/{id} /a/b/3"),
        ("/v1/items/3", {"route": "/items/{id}", "root_path": "/v1"}, "GET /items/{id} /items/3"),
        ("/v1", {"route": "/", "root_path": "/v1/"}, "GET / /"),
        ("/v10/3", {"route": "/{kind}/{id}", "root_path": "/v1"}, "GET /{kind}/{id} /v10/3"),
        ("/hidden", {"route": "/hidden"}, None),
        ("/items/3", {}, None),
    ],
)
def test_the_route_of_the_app_decides(target: str, more: Any, found: str | None) -> None:
    assert operation(target, given=False, **more) == found


@pytest.mark.parametrize(
    "target, more, found",
    [
        ("/items/3", {}, "GET /items/{id} /items/3"),
        ("/items/me", {"parameters": frozenset()}, "GET /items/me /items/me"),
        ("/items/3", {"route": "/items/{item_id}"}, "GET /items/{id} /items/3"),
        ("/v1/items/3", {"root_path": "/v1"}, "GET /items/{id} /items/3"),
        (
            "/api/items/me",
            {"servers": [{"url": "https://example.org/api/"}, {"url": "/"}, 3]},
            "GET /items/me /items/me",
        ),
        ("/none", {}, "GET /{p} /none"),
        ("/x", {"method": "PUT"}, None),
        ("", {}, None),
    ],
)
def test_a_document_that_was_given_decides_by_its_templates(target: str, more: Any, found: str | None) -> None:
    assert operation(target, given=True, **more) == found

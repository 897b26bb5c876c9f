"""What a response comes to that is held against a document: each difference, and no noise."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import pytest

from asgi_testkit._contract.document import NoDocumentError
from asgi_testkit._contract.exchange import BODY_KEPT

from .contracts import JSON, answers, document, exchange, judged, told

ITEM = {"type": "object", "required": ["price"], "properties": {"price": {"type": "number"}}}
SHOP = document({"/": {"get": answers(ITEM)}})


def test_what_is_as_the_document_has_it_is_exercised_and_nothing_else() -> None:
    results = judged(SHOP, exchange(body={"price": 3}), exchange(body={"price": 4}))
    assert not results.findings
    assert results.exercised == {"shop 1": {"GET /": {"200 application/json": 2}}}
    assert results.counts == {"judged": 2}


@pytest.mark.parametrize(
    "made, expected",
    [
        (exchange(status=409), "undocumented status: GET / 409  : the document has 200"),
        (exchange(kind="text/plain"), "content type: GET / 200  : text/plain, where the document has application/json"),
        (exchange(kind=""), "content type: GET / 200  : no content type, where the document has application/json"),
        (exchange(body={}), 'schema: GET / 200 application/json $ an object with nothing in it: "price" is a required'),
        (exchange(body=b"<p>"), "schema: GET / 200 application/json $ : the body is no JSON"),
        (exchange(body=b'{"price": NaN}'), "schema: GET / 200 application/json $ : the body is no JSON"),
        (exchange(body=b"[" * 200_000), "schema: GET / 200 application/json $ : the body is no JSON"),
        (exchange(body=b""), "schema: GET / 200 application/json $ : the body is empty"),
        (
            exchange(body=b"", method="HEAD", kind="text/plain"),
            "content type: HEAD / 200  : text/plain, where the document has application/json",
        ),
    ],
)
def test_a_difference_is_found(made: Any, expected: str) -> None:
    both = document({"/": {"get": answers(ITEM), "head": answers(ITEM)}})
    [found] = told(judged(both, made))
    assert found.startswith(expected)


BARE = {"responses": {"200": {"description": ""}, "307": {"description": ""}}}
RANGES = {
    "responses": {
        "x-more": {},
        "200": answers(ITEM, kind="application/*")["responses"]["200"],
        "4XX": answers(ITEM, kind="*/*")["responses"]["200"],
        "default": {"$ref": "#/components/responses/Text"},
    }
}
NOISY = document(
    {
        "/": {"get": answers(ITEM), "head": answers(ITEM), "options": answers(ITEM)},
        "/bare": {"get": BARE},
        "/ranges": {"get": RANGES},
        "/no": {"get": {"responses": {"204": answers(ITEM)["responses"]["200"]}}},
        "/any": {"get": {"responses": {"200": {"content": {JSON: {}, "text/html": None}}}}},
        "/plus": {"get": answers(ITEM, kind="application/problem+json; charset=utf-8")},
    },
    components={"responses": {"Text": {"content": {"text/plain": {"schema": {"type": "string"}}}}}},
)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(exchange(body=b"", method="HEAD"), id="HEAD, whose body is none"),
        pytest.param(exchange("/bare", body=b"", kind=""), id="no body, and none documented"),
        pytest.param(
            exchange("/bare", body=b"moved", status=307, kind="text/plain"), id="a body that is not described"
        ),
        pytest.param(exchange(body=b"", kind=""), id="an empty body without a type"),
        pytest.param(exchange("/no", body=b"", status=204), id="204, which has no body"),
        pytest.param(exchange("/ranges", body={"price": 1}), id="a range of types"),
        pytest.param(exchange("/ranges", body={"price": 1}, status=404), id="a range of statuses"),
        pytest.param(exchange("/ranges", body=b"oops", status=500, kind="text/plain"), id="the default"),
        pytest.param(exchange("/any", body=[1]), id="JSON of any kind"),
        pytest.param(exchange("/any", body=b"<p>", kind="text/html; charset=utf-8"), id="no JSON"),
        pytest.param(exchange("/plus", body={"price": 1}, kind="Application/problem+JSON"), id="a kind of JSON"),
    ],
)
def test_what_is_no_difference_is_not_told(made: Any) -> None:
    results = judged(NOISY, made)
    assert told(results) == []
    assert results.counts["judged"] == 1


@pytest.mark.parametrize(
    "made, counted",
    [
        pytest.param(exchange("/unknown", status=404), "of no operation", id="an unknown path"),
        pytest.param(exchange(method="PUT", status=405), "of no operation", id="an unknown method"),
        pytest.param(
            exchange(method="OPTIONS", status=400, headers={"access-control-request-method": "GET"}),
            "of no operation",
            id="a preflight",
        ),
        pytest.param(exchange(status=500, raised=True), "failed", id="an app that raised"),
        pytest.param(exchange(status=None), "failed", id="no response"),
    ],
)
def test_what_is_about_no_operation_is_counted_and_not_told(made: Any, counted: str) -> None:
    results = judged(NOISY, made)
    assert told(results) == []
    assert results.counts == {counted: 1}


def compressed(body: Any, coding: str, compress: Any = gzip.compress) -> Any:
    return exchange(body=compress(json.dumps(body).encode()), response_headers={"content-encoding": [coding]})


@pytest.mark.parametrize("coding, compress", [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_a_compressed_body_is_judged(coding: str, compress: Any) -> None:
    assert told(judged(SHOP, compressed({"price": 1}, coding, compress))) == []
    assert len(told(judged(SHOP, compressed({"price": "1"}, coding, compress)))) == 1


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(exchange(body=b"1", more_body=True), id="not complete"),
        pytest.param(exchange(body=b'"' + b"x" * BODY_KEPT + b'"'), id="too long"),
        pytest.param(compressed(1, "br"), id="compressed in a way unknown here"),
        pytest.param(compressed(1, "gzip, br"), id="compressed twice"),
        pytest.param(compressed({"price": 1}, "gzip", lambda body: body), id="not compressed at all"),
        pytest.param(compressed(1, "gzip", lambda body: gzip.compress(body)[:-4]), id="compressed, and broken off"),
    ],
)
def test_of_a_body_that_is_not_known_status_and_type_are_judged(made: Any) -> None:
    results = judged(SHOP, made)
    assert told(results) == []
    assert results.counts == {"judged": 1, "with a body that was not judged": 1}
    made.response_headers["content-type"] = ["text/plain"]
    assert len(told(judged(SHOP, made))) == 1


def test_secrets_are_masked() -> None:
    schema = {
        "type": "object",
        "properties": {name: {"type": "integer"} for name in ("password", "echo", "pin", "token")},
        "required": ["name"],
    }
    made = exchange(
        "/?api_key=querysecret",
        body={"password": "hunter22", "echo": "Bearer s3cr3t-t0k3n querysecret", "pin": "a", "token": {"a": 1}},
        headers={"authorization": "Bearer s3cr3t-t0k3n"},
    )
    found = "\n".join(told(judged(document({"/": {"get": answers(schema)}}), made)))
    assert "hunter22" not in found
    assert "s3cr3t" not in found
    assert "querysecret" not in found
    assert "$.pin ***" in found
    assert '$.echo "Bearer *** ***"' in found


def test_each_is_told_once_with_the_first_test_that_shows_it() -> None:
    made = [exchange(body={"price": value}, test=test) for test, value in (("b", "1"), ("a", "2"), ("c", "3"))]
    [(_, sighting)] = judged(SHOP, *made).findings.items()
    assert (sighting.test, sighting.shown, sighting.count) == ("a", '"2"', 3)


def test_an_error_in_judging_is_told_and_not_raised() -> None:
    results = judged(SHOP, exchange(body={"price": 1}, headers={"x": 3}, response_headers={"content-type": [3]}))
    [trouble] = results.troubles
    assert trouble.startswith("a GET could not be judged: AttributeError in media_type, line ")


def test_a_document_without_info_and_paths_is_one() -> None:
    results = judged(document({}), exchange())
    assert results.documented == {"shop 1": {}}
    assert results.counts == {"of no operation": 1}


@pytest.mark.parametrize(
    "source, why",
    [
        ([], "it is no OpenAPI document, but of type list"),
        ({"openapi": "3.1.0", "paths": []}, "it is no OpenAPI document, but of type dict"),
        ({"swagger": "2.0", "paths": {}}, "it is no document of OpenAPI 3: its `openapi` is ''"),
    ],
)
def test_what_is_no_document_is_refused(source: Any, why: str) -> None:
    from asgi_testkit._contract.document import Document

    with pytest.raises(NoDocumentError) as caught:
        Document(source)
    assert str(caught.value) == why


def test_references_that_go_round_come_to_nothing() -> None:
    going_round = {"$ref": "#/components/responses/A"}
    responses = {"200": going_round, "201": {"$ref": "#/components/responses/B"}, "202": {"$ref": "other.json#/x"}}
    shop = document({"/": {"get": {"responses": responses}}}, components={"responses": {"A": going_round, "B": 3}})
    assert told(judged(shop, *(exchange(status=status) for status in (200, 201, 202)))) == []

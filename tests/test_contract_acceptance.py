"""What an app has accepted: parameters and bodies that its document does not allow, and nothing that it does."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from asgi_testkit._contract.exchange import BODY_KEPT

from .contracts import JSON, document, exchange, judged, told

ACCEPTED = {"204": {"description": ""}, "422": {"description": ""}}


def parameter(schema: Any = None, place: str = "query", *, required: bool = False, **more: Any) -> dict[str, Any]:
    given = {} if schema is None else {"schema": schema}
    return {"name": "p", "in": place, "required": required, **given, **more}


def of_parameter(described: Any, target: str = "/", **more: Any) -> list[str]:
    """Return what is told of the parameter `p` of a request that the app has accepted."""
    paths = {"/": {"get": {"parameters": [described], "responses": ACCEPTED}}}
    paths["/{p}"] = paths["/"]
    results = judged(document(paths), exchange(target, b"", 204, kind="", **more))
    assert results.counts == {"judged": 1}
    assert not results.troubles
    return [line.partition("GET ")[2] for line in told(results)]


INTEGER, NUMBER, TEXT, TRUTH = ({"type": kind} for kind in ("integer", "number", "string", "boolean"))
OPTIONAL = {"anyOf": [INTEGER, {"type": "null"}]}
NUMBERS = {"type": "array", "items": INTEGER}


@pytest.mark.parametrize(
    "described, target, more",
    [
        (parameter(INTEGER), "/?p=3", {}),
        (parameter(INTEGER), "/", {}),
        (parameter(INTEGER), "/?p=", {}),
        (parameter(OPTIONAL), "/?p=3", {}),
        (parameter(OPTIONAL), "/?p=null", {}),
        (parameter(NUMBER), "/?p=1.5", {}),
        (parameter(TEXT), "/?p=3", {}),
        (parameter({"type": "string", "enum": ["true"]}), "/?p=true", {}),
        (parameter(TRUTH), "/?p=Yes", {}),
        (parameter(TRUTH), "/?p=0", {}),
        (parameter(NUMBERS), "/?p=1&p=2", {}),
        (parameter(NUMBERS), "/?p=1", {}),
        (parameter(NUMBERS, explode=False), "/?p=1,2", {}),
        (parameter({"type": "object"}, style="deepObject"), "/?p[a]=1", {}),
        (parameter(), "/?p=3", {}),
        (parameter(content={JSON: {"schema": {"type": "object"}}}), '/?p={"a":1}', {}),
        (parameter(content={JSON: 3}), "/?p=3", {}),
        (parameter(INTEGER, "path", required=True), "/3", {}),
        (parameter(INTEGER, "path", required=True, name="other"), "/3", {}),
        (parameter(INTEGER, "header"), "/", {"headers": {"p": "3"}}),
        (parameter(NUMBERS, "header"), "/", {"headers": {"p": ["1", "2"]}}),
        (parameter(NUMBERS, "header"), "/", {"headers": {"p": "1,2"}}),
        (parameter(INTEGER, "header", required=True, name="Authorization"), "/", {}),
        (parameter(INTEGER, "cookie"), "/", {"headers": {"cookie": "p=3; q=a"}}),
        (parameter(INTEGER, "cookie"), "/", {}),
        (parameter(INTEGER, "cookie", required=True), "/", {"headers": {"cookie": 'a/b=c; p="3"'}}),
        (parameter(INTEGER, "elsewhere", required=True), "/", {}),
    ],
)
def test_a_parameter_that_is_allowed(described: Any, target: str, more: Any) -> None:
    assert of_parameter(described, target, **more) == []


@pytest.mark.parametrize(
    "described, target, more, expected",
    [
        (parameter(INTEGER), "/?p=x", {}, '/ p in query  "x": it is not of type "integer"'),
        (parameter({**INTEGER, "maximum": 3}), "/?p=4", {}, "/ p in query  4: it is greater than the maximum of 3"),
        (parameter({**TEXT, "maxLength": 1}), "/?p=44", {}, '/ p in query  "44": it is longer than 1 character'),
        (parameter(NUMBERS), "/?p=1&p=x", {}, '/ p in query $[*] "1": it is not of type "integer"'),
        (parameter(TRUTH), "/?p=2", {}, '/ p in query  "2": it is not of type "boolean"'),
        (parameter(INTEGER, required=True), "/", {}, "/ p in query  : it is required, and was missing"),
        (parameter(INTEGER, "path"), "/x", {}, '/{p} p in path  "x": it is not of type "integer"'),
        (parameter(INTEGER, "header", name="P"), "/", {"headers": {"p": "x"}}, '/ P in header  "x": it is not'),
        (parameter(INTEGER, "cookie"), "/", {"headers": {"cookie": "p=longer"}}, '/ p in cookie  "***": it is not of'),
        (parameter(INTEGER, name="pin"), "/?pin=x", {}, '/ pin in query  ***: it is not of type "integer"'),
        (parameter(content={JSON: {"schema": INTEGER}}), "/?p=x", {}, '/ p in query  "x": it is not of type "integer"'),
    ],
)
def test_a_parameter_that_is_not_allowed(described: Any, target: str, more: Any, expected: str) -> None:
    [found] = of_parameter(described, target, **more)
    assert found.startswith(expected)


def test_parameters_of_the_path_hold_for_its_methods_unless_they_have_their_own() -> None:
    own = {"name": "a", "in": "query", "schema": TEXT}
    shared = [{"$ref": "#/components/parameters/A"}, {"name": "b", "in": "query", "schema": INTEGER}]
    paths = {"/": {"parameters": shared, "get": {"parameters": [own], "responses": ACCEPTED}}}
    shop = document(paths, components={"parameters": {"A": {"name": "a", "in": "query", "schema": INTEGER}}})
    [found] = told(judged(shop, exchange("/?a=x&b=y", b"", 204, kind="")))
    assert "b in query" in found


def test_what_is_refused_is_not_judged() -> None:
    described = parameter(INTEGER)
    shop = document({"/": {"get": {"parameters": [described], "responses": ACCEPTED}}})
    assert told(judged(shop, exchange("/?p=x", b"", 422, kind=""))) == []


FORM = "application/x-www-form-urlencoded"


def of_body(content: Any, sent: Any, kind: str = "", *, required: bool = True, **headers: str) -> list[str]:
    """Return what is told of a body that the app has accepted."""
    body = {"required": required, "content": content}
    shop = document({"/": {"post": {"requestBody": body, "responses": ACCEPTED}}})
    headers |= {"content-type": kind} if kind else {}
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    results = judged(shop, exchange("/", b"", 204, kind="", method="POST", sent=sent, headers=headers))
    assert not results.troubles
    return [line.removeprefix("request body: POST / body ") for line in told(results)]


ITEM = {
    "type": "object",
    "required": ["id", "price"],
    "properties": {
        "id": {**INTEGER, "readOnly": True},
        "price": NUMBER,
        "tags": NUMBERS,
        "sale": TRUTH,
        "note": OPTIONAL,
    },
}
OF_JSON = {JSON: {"schema": ITEM}}
OF_FORM = {FORM: {"schema": ITEM}}


@pytest.mark.parametrize(
    "content, sent, kind",
    [
        (OF_JSON, {"price": 3}, JSON),
        (OF_JSON, {"price": "3"}, ""),
        ({JSON: {}}, b"<", JSON),
        ({JSON: None}, b"<", JSON),
        ({}, b"<", JSON),
        ({"text/plain": {"schema": INTEGER}}, b"x", "text/plain"),
        ({"multipart/form-data": {"schema": ITEM}}, b"x", "multipart/form-data; boundary=x"),
        (OF_JSON, b'"' + b"x" * BODY_KEPT + b'"', JSON),
        (OF_FORM, b"price=3", FORM),
        (OF_FORM, b"price=3&tags=1&tags=2&sale=on&note=null", FORM),
        (OF_FORM, b"price=3&tags=1&note=", FORM),
    ],
)
def test_a_body_that_is_allowed(content: Any, sent: Any, kind: str) -> None:
    assert of_body(content, sent, kind) == []


@pytest.mark.parametrize(
    "content, sent, kind, expected",
    [
        (OF_JSON, {"price": "3"}, JSON, '$.price "3": it is not of type "number"'),
        (OF_JSON, b"<", JSON, " : it is no JSON"),
        (OF_JSON, b"", "", " : a body is required, and it was empty"),
        (OF_JSON, b"price=3", FORM, f" : its content type is {FORM}, where the document has {JSON}"),
        (OF_FORM, b"price=x", FORM, '$.price "x": it is not of type "number"'),
        (OF_FORM, b"tags=1", FORM, '$ an object with tags: "price" is a required property'),
        (OF_FORM, b"price=1&tags=1&tags=x", FORM, '$.tags[*] "1": it is not of type "integer"'),
    ],
)
def test_a_body_that_is_not_allowed(content: Any, sent: Any, kind: str, expected: str) -> None:
    assert of_body(content, sent, kind)[:1] == [expected]


def test_no_body_is_right_where_none_is_required() -> None:
    assert of_body(OF_JSON, b"", required=False) == []


def test_a_compressed_body_is_judged() -> None:
    body = gzip.compress(b'{"price": "3"}')
    assert of_body(OF_JSON, body, JSON, content_encoding="gzip") == ['$.price "3": it is not of type "number"']
    assert of_body(OF_JSON, body, JSON, content_encoding="br") == []


def test_of_a_form_whose_fields_hang_together_nothing_is_told_that_it_may_be_wrong_about() -> None:
    either = {"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["b", "c"]}, {"required": ["d"]}]}
    assert of_body({FORM: {"schema": either}}, b"a=1", FORM) == []


def test_a_schema_that_is_none_is_told_of() -> None:
    nonsense = {"type": "nonsense"}
    operation = {
        "parameters": [parameter(nonsense)],
        "requestBody": {"content": {JSON: {"schema": nonsense}}},
        "responses": ACCEPTED,
    }
    made = exchange("/?p=1", b"", 204, kind="", method="POST", sent=1, headers={"content-type": JSON})
    results = judged(document({"/": {"post": operation}}), made)
    assert not results.findings
    assert [trouble.partition(" cannot")[0] for trouble in results.troubles] == [
        "the schema of POST / p in query",
        f"the schema of POST / request {JSON}",
    ]

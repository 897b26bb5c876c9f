"""The schemas of OpenAPI 3.0 and 3.1, as they hold for bodies."""

from __future__ import annotations

from typing import Any

import pytest

from .contracts import answers, document, exchange, judged, wrong

NUMBER = {"type": "number"}

#: A schema of OpenAPI 3.0, what fits, and what does not.
OLD = {
    "nullable": ({"type": "string", "nullable": True}, ["a", None], [3]),
    "not nullable": ({"type": "string"}, ["a"], [None]),
    "nullable, with an enum": ({"type": "string", "enum": ["a"], "nullable": True}, ["a", None], ["b", 3]),
    "nullable, whatever it is": ({"nullable": True, "allOf": [NUMBER]}, [1, None], ["a"]),
    "an exclusive bound": ({**NUMBER, "minimum": 3, "exclusiveMinimum": True}, [4], [3]),
    "a bound that is not exclusive": ({**NUMBER, "minimum": 3, "exclusiveMinimum": False}, [3], [2]),
    "a bound that is not there": ({**NUMBER, "exclusiveMaximum": True}, [3], ["a"]),
    "an exclusive bound, nullable": (
        {**NUMBER, "maximum": 3, "exclusiveMaximum": True, "nullable": True},
        [None, 2],
        [3],
    ),
    "what stands beside a reference": ({"$ref": "#/components/schemas/N", "maximum": 1}, [5], ["a"]),
    "an enum that looks like a schema": ({"enum": [{"nullable": True}]}, [{"nullable": True}], [None]),
}

#: The same of OpenAPI 3.1.
NEW = {
    "types": ({"type": ["string", "null"]}, ["a", None], [3]),
    "an exclusive bound": ({**NUMBER, "exclusiveMinimum": 3}, [4], [3]),
    "what stands beside a reference": ({"$ref": "#/components/schemas/N", "maximum": 1}, [1], [5, "a"]),
    "nullable, which is a word of 3.0": ({"type": "string", "nullable": True}, ["a"], [None]),
    "a reference into the document": ({"$ref": "#/components/schemas/Tree"}, [{"children": [{}]}], [{"children": [3]}]),
    "a reference to nowhere": ({"$ref": "#/components/schemas/Nope"}, [1, None], []),
    "a reference through nothing": ({"$ref": "#/info/title/x"}, [1], []),
    "a reference to another file": ({"$ref": "https://example.org/x.json"}, [1], []),
    "a reference into a list": ({"$ref": "#/components/schemas/Any/anyOf/1"}, ["a"], [1]),
    "anything": (True, [1, None], []),
    "nothing": (False, [], [1]),
    "what is no schema": ({"allOf": [3]}, [3], []),
    "lists and names": (
        {"prefixItems": [NUMBER], "properties": {"a": NUMBER}, "additionalProperties": False},
        [[1, "a"], {"a": 1}],
        [["a"], {"b": 1}],
    ),
    "a format": ({"type": "string", "format": "date-time"}, ["2026-01-01T00:00:00", "now"], []),
}

COMPONENTS = {
    "schemas": {
        "N": NUMBER,
        "Tree": {
            "type": "object",
            "properties": {"children": {"type": "array", "items": {"$ref": "#/components/schemas/Tree"}}},
        },
        "Any": {"anyOf": [NUMBER, {"type": "string"}]},
        "Cat": {
            "type": "object",
            "properties": {"kind": {"type": "string"}, "lives": {"type": "integer"}},
            "required": ["kind"],
        },
        "Dog": {
            "type": "object",
            "properties": {"kind": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["kind", "age"],
        },
        "Written": {"type": "string", "writeOnly": True},
    }
}

CASES = [
    pytest.param(version, *case, id=f"{version}-{name}")
    for version, cases in (("3.0.3", OLD), ("3.1.0", NEW))
    for name, case in cases.items()
]


@pytest.mark.parametrize("version, schema, fits, does_not", CASES)
def test_a_schema_holds(version: str, schema: Any, fits: list[Any], does_not: list[Any]) -> None:
    for value in fits:
        assert wrong(schema, value, version=version, components=COMPONENTS) == []
    for value in does_not:
        assert len(wrong(schema, value, version=version, components=COMPONENTS)) == 1


PETS = [{"$ref": "#/components/schemas/Cat"}, {"$ref": "#/components/schemas/Dog"}]


def pets(**discriminator: Any) -> dict[str, Any]:
    return {"oneOf": PETS, "discriminator": {"propertyName": "kind", **discriminator}}


@pytest.mark.parametrize(
    "schema, body, told",
    [
        (pets(), {"kind": "Cat", "lives": 9}, []),
        (pets(), {"kind": "Cat", "lives": "many"}, ['$.lives = "many": it is not of type "integer"']),
        (pets(), {"kind": "cow"}, ['$.kind = "cow": it is not one of "Cat" or "Dog"']),
        (pets(), {}, ['$ = an object with nothing in it: "kind" is a required property']),
        (pets(), 3, ['$ = 3: it is not of type "object"']),
        (pets(mapping={"d": "#/components/schemas/Dog"}), {"kind": "d", "age": 3}, []),
        (
            pets(mapping={"d": "Dog"}),
            {"kind": "d", "age": "old"},
            ['$.age = "old": it is not of type "integer"'],
        ),
        (
            pets(mapping={"1": "Cat", "true": "Dog"}),
            {"kind": 1, "lives": 1.5},
            # The discriminator is what a mapping, all of whose keys are text, has in its way.
            ['$.kind = 1: it is not of type "string"', '$.lives = 1.5: it is not of type "integer"'],
        ),
        (pets(mapping={"true": "Dog"}), {"kind": True, "age": 1}, ['$.kind = true: it is not of type "string"']),
        ({"discriminator": {"propertyName": "kind"}, "type": "object"}, {"kind": 3}, []),
        (
            {"discriminator": {"propertyName": "kind"}, "oneOf": [*PETS, {"type": "object", "maxProperties": 1}]},
            {"kind": "Dog", "lives": 3},
            [],
        ),
        ({"discriminator": "kind", "anyOf": PETS}, {"kind": "Dog", "lives": 3}, []),
    ],
)
def test_a_discriminator_decides(schema: Any, body: Any, told: list[str]) -> None:
    assert wrong(schema, body, components=COMPONENTS) == told


def test_what_stands_beside_alternatives_holds_as_well() -> None:
    schema = {**pets(), "allOf": [{"type": "object", "maxProperties": 2}]}
    found = wrong(schema, {"kind": "Cat", "lives": 9, "more": 1}, components=COMPONENTS)
    assert found == ["$ = an object with kind, lives, more: it has more than 2 properties"]


def const(kind: str, **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": ["kind"], "properties": {"kind": {"const": kind}, **properties}}


@pytest.mark.parametrize(
    "schema, body, told",
    [
        (
            {"anyOf": [const("a", n=NUMBER), const("b", s={"type": "string"})]},
            {"kind": "b", "s": 3},
            ['$.s = 3: it is not of type "string"'],
        ),
        (
            {"type": "object", "properties": {"n": {"anyOf": [NUMBER, {"type": "null"}]}}},
            {"n": "x"},
            ['$.n = "x": it is not of type "number" and it is not of type "null"'],
        ),
        ({"oneOf": [NUMBER, {"type": "integer"}]}, 3, ["$ = 3: it is valid under more than one of the schemas listed"]),
        ({"type": "array", "items": NUMBER}, [1, "a", "b"], ['$[*] = "a": it is not of type "number"']),
        (
            {"type": "object", "additionalProperties": NUMBER},
            {"a-b": "x"},
            ['$["a-b"] = "x": it is not of type "number"'],
        ),
        ({"type": "string"}, [1, 2], ['$ = an array of 2: it is not of type "string"']),
        ({"type": "integer"}, "x" * 100, [f'$ = "{"x" * 59}...: it is not of type "integer"']),
    ],
)
def test_what_is_told_is_of_use(schema: Any, body: Any, told: list[str]) -> None:
    found = wrong(schema, body, components=COMPONENTS)
    assert len(found) == len(told)
    assert all(line.startswith(start) for line, start in zip(found, told, strict=True))


@pytest.mark.parametrize(
    "written",
    [
        pytest.param({"type": "string", "writeOnly": True}, id="by itself"),
        pytest.param({"$ref": "#/components/schemas/Written"}, id="by reference"),
    ],
)
def test_a_response_lacks_what_is_only_written(written: Any) -> None:
    schema = {"type": "object", "properties": {"password": written, "name": {}}, "required": ["password", "name"]}
    assert wrong(schema, {"name": "a"}, version="3.0.3", components=COMPONENTS) == []
    assert len(wrong(schema, {"password": "a"}, version="3.0.3", components=COMPONENTS)) == 1


def test_nothing_is_looked_for_elsewhere() -> None:
    elsewhere = "https://example.org/schema.json"
    for schema in ({"$dynamicRef": elsewhere}, {"$ref": elsewhere}, {"$schema": elsewhere}, {"$id": elsewhere}):
        assert wrong({"type": "object", "properties": {"a": schema}}, {"a": 1}) == []


def test_a_schema_that_is_none_is_told_of_and_judges_nothing() -> None:
    paths = {"/": {"get": answers({"type": "nonsense"})}}
    results = judged(document(paths), exchange(body=1), exchange(body=2))
    assert not results.findings
    [(trouble, count)] = results.troubles.items()
    assert trouble.startswith("the schema of GET / 200 application/json cannot be used: ")
    assert count == 2

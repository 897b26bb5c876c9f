"""The schemas of an OpenAPI document as JSON Schema 2020-12, each by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

#: The keywords whose values are schemas, by name or in a list, or one schema. Others are copied as they are: an `enum`
#: may look like a schema.
_BY_NAME = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems")
_ONE = (
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties"),
)

#: What is of no use to a validator, and may be large; what OpenAPI has for itself; and what could make a validator look
#: elsewhere than in what it is given.
_DROPPED = frozenset(
    {
        *("title", "description", "default", "example", "examples", "deprecated", "$comment"),
        *("xml", "externalDocs", "discriminator", "nullable", "readOnly", "writeOnly"),
        *("$schema", "$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"),
    }
)

Resolve = Callable[[str], Any]


def json_schema(schema: Any, resolve: Resolve, *, old: bool, of_response: bool) -> dict[str, Any]:
    """Return a schema of a document, and those that it refers to, as one JSON Schema.

    Args:
        schema: That, as the document has it.
        resolve: Returns what a reference within the document points at, and raises LookupError if that is nothing.
        old: Whether the document is of OpenAPI 3.0, whose schemas are not quite JSON Schema.
        of_response: Whether a response is judged, which lacks what is ``writeOnly``, or a request, which lacks what is
            ``readOnly``.
    """
    return _Conversion(resolve, old=old, hidden="writeOnly" if of_response else "readOnly").run(schema)


class _Conversion:
    def __init__(self, resolve: Resolve, *, old: bool, hidden: str) -> None:
        self._resolve = resolve
        self._old = old
        self._hidden = hidden
        self._names: dict[str, str] = {}
        self._todo: deque[str] = deque()

    def run(self, schema: Any) -> dict[str, Any]:
        converted = self._converted(schema)
        found: dict[str, Any] = {}
        while self._todo:
            reference = self._todo.popleft()
            found[self._names[reference]] = self._converted(self._target(reference))
        return {"allOf": [converted], "$defs": found} if found else {"allOf": [converted]}

    def _target(self, reference: str) -> Any:
        try:
            return self._resolve(reference)
        except LookupError:  # in another file, or nowhere: anything is right then
            return True

    def _reference(self, reference: str) -> str:
        if reference not in self._names:
            self._names[reference] = f"d{len(self._names)}"
            self._todo.append(reference)
        return f"#/$defs/{self._names[reference]}"

    def _converted(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema if isinstance(schema, bool) else True
        reference = schema.get("$ref")
        if self._old and isinstance(reference, str):  # what stands beside it is ignored
            return {"$ref": self._reference(reference)}
        kept = {key: value for key, value in schema.items() if key not in _DROPPED}
        if isinstance(reference, str):
            kept["$ref"] = self._reference(reference)
        for key in _BY_NAME:
            if isinstance(kept.get(key), dict):
                kept[key] = {name: self._converted(each) for name, each in kept[key].items()}
        for key in _LISTED:
            if isinstance(kept.get(key), list):
                kept[key] = [self._converted(each) for each in kept[key]]
        for key in _ONE:
            if isinstance(kept.get(key), dict):
                kept[key] = self._converted(kept[key])
        self._leave_out_hidden(schema, kept)
        self._choose(schema, kept)
        return self._as_old(schema, kept) if self._old else kept

    def _leave_out_hidden(self, schema: Mapping[str, Any], kept: dict[str, Any]) -> None:
        """Require no property that goes the other way only."""
        required, properties = schema.get("required"), schema.get("properties")
        if isinstance(required, list) and isinstance(properties, dict):
            kept["required"] = [name for name in required if not self._is_hidden(properties.get(name))]

    def _is_hidden(self, schema: Any) -> bool:
        if isinstance(schema, dict) and isinstance(schema.get("$ref"), str) and self._old:
            schema = self._target(schema["$ref"])
        return isinstance(schema, dict) and schema.get(self._hidden) is True

    def _choose(self, schema: Mapping[str, Any], kept: dict[str, Any]) -> None:
        """Have the discriminator decide between alternatives, so that what is wrong is told of the right one."""
        discriminator = schema.get("discriminator")
        keyword = next((key for key in ("oneOf", "anyOf") if isinstance(schema.get(key), list)), None)
        if not isinstance(discriminator, dict) or keyword is None:
            return
        name, mapping = discriminator.get("propertyName"), discriminator.get("mapping") or {}
        alternatives = [each["$ref"] for each in schema[keyword] if isinstance(each, dict) and "$ref" in each]
        if not isinstance(name, str) or len(alternatives) < len(schema[keyword]):
            return
        values: dict[str, list[Any]] = {reference: [] for reference in alternatives}
        for value, target in mapping.items():
            reference = target if target in values else f"#/components/schemas/{target}"
            values.setdefault(reference, []).extend(_spellings(value))
        for reference, named in values.items():
            if not named:
                named.append(reference.rpartition("/")[2])
        del kept[keyword]
        kept["allOf"] = [
            *kept.get("allOf", ()),
            {
                "type": "object",
                "required": [name],
                "properties": {name: {"enum": [value for named in values.values() for value in named]}},
            },
            *(
                {
                    "if": {"type": "object", "required": [name], "properties": {name: {"enum": named}}},
                    "then": {"$ref": self._reference(reference)},
                }
                for reference, named in values.items()
            ),
        ]

    def _as_old(self, schema: Mapping[str, Any], kept: dict[str, Any]) -> dict[str, Any]:
        """Return what OpenAPI 3.0 says in another way than JSON Schema."""
        for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
            if isinstance(kept.get(bound), bool) and kept.pop(bound) and limit in kept:
                kept[bound] = kept.pop(limit)
        if schema.get("nullable") is not True:
            return kept
        if isinstance(kept.get("type"), str) and "enum" not in kept:
            return kept | {"type": [kept["type"], "null"]}
        return {"anyOf": [kept, {"type": "null"}]}


def _spellings(value: str) -> list[Any]:
    """Return what a discriminator may be that a mapping, whose keys are all text, has as this."""
    literals: dict[str, Any] = {"true": True, "false": False}
    if value in literals:
        return [value, literals[value]]
    try:
        return [value, int(value)]
    except ValueError:
        return [value]

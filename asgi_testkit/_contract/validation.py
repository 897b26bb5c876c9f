"""Holds JSON against a JSON Schema, and tells of what is wrong where. It alone knows jsonschema-rs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jsonschema_rs

#: What stands for the value in what is told: values are shown apart, as far as they may be.
_IT = "it"

#: How many things are told of one value.
_MOST_TOLD = 10


#: Stands for no value, for `None` is one.
NOTHING = object()


class Problem(NamedTuple):
    """Something wrong with a value.

    Attributes:
        path: Where in it, keys and indices.
        what: What is wrong.
        value: What is there; `NOTHING` for nothing that could be shown.
        keyword: By which keyword of the schema; "" if it is not by one.
    """

    path: tuple[str | int, ...]
    what: str
    value: Any = NOTHING
    keyword: str = ""


class Check:
    """A JSON Schema, ready to hold values against."""

    def __init__(self, schema: dict[str, Any]) -> None:
        """Prepare it. Formats are annotations, as JSON Schema has them, and not checked.

        Raises:
            ValueError: It is no schema that this can be done with.
        """
        self._validator = jsonschema_rs.Draft202012Validator(schema, validate_formats=False, mask=_IT)

    def fits(self, value: Any) -> bool:
        """Whether nothing is wrong with a value."""
        return self._validator.is_valid(value)

    def problems(self, value: Any) -> list[Problem]:
        """Return what is wrong with a value, or the beginning of it."""
        if self.fits(value):
            return []
        found = [problem for error in self._validator.iter_errors(value) for problem in _told(error)]
        return found[:_MOST_TOLD]


def _told(error: Any) -> Iterator[Problem]:
    """Yield what an error comes to: of alternatives, what is wrong with the one that comes closest."""
    alternatives: list[list[Any]] = getattr(error.kind, "context", None) or []
    if _keyword(error) == "oneOf" and any(not each for each in alternatives):
        alternatives = []  # several fit
    here = len(error.instance_path)
    inner = [each for each in alternatives if any(len(one.instance_path) > here for one in each)]
    if inner:
        for each in min(inner, key=lambda errors: (_tells_alternatives_apart(errors), len(errors))):
            yield from _told(each)
        return
    what = " and ".join(dict.fromkeys(one.message for each in alternatives for one in each[:1])) or error.message
    yield Problem(tuple(error.instance_path), what, error.instance, _keyword(error))


def _tells_alternatives_apart(errors: list[Any]) -> bool:
    """Whether a value is not of this alternative at all, by what is fixed in it."""
    return any(_keyword(error) in {"const", "enum"} for error in errors)


def _keyword(error: Any) -> str:
    """Return the keyword by which something is wrong; what a schema of `false` refuses, it refuses by none."""
    return str(error.schema_path[-1]) if error.schema_path else ""

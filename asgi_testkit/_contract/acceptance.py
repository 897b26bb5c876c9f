"""What an app has accepted though its document does not allow it: parameters, and bodies of requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from .document import Operation, content_of
from .exchange import Exchange
from .media import decoded, is_json, media_type, parsed, promise_for
from .validation import Check, Problem

#: Headers that are no parameters, whatever a document says (OpenAPI 3.1, "Parameter Object", name).
_NO_PARAMETERS = frozenset({"accept", "content-type", "authorization"})

#: What is read as a truth value, as pydantic does it, and others.
_TRUE = frozenset({"true", "1", "yes", "on", "t", "y"})
_FALSE = frozenset({"false", "0", "no", "off", "f", "n"})

_FORM = "application/x-www-form-urlencoded"


@dataclass
class Problems:
    """What is wrong with a request.

    Attributes:
        of_parameters: What is wrong with which parameter, by its name and its place.
        of_body: What is wrong with the body.
        troubles: What could not be judged.
    """

    of_parameters: list[tuple[str, str, Problem]] = field(default_factory=list)
    of_body: list[Problem] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)


def problems_of_request(operation: Operation, exchange: Exchange, path: str) -> Problems:
    """Return what is wrong with a request that the app has accepted; `path` is its path as the document has it."""
    problems = Problems()
    _judge_parameters(operation, exchange, path, problems)
    _judge_body(operation, exchange, problems)
    return problems


def _judge_parameters(operation: Operation, exchange: Exchange, path: str, problems: Problems) -> None:
    given = _Given(operation, exchange, path)
    for parameter in operation.parameters:
        place, name = str(parameter.get("in")), str(parameter.get("name"))
        values = given.values(place, name)
        if values is None:
            continue
        if not values:
            if parameter.get("required") is True:
                problems.of_parameters.append((name, place, Problem((), "it is required, and was missing")))
            continue
        check = _check_of(operation, parameter, place, name)
        if isinstance(check, str):
            problems.troubles.append(check)
        elif check is not None and "" not in values:  # which many apps take for none
            is_json_text = "schema" not in parameter
            readings = list(_of_json(values) if is_json_text else readings_of(values, parameter))
            if not any(check.fits(each) for each in readings):
                problems.of_parameters.append((name, place, _closest(check, readings)))


def _check_of(operation: Operation, parameter: dict[str, Any], place: str, name: str) -> Check | str | None:
    """Return what holds a parameter against its schema; None where it has none, or its style has no plain values."""
    schema = parameter.get("schema")
    if schema is None:
        schema = next((each.get("schema") for each in content_of(parameter).values() if isinstance(each, dict)), None)
    if schema is None or parameter.get("style", "form") not in {"form", "simple"}:
        return None
    return operation.document.check((operation.name, name, "in", place), schema, of_response=False)


def _of_json(values: list[str]) -> Iterator[Any]:
    for value in values:
        try:
            yield json.loads(value)
        except ValueError:
            yield value


def _closest(check: Check, readings: list[Any]) -> Problem:
    """Return what is wrong with that reading of a value that says most: a number out of bounds is no wrong type."""
    told = [check.problems(each)[0] for each in readings]
    return next((each for each in told if "is not of type" not in each.what), told[0])


class _Given:
    """The parameters of a request, by their places."""

    def __init__(self, operation: Operation, exchange: Exchange, path: str) -> None:
        self._exchange = exchange
        self._path = operation.template.values(path)
        self._query: dict[str, list[str]] = {}
        for name, value in parse_qsl(exchange.query.decode("latin-1"), keep_blank_values=True):
            self._query.setdefault(name, []).append(value)

    def values(self, place: str, name: str) -> list[str] | None:
        """Return the values of a parameter; None if nothing can be said of it."""
        match place:
            case "query":
                return self._query.get(name, [])
            case "path":
                return [self._path[name]] if name in self._path else None
            case "header" if name.lower() not in _NO_PARAMETERS:
                return self._exchange.headers.get(name.lower(), [])
            case "cookie":
                return self._cookie(name)
        return None

    def _cookie(self, name: str) -> list[str]:
        cookies = [part for value in self._exchange.headers.get("cookie", ()) for part in value.split(";")]
        pairs = [cookie.partition("=") for cookie in cookies]
        return [value.strip().strip('"') for key, _, value in pairs if key.strip() == name][:1]


def readings_of(values: list[str], parameter: dict[str, Any]) -> Iterator[Any]:
    """Yield what the values of a parameter, or of a field of a form, may stand for.

    Which of it is meant, the schema says, in one way or another: what fits in any of them is right.
    """
    if len(values) == 1:
        yield from _readings(values[0])
        if parameter.get("explode") is False or parameter.get("in") in {"header", "path"}:
            values = values[0].split(",")
    for kind in _KINDS:
        yield [kind(value) for value in values]


def _readings(text: str) -> Iterator[Any]:
    """Yield what a text may stand for: itself, a number, a truth value, nothing."""
    yield text
    for kind in (_number, _truth, _nothing):
        reading = kind(text)
        if reading is not text:
            yield reading


def _number(text: str) -> Any:
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text


def _truth(text: str) -> Any:
    return text.lower() in _TRUE if text.lower() in _TRUE | _FALSE else text


def _nothing(text: str) -> Any:
    return None if text.lower() in {"null", "none"} else text


#: What the values of a list, or of a form, may all be, as far as they can.
_KINDS: tuple[Callable[[str], Any], ...] = (str, _number, _truth, _nothing)

#: What may be wrong with a form as a whole. What else is said of it, its fields would have to be known better for.
_OF_A_FORM = frozenset({"required", "additionalProperties"})


def _judge_body(operation: Operation, exchange: Exchange, problems: Problems) -> None:
    content = content_of(operation.body)
    body = exchange.request.content
    if not content or body is None:  # the app has not read it, or it is too long
        return
    if not body:
        if operation.body.get("required") is True and not exchange.headers.get("content-encoding"):
            problems.of_body.append(Problem((), "a body is required, and it was empty"))
        return
    kind = media_type(exchange.headers)
    if not kind:
        return  # the app may take it for what it likes (RFC 9110, 8.3)
    allowed = promise_for(kind, content)
    if allowed is None:
        told = f"its content type is {kind}, where the document has {', '.join(sorted(content))}"
        problems.of_body.append(Problem((), told))
        return
    schema = content[allowed].get("schema") if isinstance(content[allowed], dict) else None
    plain = decoded(body, exchange.headers)
    if schema is None or plain is None or not (is_json(kind) or kind == _FORM):
        return
    check = operation.document.check((operation.name, "request", allowed), schema, of_response=False)
    if isinstance(check, str):
        problems.troubles.append(check)
    elif kind == _FORM:
        _judge_form(plain, check, problems)
    else:
        try:
            value = parsed(plain)
        except ValueError:
            problems.of_body.append(Problem((), "it is no JSON"))
            return
        problems.of_body.extend(check.problems(value))


def _judge_form(body: bytes, check: Check, problems: Problems) -> None:
    """Judge a form, all of whose values are text, and an empty one of which many apps take for none."""
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        fields.setdefault(name, []).append(value)
    filled = {name: values for name, values in fields.items() if "" not in values}
    form = _form(fields, str)
    for name, values in filled.items():
        for reading in readings_of(values, {}):
            if not any(problem.path[:1] == (name,) for problem in check.problems({**form, name: reading})):
                form[name] = reading
                break
    readings = [form, *(_form(given, kind) for given in (fields, filled) for kind in _KINDS)]
    if not any(map(check.fits, readings)):
        found = check.problems(form)
        problems.of_body.extend(problem for problem in found if problem.path and problem.path[0] in filled)
        problems.of_body.extend(problem for problem in found if not problem.path and problem.keyword in _OF_A_FORM)


def _form(fields: dict[str, list[str]], kind: Callable[[str], Any]) -> dict[str, Any]:
    read = {name: [kind(value) for value in values] for name, values in fields.items()}
    return {name: values[0] if len(values) == 1 else values for name, values in read.items()}

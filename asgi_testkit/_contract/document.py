"""Document: an OpenAPI document, and the operations in it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

from .schema import json_schema
from .validation import Check

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")

#: How many references may point at each other in a row.
_MOST_REFERENCES = 50

_PARAMETER = re.compile(r"\{([^{}:]*)(:[^{}]*)?\}")


class NoDocumentError(Exception):
    """There is no document, or what there is, is none; the text says why."""


def shape_of(text: str) -> str:
    """Return a path with parameters in it without their names."""
    return _PARAMETER.sub("{}", text)


class Template:
    """A path with parameters in it, as a document has it.

    Attributes:
        text: That, without what a framework may have written into it of the kind of a parameter.
        shape: The same without the names of the parameters.
        names: Of the parameters.
    """

    def __init__(self, text: str) -> None:
        """Prepare it."""
        self.text: str = _PARAMETER.sub(r"{\1}", text)
        self.shape: str = shape_of(text)
        self.names: frozenset[str] = frozenset(name for name, _ in _PARAMETER.findall(text))

    def match(self, path: str, *, slashes: bool = False) -> re.Match[str] | None:
        """Fit a path into it; `slashes`: whether a parameter may hold some."""
        return (self._wide if slashes else self._narrow).fullmatch(path)

    @property
    def order(self) -> tuple[int, int]:
        """What templates are ordered by that fit the same path, the most concrete first."""
        return len(self.names), -len(self.text)

    @cached_property
    def _narrow(self) -> re.Pattern[str]:
        return self._pattern("[^/]+")

    @cached_property
    def _wide(self) -> re.Pattern[str]:
        return self._pattern(".*")

    def _pattern(self, parameter: str) -> re.Pattern[str]:
        fixed = [re.escape(part) for part in re.split(r"\{[^{}]*\}", self.text)]
        return re.compile(f"({parameter})".join(fixed), re.DOTALL)

    def values(self, path: str) -> dict[str, str]:
        """Return the parameters of a path that fits."""
        found = self.match(path) or self.match(path, slashes=True)
        assert found is not None
        return dict(zip(re.findall(r"\{([^{}]*)\}", self.text), found.groups(), strict=True))


class Operation:
    """What a document says of a method of a path.

    Attributes:
        document: The document.
        method: In upper case.
        template: The path.
        parameters: What it says of each parameter, references followed.
        body: What it says of a request's body; empty for nothing.
        responses: What it says of each response, by status, such as ``"200"``, ``"4XX"`` or ``"default"``.
    """

    def __init__(self, document: Document, method: str, template: Template, *, path: Any, own: Any) -> None:
        """Read it: `path` is what is said of all methods of the path, `own` what of this one."""
        self.document: Document = document
        self.method: str = method
        self.template: Template = template
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for each in (*_listed(path.get("parameters")), *_listed(own.get("parameters"))):
            parameter = document.follow(each)
            found[str(parameter.get("in")), str(parameter.get("name"))] = parameter
        self.parameters: list[dict[str, Any]] = list(found.values())
        self.body: dict[str, Any] = document.follow(own.get("requestBody"))
        responses = document.follow(own.get("responses"))
        self.responses: dict[str, dict[str, Any]] = {
            str(status): document.follow(each) for status, each in responses.items() if not str(status).startswith("x-")
        }

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.method} {self.template.text}"

    def response(self, status: int) -> tuple[str, dict[str, Any]] | None:
        """Return what is said of responses with a status, and as what; None for nothing."""
        for key in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default"):
            if key in self.responses:
                return key, self.responses[key]
        return None

    def documented(self) -> dict[str, list[str]]:
        """Return the statuses that it has, with their media types."""
        return {status: sorted(content_of(response)) for status, response in sorted(self.responses.items())}


def content_of(thing: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a response, a body or a parameter may consist of, by media type."""
    content = thing.get("content")
    return content if isinstance(content, dict) else {}


class Document:
    """An OpenAPI document, of version 3.0 or later.

    Attributes:
        title: Of the API, with its version.
        prefixes: The paths of its servers, where these are not the root.
        given: Whether it was given for all apps, and none of these has made it.
    """

    def __init__(self, source: Any, *, given: bool = False) -> None:
        """Read it.

        Raises:
            NoDocumentError: It is no such document.
        """
        if not isinstance(source, dict) or not isinstance(source.get("paths", {}), dict):
            msg = f"it is no OpenAPI document, but of type {type(source).__name__}"
            raise NoDocumentError(msg)
        version = str(source.get("openapi", ""))
        if not version.startswith("3."):
            msg = f"it is no document of OpenAPI 3: its `openapi` is {version!r}"
            raise NoDocumentError(msg)
        self.given: bool = given
        self._source = source
        self._old = version.startswith("3.0")
        info = self.follow(source.get("info"))
        self.title: str = f"{info.get('title', 'untitled')} {info.get('version', '')}".strip()
        servers = [str(self.follow(each).get("url", "")) for each in _listed(source.get("servers"))]
        self.prefixes: list[str] = [prefix for url in servers if (prefix := urlsplit(url).path.rstrip("/"))]
        self._checks: dict[tuple[str, ...], Check | str] = {}

    @cached_property
    def operations(self) -> dict[str, dict[str, Operation]]:
        """Its operations, by the text of the template, and by method."""
        found: dict[str, dict[str, Operation]] = {}
        for text, each in self._source.get("paths", {}).items():
            path = self.follow(each)
            template = Template(str(text))
            own = {
                method.upper(): Operation(self, method.upper(), template, path=path, own=path[method])
                for method in METHODS
                if isinstance(path.get(method), dict)
            }
            found.setdefault(template.text, {}).update(own)
        return found

    @cached_property
    def templates(self) -> list[Template]:
        """Those of its paths, the most concrete ones first."""
        paths = [next(iter(own.values())).template for own in self.operations.values() if own]
        return sorted(paths, key=lambda template: template.order)

    def all_operations(self) -> Iterator[Operation]:
        """Yield its operations."""
        for own in self.operations.values():
            yield from own.values()

    def check(self, key: tuple[str, ...], schema: Any, *, of_response: bool) -> Check | str:
        """Return what holds values against a schema, made but once for a key; or why there is none."""
        if key not in self._checks:
            converted = json_schema(schema, self._pointed_at, old=self._old, of_response=of_response)
            try:
                self._checks[key] = Check(converted)
            except ValueError as error:
                reason = str(error).partition("\n")[0]
                self._checks[key] = f"the schema of {' '.join(key)} cannot be used: {reason}"
        return self._checks[key]

    def follow(self, thing: Any) -> dict[str, Any]:
        """Return a thing, or what it refers to; nothing in its place if that is not there."""
        for _ in range(_MOST_REFERENCES):
            if not isinstance(thing, dict):
                return {}
            if not isinstance(thing.get("$ref"), str):
                return thing
            try:
                thing = self._pointed_at(thing["$ref"])
            except LookupError:
                return {}
        return {}

    def _pointed_at(self, reference: str) -> Any:
        """Return what a reference points at (RFC 6901, in a URI fragment).

        Raises:
            LookupError: Nothing in this document.
        """
        if not reference.startswith("#"):
            raise LookupError(reference)
        thing: Any = self._source
        for part in unquote(reference[1:]).split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            match thing:
                case dict():
                    thing = thing[key]
                case list() if key.isdecimal():
                    thing = thing[int(key)]
                case _:
                    raise LookupError(reference)
        return thing


def _listed(thing: Any) -> list[Any]:
    return thing if isinstance(thing, list) else []

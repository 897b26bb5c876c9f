"""Where documents come from: the app, which is asked as a function, without a request that a test might count."""

from __future__ import annotations

import json
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from .document import Document, NoDocumentError

#: How many documents are remembered: to make one takes a while, and each test may make its app anew.
_REMEMBERED = 16

#: What the document of a FastAPI application depends on: of itself, of each route, and of routers that are included.
_OF_APP = ("title", "version", "openapi_version", "servers", "root_path", "root_path_in_servers")
_OF_ROUTE = (
    *("path", "methods", "endpoint", "response_model", "response_class", "status_code", "responses"),
    *("openapi_extra", "dependencies", "stream_item_type"),
)
_OF_INCLUSION = ("prefix", "responses", "default_response_class", "include_in_schema", "dependencies")

#: How deep routers are looked into that include each other.
_DEEPEST = 20


class Documents:
    """The documents of the apps, or the one that was given for all of them."""

    def __init__(self, given: Document | None = None) -> None:
        """Begin with none, or with the one that was given."""
        self._given = given
        self._remembered: OrderedDict[Any, Document | NoDocumentError] = OrderedDict()
        self._of_round: dict[int, tuple[Any, Document | NoDocumentError]] = {}

    def new_round(self) -> None:
        """Look anew whether apps are still what they were: they may have got more routes."""
        self._of_round.clear()

    def of(self, app: Any) -> Document:
        """Return the document of an app, which is None if none has said that it is the one.

        Raises:
            NoDocumentError: It has none.
        """
        if self._given is not None:
            return self._given
        if id(app) not in self._of_round:
            self._of_round[id(app)] = app, self._found(app)
        document = self._of_round[id(app)][1]
        if isinstance(document, NoDocumentError):
            raise document
        return document

    def _found(self, app: Any) -> Document | NoDocumentError:
        try:
            key = fingerprint(app)
            if key not in self._remembered:
                self._remembered[key] = self._made(app)
        except Exception as error:  # an app is whatever it is
            return NoDocumentError(f"its document cannot be made: {type(error).__name__}: {error}")
        self._remembered.move_to_end(key)
        if len(self._remembered) > _REMEMBERED:
            self._remembered.popitem(last=False)
        return self._remembered[key]

    def _made(self, app: Any) -> Document | NoDocumentError:
        try:
            return Document(source_of(app))
        except NoDocumentError as error:
            return error


def source_of(app: Any) -> Any:
    """Return what an app has as its document: FastAPI's ``openapi()``, Litestar's ``openapi_schema``.

    Raises:
        NoDocumentError: It has neither.
    """
    with warnings.catch_warnings():  # they are about the document, and for whoever asks for it
        warnings.simplefilter("ignore")
        if callable(getattr(app, "openapi", None)):
            made_already = getattr(app, "openapi_schema", None) is not None
            try:
                return app.openapi()
            finally:
                if not made_already:  # an app may keep it, and add no more routes to it
                    app.openapi_schema = None
        schema: Any = getattr(app, "openapi_schema", None)
        if hasattr(schema, "to_schema"):
            return schema.to_schema()
    msg = "no OpenAPI document is known of it. The setting asgi_openapi can name one"
    raise NoDocumentError(msg)


def fingerprint(app: Any) -> Any:
    """Return what is the same for apps whose documents are."""
    schema = getattr(app, "openapi_schema", None)
    if not hasattr(app, "openapi"):
        return _Same(app), _Same(schema)
    routes = tuple(_routes(app.routes, 0))
    if schema is not None:
        return _Same(app), _Same(schema), *routes
    own = vars(app).get("openapi")
    return type(app), _Same(own), *(repr(getattr(app, name, None)) for name in _OF_APP), *routes


def _routes(routes: Any, depth: int) -> Iterator[Any]:
    for route in routes:
        router, context = getattr(route, "original_router", None), getattr(route, "include_context", None)
        if router is not None and context is not None and depth < _DEEPEST:  # how FastAPI includes one, since 0.137
            yield tuple(repr(getattr(context, name, None)) for name in _OF_INCLUSION)
            yield from _routes(router.routes, depth + 1)
            yield None
        elif hasattr(route, "endpoint"):
            if getattr(route, "include_in_schema", True):
                told = [getattr(route, name, None) for name in _OF_ROUTE]
                yield type(route), _Same(route.endpoint), *map(repr, told)
        elif not hasattr(route, "app"):  # what is mounted has a document of its own; of others, nothing is known
            yield _Same(route)


class _Same:
    """A thing as a key: equal to itself alone, and alive meanwhile, so that no other gets its id."""

    def __init__(self, thing: Any) -> None:
        self._thing = thing

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self._thing is other._thing

    def __hash__(self) -> int:
        return id(self._thing)


def given(where: str, folder: Path) -> Document:
    """Return the document that a setting names: a file of JSON, or ``module:function``, which returns one.

    Args:
        where: That.
        folder: What a path is relative to.

    Raises:
        NoDocumentError: There is none, or it is none.
    """
    module, colon, name = where.partition(":")
    try:
        if colon and name.isidentifier() and all(part.isidentifier() for part in module.split(".")):
            made = getattr(import_module(module), name)
            source = made() if callable(made) else made
        else:
            source = json.loads((folder / where).read_bytes())
    except Exception as error:
        msg = f"{where} cannot be had: {type(error).__name__}: {error}"
        raise NoDocumentError(msg) from error
    return Document(source, given=True)
